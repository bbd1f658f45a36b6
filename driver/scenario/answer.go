package scenario

import (
	"context"
	"net/http"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/mock"
)

// answer is what all kinds with a response of their own read.
type answer struct {
	status    int
	header    http.Header
	typ       string
	latency   builtins.Latency
	templates []headerTemplate
}

func (d *definition) answer() (a answer, err error) {
	if a.status, err = d.status(); err != nil {
		return a, err
	}
	if a.typ, err = d.contentType(); err != nil {
		return a, err
	}
	if a.latency, err = d.latency(); err != nil {
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

// finish adds to a handler what is computed for each request.
func (a *answer) finish(h exchange.Handler) exchange.Handler {
	return exchange.Drawn(withHeaders(h, a.templates), a.latency.Draw)
}

func staticHandler(d *definition) (exchange.Handler, error) {
	a, err := d.answer()
	if err != nil {
		return nil, err
	}
	return d.static(a, staticBody(d.get("body"))), nil
}

// static answers with a text in the charset of its content type.
func (d *definition) static(a answer, text []byte) exchange.Handler {
	typ := a.typed().Get("Content-Type")
	body, header, ok := exchange.EncodeBody(a.header, text)
	if !ok && d.c.env.Log != nil {
		d.c.env.Log.Warn("scenario: the body has characters that its content type does not: it is sent in UTF-8", "endpoint", d.path, "content_type", typ)
	}
	return a.finish(mock.NewStatic(a.status, header, body, a.latency.Fixed))
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
		return d.static(a, appendJSON(nil, n)), nil
	}
	return a.finish(&templated{t.JSON, a.head(a.typed())}), nil
}

func patchHandler(d *definition) (exchange.Handler, error) {
	n := d.get("patch")
	if n.Kind != yaml.MappingNode {
		return nil, d.wrong("patch", n, "a map")
	}
	patch, _ := value(n).(jsonvalue.Object)
	latency, err := d.latency()
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
	a := answer{latency: latency, templates: templates}
	return a.finish(mock.NewPatch(patch, render, header, latency.Fixed)), nil
}

// templated renders its body, which is text, for each request.
type templated struct {
	render func(context.Context, *exchange.Exchange) ([]byte, error)
	head   head
}

func (t *templated) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	b, err := t.render(ctx, x)
	if err != nil {
		return nil, err
	}
	return t.head.with(b), nil
}

// head is all of an answer but its body.
type head struct {
	status int
	header http.Header
	names  map[string]string
	delay  time.Duration
}

// head is that of the answer, with a header of its own.
func (a *answer) head(header http.Header) head {
	h := head{status: a.status, delay: a.latency.Fixed}
	h.header, h.names = exchange.Spelling(header)
	return h
}

// with is the answer with a text as its body, in the charset of the header: in
// UTF-8 where that can't say it.
func (h head) with(text []byte) *exchange.Response {
	b, header, _ := exchange.EncodeBody(h.header, text)
	return &exchange.Response{Status: h.status, Header: header, Names: h.names, Body: exchange.Bytes(b), Origin: exchange.FromMock, Delay: h.delay}
}
