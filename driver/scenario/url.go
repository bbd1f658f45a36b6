package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
	"starproxy/driver/mock"
)

func isURL(key string) bool {
	for _, scheme := range []string{"http://", "https://", "ws://", "wss://"} {
		if len(key) > len(scheme) && strings.EqualFold(key[:len(scheme)], scheme) {
			return true
		}
	}
	return false
}

// urlEndpoints compiles what stands under a URL: a list of entries, a map with
// rules (each an entry), or one entry. Entries are grouped by method. A method
// with one entry is that entry; if any of its entries has a match they are
// rules; else they answer one after the other.
func (c *compiler) urlEndpoints(k, v *yaml.Node, m mock.Match) ([]*mock.Endpoint, error) {
	path := fmt.Sprintf("endpoint %q", k.Value)
	var entries []*yaml.Node
	var outer *yaml.Node // the map that rules stand in
	switch {
	case v.Kind == yaml.SequenceNode:
		entries = v.Content
	case v.Kind == yaml.MappingNode && document.Has(v, "rules"):
		rules := document.Field(v, "rules")
		if rules.Kind != yaml.SequenceNode {
			return nil, document.Wrong(rules, path+": rules", "a list")
		}
		entries, outer = rules.Content, v
		known := []string{"method", "rules", "match", "priority"}
		for k := range document.Pairs(v) {
			if !isRemark(k.Value) && !slices.Contains(known, k.Value) {
				return nil, document.UnknownKey(k, path+" beside rules", known)
			}
		}
	case v.Kind == yaml.MappingNode:
		entries = []*yaml.Node{v}
	default:
		return nil, document.Wrong(v, path, "a list of entries or a map")
	}
	if len(entries) == 0 {
		return nil, document.Wrong(v, path, "at least one entry")
	}
	method := "GET"
	if m.Method != "" {
		method = m.Method
	}
	if outer != nil {
		var err error
		if method, err = entryMethod(outer, path, method); err != nil {
			return nil, err
		}
	}
	groups := map[string][]*yaml.Node{}
	var methods []string
	for i, e := range entries {
		at := path
		if v.Kind == yaml.SequenceNode || outer != nil {
			at = fmt.Sprintf("%s: entry %d", path, i+1)
		}
		if e.Kind != yaml.MappingNode {
			return nil, document.Wrong(e, at, "a map")
		}
		em, err := entryMethod(e, at, method)
		if err != nil {
			return nil, err
		}
		flat, err := flatten(e, at)
		if err != nil {
			return nil, err
		}
		if groups[em] == nil {
			methods = append(methods, em)
		}
		groups[em] = append(groups[em], flat)
	}
	var eps []*mock.Endpoint
	for _, method := range methods {
		m := m
		m.Query, m.QueryAll = maps.Clone(m.Query), maps.Clone(m.QueryAll)
		if m.Method = method; method == "*" {
			m.Method = ""
		}
		def := group(groups[method], v)
		if outer != nil {
			def = document.Merged(def, document.Only(outer, "match", "priority"))
		}
		ep, err := c.one(k, method+" "+k.Value, m, def, inEntry)
		if err != nil {
			return nil, err
		}
		eps = append(eps, ep)
	}
	return eps, nil
}

func entryMethod(e *yaml.Node, path, dflt string) (string, error) {
	if !document.Has(e, "method") {
		return dflt, nil
	}
	n := document.Field(e, "method")
	if n.Tag == "!!null" {
		return dflt, nil
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" || n.Value == "" || strings.ContainsAny(n.Value, " \t\r\n/#") {
		return "", document.Wrong(n, path+": method", "a method such as GET")
	}
	return strings.ToUpper(n.Value), nil
}

// flatten moves the keys under response into the entry and replaces those of the
// entry.
func flatten(e *yaml.Node, path string) (*yaml.Node, error) {
	if !document.Has(e, "response") {
		return document.Without(e, "method"), nil
	}
	r := document.Field(e, "response")
	if r.Kind != yaml.MappingNode {
		return nil, document.Wrong(r, path+": response", "a map")
	}
	return document.Merged(r, document.Without(e, "method", "response")), nil
}

// group returns one definition for the entries of a method.
func group(entries []*yaml.Node, at *yaml.Node) *yaml.Node {
	if len(entries) == 1 {
		return entries[0]
	}
	conditional := slices.ContainsFunc(entries, func(e *yaml.Node) bool { return document.Has(e, "match") || asksState(e) })
	if !conditional {
		return document.Listed("sequence", entries, at)
	}
	// Entries with one match answer one after the other, as without a match;
	// the entries without one come last, or they would hide the others.
	var rules [][]*yaml.Node
	index := map[string]int{}
	for _, last := range []bool{false, true} {
		for _, e := range entries {
			if (document.Has(e, "match") || asksState(e)) == last {
				continue
			}
			key := ""
			switch {
			case asksState(e): // a rule of its own
				rules = append(rules, []*yaml.Node{e})
				continue
			case !last:
				key = string(document.AppendJSON(nil, document.Field(e, "match")))
			}
			i, ok := index[key]
			if !ok {
				i = len(rules)
				index[key], rules = i, append(rules, nil)
			}
			rules[i] = append(rules[i], e)
		}
	}
	list := make([]*yaml.Node, len(rules))
	for i, r := range rules {
		if list[i] = r[0]; len(r) > 1 {
			steps := make([]*yaml.Node, len(r))
			for j, e := range r {
				steps[j] = document.Without(e, "match", "priority")
			}
			list[i] = document.Listed("sequence", steps, r[0])
			if document.Has(r[0], "match") {
				list[i] = document.Merged(list[i], document.Only(r[0], "match"))
			}
		}
	}
	def := document.Listed("rules", list, at)
	// The group stands where its foremost entry would.
	var top *yaml.Node
	for _, e := range entries {
		if document.Has(e, "priority") && (top == nil || priority(e) > priority(top)) {
			top = e
		}
	}
	if top != nil {
		def = document.Merged(def, document.Only(top, "priority"))
	}
	return def
}

// asksState reports whether an entry asks for the state of a scenario.
func asksState(e *yaml.Node) bool {
	return document.Has(e, "state") && document.Has(document.Field(e, "state"), "is") && document.Field(document.Field(e, "state"), "is").Tag != "!!null"
}

func priority(e *yaml.Node) int64 {
	p, _ := document.Whole(document.Field(e, "priority"))
	return p
}
