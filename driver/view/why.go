package view

import (
	"bytes"
	"net/http"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// Why returns, for JSON, what answered the request of a captured exchange, or the mocks
// that come nearest to it now.
func (s *Service) Why(e *capture.Entry) any { return s.why(e) }

// why returns what answered the request, or why no mock did.
func (s *Service) why(e *capture.Entry) any {
	switch {
	case e.Kind != capture.HTTP:
		return nil
	case e.Origin == exchange.FromReplay:
		return map[string]any{"recording": e.Source}
	case e.Endpoint != "":
		w := map[string]any{"endpoint": e.Endpoint, "source": e.Source}
		if ep := s.Table.Get(e.Endpoint); ep != nil && ep.Source.File != "" {
			w["file"], w["line"] = ep.Source.File, ep.Source.Line
		}
		return w
	}
	misses := []map[string]any{}
	if s.Table.Len() > 0 && s.Mocks() {
		q := requestOf(e)
		for _, m := range s.Table.Misses(q, 5) {
			misses = append(misses, map[string]any{"endpoint": m.Endpoint.Name, "source": m.Endpoint.Source.String(), "why": m.Why})
		}
	}
	return map[string]any{"misses": misses}
}

// requestOf returns the request of a captured exchange, with its body.
func requestOf(e *capture.Entry) *exchange.Request {
	q := &exchange.Request{
		Method: e.Method, Scheme: e.Scheme, Host: e.Host, Port: e.Port, Target: e.Target, Proto: e.Proto,
		Authority: e.Authority, Header: e.RequestHeader, ContentLength: e.RequestBody.Size,
	}
	if e.RequestBody.Size > 0 {
		if r, err := capture.OpenBody(e.RequestBody); err == nil {
			var data bytes.Buffer
			data.ReadFrom(http.MaxBytesReader(nil, r, maxPiece))
			r.Close()
			q.Body = exchange.NewIncoming(&data, nil)
		}
	}
	return q
}
