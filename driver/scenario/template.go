package scenario

import (
	"errors"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
	"starproxy/script"
)

// template compiles the value at n, with {{expressions}} in it.
func (d *definition) template(key string, n *yaml.Node) (*script.Template, error) {
	host, err := d.script(key, n)
	if err != nil {
		return nil, err
	}
	compile := func(n *yaml.Node) (*script.Template, error) {
		v := document.Value(n)
		if n.Kind == yaml.ScalarNode && strings.HasPrefix(key, "headers.") {
			v = n.Value
		}
		return host.TemplateIn(v, func(path []string) script.Position { return d.c.position(part(n, path)) })
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
		return nil, document.Errorf(at, "%s: %s", d.at(key), scriptMessage(err))
	}
	d.checkParams(n)
	d.warnTemplate(t)
	return t, nil
}

// warnTemplate logs the remarks on a template.
func (d *definition) warnTemplate(t *script.Template) {
	if d.c.env.Log == nil || d.c.quiet {
		return
	}
	for _, w := range t.Warnings() {
		d.c.env.Log.Warn("scenario template", "endpoint", d.path, "warning", w)
	}
}

// position returns the place of a node in the document.
func (c *compiler) position(n *yaml.Node) script.Position {
	return script.Position{File: c.src.File, Line: n.Line, Column: n.Column}
}

// part returns the node at a path of keys and indexes in n, or the last node on the
// path that exists.
func part(n *yaml.Node, path []string) *yaml.Node {
	for _, key := range path {
		next := document.Field(n, key)
		if i, err := strconv.Atoi(key); n.Kind == yaml.SequenceNode && err == nil && i < len(n.Content) {
			next = n.Content[i]
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
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

// hasExpression reports whether a text in n has an expression.
func hasExpression(n *yaml.Node) bool { return !each(n, func(*yaml.Node) bool { return false }) }

// scriptMessage returns the message of a script error without its place.
func scriptMessage(err error) string {
	var e *script.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	bare := *e
	bare.Pos = script.Position{}
	return bare.Error()
}

// script returns the host that runs scripts, or an error without one.
func (d *definition) script(key string, n *yaml.Node) (*script.Host, error) {
	if d.c.env.Script == nil {
		return nil, document.Errorf(n, "%s: nothing here runs scripts", d.at(key))
	}
	return d.c.env.Script, nil
}
