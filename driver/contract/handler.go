package contract

import (
	"context"
	"errors"
	"io"
	"net/http"

	"starproxy/builtins/exchange"
)

// MaxBody is the largest body that is checked, in bytes, as sent and when decoded.
const MaxBody = 1 << 20

// TooLarge is the reason for which a larger body is not checked.
const TooLarge = "it has more than 1 MiB"

// Handler returns a handler that answers as next does, and refuses what breaks the
// contract in force if its mode is [Reject]. Otherwise it costs one look at a pointer.
func (t *Table) Handler(next exchange.Handler) exchange.Handler { return &handler{t, next} }

type handler struct {
	t    *Table
	next exchange.Handler
}

// Respond checks the request before next answers, and the answer before it is sent.
func (h *handler) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	c := h.t.Current()
	if c == nil || c.Mode != Reject || x.Request.IsWebSocket() {
		return h.next.Respond(ctx, x)
	}
	if !c.Covers(x.Request.Host) {
		h.t.Outside()
		return h.next.Respond(ctx, x)
	}
	q := &Request{Method: x.Request.Method, Host: x.Request.Host, Target: x.Request.Target, Header: x.Request.Header}
	var err error
	if q.Body, err = incoming(x.Request); err != nil {
		return nil, err
	}
	res := c.Check(q, nil)
	if len(res.Breaches) > 0 {
		h.note(x, &res)
		return refusal(http.StatusBadRequest, "the request breaks the contract", c, res.Breaches), nil
	}
	out, err := h.next.Respond(ctx, x)
	if out == nil && err == nil {
		out, err = x.Forward(ctx)
	}
	if err != nil || res.Outside || !checkable(out) {
		h.note(x, &res)
		return out, err
	}
	a := &Answer{Status: out.Status, Header: out.Header}
	if a.Body, out, err = outgoing(ctx, out); err != nil {
		return nil, err
	}
	answered := c.CheckAnswer(q, a)
	res.Breaches, res.Unchecked = answered.Breaches, append(res.Unchecked, answered.Unchecked...)
	h.note(x, &res)
	if len(res.Breaches) == 0 {
		return out, nil
	}
	if closer, ok := out.Body.(io.Closer); ok {
		closer.Close()
	}
	return refusal(http.StatusBadGateway, "the answer breaks the contract", c, res.Breaches), nil
}

// checkable reports whether an answer is one of the API, and not of the proxy, a broken
// connection or a stream.
func checkable(res *exchange.Response) bool {
	if res.Origin == exchange.FromProxy || res.Err != nil {
		return false
	}
	_, takes := res.Body.(exchange.Hijacker)
	return !takes
}

func (h *handler) note(x *exchange.Exchange, res *Result) {
	h.t.Count(res)
	for _, n := range res.Notes() {
		x.Notes.Add(n.Level, n.Text)
	}
}

// Notes returns the result as remarks on the exchange.
func (r *Result) Notes() (notes []exchange.Note) {
	for _, b := range r.Breaches {
		notes = append(notes, exchange.Note{Level: "warning", Text: b.String()})
	}
	for _, u := range r.Unchecked {
		notes = append(notes, exchange.Note{Level: "info", Text: "contract: not checked: " + u})
	}
	return notes
}

// refusal is the answer in the place of one that breaks the contract.
func refusal(status int, why string, c *Contract, breaches []Breach) *exchange.Response {
	res := exchange.JSON(status, struct {
		Error    string   `json:"error"`
		Contract string   `json:"contract"`
		Breaches []Breach `json:"breaches"`
	}{why, c.Named(), breaches})
	res.Origin, res.Err = exchange.FromProxy, errors.New(why)
	return res
}

// incoming returns the body of a request, which can be read again.
func incoming(q *exchange.Request) (Body, error) {
	if q.Body == nil {
		return Body{}, nil
	}
	data, err := q.Body.Bytes(MaxBody)
	if errors.Is(err, exchange.ErrBodyTooLarge) {
		return Body{Unread: TooLarge}, nil
	}
	if err != nil {
		return Body{}, err
	}
	return ReadBody(data, q.Header), nil
}

// outgoing returns the body of an answer, and the answer with a body that can still be
// sent. It does not read bodies of types that schemas do not describe, nor streams.
func outgoing(ctx context.Context, res *exchange.Response) (Body, *exchange.Response, error) {
	if res.Body == nil || !described(contentType(res.Header)) {
		return Body{}, res, nil
	}
	if _, lasts := res.Body.(exchange.Lasting); lasts {
		return Body{Unread: "it is a stream"}, res, nil
	}
	if f, ok := res.Body.(*exchange.File); ok {
		if f.N > MaxBody {
			return Body{Unread: TooLarge}, res, nil
		}
		data, err := io.ReadAll(io.NewSectionReader(f.F, f.Off, f.N))
		return ReadBody(data, res.Header), res, err
	}
	data, rest, err := exchange.ReadBody(ctx, res.Body, MaxBody)
	if err != nil {
		return Body{}, nil, err
	}
	again := *res
	if rest != nil {
		again.Body = rest
		return Body{Unread: TooLarge}, &again, nil
	}
	again.Body = exchange.Bytes(data)
	return ReadBody(data, res.Header), &again, nil
}

// Interface guards.
var _ exchange.Handler = (*handler)(nil)
