package document

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/jsonvalue"
)

// TooDeep returns the error for a node inside more than MaxDepth others.
func TooDeep(n *yaml.Node) *Error { return Errorf(n, "nested more than %d levels deep", MaxDepth) }

// extent is the size of a node together with the nodes that it refers to.
type extent struct{ nodes, height int }

// resolver turns the nodes of the parser into those that [Read] returns.
type resolver struct {
	seen  map[*yaml.Node]extent // of nodes with an anchor; nodes is 0 while one is being resolved
	room  int                   // number of keys that merge keys may still add
	alias int                   // number of nodes that aliases added
	yaml  bool                  // the document is YAML, not JSON
}

func (r *resolver) resolve(n *yaml.Node, depth int) (*yaml.Node, extent, error) {
	via := n
	for hops := 0; n.Kind == yaml.AliasNode; hops++ {
		if n = n.Alias; n == nil || hops > MaxDepth {
			return nil, extent{}, Errorf(via, "an alias to nothing")
		}
	}
	if depth > MaxDepth {
		return nil, extent{}, TooDeep(via)
	}
	anchored := n.Anchor != "" // only such a node is visited again
	if e, ok := r.seen[n]; anchored && ok {
		if err := r.again(via, e, depth); err != nil {
			return nil, e, err
		}
		return n, e, nil
	}
	if anchored {
		r.seen[n] = extent{}
	}
	e := extent{nodes: 1}
	var err error
	switch n.Kind {
	case yaml.ScalarNode:
		err = r.settle(n)
	case yaml.SequenceNode:
		if n.ShortTag() != "!!seq" {
			return nil, e, Errorf(n, "got the tag %s, want a plain list", n.Tag)
		}
		for i, c := range n.Content {
			var ce extent
			if n.Content[i], ce, err = r.resolve(c, depth+1); err != nil {
				break
			}
			e.add(ce)
		}
	case yaml.MappingNode:
		if n.ShortTag() != "!!map" {
			return nil, e, Errorf(n, "got the tag %s, want a plain map", n.Tag)
		}
		e, err = r.mapping(n, depth)
	default:
		err = Errorf(n, "want a map, a list, text, a number, true, false or null")
	}
	if err != nil {
		return nil, e, err
	}
	if anchored {
		r.seen[n] = e
	}
	return n, e, nil
}

// again counts the nodes that the alias via adds at a depth, which has the extent e.
func (r *resolver) again(via *yaml.Node, e extent, depth int) error {
	if e.nodes == 0 {
		return Errorf(via, "alias *%s lies inside what it refers to", via.Value)
	}
	if depth+e.height > MaxDepth {
		return TooDeep(via)
	}
	if r.alias += e.nodes; r.alias > aliasRoom {
		return Errorf(via, "aliases expand to more than %d values", aliasRoom)
	}
	return nil
}

func (e *extent) add(c extent) {
	e.nodes = min(e.nodes+c.nodes, math.MaxInt32)
	e.height = max(e.height, c.height+1)
}

// mapping resolves the values and merge keys of a map, and refuses a key that is
// there twice.
func (r *resolver) mapping(n *yaml.Node, depth int) (extent, error) {
	e := extent{nodes: 1}
	own := make(map[string]*yaml.Node, len(n.Content)/2)
	out := n.Content[:0] // never behind the key that is read
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, err := mapKey(n.Content[i])
		if err != nil {
			return e, err
		}
		v, ve, err := r.resolve(n.Content[i+1], depth+1)
		if err != nil {
			return e, err
		}
		if k.ShortTag() == "!!merge" {
			e.nodes = min(e.nodes+ve.nodes, math.MaxInt32)
			e.height = max(e.height, ve.height)
			if merges, err = addMerges(merges, v, n.Content[i+1]); err != nil {
				return e, err
			}
			continue
		}
		if first := own[k.Value]; first != nil {
			return e, Errorf(k, "duplicate key %q (first at line %d)", k.Value, first.Line)
		}
		own[k.Value] = k
		out = append(out, k, v)
		e.nodes++
		e.add(ve)
	}
	for _, m := range merges {
		for k, v := range Pairs(m) {
			if own[k.Value] != nil {
				continue
			}
			own[k.Value] = k
			out = append(out, k, v)
			if r.room--; r.room < 0 {
				return e, Errorf(n, "merge keys add more than %d values", aliasRoom)
			}
		}
	}
	n.Content = slices.Clip(out)
	return e, nil
}

