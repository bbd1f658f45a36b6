package hold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// handler holds the exchanges of one proxy.
type handler struct {
	t    *Table
	next exchange.Handler
}

func (h *handler) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	r := h.t.active.Load()
	if r == nil {
		return h.next.Respond(ctx, x)
	}
	v := &visit{t: h.t, rule: r, x: x}
	return v.respond(ctx, h.next)
}

// visit is one exchange while a rule is in force.
type visit struct {
	t    *Table
	rule *Rule
	x    *exchange.Exchange
	// stop ends a Read of the response's body that is under way. Without it, the context
	// ends with the exchange.
	stop context.CancelFunc

	body  []byte // of the request: all, or its beginning
	whole bool   // it is all
	read  bool   // body was read
}

func (v *visit) respond(ctx context.Context, next exchange.Handler) (*exchange.Response, error) {
	if v.rule.bodies {
		v.readBody(ctx)
	}
	if v.rule.on(Request) && v.picked(v.entry()) {
		if res, err := v.holdRequest(ctx); res != nil || err != nil {
			return res, err
		}
	}
	if !v.rule.on(Response) {
		return next.Respond(ctx, v.x)
	}
	ctx, v.stop = context.WithCancel(ctx)
	res, err := next.Respond(ctx, v.x)
	if res == nil && err == nil {
		res, err = v.x.Forward(ctx)
	}
	if err == nil {
		res, err = v.responded(ctx, res)
	}
	if err != nil {
		v.stop()
	}
	return res, err
}

// responded holds the response, if the rule picks it, and returns the one that the device
// gets.
func (v *visit) responded(ctx context.Context, res *exchange.Response) (*exchange.Response, error) {
	if v.t.active.Load() == nil || !exchange.Peekable(res.Body) {
		return res, nil // it was switched off meanwhile, or takes the connection
	}
	e := v.entry()
	e.Status, e.ResponseHeader, e.Origin = res.Status, res.Header, res.Origin
	e.Endpoint, e.Source, e.Unmatched = v.x.Endpoint, v.x.Source, v.x.Unmatched
	if res.Server != nil {
		e.Server = *res.Server
	}
	if res.Err != nil {
		e.Error = res.Err.Error()
	}
	var m *Message
	if v.rule.bodies {
		m, res = v.peek(ctx, res)
		e.ResponseBody = capture.Blob{Size: int64(len(m.Body)), Data: m.Body, Truncated: !m.Whole}
	}
	if !v.picked(e) {
		return res, nil
	}
	if m == nil {
		m, res = v.peek(ctx, res)
	}
	return v.holdResponse(ctx, m, res)
}

// closeBody gives up a response.
func closeBody(res *exchange.Response) {
	if c, ok := res.Body.(io.Closer); ok {
		c.Close()
	}
}

// readBody reads the request's body as far as it comes.
func (v *visit) readBody(ctx context.Context) {
	if v.read {
		return
	}
	v.read, v.whole = true, true
	if b := v.x.Request.Body; b != nil {
		ctx, cancel := context.WithTimeout(ctx, v.rule.Timeout)
		defer cancel()
		v.body, v.whole, _ = b.Await(ctx, MaxBody, idle)
	}
}

// peek reads the body of a response as far as it comes. The response that it returns
// sends all of it.
func (v *visit) peek(ctx context.Context, res *exchange.Response) (*Message, *exchange.Response) {
	m := &Message{Status: res.Status, Header: res.Header.Clone(), Whole: true}
	switch {
	case v.x.Request.Method == http.MethodHead:
		m.Fixed = "a response to HEAD has none"
	case exchange.Bodiless(v.x.Request.Method, res.Status): // it gets one with another status
	case res.Body != nil:
		if s, ok := res.Body.(exchange.Sized); ok {
			m.Size = s.Size()
		} else {
			m.Size = -1
		}
		v.endWithMock(ctx, res)
		reading, cancel := context.WithTimeout(ctx, v.rule.Timeout)
		defer cancel()
		out := res.Clone()
		if m.Body, m.Whole, out.Body = exchange.PeekBody(reading, res.Body, MaxBody, idle, v.stop); !m.Whole {
			m.Fixed = partly(len(m.Body))
		}
		res = out
	}
	m.settle()
	return m, res
}

// endWithMock ends the body of a mock that may go on for ever when the mock is removed.
func (v *visit) endWithMock(ctx context.Context, res *exchange.Response) {
	if v.x.Gone == nil || res.Origin != exchange.FromMock || !exchange.Endless(res.Body) {
		return
	}
	forget := context.AfterFunc(v.x.Gone, v.stop)
	context.AfterFunc(ctx, func() { forget() })
}

// partly returns why a body can't be edited of which so many bytes came.
func partly(n int) string {
	if n >= MaxBody {
		return "it is larger than 1 MiB: this is its beginning"
	}
	return fmt.Sprintf("it has not come whole: %d bytes so far", n)
}

