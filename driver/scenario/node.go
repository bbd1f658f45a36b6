package scenario

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/jsonvalue"
)

// number is the value of a scalar tagged !!int or !!float, as package jsonvalue
// has it: an int64 where that says all of it, else a json.Number. What JSON
// writes in another form (0x1F, 1_000, +5, .5) keeps its digits.
func number(n *yaml.Node) (any, error) {
	if json.Valid([]byte(n.Value)) && n.Value != "" {
		return jsonvalue.Number(n.Value), nil
	}
	s := strings.ReplaceAll(n.Value, "_", "")
	if i, ok := new(big.Int).SetString(s, 0); ok {
		return jsonvalue.Number(i.String()), nil
	}
	if i, ok := new(big.Int).SetString(s, 10); ok { // 08
		return jsonvalue.Number(i.String()), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(f) || strings.ContainsAny(s, "xXpPiI") {
		return nil, faultf(n, "expected a number, found %q", n.Value)
	}
	sign := ""
	if s[0] == '-' {
		sign = "-"
	}
	s = strings.TrimLeft(s, "+-0")
	digits, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		digits, exponent = s[:i], s[i:]
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	return json.Number(sign + cmp.Or(whole, "0") + "." + cmp.Or(fraction, "0") + exponent), nil
}

// truth is the value of a scalar tagged !!bool.
func truth(n *yaml.Node) bool {
	switch strings.ToLower(n.Value) {
	case "true", "yes", "on":
		return true
	}
	return false
}

// value is a node as a JSON value of package jsonvalue: keys in the document's
// order, numbers as they were written where JSON can say so.
func value(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		o := make(jsonvalue.Object, 0, len(n.Content)/2)
		for key, v := range pairs(n) {
			k := key.Value
			if v.Tag == binaryTag {
				k += "_base64" // as JSON says it
			}
			o = append(o, jsonvalue.Member{Key: k, Value: value(v)})
		}
		return o
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
	case "!!str", binaryTag:
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
	case binaryTag:
		return "bytes (!!binary)"
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
	if n.Kind != yaml.ScalarNode || n.Tag == binaryTag {
		return "", false
	}
	if n.Tag == "!!null" {
		return "", true
	}
	return n.Value, true
}

// pairs goes through the keys of a map and their values.
func pairs(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// child is the value of a key of a map, nil for none and for what is no map.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for k, v := range pairs(n) {
		if k.Value == key {
			return v
		}
	}
	return nil
}

// field is the value of a key that is there, or else the map.
func field(n *yaml.Node, key string) *yaml.Node {
	if v := child(n, key); v != nil {
		return v
	}
	return n
}

func has(n *yaml.Node, key string) bool { return child(n, key) != nil }

// The helpers below build maps out of maps; the nodes in them are shared.

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
	for k := range pairs(n) {
		own[k.Value] = true
	}
	for k, v := range pairs(more) {
		if !own[k.Value] {
			out = append(out, k, v)
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
	for k, v := range pairs(n) {
		if keep(k.Value) {
			out = append(out, k, v)
		}
	}
	return mapping(n, out)
}

// appendJSON writes a node as compact JSON: keys in the document's order,
// numbers as they were written where JSON can say so.
func appendJSON(b []byte, n *yaml.Node) []byte {
	b, _ = jsonvalue.Append(b, value(n)) // a value of a document always has a form
	return b
}

// exact is a number without a fraction, however it was written. No number of a
// setting has more than maxDigits digits.
func exact(n *yaml.Node) (*big.Int, bool) {
	const maxDigits = 40
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" {
		return nil, false
	}
	v, err := number(n)
	if err != nil {
		return nil, false
	}
	text := fmt.Sprint(v)
	if f, err := strconv.ParseFloat(text, 64); err != nil || len(text) > maxDigits || math.Abs(f) > 1e30 || f != 0 && math.Abs(f) < 1e-30 {
		return nil, false
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok || !r.IsInt() {
		return nil, false
	}
	return r.Num(), true
}

// whole is a number without a fraction, however it was written, that fits an int64.
func whole(n *yaml.Node) (int64, bool) {
	i, ok := exact(n)
	if !ok || !i.IsInt64() {
		return 0, false
	}
	return i.Int64(), true
}

func float(n *yaml.Node) (float64, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" {
		return 0, false
	}
	v, err := number(n)
	if err != nil {
		return 0, false
	}
	f, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	return f, err == nil
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
