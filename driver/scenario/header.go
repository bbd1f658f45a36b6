package scenario

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
	"starproxy/script"
)

// headerTemplate is a header with values that are computed for each request.
type headerTemplate struct {
	name   string
	values []headerValue
}

// headerValue is a text, or a template that computes one.
type headerValue struct {
	text     string
	template *script.Template // nil for a text
	where    script.Position  // of the template
}

// headers reads the header fields in their spelling and order. Those with
// {{expressions}} are returned as templates, and h has an empty value in the place
// of each. Headers that frame the message are left out: the proxy writes them.
func (d *definition) headers() (exchange.Header, []headerTemplate, error) {
	n := d.get("headers")
	if n == nil {
		return nil, nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, nil, d.wrong("headers", n, "a map of names to text")
	}
	var h exchange.Header
	var templates []headerTemplate
	seen := map[string]bool{}
	for k, v := range document.Pairs(n) {
		if !httpguts.ValidHeaderFieldName(k.Value) {
			return nil, nil, document.Errorf(k, "%s: %q is no name of a header", d.at("headers"), k.Value)
		}
		name := http.CanonicalHeaderKey(k.Value)
		if exchange.IsFraming(name) && !(name == "Content-Length" && d.method == http.MethodHead) {
			continue
		}
		values, computed, err := d.headerValues("headers."+k.Value, v)
		if err != nil {
			return nil, nil, err
		}
		if seen[name] { // the same name in other case; the later one counts
			h.Del(name)
			templates = slices.DeleteFunc(templates, func(t headerTemplate) bool { return exchange.EqualName(t.name, name) })
		}
		seen[name] = true
		for _, v := range values {
			h.Add(k.Value, v.text)
		}
		if computed {
			templates = append(templates, headerTemplate{k.Value, values})
		}
	}
	return h, templates, nil
}

// headerValues reads the value of a header, or the list of its values, and reports
// whether one of them is computed.
func (d *definition) headerValues(key string, n *yaml.Node) (values []headerValue, computed bool, err error) {
	list := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		list = n.Content
	}
	for _, v := range list {
		s, ok := document.ScalarText(v)
		if !ok {
			return nil, false, d.wrong(key, v, "text or a list of texts")
		}
		if strings.Contains(s, "{{") {
			t, err := d.template(key, v)
			if err != nil {
				return nil, false, err
			}
			if !t.Static() {
				values, computed = append(values, headerValue{template: t, where: d.c.position(v)}), true
				continue
			}
		}
		if !validValue(s) {
			return nil, false, d.wrong(key, v, "one line of text")
		}
		values = append(values, headerValue{text: s})
	}
	return values, computed, nil
}

// validValue reports whether s can be the value of a header.
func validValue(s string) bool { return httpguts.ValidHeaderFieldValue(s) }

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
		if err := t.set(ctx, x, &res.Header); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// set sets the values for a request in h.
func (t headerTemplate) set(ctx context.Context, x *exchange.Exchange, h *exchange.Header) error {
	values := make([]string, len(t.values))
	for i, v := range t.values {
		var err error
		if values[i], err = v.render(ctx, x, t.name); err != nil {
			return err
		}
	}
	h.Set(t.name, values...)
	return nil
}

// render returns the value for a request.
func (v headerValue) render(ctx context.Context, x *exchange.Exchange, name string) (string, error) {
	if v.template == nil {
		return v.text, nil
	}
	value, err := v.template.Render(ctx, x)
	if err != nil {
		return "", err
	}
	var s string
	if value != nil {
		if s, err = valueText(value); err != nil {
			return "", err
		}
	}
	if !validValue(s) {
		return "", &script.Error{Pos: v.where, Message: fmt.Sprintf("header %s: the value %q can't stand in a header", name, s)}
	}
	return s, nil
}

// valueText returns text as it is and every other value as JSON.
func valueText(value any) (string, error) {
	if s, ok := value.(string); ok {
		return s, nil
	}
	b, err := jsonvalue.Append(nil, value)
	return string(b), err
}

// Interface guards.
var (
	_ exchange.Handler = (*templated)(nil)
	_ exchange.Handler = (*headed)(nil)
)
