package scenario

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
)

// number is the value of a scalar tagged !!int or !!float: an int64 where it
// was written as a whole number and fits, else a float64.
func number(n *yaml.Node) (any, error) {
	s := strings.ReplaceAll(n.Value, "_", "")
	if n.Tag == "!!int" || n.Tag == "tag:yaml.org,2002:int" {
		if i, err := strconv.ParseInt(s, 0, 64); err == nil {
			return i, nil
		}
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return i, nil
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		if u, uerr := strconv.ParseUint(s, 0, 64); uerr == nil {
			return float64(u), nil
		}
	}
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, faultf(n, "expected a number, found %q", n.Value)
	}
	return f, nil
}

// truth is the value of a scalar tagged !!bool.
func truth(n *yaml.Node) bool {
	switch strings.ToLower(n.Value) {
	case "true", "yes", "on":
		return true
	}
	return false
}

// value is a node as a JSON value: nil, bool, int64, float64, string, []any or
// map[string]any.
func value(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = value(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		l := make([]any, len(n.Content))
		for i, c := range n.Content {
			l[i] = value(c)
		}
		return l
	}
	switch n.Tag {
	case "!!bool":
		return truth(n)
	case "!!int", "!!float":
		v, _ := number(n)
		return v
	case "!!str":
		return n.Value
	}
	return nil
}

// describe names a node for an error message.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return n.Value
	}
	s := n.Value
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return fmt.Sprintf("the text %q", s)
}

// scalarText is a scalar as it was written: numbers and words count as text
// where only text can be meant. Null is empty.
func scalarText(n *yaml.Node) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		return "", false
	}
	if n.Tag == "!!null" {
		return "", true
	}
	return n.Value, true
}

// field gives the value of a key that is there.
func field(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return n
}

// The helpers below build maps out of maps; the nodes in them are shared.

func has(n *yaml.Node, key string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

func mapping(at *yaml.Node, content []*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: at.Line, Column: at.Column, Content: content}
}

// listed is the map {key: items}.
func listed(key string, items []*yaml.Node, at *yaml.Node) *yaml.Node {
	k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Line: at.Line, Column: at.Column}
	l := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: at.Line, Column: at.Column, Content: items}
	return mapping(at, []*yaml.Node{k, l})
}

// merged is n with the keys of more that n does not have.
func merged(n, more *yaml.Node) *yaml.Node {
	out := slices.Clone(n.Content)
	own := make(map[string]bool, len(out)/2)
	for i := 0; i+1 < len(out); i += 2 {
		own[out[i].Value] = true
	}
	for i := 0; i+1 < len(more.Content); i += 2 {
		if !own[more.Content[i].Value] {
			out = append(out, more.Content[i], more.Content[i+1])
		}
	}
	return mapping(more, out)
}

func without(n *yaml.Node, keys ...string) *yaml.Node {
	return filtered(n, func(k string) bool { return !slices.Contains(keys, k) })
}

func only(n *yaml.Node, keys ...string) *yaml.Node {
	return filtered(n, func(k string) bool { return slices.Contains(keys, k) })
}

func filtered(n *yaml.Node, keep func(string) bool) *yaml.Node {
	var out []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if keep(n.Content[i].Value) {
			out = append(out, n.Content[i], n.Content[i+1])
		}
	}
	return mapping(n, out)
}

// appendJSON writes a node as compact JSON: keys in the document's order,
// numbers as they were written where JSON can say so.
func appendJSON(b []byte, n *yaml.Node) []byte {
	switch n.Kind {
	case yaml.MappingNode:
		b = append(b, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, n.Content[i].Value), ':')
			b = appendJSON(b, n.Content[i+1])
		}
		return append(b, '}')
	case yaml.SequenceNode:
		b = append(b, '[')
		for i, c := range n.Content {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, c)
		}
		return append(b, ']')
	}
	if n.Tag == "!!str" {
		return appendText(b, n.Value)
	}
	if (n.Tag == "!!int" || n.Tag == "!!float") && json.Valid([]byte(n.Value)) {
		return append(b, n.Value...)
	}
	v, _ := exchange.EncodeJSON(value(n))
	return append(b, v...)
}

func appendText(b []byte, s string) []byte {
	v, _ := exchange.EncodeJSON(s)
	return append(b, v...)
}

// whole is a number without a fraction, however it was written.
func whole(n *yaml.Node) (int64, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" {
		return 0, false
	}
	switch v, _ := number(n); v := v.(type) {
	case int64:
		return v, true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), true
		}
	}
	return 0, false
}

func float(n *yaml.Node) (float64, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" {
		return 0, false
	}
	switch v, _ := number(n); v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// put adds a key to a map.
func put(n *yaml.Node, key string, value *yaml.Node) {
	n.Content = append(n.Content, quoted(key), value)
}

func integer(i int64) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(i, 10)}
}

// quoted is a text. What does not begin like a word or a path gets quotes, for
// the sake of readers with other ideas of what is a number or a null.
func quoted(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	plain := s != "" && (s[0] == '/' || s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z')
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off": // truth values to YAML 1.1
		plain = false
	}
	if !plain || strings.ContainsAny(s, "\r\n") {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
