package scenario

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/nearest"
	"starproxy/driver/access"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// Compile returns the endpoints of one definition, as set_mock calls pass it. Its
// values are JSON values or anything that marshals to JSON (a json.RawMessage
// keeps the order of its keys). A URL key may result in several endpoints, one for
// each method; every other key results in one. Errors have the place of src.
func Compile(key string, def map[string]any, env Env, src mock.Source) ([]*mock.Endpoint, error) {
	b, err := jsonvalue.Append(nil, def)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", key, err)
	}
	n, err := document.Read("definition.json", b)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", key, err)
	}
	unplace(n, src)
	k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Line: src.Line, Column: src.Column}
	c := newCompiler(env, src, "")
	eps, err := c.endpoint(k, n)
	if err != nil {
		return nil, document.InFile(src.File, err)
	}
	return eps, nil
}

// unplace sets the place of all nodes of a value to that of its definition.
func unplace(n *yaml.Node, src mock.Source) {
	n.Line, n.Column = src.Line, src.Column
	for _, c := range n.Content {
		unplace(c, src)
	}
}

// Endpoints compiles a map of endpoints that is part of another document, such
// as the mocks of an exporter's configuration that [document.Decode] left as a node.
func Endpoints(filename string, n *yaml.Node, env Env, src mock.Source) ([]*mock.Endpoint, error) {
	if n.Kind == 0 || n.Tag == "!!null" {
		return nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, document.InFile(filename, sentinel(n, document.Describe(n), ErrNoEndpoints))
	}
	src.File = filename
	eps, err := newCompiler(env, src, "").endpoints(n, false)
	if err != nil {
		return nil, document.InFile(filename, err)
	}
	return eps, nil
}

// compiler compiles the endpoints of one document.
type compiler struct {
	env Env
	src mock.Source
	// dir is the directory of the document, empty for a document that was sent.
	dir string
	// sent is the directory that takes its place for the contract of such a document.
	sent string
	// files is the directory env.FilesDir.
	files access.Dir
	// answers are the functions of scripts, by the node in their place.
	answers map[*yaml.Node]written
	// states are the scenario states that the endpoint being compiled names.
	states map[string][]string
	// branches are the rules and steps of the endpoint being compiled.
	branches []*mock.Branch
	// adversity is what the document sets against devices.
	adversity Adversity
	// typed is true if the document or its owner set env.DefaultContentType.
	typed bool
	// quiet suppresses warnings.
	quiet bool
	// known are the answers that each request to an endpoint gets as they are.
	known []knownAnswer
	// tables are shared by all definitions of the document.
	tables tables
}

func newCompiler(env Env, src mock.Source, dir string) *compiler {
	typed := env.DefaultContentType != ""
	if !typed {
		env.DefaultContentType = "application/json"
	}
	c := &compiler{
		sent: env.FilesDir, tables: newTables(), typed: typed, env: env, src: src, dir: dir, answers: map[*yaml.Node]written{},
	}
	if env.FilesDir != "" {
		c.files = env.Access.Owned(env.FilesDir)
	}
	return c
}

// endpoints compiles a map from keys to definitions. If bare, the map may have
// settings such as config too.
func (c *compiler) endpoints(n *yaml.Node, bare bool) ([]*mock.Endpoint, error) {
	var all []*mock.Endpoint
	first := map[string]int{}
	for k, v := range document.Pairs(n) {
		if isRemark(k.Value) || bare && slices.Contains(settings(), k.Value) || !document.IsEndpoint(k.Value) && anchored(v) {
			continue
		}
		if bare && !document.IsEndpoint(k.Value) {
			if near := nearest.Name(k.Value, append(settings(), "endpoints", "mocks")); near != "" {
				return nil, document.Errorf(k, "unknown key %q; did you mean %q?", k.Value, near)
			}
		}
		eps, err := c.endpoint(k, v)
		if err != nil {
			if c.env.Mistake == nil {
				return nil, err
			}
			c.env.Mistake(document.InFile(c.src.File, err))
			continue
		}
		for _, ep := range eps {
			if line, ok := first[ep.Name]; ok {
				return nil, document.Errorf(k, "endpoint %q is there twice (first at line %d); add #name to the key to tell two "+
					"apart", ep.Name, line)
			}
			first[ep.Name] = k.Line
		}
		all = append(all, eps...)
	}
	c.checkHidden(all)
	c.checkAnswers()
	return all, nil
}

// endpoint compiles one entry of the map.
func (c *compiler) endpoint(k, v *yaml.Node) ([]*mock.Endpoint, error) {
	m, err := mock.ParseKey(k.Value)
	if err != nil {
		return nil, document.Errorf(k, "%v", err)
	}
	if kind, hint := document.KindOf(v); v.Kind == yaml.MappingNode && document.ToolOf(v) != "" {
		return nil, document.Errorf(v, "this is %s, not the definition of endpoint %q: %s", kind, k.Value, hint)
	}
	c.checkMethod(k, m)
	c.checkPath(k, m)
	if w := c.answers[v]; w.value != nil {
		ep, err := c.scripted(k, v, m, w)
		if err != nil {
			return nil, err
		}
		return []*mock.Endpoint{ep}, nil
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
	c.states, c.branches = nil, nil
	d.params = params(m.Path)
	if err := d.match(&m); err != nil {
		return nil, err
	}
	if p := d.get("priority"); p != nil {
		i, ok := document.Whole(p)
		if !ok || i != int64(int32(i)) {
			return nil, d.wrong("priority", p, "a whole number")
		}
		m.Priority = int(i)
	}
	if err := m.Compile(); err != nil {
		return nil, document.Errorf(k, "endpoint %q: %v", name, err)
	}
	d.method = m.Method
	d.checkSocket(k)
	before := len(c.known)
	h, kind, err := d.handler()
	if err != nil {
		return nil, err
	}
	for i := range c.known[before:] {
		c.known[before+i].match = m
	}
	src := c.src
	if src.File != "" {
		src.Line, src.Column = k.Line, k.Column
	}
	return &mock.Endpoint{Name: name, Match: m, Handler: h, Rules: d.rules, Source: src, Definition: document.Value(v),
		States: c.states, Branches: c.branches, Summary: d.summarize(kind), Kind: d.describe(kind)}, nil
}