// mapKey returns the scalar that k is or stands for, at the place of k.
func mapKey(k *yaml.Node) (*yaml.Node, error) {
	if k.Kind == yaml.AliasNode && k.Alias != nil {
		to := k.Alias
		k = &yaml.Node{Kind: to.Kind, Tag: to.Tag, Value: to.Value, Style: to.Style, Line: k.Line, Column: k.Column}
	}
	switch {
	case k.Kind == yaml.ScalarNode:
		return k, nil
	case k.Kind == yaml.MappingNode && k.Style&yaml.FlowStyle != 0:
		return nil, Errorf(k, "map key: got a map, want text; templates need quotes, as in \"{{uuid}}\"")
	default:
		return nil, Errorf(k, "map key: got %s, want text", Describe(k))
	}
}

// addMerges adds the maps of a merge key to merges. v is the value of the key, and
// at its place in the document.
func addMerges(merges []*yaml.Node, v, at *yaml.Node) ([]*yaml.Node, error) {
	maps := []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		maps = v.Content
	}
	for _, m := range maps {
		if m.Kind != yaml.MappingNode {
			return nil, Errorf(at, "<<: got %s, want a map or a list of maps", Describe(m))
		}
	}
	return append(merges, maps...), nil
}

// settle sets the tag of a scalar to one of those of [Read]. Unquoted words follow
// YAML 1.1, for which scenario files were written. yes and on are true, no and off
// are false. 08 is text, since a decimal has no leading zero. 1e3 and 1234e5 are
// text, since a number with an exponent has a point and a sign. A date is text.
func (r *resolver) settle(n *yaml.Node) error {
	plain := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) == 0
	switch tag := n.ShortTag(); tag {
	case "!!str":
		n.Tag = "!!str"
		if plain {
			n.Tag = r.wordTag(n.Value)
		}
	case "!!null":
		n.Tag = "!!null"
	case "!!timestamp", "!!merge":
		n.Tag = "!!str"
	case BinaryTag:
		n.Tag = BinaryTag
		if _, err := DecodeBase64(n.Value); err != nil {
			return Errorf(n, "tag !!binary: want text in base64: %v", err)
		}
	case "!!bool":
		n.Tag = "!!bool"
		switch strings.ToLower(n.Value) {
		case "true", "false", "yes", "no", "on", "off":
		default:
			return Errorf(n, "tag !!bool: got %q, want true or false", n.Value)
		}
	case "!!int", "!!float":
		n.Tag = tag
		if r.yaml && plain && tag == "!!float" && !isDecimal(n.Value) {
			n.Tag = "!!str"
			return nil
		}
		v, err := number(n)
		if err != nil {
			return err
		}
		n.Tag = "!!float"
		if jsonvalue.IsWhole(fmt.Sprint(v)) {
			n.Tag = "!!int"
		}
	default:
		return Errorf(n, "got the tag %s, want text, a number, true, false or null", n.Tag)
	}
	return nil
}

// wordTag returns the tag of an unquoted word that the YAML parser takes for text.
func (r *resolver) wordTag(word string) string {
	switch lower := strings.ToLower(word); lower {
	case "yes", "no", "on", "off":
		if word == lower || word == strings.ToUpper(word) || word[1:] == lower[1:] {
			return "!!bool"
		}
	}
	if tag := hugeTag(word); tag != "" && r.yaml {
		return tag
	}
	return "!!str"
}

// hugeTag returns the tag of an unquoted word that is a number too large for the
// YAML parser, which takes it for text. It returns "" for all other words.
func hugeTag(s string) string {
	digits := strings.ToLower(strings.ReplaceAll(strings.TrimLeft(s, "+-"), "_", ""))
	if len(digits) < 2 || digits[0] < '0' || digits[0] > '9' || len(s)-len(strings.TrimLeft(s, "+-")) > 1 {
		return ""
	}
	if digits[0] == '0' && strings.ContainsAny(digits[1:2], "xbo01234567") {
		if _, ok := new(big.Int).SetString(digits, 0); ok {
			return "!!int"
		}
	}
	if _, err := strconv.ParseFloat(digits, 64); errors.Is(err, strconv.ErrRange) && isDecimal(s) {
		return "!!float"
	}
	return ""
}

// isDecimal reports whether an unquoted word, a decimal number in YAML 1.2, is one
// in YAML 1.1 too.
func isDecimal(s string) bool {
	s = strings.TrimLeft(s, "+-")
	digits, exponent, hasExponent := strings.Cut(strings.ToLower(s), "e")
	point := strings.Contains(digits, ".")
	if hasExponent {
		return point && strings.HasPrefix(exponent, "+") || point && strings.HasPrefix(exponent, "-")
	}
	return point || !strings.HasPrefix(digits, "0")
}
