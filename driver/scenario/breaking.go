package scenario

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/builtins/nearest"
	"starproxy/driver/document"
)

// breaking is the network fault of a definition, in place of the response or in the
// middle of it.
type breaking struct {
	kind  string
	after int64
	rate  float64
}

// breaking reads fault: a kind, or a map with the kind and its settings.
func (d *definition) breaking() (b breaking, err error) {
	b.rate = 1
	n, path := d.get("fault"), d.at("fault")
	kind := n
	if n.Kind == yaml.MappingNode {
		known := []string{"kind", "after", "rate"}
		kind = document.Child(n, "kind")
		for k, v := range document.Pairs(n) {
			switch {
			case k.Value == remark || v.Tag == "!!null" || k.Value == "kind":
			case k.Value == "after":
				i, ok := document.Whole(v)
				if !ok || i < 0 {
					return b, document.Wrong(v, path+".after", "a number of bytes, 0 or more")
				}
				b.after = i
			case k.Value == "rate":
				r, ok := document.Float(v)
				if !ok || !(r >= 0 && r <= 1) {
					return b, document.Wrong(v, path+".rate", "how often it fails, a number from 0 to 1")
				}
				b.rate = r
			default:
				return b, document.UnknownKey(k, path, known)
			}
		}
	}
	list := strings.Join(exchange.Faults(), ", ")
	if kind == nil {
		return b, document.Errorf(n, "%s: got no kind, want one of %s", path, list)
	}
	if kind.Kind != yaml.ScalarNode || !slices.Contains(exchange.Faults(), kind.Value) {
		hint := ""
		if near := nearest.Name(kind.Value, exchange.Faults()); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return b, document.Errorf(kind, "%s: got %s, want one of %s, or a map such as {kind: truncate, after: 100}%s", path,
			document.Describe(kind), list, hint)
	}
	b.kind = kind.Value
	return b, nil
}

// bare reports whether no part of a response is sent before the fault.
func (b breaking) bare() bool { return b.after == 0 && b.kind != "truncate" }

// String returns the fault for a summary, such as "fault:reset".
func (b breaking) String() string {
	if b.rate < 1 {
		return fmt.Sprintf("fault:%s (%g%%)", b.kind, 100*b.rate)
	}
	return "fault:" + b.kind
}

// faulty returns a handler with the fault of the definition. Without a fault, it
// returns next.
func (d *definition) faulty(next exchange.Handler, k kind) (exchange.Handler, error) {
	b, err := d.breaking()
	if err != nil {
		return nil, err
	}
	h := &faultHandler{breaking: b, next: next}
	if b.rate < 1 {
		if h.random, err = d.c.random(d.get("fault"), d.at("fault")); err != nil {
			return nil, err
		}
	}
	// The rule or step decides whether there is a response, so next is asked first.
	if b.bare() && k.key != "rules" && k.key != "sequence" {
		latency, err := d.latency()
		if err != nil {
			return nil, err
		}
		h.whole, err = exchange.NewFault(b.kind, 0, &exchange.Response{Delay: latency.Fixed, Draw: latency.Draw})
		if err != nil {
			return nil, err
		}
	}
	return h, nil
}

// faultHandler breaks the connection in place of the response of next, or in the
// middle of it.
type faultHandler struct {
	breaking
	next   exchange.Handler
	random *call.Random       // nil for a fault of each request
	whole  *exchange.Response // the fault, if it does not need a response of next
}

func (h *faultHandler) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	if h.random != nil && h.random.Float64() >= h.rate {
		return h.next.Respond(ctx, x)
	}
	if h.whole != nil {
		return h.whole, nil
	}
	res, err := h.next.Respond(ctx, x)
	if res == nil || err != nil {
		return res, err
	}
	if _, takes := res.Body.(exchange.Hijacker); takes && !h.bare() {
		return res, nil // a WebSocket, or a fault of the rule itself
	}
	if h.bare() {
		if c, ok := res.Body.(io.Closer); ok {
			c.Close()
		}
	}
	return exchange.NewFault(h.kind, h.after, res)
}

// Interface guards.
var _ exchange.Handler = (*faultHandler)(nil)
