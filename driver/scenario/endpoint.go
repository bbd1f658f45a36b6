package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/mock"
)

// Compile makes endpoints of one definition, as the set_mock calls give it. Its
// values are JSON values or anything that marshals to JSON (a json.RawMessage
// keeps the order of its keys). A URL key may give several endpoints, one a
// method; every other key gives one. Errors carry src's place.
func Compile(key string, def map[string]any, env Env, src mock.Source) ([]*mock.Endpoint, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(def); err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", key, err)
	}
	n, err := read("definition.json", b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", key, err)
	}
	unplace(n, src)
	k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Line: src.Line, Column: src.Column}
	c := newCompiler(env, src, "")
	eps, err := c.endpoint(k, n)
	if err != nil {
		return nil, inFile(src.File, err)
	}
	return eps, nil
}

// unplace moves the nodes of a value to the place of the definition it came with.
func unplace(n *yaml.Node, src mock.Source) {
	n.Line, n.Column = src.Line, src.Column
	for _, c := range n.Content {
		unplace(c, src)
	}
}

// Endpoints compiles a map of endpoints that is part of another document, such
// as the mocks of an exporter's configuration that [Decode] left as a node.
func Endpoints(filename string, n *yaml.Node, env Env, src mock.Source) ([]*mock.Endpoint, error) {
	if n.Kind == 0 || n.Tag == "!!null" {
		return nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, inFile(filename, sentinel(n, ErrNoEndpoints))
	}
	src.File = filename
	eps, err := newCompiler(env, src, "").endpoints(n, false)
	if err != nil {
		return nil, inFile(filename, err)
	}
	return eps, nil
}

// compiler makes endpoints for one document.
type compiler struct {
	env Env
	src mock.Source
	// dir is where the document lies, empty when it was sent.
	dir string
	// filesFault and addonsFault are what is wrong with the config block's
	// directories, for whoever needs them.
	filesFault, addonsFault error
}

func newCompiler(env Env, src mock.Source, dir string) *compiler {
	if env.DefaultContentType == "" {
		env.DefaultContentType = "application/json"
	}
	return &compiler{env: env, src: src, dir: dir}
}

// endpoints compiles a map key → definition; config is a setting among them
// when bare.
func (c *compiler) endpoints(n *yaml.Node, bare bool) ([]*mock.Endpoint, error) {
	var all []*mock.Endpoint
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if bare && k.Value == "config" {
			continue
		}
		if bare && !isKey(k.Value) {
			if near := nearest(k.Value, []string{"endpoints", "mocks", "config"}); near != "" {
				return nil, faultf(k, "unknown key %q; did you mean %q?", k.Value, near)
			}
		}
		eps, err := c.endpoint(k, v)
		if err != nil {
			return nil, err
		}
		for _, ep := range eps {
			if line, ok := first[ep.Name]; ok {
				return nil, faultf(k, "endpoint %q is there twice (first at line %d); add #name to the key to tell two apart", ep.Name, line)
			}
			first[ep.Name] = k.Line
		}
		all = append(all, eps...)
	}
	return all, nil
}

// endpoint compiles one entry of the map.
func (c *compiler) endpoint(k, v *yaml.Node) ([]*mock.Endpoint, error) {
	m, err := mock.ParseKey(k.Value)
	if err != nil {
		return nil, faultf(k, "%v", err)
	}
	if isURL(k.Value) {
		return c.urlEndpoints(k, v, m)
	}
	ep, err := c.one(k, k.Value, m, v, inEndpoint)
	if err != nil {
		return nil, err
	}
	return []*mock.Endpoint{ep}, nil
}

// one compiles a definition under a name.
func (c *compiler) one(k *yaml.Node, name string, m mock.Match, v *yaml.Node, where role) (*mock.Endpoint, error) {
	d, err := c.define(v, fmt.Sprintf("endpoint %q", name), where)
	if err != nil {
		return nil, err
	}
	if err := d.match(&m); err != nil {
		return nil, err
	}
	if p := d.get("priority"); p != nil {
		i, ok := whole(p)
		if !ok || i != int64(int32(i)) {
			return nil, d.wrong("priority", p, "a whole number")
		}
		m.Priority = int(i)
	}
	if err := m.Compile(); err != nil {
		return nil, faultf(k, "endpoint %q: %v", name, err)
	}
	d.method = m.Method
	h, kind, err := d.handler()
	if err != nil {
		return nil, err
	}
	src := c.src
	if src.File != "" {
		src.Line, src.Column = k.Line, k.Column
	}
	return &mock.Endpoint{Name: name, Match: m, Handler: h, Source: src, Definition: value(v), Summary: kind.summary(d)}, nil
}

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
		for i := 0; i+1 < len(v.Content); i += 2 {
			if k := v.Content[i]; !slices.Contains(known, k.Value) {
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
		m.Query = maps.Clone(m.Query)
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
	conditional := slices.ContainsFunc(entries, func(e *yaml.Node) bool { return has(e, "match") })
	if !conditional {
		return listed("sequence", entries, at)
	}
	// Entries with one match answer one after the other, as without a match;
	// the entries without one come last, or they would hide the others.
	var rules [][]*yaml.Node
	index := map[string]int{}
	for _, last := range []bool{false, true} {
		for _, e := range entries {
			if has(e, "match") == last {
				continue
			}
			key := ""
			if !last {
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

func priority(e *yaml.Node) int64 {
	p, _ := whole(field(e, "priority"))
	return p
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
	for i := 0; i+1 < len(more.Content); i += 2 {
		if !has(n, more.Content[i].Value) {
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
