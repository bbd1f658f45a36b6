package proxy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/exchange"
)

// HTTP/2 carries the parts of a request apart from each other; HTTP/1.1 writes
// them one behind the other, so that a blank or a line end in one of them makes
// another request of it. So all texts are checked here before they are written.

// malformed reports why a request that came over HTTP/2 must not be served
// (RFC 9113 sections 8.1.1 and 8.3.1); "" when it may. A Host field that says
// the same as the authority is taken away. net/http has checked the names and
// values of fields.
func (s *serving) malformed() string {
	q := &s.req
	if err := checkStart(q.Method, q.Target, q.Authority); err != nil {
		return err.Error()
	}
	for _, host := range q.Header.Values("Host") {
		if !sameAuthority(host, q.Authority, s.cl.tls) {
			return fmt.Sprintf("host: got %q, want the same as :authority, %q", host, q.Authority)
		}
	}
	q.Header.Del("Host")
	length := q.Header.Values("Content-Length")
	if len(length) > 1 {
		return "content-length: got several, want one"
	}
	if len(length) == 1 {
		n, err := strconv.ParseUint(length[0], 10, 63)
		switch {
		case err != nil || strings.Trim(length[0], "0123456789") != "":
			return fmt.Sprintf("content-length: got %q, want digits", length[0])
		case s.r.length != int64(n): // the stream ended with the header
			return fmt.Sprintf("content-length: got %d, want 0: no data came", n)
		}
	}
	return ""
}

// sameAuthority reports whether two authorities name one server: the case of
// letters does not matter, nor whether the scheme's own port is written.
func sameAuthority(a, b string, secure bool) bool {
	port := exchange.DefaultPort("http")
	if secure {
		port = exchange.DefaultPort("https")
	}
	hostA, portA := exchange.SplitAuthority(strings.TrimSpace(a), port)
	hostB, portB := exchange.SplitAuthority(b, port)
	return hostA == hostB && portA == portB
}

// checkRequest returns an error when a request can't be written as HTTP/1.1 or
// HTTP/2. It is called before each forward, since scripts and patches change
// requests.
func checkRequest(q *exchange.Request) error {
	if err := checkStart(q.Method, q.Target, q.Authority); err != nil {
		return err
	}
	return checkFields(q.Header)
}

// checkStart checks the parts of the request line and the Host field: the
// method is a token (RFC 9110 section 9.1), as the name of a field is; the
// target has no blank and no control character (RFC 9112 section 3.2).
func checkStart(method, target, authority string) error {
	if !httpguts.ValidHeaderFieldName(method) {
		return fmt.Errorf("method: got %q, want a token", method)
	}
	if target == "" {
		return fmt.Errorf("target: got nothing, want a path")
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == 0x7f {
			return fmt.Errorf("target: got %q, want no blanks and no control characters", target)
		}
	}
	if !httpguts.ValidHostHeader(authority) {
		return fmt.Errorf("authority: got %q, want a host and port", authority)
	}
	return nil
}

// checkFields checks names and values of a header (RFC 9110 sections 5.1 and 5.5).
func checkFields(h exchange.Header) error {
	for i := range h {
		if !httpguts.ValidHeaderFieldName(h[i].Name) {
			return fmt.Errorf("header name: got %q, want a token", h[i].Name)
		}
		if !lineSafe(h[i].Value) {
			return fmt.Errorf("header %s: got %q, want no CR, LF or NUL", h[i].Name, h[i].Value)
		}
	}
	return nil
}

// writable checks the header of an answer that was made here. Fields of a
// recording that can't be written are left out, with a note; in an answer of a
// mock or a script they are an error.
func (s *serving) writable(res *exchange.Response) (*exchange.Response, error) {
	err := checkFields(res.Header)
	if err == nil {
		return res, nil
	}
	if res.Origin != exchange.FromReplay {
		return nil, fmt.Errorf("answer can't be sent: %w", err)
	}
	res = res.Clone()
	res.Header = slices.DeleteFunc(res.Header, func(f exchange.Field) bool {
		err := checkFields(exchange.Header{f})
		if err != nil {
			s.x.Notes.Add("warning", "left out of the recorded answer: "+err.Error())
		}
		return err != nil
	})
	return res, nil
}

// lineSafe reports whether a value stays within its line.
func lineSafe(v string) bool {
	for i := range len(v) {
		if c := v[i]; c == '\n' || c == '\r' || c == 0 {
			return false
		}
	}
	return true
}
