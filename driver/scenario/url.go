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
	entries, outer, err := urlEntries(v, path)
	if err != nil {
		return nil, err
	}
	method := "GET"
	if m.Method != "" {
		method = m.Method
	}
	if outer != nil {
		if method, err = entryMethod(outer, path, method); err != nil {
			return nil, err
		}
	}
	entryPath := func(int) string { return path }
	if v.Kind == yaml.SequenceNode || outer != nil {
		entryPath = func(i int) string { return fmt.Sprintf("%s: entry %d", path, i+1) }
	}
	methods, groups, err := byMethod(entries, method, entryPath)
	if err != nil {
		return nil, err
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

// urlEntries returns the entries under a URL, and the map in which they are rules,
// if they are.
func urlEntries(v *yaml.Node, path string) (entries []*yaml.Node, outer *yaml.Node, err error) {
	switch {
	case v.Kind == yaml.SequenceNode:
		entries = v.Content
	case v.Kind == yaml.MappingNode && document.Has(v, "rules"):
		rules := document.Field(v, "rules")
		if rules.Kind != yaml.SequenceNode {
			return nil, nil, document.Wrong(rules, path+": rules", "a list")
		}
		entries, outer = rules.Content, v
		known := []string{"method", "rules", "match", "priority"}
		for k := range document.Pairs(v) {
			if !isRemark(k.Value) && !slices.Contains(known, k.Value) {
				return nil, nil, document.UnknownKey(k, path+" beside rules", known)
			}
		}
	case v.Kind == yaml.MappingNode:
		entries = []*yaml.Node{v}
	default:
		return nil, nil, document.Wrong(v, path, "a list of entries or a map")
	}
	if len(entries) == 0 {
		return nil, nil, document.Wrong(v, path, "at least one entry")
	}
	return entries, outer, nil
}

// byMethod returns the entries of each method, and the methods in the order of
// their first entries. An entry without a method has the method dflt. entryPath
// names an entry in errors.
func byMethod(entries []*yaml.Node, dflt string, entryPath func(int) string) ([]string, map[string][]*yaml.Node, error) {
	groups := map[string][]*yaml.Node{}
	var methods []string
	for i, e := range entries {
		at := entryPath(i)
		if e.Kind != yaml.MappingNode {
			return nil, nil, document.Wrong(e, at, "a map")
		}
		method, err := entryMethod(e, at, dflt)
		if err != nil {
			return nil, nil, err
		}
		flat, err := flatten(e, at)
		if err != nil {
			return nil, nil, err
		}
		if groups[method] == nil {
			methods = append(methods, method)
		}
		groups[method] = append(groups[method], flat)
	}
	return methods, groups, nil
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
	if !slices.ContainsFunc(entries, isConditional) {
		return document.Listed("sequence", entries, at)
	}
	rules := byMatch(entries)
	list := make([]*yaml.Node, len(rules))
	for i, r := range rules {
		if list[i] = r[0]; len(r) > 1 {
			list[i] = steps(r)
		}
	}
	def := document.Listed("rules", list, at)
	// The group has the highest priority of its entries.
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

// byMatch returns the entries by their match, in the order in which their rules
// are asked. Entries without a match come last, or they would hide the others. An
// entry that asks for a state is alone.
func byMatch(entries []*yaml.Node) [][]*yaml.Node {
	var rules [][]*yaml.Node
	index := map[string]int{}
	add := func(e *yaml.Node, key string) {
		i, ok := index[key]
		if !ok {
			i = len(rules)
			index[key], rules = i, append(rules, nil)
		}
		rules[i] = append(rules[i], e)
	}
	for _, e := range entries {
		switch {
		case asksState(e):
			rules = append(rules, []*yaml.Node{e})
		case document.Has(e, "match"):
			add(e, "match "+string(document.AppendJSON(nil, document.Field(e, "match"))))
		}
	}
	for _, e := range entries {
		if !isConditional(e) {
			add(e, "")
		}
	}
	return rules
}

// steps returns one rule for entries with the same match: they answer one after
// the other.
func steps(entries []*yaml.Node) *yaml.Node {
	list := make([]*yaml.Node, len(entries))
	for i, e := range entries {
		list[i] = document.Without(e, "match", "priority")
	}
	rule := document.Listed("sequence", list, entries[0])
	if document.Has(entries[0], "match") {
		rule = document.Merged(rule, document.Only(entries[0], "match"))
	}
	return rule
}

// isConditional reports whether an entry answers only some requests.
func isConditional(e *yaml.Node) bool { return document.Has(e, "match") || asksState(e) }

// asksState reports whether an entry asks for the state of a scenario.
func asksState(e *yaml.Node) bool {
	return document.Has(e, "state") && document.Has(document.Field(e, "state"), "is") &&
		document.Field(document.Field(e, "state"), "is").Tag != "!!null"
}

func priority(e *yaml.Node) int64 {
	p, _ := document.Whole(document.Field(e, "priority"))
	return p
}
