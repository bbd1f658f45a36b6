package scenario

import (
	"context"
	"net/http"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// responseFields are the keys that each kind with a response of its own has.
type responseFields struct {
	status    int
	header    exchange.Header
	typ       string
	typeGiven bool // by content_type
	latency   call.Latency
	templates []headerTemplate
}

func (d *definition) answer() (a responseFields, err error) {
	if a.status, err = d.status(); err != nil {
		return a, err
	}
	if a.typ, err = d.contentType(); err != nil {
		return a, err
	}
	a.typeGiven = d.get("content_type") != nil
	if a.latency, err = d.latency(); err != nil {
		return a, err
	}
	a.header, a.templates, err = d.headers()
	return a, err
}

// typed returns the header with the content type typ, unless the header has one. A
// content type that is computed for each request replaces it later. A 304 has none
// by default: a device would take it for a change of the stored response (RFC 9110
// section 15.4.5).
func (a *responseFields) typed(typ string) exchange.Header {
	if a.status == http.StatusNotModified && !a.typeGiven {
		return a.header
	}
	if !a.header.Has("Content-Type") {
		return append(exchange.HeaderOf("Content-Type", typ), a.header...)
	}
	h := a.header.Clone()
	if slices.ContainsFunc(a.templates, func(t headerTemplate) bool { return exchange.EqualName(t.name, "Content-Type") }) {
		h.Set("Content-Type", typ)
	}
	return h
}

// finish adds the headers and the latency that are computed for each request.
func (a *responseFields) finish(h exchange.Handler) exchange.Handler {
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
func (d *definition) static(a responseFields, text []byte) exchange.Handler {
	typed := a.typed(a.typ)
	body, header, ok := exchange.EncodeBody(typed, text)
	if !ok && d.c.env.Log != nil {
		d.c.env.Log.Warn("scenario: the body has characters that its content type does not: it is sent in UTF-8", "endpoint", d.path,
			"content_type", typed.Get("Content-Type"))
	}
	d.knows(a, header, body)
	return a.finish(mock.NewStatic(a.status, header, body, a.latency.Fixed))
}

// staticBody returns text as it is and every other value as JSON.
func staticBody(n *yaml.Node) []byte {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		return []byte(n.Value)
	}
	return document.AppendJSON(nil, n)
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
		return d.static(a, document.AppendJSON(nil, n)), nil
	}
	return a.finish(&templated{t.JSON, a.head(a.typ)}), nil
}

func patchHandler(d *definition) (exchange.Handler, error) {
	n := d.get("patch")
	if n.Kind != yaml.MappingNode {
		return nil, d.wrong("patch", n, "a map")
	}
	patch, _ := document.Value(n).(jsonvalue.Object)
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
	a := responseFields{latency: latency, templates: templates}
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

// head is a response without its body.
type head struct {
	status int
	header exchange.Header
	delay  time.Duration
}

// head returns the head of the response, with the content type of typed.
func (a *responseFields) head(typ string) head { return head{a.status, a.typed(typ), a.latency.Fixed} }

// with returns the response with a text as its body. The text is in the charset of
// the header, or in UTF-8 if the charset lacks a character.
func (h head) with(text []byte) *exchange.Response {
	b, header, _ := exchange.EncodeBody(h.header, text)
	return &exchange.Response{Status: h.status, Header: header, Body: exchange.Bytes(b), Origin: exchange.FromMock, Delay: h.delay}
}
