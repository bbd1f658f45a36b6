package faultplan

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
)

// Handler returns a handler that answers as next does, or with the fault of the plan
// whose turn it is. Without plans it costs one look at a pointer.
func (t *Table) Handler(next exchange.Handler) exchange.Handler { return &handler{t, next} }

type handler struct {
	t    *Table
	next exchange.Handler
}

func (h *handler) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	f := h.t.active.Load()
	if f == nil {
		return h.next.Respond(ctx, x)
	}
	s := h.t.pick(f, x)
	if s == nil {
		return h.next.Respond(ctx, x)
	}
	res, met, err := s.Do.answer(ctx, x, h.next)
	switch {
	case err != nil:
		x.Notes.Add("info", s.String()+" did not act: there is no answer")
		return res, err
	case met:
		x.Notes.Meet(s.String())
	default:
		x.Notes.Add("info", s.String()+" did not act: the answer has nothing that it could change")
	}
	return res, nil
}

// pick counts a request and returns the plan that acts on it, or nil. No lock is held
// while a plan reads the request.
func (t *Table) pick(f *force, x *exchange.Exchange) *slot {
	if hop(x.Request) > 0 {
		for _, s := range f.slots {
			if s.loop == nil {
				continue
			}
			if _, fits := s.loop.Matches(x.Request); fits {
				return s
			}
		}
	}
	for key, request := range f.keys {
		if _, fits := request.Matches(x.Request); fits {
			_ = t.Mark(key)
		}
	}
	var acts *slot
	for _, s := range f.slots {
		if !s.fits(x.Request) {
			continue
		}
		now := t.event(s.Name)
		var since *event
		if e := s.When.Since; !e.start() {
			since = t.events.of(e.event())
		}
		if s.counts.turn(&s.When, now, since, x.Client.Addr(), acts == nil) {
			acts = s
			_ = t.events.mark(now)
		}
	}
	return acts
}

// fits reports whether the plan is about a request.
func (s *slot) fits(q *exchange.Request) bool {
	if s.Do.needsBody() && (q.Method == http.MethodHead || q.IsWebSocket()) {
		return false
	}
	_, fits := s.Match.Matches(q)
	return fits
}

// answer returns the response with the fault. met is false if the answer of next stays
// as it is.
func (d *Do) answer(ctx context.Context, x *exchange.Exchange, next exchange.Handler) (res *exchange.Response, met bool, err error) {
	switch {
	case d.Kind == StatusKind:
		return d.status(), true, nil
	case d.Kind == LoopKind:
		return d.redirect(x.Request), true, nil
	case d.own():
		res, err = d.Fault.Response(nil)
		return res, true, err
	}
	res, err = next.Respond(ctx, x)
	if res == nil && err == nil {
		res, err = x.Forward(ctx)
	}
	if err != nil {
		return nil, false, err
	}
	if d.Bare() {
		if c, ok := res.Body.(io.Closer); ok {
			c.Close()
		}
		res, err = d.Fault.Response(res)
		return res, true, err
	}
	if d.needsBody() {
		if _, takes := res.Body.(exchange.Hijacker); takes || res.Body == nil || exchange.Bodiless(x.Request.Method, res.Status) {
			return res, false, nil
		}
	}
	if d.Kind == "duplicate" && d.Whole && x.Request.Proto == "HTTP/2.0" {
		return res, false, nil // a second response is not possible there
	}
	out, err := d.Fault.Response(res)
	return out, out != res, err
}

// status returns the answer of a fault of the kind status.
func (d *Do) status() *exchange.Response {
	status, text := d.Status, d.Body
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	if text == "" {
		if text = http.StatusText(status); text == "" {
			text = "status " + strconv.Itoa(status)
		}
	}
	res := exchange.Text(status, text)
	res.Origin = exchange.FromMock
	if d.RetryAfter != "" {
		res.Header.Add("Retry-After", d.RetryAfter)
	}
	return res
}

// hopParam is the query parameter by which a redirect_loop knows its own redirects.
const hopParam = "redirect_loop"

// hop returns the number of redirects that a request has behind it.
func hop(q *exchange.Request) int {
	if !strings.Contains(q.Target, hopParam+"=") {
		return 0
	}
	n, _ := strconv.Atoi(q.Query().Get(hopParam))
	return n
}

// redirect returns the next redirect of a loop. Without Hops, it goes to and fro
// between two URLs, so that a device can see that it has been there.
func (d *Do) redirect(q *exchange.Request) *exchange.Response {
	status := d.Status
	if status == 0 {
		status = http.StatusTemporaryRedirect
	}
	var query []string
	for pair := range strings.SplitSeq(q.RawQuery(), "&") {
		if pair != "" && !strings.HasPrefix(pair, hopParam+"=") {
			query = append(query, pair)
		}
	}
	n := hop(q) + 1
	switch {
	case d.Hops > 0 && n >= d.Hops: // back to the first URL
	case d.Hops == 0 && n > 2:
		query = append(query, hopParam+"=1")
	default:
		query = append(query, hopParam+"="+strconv.Itoa(n))
	}
	to := q.Scheme + "://" + cmp.Or(q.Authority, q.Addr()) + q.Path()
	if len(query) > 0 {
		to += "?" + strings.Join(query, "&")
	}
	header := exchange.HeaderOf("Location", to)
	return &exchange.Response{Status: status, Header: header, Body: exchange.Bytes(nil), Origin: exchange.FromMock}
}

// Interface guards.
var _ exchange.Handler = (*handler)(nil)
