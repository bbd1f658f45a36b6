package scenario

import (
	"context"
	"fmt"
	"io"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/driver/document"
)

// breaking is the network fault of a definition, in place of the response or in the
// middle of it.
type breaking struct {
	exchange.Fault
	rate float64
}

// breaking reads fault: a kind, or a map with the kind and its settings.
func (d *definition) breaking() (b breaking, err error) {
	n, path := d.get("fault"), d.at("fault")
	do, err := readFault(n, path, exchange.Faults(), false, "rate")
	b.Fault, b.rate = do.Fault, 1
	if err != nil {
		return b, err
	}
	if v := document.Child(n, "rate"); v != nil && v.Tag != "!!null" {
		r, ok := document.Float(v)
		if !ok || !(r >= 0 && r <= 1) {
			return b, document.Wrong(v, path+".rate", "how often it fails, a number from 0 to 1")
		}
		b.rate = r
	}
	return b, nil
}

// String returns the fault for a summary, such as "fault:reset".
func (b breaking) String() string {
	if b.rate < 1 {
		return fmt.Sprintf("fault:%s (%g%%)", b.Kind, 100*b.rate)
	}
	return "fault:" + b.Kind
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
	if b.Bare() && k.key != "rules" && k.key != "sequence" {
		latency, err := d.latency()
		if err != nil {
			return nil, err
		}
		h.whole, err = b.Response(&exchange.Response{Delay: latency.Fixed, Draw: latency.Draw})
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
		h.met(x)
		return h.whole, nil
	}
	res, err := h.next.Respond(ctx, x)
	if res == nil || err != nil {
		return res, err
	}
	if _, takes := res.Body.(exchange.Hijacker); takes && !h.Bare() {
		return res, nil // a WebSocket, or a fault of the rule itself
	}
	if h.Bare() {
		if c, ok := res.Body.(io.Closer); ok {
			c.Close()
		}
	}
	out, err := h.Response(res)
	if err == nil && out != res {
		h.met(x)
	}
	return out, err
}

// met records that an exchange meets the fault.
func (h *faultHandler) met(x *exchange.Exchange) {
	name := "fault " + h.Kind
	if x.Source != "" {
		name += " (" + x.Source + ")"
	}
	x.Notes.Meet(name)
}

// Interface guards.
var _ exchange.Handler = (*faultHandler)(nil)
