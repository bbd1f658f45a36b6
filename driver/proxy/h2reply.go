package proxy

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"

	"starproxy/builtins/exchange"
)

// h2Reply is the answer to a request of HTTP/2, which net/http writes.
type h2Reply struct {
	http.ResponseWriter
	s      *h2Session
	header exchange.Header
}

func (w *h2Reply) interim(status int, h exchange.Header) {
	to := w.Header()
	h.AddTo(to)
	w.WriteHeader(status)
	clear(to)
}

func (w *h2Reply) begin(h head) {
	w.header = h.header
	to := w.Header()
	if slices.ContainsFunc(h.header, isForbidden) {
		h.header = slices.DeleteFunc(h.header.Clone(), isForbidden)
	}
	h.header.AddTo(to)
	length := to["Content-Length"]
	switch {
	case len(length) > 0:
	case h.nothing, h.length < 0:
		to["Content-Length"] = nil // the end of the stream says it; a gRPC status has none
	case h.length >= 0:
		to["Content-Length"] = []string{strconv.FormatInt(h.length, 10)}
	}
	if to["Content-Type"] == nil {
		to["Content-Type"] = nil // net/http would make one up
	}
	if to["Date"] == nil {
		switch clock := w.s.p.cfg.Clock; {
		case h.undated:
			to["Date"] = nil
		case clock.Name() != "": // net/http writes the time of the system
			to["Date"] = []string{clock.Now().UTC().Format(http.TimeFormat)}
		}
	}
	w.s.answers(h.status)
	w.WriteHeader(h.status)
}

// isForbidden reports whether a line can't be in an answer over HTTP/2 (RFC 9113
// section 8.2.2). net/http leaves out Connection itself, of which it reads that the
// connection is to be closed.
func isForbidden(f exchange.Field) bool {
	return exchange.IsHop(f.Name) && !exchange.EqualName(f.Name, "Connection")
}

func (w *h2Reply) FlushError() error { return http.NewResponseController(w.ResponseWriter).Flush() }

// trailers sets the trailers for net/http: the announced ones by their names, the
// others with its prefix for trailers that were not announced.
func (w *h2Reply) trailers(h exchange.Header) {
	to := w.Header()
	for _, f := range h {
		name := f.Name
		if !w.header.HasToken("Trailer", name) {
			name = http.TrailerPrefix + http.CanonicalHeaderKey(name)
		}
		to.Add(name, f.Value)
	}
}

func (w *h2Reply) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("a connection of HTTP/2 can't be taken: it carries other requests")
}

// Interface guards.
var _ replier = (*h2Reply)(nil)
