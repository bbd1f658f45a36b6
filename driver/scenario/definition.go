package scenario

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"

	"starproxy/driver/mock"
	"starproxy/script"
)

// role is where in a document a definition stands; it decides which keys it
// may have.
type role uint8

const (
	inEndpoint role = iota // the value of a METHOD /path key
	inEntry                // under a URL, its response lifted up
	inRule                 // in rules
	inStep                 // in sequence
)

// keys lists what a definition may say in a role.
func (w role) keys() []string {
	keys := []string{"status", "body", "body_template", "file", "content_type", "headers", "latency_ms",
		"rules", "sequence", "patch", "addon", "addon_config"}
	switch w {
	case inEndpoint:
		return append(keys, "match", "priority")
	case inEntry:
		return append(keys, "match", "priority", "delay_ms", "repeat")
	case inRule:
		return append(keys, "match")
	}
	return append(keys, "delay_ms", "repeat")
}

// roleNames says each role in words.
func roleNames() []string {
	return []string{"an endpoint", "an entry", "a rule", "a step of a sequence"}
}

// definition is one response, or what chooses among several: an endpoint's
// value, a rule, a step.
type definition struct {
	c      *compiler
	node   *yaml.Node
	path   string // `endpoint "GET /x": rules[0]`
	where  role
	method string // of the endpoint, empty for any
	values map[string]*yaml.Node
}

// define checks the keys of a definition. A key set to null is as if it were
// not there, unless it is the one that says what kind of mock this is.
func (c *compiler) define(n *yaml.Node, path string, where role) (*definition, error) {
	if n.Kind != yaml.MappingNode {
		return nil, wrong(n, path, "a map")
	}
	d := &definition{c: c, node: n, path: path, where: where, values: map[string]*yaml.Node{}}
	known := where.keys()
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if !slices.Contains(known, k.Value) {
			for other := range roleNames() {
				if slices.Contains(role(other).keys(), k.Value) {
					return nil, faultf(k, "%s: %s does not go with %s", path, k.Value, roleNames()[where])
				}
			}
			if where == inEntry {
				known = append(known, "method", "response")
			}
			return nil, unknownKey(k, path, known)
		}
		if v.Tag == "!!null" && !slices.Contains([]string{"rules", "sequence", "patch", "addon", "file"}, k.Value) {
			continue
		}
		d.values[k.Value] = v
	}
	return d, nil
}

// get gives the value of a key, or nil.
func (d *definition) get(key string) *yaml.Node { return d.values[key] }

// at names a part of the definition in messages.
func (d *definition) at(key string) string {
	if d.path == "" {
		return key
	}
	return d.path + ": " + key
}

func (d *definition) wrong(key string, n *yaml.Node, expected string) error {
	return wrong(n, d.at(key), expected)
}

// text reads a key whose value must be text that is not empty.
func (d *definition) text(key string) (string, error) {
	n := d.get(key)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		return "", d.wrong(key, n, "text")
	}
	if n.Value == "" {
		return "", d.wrong(key, n, "text that is not empty")
	}
	return n.Value, nil
}

// list reads a key whose value must be a list that is not empty.
func (d *definition) list(key string) ([]*yaml.Node, error) {
	n := d.get(key)
	if n.Kind != yaml.SequenceNode {
		return nil, d.wrong(key, n, "a list")
	}
	if len(n.Content) == 0 {
		return nil, faultf(n, "%s: expected at least one entry, found an empty list", d.at(key))
	}
	return n.Content, nil
}

func (d *definition) status() (int, error) {
	n := d.get("status")
	if n == nil {
		return http.StatusOK, nil
	}
	i, ok := whole(n)
	if !ok || i < 200 || i > 599 {
		return 0, d.wrong("status", n, "a whole number from 200 to 599")
	}
	return int(i), nil
}

const latencyRange = "milliseconds, from 0 to 86400000 (a day)"

// milliseconds is a duration, if it is within a day.
func milliseconds(ms float64) (time.Duration, bool) {
	if !(ms >= 0 && ms <= 86_400_000) {
		return 0, false
	}
	return time.Duration(math.Round(ms * float64(time.Millisecond))), true
}

// wait reads latency_ms or delay_ms.
func (d *definition) wait(key string, dflt time.Duration) (time.Duration, error) {
	n := d.get(key)
	if n == nil {
		return dflt, nil
	}
	ms, ok := float(n)
	if !ok {
		return 0, d.wrong(key, n, latencyRange)
	}
	w, ok := milliseconds(ms)
	if !ok {
		return 0, d.wrong(key, n, latencyRange)
	}
	return w, nil
}

func (d *definition) contentType() (string, error) {
	if d.get("content_type") == nil {
		return d.c.env.DefaultContentType, nil
	}
	s, err := d.text("content_type")
	if err == nil && !validValue(s) {
		err = d.wrong("content_type", d.get("content_type"), "one line of text")
	}
	return s, err
}

