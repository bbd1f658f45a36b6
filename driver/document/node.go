package document

import (
	"iter"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/jsonvalue"
)

// Value returns a node as a JSON value of package jsonvalue. Keys keep the order
// of the document. Numbers keep their digits where JSON allows that form.
func Value(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		o := make(jsonvalue.Object, 0, len(n.Content)/2)
		for key, v := range Pairs(n) {
			k := key.Value
			if v.Tag == BinaryTag {
				k += "_base64" // as JSON says it
			}
			o = append(o, jsonvalue.Member{Key: k, Value: Value(v)})
		}
		return o
	case yaml.SequenceNode:
		l := make([]any, len(n.Content))
		for i, c := range n.Content {
			l[i] = Value(c)
		}
		return l
	}
	switch n.Tag {
	case "!!bool":
		return Truth(n)
	case "!!int", "!!float":
		v, _ := number(n)
		return v
	case "!!str", BinaryTag:
		return n.Value
	}
	return nil
}

// Describe returns words for a node in an error message, such as "a map".
func Describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		if len(n.Content) == 0 {
			return "an empty map"
		}
		return "a map"
	case yaml.SequenceNode:
		if len(n.Content) == 0 {
			return "an empty list"
		}
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return n.Value
	case BinaryTag:
		return "bytes (!!binary)"
	}
	return "the text " + excerpt.Quote(n.Value)
}

// ScalarText returns a scalar as it was written, for keys that take only text:
// numbers and truth values count as text there, and null is empty. ok is false
// for a map, a list and bytes.
func ScalarText(n *yaml.Node) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == BinaryTag {
		return "", false
	}
	if n.Tag == "!!null" {
		return "", true
	}
	return n.Value, true
}

// Pairs iterates over the keys of a map and their values.
func Pairs(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// Child returns the value of a key of a map. It is nil without the key, and if n
// is not a map.
func Child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for k, v := range Pairs(n) {
		if k.Value == key {
			return v
		}
	}
	return nil
}

// Field returns the value of a key, or n itself without the key: the nearest place
// for an error.
func Field(n *yaml.Node, key string) *yaml.Node {
	if v := Child(n, key); v != nil {
		return v
	}
	return n
}

func Has(n *yaml.Node, key string) bool { return Child(n, key) != nil }

// AppendJSON appends a node as compact JSON, in the form of [Value].
func AppendJSON(b []byte, n *yaml.Node) []byte {
	b, _ = jsonvalue.Append(b, Value(n)) // each value of a document has a JSON form
	return b
}
