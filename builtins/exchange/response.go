package exchange

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"starproxy/builtins/jsonvalue"
)

// Origin says who made a response.
type Origin uint8

// The origins of a response.
const (
	FromServer Origin = iota // the real server, untouched
	FromMock                 // a mock or a script
	FromPatch                // the real server, changed by a patch or a script
	FromProxy                // the proxy itself: 502, 501, the CA download page
	FromReplay               // a recording
)

// Mocked reports whether a mock, a patch or a recording made or changed the response.
func (o Origin) Mocked() bool { return o == FromMock || o == FromPatch || o == FromReplay }

// String returns the word that captures and the user interface show.
func (o Origin) String() string {
	switch o {
	case FromMock:
		return "mocked"
	case FromPatch:
		return "patched"
	case FromProxy:
		return "proxy"
	case FromReplay:
		return "replayed"
	}
	return "passthrough"
}

// Response is the answer that a device gets.
type Response struct {
	// Status code, 200 to 599, or 101 with a socket body.
	Status int
	// Reason is the reason phrase of the real server's status, empty for the usual
	// one.
	Reason string
	// Header has the lines in the order and spelling in which they are sent over
	// HTTP/1. If it has no Content-Length and the size of the body is known, the
	// proxy adds one.
	Header Header
	// Server is the real server's end of the connection that the answer came
	// on; nil when no server was asked.
	Server *Peer
	// Trailer returns the trailers after the body has been sent. Nil means none. For
	// HTTP/1.1, a Trailer header must announce the names.
	Trailer func() Header
	// Body is nil when there is none.
	Body Body
	// Origin is set by whoever makes the response.
	Origin Origin
	// Delay is the time to wait before the first byte is sent.
	Delay time.Duration
	// Draw returns a further, random delay each time that the response is sent. Nil
	// means none.
	Draw func() time.Duration
	// Err is the reason of a response that the proxy made because something
	// failed (the real server could not be reached, a script broke); captures
	// show it.
	Err error
}

// Peer is the other end of a connection.
type Peer struct {
	Addr netip.AddrPort
	TLS  TLS
}

// TLS has the results of a TLS handshake. The zero value means no TLS.
type TLS struct {
	Version uint16 // tls.VersionTLS13 and the like
	Cipher  uint16 // tls.TLS_AES_128_GCM_SHA256 and the like
	ALPN    string // "h2", "http/1.1" or none
}

// Wait returns how long to wait before the first byte is sent. It is called once
// for each time that the response is sent.
func (r *Response) Wait() time.Duration {
	if r.Draw == nil {
		return r.Delay
	}
	return r.Delay + r.Draw()
}

// Drawn returns a handler that answers as next does, with a further, random delay
// before each answer. If draw is nil, there is no further delay.
func Drawn(next Handler, draw func() time.Duration) Handler {
	if draw == nil {
		return next
	}
	return HandlerFunc(func(ctx context.Context, x *Exchange) (*Response, error) {
		res, err := next.Respond(ctx, x)
		if res == nil || err != nil {
			return res, err
		}
		c := *res
		c.Draw = draw
		return &c, nil
	})
}

// Clone returns a copy whose fields and header may be changed. The body is
// shared.
func (r *Response) Clone() *Response {
	c := *r
	c.Header = r.Header.Clone()
	return &c
}

// Text makes a plain-text response with a newline at its end.
func Text(status int, text string) *Response {
	return &Response{Status: status, Header: HeaderOf("Content-Type", "text/plain; charset=utf-8"), Body: Bytes(text + "\n")}
}

// Failure returns the answer to a request whose handler failed: 400 when that
// is the device's fault, 502 when it is the real server's, else 500. Its text
// is that of [Public].
func Failure(err error) *Response {
	text := Public(err)
	var res *Response
	var device *DeviceError
	var up *UpstreamError
	if errors.As(err, &device) {
		res = Text(http.StatusBadRequest, "Bad request: "+text)
		res.Header.Set("Connection", "close")
	} else if errors.As(err, &up) {
		res = Text(http.StatusBadGateway, "Bad gateway: "+text+unansweredText(err))
	} else {
		res = JSON(http.StatusInternalServerError, map[string]string{"error": text})
	}
	res.Origin, res.Err = FromProxy, err
	return res
}

// Unanswered returns the failure of a request that went to the real server
// because no endpoint answers it. The text of the error is that of err alone. Only
// the answer to the device names the nearest endpoints.
func Unanswered(err error, why string, nearest []string) error {
	return &unanswered{err, why, nearest}
}

type unanswered struct {
	error
	why     string
	nearest []string
}

func (u *unanswered) Unwrap() error { return u.error }

// unansweredText returns a second line for the answer to such a failure.
func unansweredText(err error) string {
	var u *unanswered
	switch {
	case !errors.As(err, &u):
		return ""
	case len(u.nearest) == 0:
		return "\n" + u.why
	}
	return "\n" + u.why + "; nearest: " + strings.Join(u.nearest, "; ")
}

// Logged marks an error as already logged. Otherwise the error stays the same.
func Logged(err error) error { return &logged{err} }

// IsLogged reports whether an error is already logged.
func IsLogged(err error) bool {
	var l *logged
	return errors.As(err, &l)
}

type logged struct{ error }

func (l *logged) Unwrap() error { return l.error }

// Reject makes the answer to a request that no endpoint answers. Its status is 501,
// and its body has the reason and the nearest endpoints.
func Reject[T any](q *Request, why string, nearest []T) *Response {
	if nearest == nil {
		nearest = []T{}
	}
	res := JSON(http.StatusNotImplemented, struct {
		Error   string `json:"error"`
		Request string `json:"request"`
		Nearest []T    `json:"nearest"`
	}{why, q.Method + " " + q.URL(), nearest})
	res.Origin, res.Err = FromProxy, errors.New(why)
	return res
}

// JSON makes a JSON response of v, which must be marshallable.
func JSON(status int, v any) *Response {
	b, err := jsonvalue.Append(nil, v)
	if err != nil {
		return &Response{Status: http.StatusInternalServerError, Err: err}
	}
	return &Response{Status: status, Header: HeaderOf("Content-Type", "application/json"), Body: Bytes(b)}
}

// Bodiless reports whether an answer to method with status has no body,
// whatever its header says (RFC 9110 section 6.4.1).
func Bodiless(method string, status int) bool {
	return method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
}
