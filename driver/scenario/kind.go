package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
	"starproxy/script"
)

// kind is a way to answer. To add one, add a row to kinds, its key to
// role.keys and to schema.json.
type kind struct {
	key string // the key that asks for it; empty for the last
	// handler makes what answers; it is called for definitions that have the key.
	handler func(d *definition) (exchange.Handler, error)
	// summary is what "j proxy mock list" prints.
	summary func(d *definition) string
}

// kinds lists the ways to answer; the first whose key a definition has is used.
func kinds() []kind {
	return []kind{
		{"addon", addonHandler, func(d *definition) string { return "addon:" + d.get("addon").Value }},
		{"rules", rulesHandler, func(d *definition) string { return d.count("rules") }},
		{"sequence", sequenceHandler, func(d *definition) string { return d.count("sequence") }},
		{"patch", patchHandler, staticSummary},
		{"file", fileHandler, func(d *definition) string { return d.statusText() + " file:" + d.get("file").Value }},
		{"body_template", templateHandler, func(d *definition) string { return d.statusText() + " (template)" }},
		{"", staticHandler, staticSummary},
	}
}

// handler makes what answers for the definition.
func (d *definition) handler() (exchange.Handler, kind, error) {
	for _, k := range kinds() {
		if k.key == "" || d.get(k.key) != nil {
			h, err := k.handler(d)
			return h, k, err
		}
	}
	panic("the last kind takes everything")
}

func (d *definition) statusText() string {
	status, _ := d.status()
	return strconv.Itoa(status)
}

func staticSummary(d *definition) string {
	s := d.statusText()
	if n := d.get("latency_ms"); n != nil {
		if ms, _ := float(n); ms != 0 {
			s += " (+" + strconv.FormatFloat(ms, 'f', -1, 64) + "ms)"
		}
	}
	return s
}

// answer is what all kinds with a response of their own read.
type answer struct {
	status    int
	header    http.Header
	typ       string
	delay     time.Duration
	templates []headerTemplate
}

func (d *definition) answer() (a answer, err error) {
	if a.status, err = d.status(); err != nil {
		return a, err
	}
	if a.typ, err = d.contentType(); err != nil {
		return a, err
	}
	if a.delay, err = d.wait("latency_ms", d.c.env.DefaultLatency); err != nil {
		return a, err
	}
	a.header, a.templates, err = d.headers()
	return a, err
}

// typed is the header with the content type, unless the header says it itself.
func (a *answer) typed() http.Header {
	if _, ok := a.header["Content-Type"]; !ok {
		a.header.Set("Content-Type", a.typ)
	}
	return a.header
}

func staticHandler(d *definition) (exchange.Handler, error) {
	a, err := d.answer()
	if err != nil {
		return nil, err
	}
	return withHeaders(mock.NewStatic(a.status, a.typed(), staticBody(d.get("body")), a.delay), a.templates), nil
}

// staticBody gives text as it is and everything else as JSON.
func staticBody(n *yaml.Node) []byte {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		return []byte(n.Value)
	}
	return appendJSON(nil, n)
}

func fileHandler(d *definition) (exchange.Handler, error) {
	name, err := d.text("file")
	if err != nil {
		return nil, err
	}
	if d.c.filesFault != nil {
		return nil, d.c.filesFault
	}
	a, err := d.answer()
	if err != nil {
		return nil, err
	}
	return withHeaders(mock.NewFile(d.c.env.FilesDir, name, a.status, a.header, a.typ, a.delay), a.templates), nil
}

func templateHandler(d *definition) (exchange.Handler, error) {
	a, err := d.answer()
	if err != nil {
		return nil, err
	}
	n := d.get("body_template")
	t, err := d.template("body_template", n)
	if err != nil {
		return nil, err
	}
	if t.Static() {
		return withHeaders(mock.NewStatic(a.status, a.typed(), appendJSON(nil, n), a.delay), a.templates), nil
	}
	return withHeaders(&templated{t, a.status, a.typed(), a.delay}, a.templates), nil
}

// templated renders its body for each request.
type templated struct {
	body   *script.Template
	status int
	header http.Header
	delay  time.Duration
}

func (t *templated) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	b, err := t.body.JSON(ctx, x)
	if err != nil {
		return nil, err
	}
	return &exchange.Response{Status: t.status, Header: t.header, Body: exchange.Bytes(b), Origin: exchange.FromMock, Delay: t.delay}, nil
}

func patchHandler(d *definition) (exchange.Handler, error) {
	n := d.get("patch")
	if n.Kind != yaml.MappingNode {
		return nil, d.wrong("patch", n, "a map")
	}
	patch, _ := value(n).(map[string]any)
	delay, err := d.wait("latency_ms", d.c.env.DefaultLatency)
	if err != nil {
		return nil, err
	}
	header, templates, err := d.headers()
	if err != nil {
		return nil, err
	}
	var render func(context.Context, *exchange.Exchange, any) (any, error)
	if hasExpression(n) {
		t, err := d.template("patch", n)
		if err != nil {
			return nil, err
		}
		render = func(ctx context.Context, x *exchange.Exchange, _ any) (any, error) { return t.Render(ctx, x) }
	}
	return withHeaders(mock.NewPatch(patch, render, header, delay), templates), nil
}