// entry returns the request for a filter.
func (v *visit) entry() *capture.Entry {
	x, q := v.x, v.x.Request
	return &capture.Entry{
		Start: x.Start, Duration: time.Since(x.Start), Client: x.Client, Method: q.Method, Scheme: q.Scheme, Host: q.Host, Port: q.Port,
		Target: q.Target, Proto: q.Proto, Authority: q.Authority, RequestHeader: q.Header, Notes: x.Notes.List(),
		RequestBody: capture.Blob{Size: int64(len(v.body)), Data: v.body, Truncated: !v.whole},
	}
}

// picked reports whether the rule picks an exchange.
func (v *visit) picked(e *capture.Entry) bool { return v.rule.filter == nil || v.rule.filter(e) }

// requestMessage returns the request as it is shown.
func (v *visit) requestMessage() Message {
	q := v.x.Request
	m := Message{Method: q.Method, URL: q.URL(), Header: q.Header.Clone(), Body: v.body, Size: q.ContentLength, Whole: v.whole}
	switch {
	case q.Body == nil:
		m.Size, m.Whole = 0, true
	case !v.read && q.Body != nil: // on the side of the response
		m.Whole, m.Fixed = false, "it was not read before it was sent"
	case !v.whole:
		m.Fixed = partly(len(v.body))
	}
	m.settle()
	return m
}

// begin makes the copy of an exchange that is to be held.
func (v *visit) begin(side Side) *Held {
	x, now := v.x, time.Now()
	h := &Held{
		ID: x.ID, Side: side, Since: now, Until: now.Add(v.rule.Timeout), Proto: x.Request.Proto, Request: v.requestMessage(),
		decided: make(chan decision, 1),
	}
	if x.Client.IsValid() {
		h.Client = x.Client.String()
	}
	return h
}

// hold holds an exchange and notes that. The decision is nil if it was not held.
func (v *visit) hold(ctx context.Context, h *Held) (*decision, error) {
	if !v.t.add(h) {
		if h.full {
			v.x.Notes.Add("warning", fmt.Sprintf("the %s was not held: %d others are held already", h.Side, MaxHeld))
		}
		return nil, nil
	}
	v.tell(h.Side)
	d, err := v.t.wait(ctx, h)
	v.tell("")
	level := "info"
	if d.why == timedOut {
		level = "warning"
	}
	v.x.Notes.Add(level, fmt.Sprintf("the %s was held for %v, then %s", h.Side, time.Since(h.Since).Round(time.Millisecond), d.why))
	return &d, err
}

// tell notes in the table of exchanges in flight on which side the exchange is held; the
// empty side is none.
func (v *visit) tell(side Side) {
	if v.t.Flights == nil {
		return
	}
	state := capture.Answering
	switch side {
	case Request:
		state = capture.HeldRequest
	case Response:
		state = capture.HeldResponse
	}
	v.t.Flights.Set(v.x.ID, state)
}

// holdRequest holds the request. It returns a response if there is one by hand.
func (v *visit) holdRequest(ctx context.Context) (*exchange.Response, error) {
	v.readBody(ctx)
	h := v.begin(Request)
	d, err := v.hold(ctx, h)
	switch {
	case d == nil || err != nil:
		return nil, err
	case d.abort:
		return aborted(), nil
	case d.answer != nil:
		return d.answer.response(v.x.Request.Method), nil
	case d.change != nil:
		v.edited(d.change.apply(v.x.Request, h))
		if d.change.bodied {
			v.body = d.change.body
		}
	}
	return nil, nil
}

// holdResponse holds the response, and returns the one that the device gets. A body that
// it does not get is closed.
func (v *visit) holdResponse(ctx context.Context, m *Message, res *exchange.Response) (*exchange.Response, error) {
	h := v.begin(Response)
	h.Response, h.Endpoint = m, v.x.Endpoint
	d, err := v.hold(ctx, h)
	switch {
	case err != nil:
		closeBody(res)
		return nil, err
	case d == nil:
		return res, nil
	case d.abort:
		closeBody(res)
		return aborted(), nil
	case d.answer != nil:
		closeBody(res)
		out := d.answer.response(v.x.Request.Method)
		v.edited(replaced(m, out))
		return out, nil
	case d.change != nil:
		out, edits := d.change.respond(res, m)
		v.edited(edits)
		return out, nil
	}
	return res, nil
}

// edited keeps what was changed, and notes it.
func (v *visit) edited(edits []exchange.Edit) {
	if len(edits) == 0 {
		return
	}
	v.x.Edited(edits...)
	parts := make([]string, len(edits))
	for i, e := range edits {
		parts[i] = e.Part
	}
	slices.Sort(parts)
	v.x.Notes.Add("info", fmt.Sprintf("edited by hand: %s of the %s", strings.Join(parts, ", "), edits[0].Side))
}

// errAborted is the error of an exchange that was aborted.
var errAborted = fmt.Errorf("%w: aborted by hand", exchange.ErrFault)

// aborted returns a response that resets the connection.
func aborted() *exchange.Response {
	res, err := exchange.Fault{Kind: "reset", Stream: true}.Response(nil)
	if err != nil { // the kind is known
		return exchange.Failure(errors.Join(errAborted, err))
	}
	res.Err = errAborted
	return res
}

// Interface guards.
var _ exchange.Handler = (*handler)(nil)
