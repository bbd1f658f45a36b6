package proxy

import (
	"context"
	"io"
	"strconv"

	"starproxy/builtins/exchange"
)

// payload is a request body in the form in which it goes to a server: nothing,
// bytes, or a stream.
type payload struct {
	any     bool // there is a body, if only an empty one
	inline  []byte
	body    *exchange.Incoming     // of a stream; else nil
	length  int64                  // of a stream; -1 when unknown
	trailer func() exchange.Header // of a stream, at its end; nil for none

	stream  io.Reader
	release func()
}

// payload makes the request's body ready to be sent. A small body is read
// whole first.
func (s *serving) payload() (payload, error) {
	q := &s.req
	p := payload{any: q.Body != nil || q.Header.Has("Content-Length")}
	switch {
	case q.Body == nil:
	case q.ContentLength >= 0 && q.ContentLength <= inlineBody:
		b, err := q.Body.Bytes(inlineBody)
		if err != nil {
			return p, err
		}
		p.inline = b
	default:
		p.body, p.length, p.trailer = q.Body, q.ContentLength, s.r.trailer
	}
	return p, nil
}

// claim takes the stream, if it is one, from its start.
func (p *payload) claim(ctx context.Context) (err error) {
	if p.body != nil {
		p.stream, p.release, err = p.body.Claim(ctx, p.length)
	}
	return err
}

// drop gives a stream back that was claimed and not sent.
func (p *payload) drop() {
	if p.release != nil {
		p.release()
	}
}

// reclaim takes the stream from its start once more, when the upload that had
// it is over.
func (p *payload) reclaim(ctx context.Context, up *upload) error {
	if p.body == nil {
		return nil
	}
	if up != nil {
		select {
		case <-up.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return p.claim(ctx)
}

// chunked reports whether the body goes out in chunks.
func (p *payload) chunked() bool { return p.body != nil && p.length < 0 }

// announced returns the value of Content-Length, "" for no such line.
func (p *payload) announced() string {
	switch {
	case p.chunked() || !p.any:
		return ""
	case p.body != nil:
		return strconv.FormatInt(p.length, 10)
	}
	return strconv.Itoa(len(p.inline))
}