func rulesHandler(d *definition) (exchange.Handler, error) {
	list, err := d.list("rules")
	if err != nil {
		return nil, err
	}
	rules := make([]script.Rule, len(list))
	for i, n := range list {
		r, err := d.child("rules", i, n, inRule)
		if err != nil {
			return nil, err
		}
		var m mock.Match
		if err := r.match(&m); err != nil {
			return nil, err
		}
		if r.get("match") != nil {
			if err := m.Compile(); err != nil {
				return nil, faultf(n, "%s: %v", r.path, err)
			}
			rules[i].Match = func(req *exchange.Request) bool {
				_, ok := m.Matches(req)
				return ok
			}
		}
		if rules[i].Handler, _, err = r.handler(); err != nil {
			return nil, err
		}
	}
	host, err := d.script("rules", d.get("rules"))
	if err != nil {
		return nil, err
	}
	h, err := host.Conditional(rules)
	if err != nil {
		return nil, faultf(d.get("rules"), "%s: %s", d.at("rules"), scriptMessage(err))
	}
	return h, nil
}

func sequenceHandler(d *definition) (exchange.Handler, error) {
	list, err := d.list("sequence")
	if err != nil {
		return nil, err
	}
	steps := make([]script.Step, len(list))
	timed := false
	for i, n := range list {
		s, err := d.child("sequence", i, n, inStep)
		if err != nil {
			return nil, err
		}
		if r := s.get("repeat"); r != nil {
			n, ok := whole(r)
			if !ok || n < 1 || n > 1_000_000_000 {
				return nil, s.wrong("repeat", r, "a whole number, 1 or more")
			}
			steps[i].Repeat = int(n)
		}
		if steps[i].Delay, err = s.wait("delay_ms", 0); err != nil {
			return nil, err
		}
		timed = timed || s.get("delay_ms") != nil
		if steps[i].Handler, _, err = s.handler(); err != nil {
			return nil, err
		}
	}
	for i := range steps {
		steps[i].Timed = timed
	}
	host, err := d.script("sequence", d.get("sequence"))
	if err != nil {
		return nil, err
	}
	h, err := host.Sequence(steps)
	if err != nil {
		return nil, faultf(d.get("sequence"), "%s: %s", d.at("sequence"), scriptMessage(err))
	}
	return h, nil
}

// child is the definition of a rule or a step.
func (d *definition) child(key string, i int, n *yaml.Node, where role) (*definition, error) {
	if d.where == inEntry {
		where = inEntry
	}
	c, err := d.c.define(n, fmt.Sprintf("%s[%d]", d.at(key), i), where)
	if err == nil {
		c.method = d.method
	}
	return c, err
}

func addonHandler(d *definition) (exchange.Handler, error) {
	if _, err := d.text("addon"); err != nil {
		return nil, err
	}
	if n := d.get("addon_config"); n != nil && n.Kind != yaml.MappingNode {
		return nil, d.wrong("addon_config", n, "a map")
	}
	return nil, d.unimplemented(d.get("addon"), "addon", "addons need Starlark scripts, which this build does not run yet")
}

// withHeaders sets headers that are computed for each request.
func withHeaders(next exchange.Handler, templates []headerTemplate) exchange.Handler {
	if len(templates) == 0 {
		return next
	}
	return &headed{next, templates}
}

type headed struct {
	next      exchange.Handler
	templates []headerTemplate
}

func (h *headed) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	res, err := h.next.Respond(ctx, x)
	if err != nil || res == nil {
		return res, err
	}
	res = res.Clone()
	for _, t := range h.templates {
		v, err := t.template.Render(ctx, x)
		if err != nil {
			return nil, err
		}
		s, err := headerText(v)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", t.name, err)
		}
		if t.add {
			res.Header.Add(t.name, s)
		} else {
			res.Header.Set(t.name, s)
		}
	}
	if res.Origin == exchange.FromServer {
		res.Origin = exchange.FromPatch
	}
	return res, nil
}

// headerText is a rendered value as a header carries it.
func headerText(v any) (string, error) {
	s, ok := v.(string)
	if !ok && v != nil {
		b, err := marshal(v)
		if err != nil {
			return "", err
		}
		s = string(b)
	}
	if !validValue(s) {
		return "", fmt.Errorf("the value %q can't stand in a header", s)
	}
	return s, nil
}

// marshal gives compact JSON without escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

// appendJSON writes a node as compact JSON: keys in the document's order,
// numbers as they were written where JSON can say so.
func appendJSON(b []byte, n *yaml.Node) []byte {
	switch n.Kind {
	case yaml.MappingNode:
		b = append(b, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, n.Content[i].Value), ':')
			b = appendJSON(b, n.Content[i+1])
		}
		return append(b, '}')
	case yaml.SequenceNode:
		b = append(b, '[')
		for i, c := range n.Content {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, c)
		}
		return append(b, ']')
	}
	if n.Tag == "!!str" {
		return appendText(b, n.Value)
	}
	if (n.Tag == "!!int" || n.Tag == "!!float") && json.Valid([]byte(n.Value)) {
		return append(b, n.Value...)
	}
	v, _ := marshal(value(n))
	return append(b, v...)
}

func appendText(b []byte, s string) []byte {
	v, _ := marshal(s)
	return append(b, v...)
}

// Interface guards.
var (
	_ exchange.Handler = (*templated)(nil)
	_ exchange.Handler = (*headed)(nil)
)
