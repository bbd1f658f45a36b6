package scenario

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/exchange"
	"starproxy/script"
)

// headerTemplate is a header whose value is computed for each request.
type headerTemplate struct {
	name     string
	add      bool // to what the header already holds
	template *script.Template
}

// headers reads the header fields, names as they are written; those with {{expressions}} come compiled.
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
	seen := map[string]bool{}
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
		if seen[name] { // in other letters; the later one counts
			maps.DeleteFunc(h, func(k string, _ []string) bool { return http.CanonicalHeaderKey(k) == name })
			templates = slices.DeleteFunc(templates, func(t headerTemplate) bool { return t.name == name })
		}
		seen[name] = true
		for i, v := range list {
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
					templates = append(templates, headerTemplate{name, i > 0, t})
					continue
				}
			}
			if !validValue(s) {
				return nil, nil, d.wrong("headers."+k.Value, v, "one line of text")
			}
			h.Add(name, s)
		}
		if values, ok := h[name]; ok && k.Value != name && name != "Content-Type" && name != "Content-Length" {
			delete(h, name)
			h[k.Value] = values // sent as it is written here
		}
	}
	return h, templates, nil
}

// validValue tells whether s can stand in a header.
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
		b, err := exchange.EncodeJSON(v)
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

// Interface guards.
var (
	_ exchange.Handler = (*templated)(nil)
	_ exchange.Handler = (*headed)(nil)
)
