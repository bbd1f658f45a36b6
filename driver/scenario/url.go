package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

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
	case v.Kind == yaml.MappingNode && has(v, "rules"):
		rules := field(v, "rules")
		if rules.Kind != yaml.SequenceNode {
			return nil, wrong(rules, path+": rules", "a list")
		}
		entries, outer = rules.Content, v
		known := []string{"method", "rules", "match", "priority"}
		for k := range pairs(v) {
			if !isRemark(k.Value) && !slices.Contains(known, k.Value) {
				return nil, unknownKey(k, path+" beside rules", known)
			}
		}
	case v.Kind == yaml.MappingNode:
		entries = []*yaml.Node{v}
	default:
		return nil, wrong(v, path, "a list of entries or a map")
	}
	if len(entries) == 0 {
		return nil, wrong(v, path, "at least one entry")
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
			return nil, wrong(e, at, "a map")
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
			def = merged(def, only(outer, "match", "priority"))
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
	if !has(e, "method") {
		return dflt, nil
	}
	n := field(e, "method")
	if n.Tag == "!!null" {
		return dflt, nil
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" || n.Value == "" || strings.ContainsAny(n.Value, " \t\r\n/#") {
		return "", wrong(n, path+": method", "a method such as GET")
	}
	return strings.ToUpper(n.Value), nil
}

// flatten lifts what stands under response into the entry; the response wins.
func flatten(e *yaml.Node, path string) (*yaml.Node, error) {
	if !has(e, "response") {
		return without(e, "method"), nil
	}
	r := field(e, "response")
	if r.Kind != yaml.MappingNode {
		return nil, wrong(r, path+": response", "a map")
	}
	return merged(r, without(e, "method", "response")), nil
}

// group makes one definition of the entries of a method.
func group(entries []*yaml.Node, at *yaml.Node) *yaml.Node {
	if len(entries) == 1 {
		return entries[0]
	}
	conditional := slices.ContainsFunc(entries, func(e *yaml.Node) bool { return has(e, "match") || asksState(e) })
	if !conditional {
		return listed("sequence", entries, at)
	}
	// Entries with one match answer one after the other, as without a match;
	// the entries without one come last, or they would hide the others.
	var rules [][]*yaml.Node
	index := map[string]int{}
	for _, last := range []bool{false, true} {
		for _, e := range entries {
			if (has(e, "match") || asksState(e)) == last {
				continue
			}
			key := ""
			switch {
			case asksState(e): // a rule of its own
				rules = append(rules, []*yaml.Node{e})
				continue
			case !last:
				key = string(appendJSON(nil, field(e, "match")))
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
				steps[j] = without(e, "match", "priority")
			}
			list[i] = listed("sequence", steps, r[0])
			if has(r[0], "match") {
				list[i] = merged(list[i], only(r[0], "match"))
			}
		}
	}
	def := listed("rules", list, at)
	// The group stands where its foremost entry would.
	var top *yaml.Node
	for _, e := range entries {
		if has(e, "priority") && (top == nil || priority(e) > priority(top)) {
			top = e
		}
	}
	if top != nil {
		def = merged(def, only(top, "priority"))
	}
	return def
}

// asksState tells whether an entry asks for the state of a scenario.
func asksState(e *yaml.Node) bool {
	return has(e, "state") && has(field(e, "state"), "is") && field(field(e, "state"), "is").Tag != "!!null"
}

func priority(e *yaml.Node) int64 {
	p, _ := whole(field(e, "priority"))
	return p
}
