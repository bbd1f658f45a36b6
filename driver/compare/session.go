package compare

import (
	"cmp"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/flow"
)

// MaxExchanges is how many exchanges of a session are looked at. Those beyond are
// counted only.
const MaxExchanges = 100_000

// Session has the facts of a recording that belong to the device.
type Session struct {
	// Name is for reports.
	Name    string
	calls   []*call // by their time
	leftOut int
}

// call is one request of the device.
type call struct {
	start, end             time.Time // zero when not known
	conn                   string    // id of the device's connection
	method, scheme, host   string    // the host with its port where that is not the default
	proto                  string
	path                   string
	query                  [][2]string
	header                 exchange.Header
	tls                    fingerprint
	failed                 bool // no answer, or one after which devices retry
	body                   sample
	size                   int64  // of the body, see sample
	operation              string // the word in the body or a header that tells requests to one path apart
	messages               shape
	endpoint, pathVolatile string // set by learn
	number                 int    // its place in the recording
	expected               bool   // a scenario has an endpoint for it
}

// fingerprint is what a TLS handshake tells of a device. Its texts are empty when they
// are not known.
type fingerprint struct{ ja4, ja3, version string }

// Read returns the session of flows. It ends at the first error of flows.
func Read(name string, flows iter.Seq2[*flow.Flow, error]) (*Session, error) {
	s := &Session{Name: name}
	for f, err := range flows {
		if err != nil {
			return nil, fmt.Errorf("session %s: %w", name, err)
		}
		if len(s.calls) == MaxExchanges {
			s.leftOut++
			continue
		}
		c := callOf(f)
		c.number = len(s.calls)
		s.calls = append(s.calls, c)
	}
	slices.SortStableFunc(s.calls, func(a, b *call) int { return a.start.Compare(b.start) })
	return s, nil
}

// start returns when the first request began. It is zero when that isn't known.
func (s *Session) start() time.Time {
	for _, c := range s.calls {
		if !c.start.IsZero() {
			return c.start
		}
	}
	return time.Time{}
}

// end returns when the last answer of the session ended.
func (s *Session) end() (last time.Time) {
	for _, c := range s.calls {
		last = latest(last, c.end)
	}
	return last
}

// duration returns the time from the first request to the end of the last answer.
func (s *Session) duration() time.Duration {
	if s.start().IsZero() {
		return 0
	}
	return s.end().Sub(s.start())
}

func callOf(f *flow.Flow) *call {
	r := &f.Request
	c := &call{
		start: r.Start, conn: f.Client.ID, method: strings.ToUpper(r.Method), scheme: r.Scheme, proto: r.Proto,
		header: r.Header, path: exchange.PathOf(r.Path),
		tls: fingerprint{version: f.Client.TLSVersion},
	}
	if c.start.IsZero() {
		c.start = f.Created
	}
	if p := f.Fingerprint(); !p.Resumes {
		c.tls.ja4, c.tls.ja3 = p.JA4, p.JA3
	}
	c.end = latest(c.start, r.End)
	c.host = foldHost(exchange.URLAuthority(r.Scheme, hostOf(r), r.Port))
	if f.Stream {
		c.method, c.path, c.size = "TCP", "", -1
		c.host = exchange.JoinAuthority(r.Host, r.Port)
		return c
	}
	for name, value := range exchange.Pairs(exchange.QueryOf(r.Path)) {
		c.query = append(c.query, [2]string{name, value})
	}
	if f.Response != nil {
		c.end = latest(c.end, f.Response.End)
	}
	c.failed = f.Response == nil || retryable(f.Response.Status)
	c.body = sampleOf(r)
	c.size = c.body.size
	c.operation = operationOf(c)
	c.body.at = nil
	if f.WebSocket != nil {
		c.method = "WEBSOCKET"
		c.failed = f.Response == nil || f.Response.Status != http.StatusSwitchingProtocols
		c.messages = messagesOf(f.WebSocket.Messages)
	}
	return c
}

// hostOf returns the name of the server as the device sent it, without the port.
func hostOf(r *flow.Request) string {
	host, _ := exchange.SplitAuthority(cmp.Or(r.Authority, r.Header.Get("Host")), r.Port)
	return strings.ToLower(cmp.Or(host, r.Host))
}

// retryable reports whether devices send a request again after an answer with this
// status (RFC 9110 section 15.5.9 and 15.6, RFC 6585 section 4).
func retryable(status int) bool {
	return status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests ||
		status == http.StatusTooEarly
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// operationOf returns the word that tells apart what requests to one path are about, as
// GraphQL, JSON-RPC and SOAP have it. Empty for others.
func operationOf(c *call) string {
	if action := strings.Trim(c.header.Get("SOAPAction"), `"`); action != "" {
		return action
	}
	if name := c.body.word("operationName"); name != "" {
		return name
	}
	if c.body.word("jsonrpc") != "" {
		return c.body.word("method")
	}
	return ""
}
