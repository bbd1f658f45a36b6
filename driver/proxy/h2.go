package proxy

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"sync"

	"starproxy/builtins/exchange"
)

// forwardH2 asks a real server for a device that speaks HTTP/2.
func (s *serving) forwardH2(ctx context.Context, addr string) (*exchange.Response, error) {
	q := &s.req
	u, err := url.ParseRequestURI(q.Target)
	if err != nil {
		u = &url.URL{Opaque: q.Target}
	}
	u.Scheme, u.Host = q.Scheme, addr
	header := make(http.Header, len(q.Header)+1)
	for k, v := range q.Header {
		if !isHop(k) {
			header[k] = v
		}
	}
	if exchange.HasToken(q.Header["Te"], "trailers") {
		header["Te"] = []string{"trailers"} // gRPC asks for it
	}
	if _, ok := header["User-Agent"]; !ok {
		header["User-Agent"] = nil // Transport would add its own
	}
	// Interim answers come on a goroutine of the Transport.
	var mu sync.Mutex
	done := false
	var peer exchange.Peer
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			mu.Lock()
			defer mu.Unlock()
			peer = peerOf(info.Conn)
		},
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			mu.Lock()
			defer mu.Unlock()
			if !done && code != http.StatusContinue {
				s.informational(code, http.Header(h))
			}
			return nil
		},
	})
	out := (&http.Request{Method: q.Method, URL: u, Host: q.Authority, Header: header,
		ContentLength: q.ContentLength, Trailer: s.r.Trailer}).WithContext(ctx)
	if q.Body != nil {
		out.Body = io.NopCloser(q.Body)
	}
	res, err := s.p.upstream.h2.RoundTrip(out)
	mu.Lock()
	done = true
	server := peer
	mu.Unlock()
	if err != nil {
		return nil, err
	}
	endToEnd(res.Header)
	r := &exchange.Response{Status: res.StatusCode, Header: res.Header, Server: &server}
	if res.ProtoMajor == 2 {
		r.Names = lowerNames(res.Header)
	}
	if len(res.Trailer) > 0 {
		for k := range res.Trailer {
			res.Header.Add("Trailer", k)
		}
	}
	r.Trailer = func() http.Header { return res.Trailer }
	if res.Body == http.NoBody || q.Method == http.MethodHead {
		res.Body.Close()
	} else {
		r.Body = &exchange.Reader{R: res.Body, N: res.ContentLength}
	}
	return r, nil
}
