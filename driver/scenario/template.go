package scenario

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/script"
)

// template compiles the value at n, with {{expressions}} in it.
func (d *definition) template(key string, n *yaml.Node) (*script.Template, error) {
	host, err := d.script(key, n)
	if err != nil {
		return nil, err
	}
	compile := func(n *yaml.Node) (*script.Template, error) {
		v := value(n)
		if n.Kind == yaml.ScalarNode && strings.HasPrefix(key, "headers.") {
			v = n.Value
		}
		return host.Template(v, script.Position{File: d.c.src.File, Line: n.Line, Column: n.Column})
	}
	t, err := compile(n)
	if err != nil {
		// The host knows the value, not the document: find the text it refused.
		at := n
		each(n, func(n *yaml.Node) bool {
			_, bad := compile(n)
			if bad != nil {
				at, err = n, bad
			}
			return bad == nil
		})
		return nil, faultf(at, "%s: %s", d.at(key), scriptMessage(err))
	}
	d.checkParams(n)
	if d.c.env.Log != nil {
		for _, w := range t.Warnings() {
			d.c.env.Log.Warn("scenario template", "endpoint", d.path, "warning", w)
		}
	}
	return t, nil
}

// each visits the texts in n that hold expressions, until visit returns false.
func each(n *yaml.Node, visit func(*yaml.Node) bool) bool {
	if n.Kind == yaml.ScalarNode {
		return n.Tag != "!!str" || !strings.Contains(n.Value, "{{") || visit(n)
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		if !each(c, visit) {
			return false
		}
	}
	return true
}

// hasExpression tells whether a text in n holds an expression.
func hasExpression(n *yaml.Node) bool { return !each(n, func(*yaml.Node) bool { return false }) }

// scriptMessage is an error without its place, which is ours to tell.
func scriptMessage(err error) string {
	var e *script.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	bare := *e
	bare.Pos = script.Position{}
	return bare.Error()
}

// script gives the host that runs what can't be said without one.
func (d *definition) script(key string, n *yaml.Node) (*script.Host, error) {
	if d.c.env.Script == nil {
		return nil, faultf(n, "%s: nothing here runs scripts", d.at(key))
	}
	return d.c.env.Script, nil
}
