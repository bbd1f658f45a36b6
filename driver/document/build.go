package document

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The functions below build maps from maps. The new maps share the nodes of the
// old ones.

func Map(at *yaml.Node, content []*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: at.Line, Column: at.Column, Content: content}
}

// Listed returns the map {key: items}.
func Listed(key string, items []*yaml.Node, at *yaml.Node) *yaml.Node {
	k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Line: at.Line, Column: at.Column}
	l := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: at.Line, Column: at.Column, Content: items}
	return Map(at, []*yaml.Node{k, l})
}

// Merged returns n with those keys of more that n does not have.
func Merged(n, more *yaml.Node) *yaml.Node {
	out := slices.Clone(n.Content)
	own := make(map[string]bool, len(out)/2)
	for k := range Pairs(n) {
		own[k.Value] = true
	}
	for k, v := range Pairs(more) {
		if !own[k.Value] {
			out = append(out, k, v)
		}
	}
	return Map(more, out)
}

func Without(n *yaml.Node, keys ...string) *yaml.Node {
	return Filtered(n, func(k string) bool { return !slices.Contains(keys, k) })
}

func Only(n *yaml.Node, keys ...string) *yaml.Node {
	return Filtered(n, func(k string) bool { return slices.Contains(keys, k) })
}

func Filtered(n *yaml.Node, keep func(string) bool) *yaml.Node {
	var out []*yaml.Node
	for k, v := range Pairs(n) {
		if keep(k.Value) {
			out = append(out, k, v)
		}
	}
	return Map(n, out)
}

// Put adds a key to a map.
func Put(n *yaml.Node, key string, value *yaml.Node) {
	n.Content = append(n.Content, Quoted(key), value)
}

func Integer(i int64) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(i, 10)}
}

// Quoted returns a node for a text. A text that does not begin with a letter or a
// slash gets quotes: readers of YAML disagree about which words are numbers or
// nulls.
func Quoted(s string) *yaml.Node {
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