// validValue tells whether s can stand in a header.
func validValue(s string) bool { return httpguts.ValidHeaderFieldValue(s) }

// headerTemplate is a header whose value is computed for each request.
type headerTemplate struct {
	name     string
	add      bool // to what the header already holds
	template *script.Template
}

// headers reads the header fields; those with {{expressions}} come compiled.
// What frames the message on the wire is left to the proxy.
func (d *definition) headers() (http.Header, []headerTemplate, error) {
	h := http.Header{}
	n := d.get("headers")
	if n == nil {
		return h, nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, nil, d.wrong("headers", n, "a map of names to text")
	}
	var templates []headerTemplate
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if !httpguts.ValidHeaderFieldName(k.Value) {
			return nil, nil, faultf(k, "%s: %q is no name of a header", d.at("headers"), k.Value)
		}
		name := http.CanonicalHeaderKey(k.Value)
		if name == "Transfer-Encoding" || name == "Content-Length" && d.method != http.MethodHead {
			continue
		}
		list := []*yaml.Node{v}
		if v.Kind == yaml.SequenceNode {
			list = v.Content
		}
		// Names that differ in case only are one header; the later one counts.
		h.Del(name)
		templates = slices.DeleteFunc(templates, func(t headerTemplate) bool { return t.name == name })
		for _, v := range list {
			s, ok := scalarText(v)
			if !ok {
				return nil, nil, d.wrong("headers."+k.Value, v, "text or a list of texts")
			}
			if strings.Contains(s, "{{") {
				t, err := d.template("headers."+k.Value, v)
				if err != nil {
					return nil, nil, err
				}
				if !t.Static() {
					templates = append(templates, headerTemplate{name, len(h[name]) > 0 || hasTemplate(templates, name), t})
					continue
				}
			}
			if !validValue(s) {
				return nil, nil, d.wrong("headers."+k.Value, v, "one line of text")
			}
			h.Add(name, s)
		}
	}
	return h, templates, nil
}

func hasTemplate(list []headerTemplate, name string) bool {
	return slices.ContainsFunc(list, func(t headerTemplate) bool { return t.name == name })
}

// scalarText is a scalar as it was written: numbers and words count as text
// where only text can be meant. Null is empty.
func scalarText(n *yaml.Node) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		return "", false
	}
	if n.Tag == "!!null" {
		return "", true
	}
	return n.Value, true
}

// match adds the conditions under the match key to m.
func (d *definition) match(m *mock.Match) error {
	n := d.get("match")
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return d.wrong("match", n, "a map")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if v.Tag == "!!null" {
			continue
		}
		var err error
		switch at := "match." + k.Value; k.Value {
		case "headers":
			var all map[string]string
			all, err = d.texts(at, v)
			for name := range all {
				if err == nil && !httpguts.ValidHeaderFieldName(name) {
					err = faultf(v, "%s: %q is no name of a header", d.at(at), name)
				}
			}
			m.Headers = all
		case "query":
			var all map[string]string
			all, err = d.texts(at, v)
			if m.Query == nil {
				m.Query = all
			}
			for name, value := range all {
				m.Query[name] = value
			}
		case "headers_absent":
			if v.Kind != yaml.SequenceNode {
				return d.wrong(at, v, "a list of names")
			}
			for _, name := range v.Content {
				if name.Kind != yaml.ScalarNode || !httpguts.ValidHeaderFieldName(name.Value) {
					return d.wrong(at, name, "the name of a header")
				}
				m.HeadersAbsent = append(m.HeadersAbsent, name.Value)
			}
		case "body_contains":
			s, ok := scalarText(v)
			if !ok {
				return d.wrong(at, v, "text")
			}
			m.BodyContains = s
		case "body_json":
			if v.Kind != yaml.MappingNode {
				return d.wrong(at, v, "a map of paths to values")
			}
			m.BodyJSON, _ = value(v).(map[string]any)
		default:
			return unknownKey(k, d.at("match"), []string{"headers", "headers_absent", "query", "body_contains", "body_json"})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *definition) texts(key string, n *yaml.Node) (map[string]string, error) {
	if n.Kind != yaml.MappingNode {
		return nil, d.wrong(key, n, "a map of names to text")
	}
	m := make(map[string]string, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		s, ok := scalarText(n.Content[i+1])
		if !ok {
			return nil, d.wrong(key+"."+n.Content[i].Value, n.Content[i+1], "text")
		}
		m[n.Content[i].Value] = s
	}
	return m, nil
}

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

func (d *definition) unimplemented(n *yaml.Node, key, reason string) error {
	e := faultf(n, "%s: %s", d.at(key), reason)
	e.Err = ErrUnimplemented
	return e
}

// number of a key for a summary.
func (d *definition) count(key string) string {
	n := len(d.get(key).Content)
	if key == "rules" {
		return fmt.Sprintf("%d rule(s)", n)
	}
	return fmt.Sprintf("%d step(s)", n)
}
