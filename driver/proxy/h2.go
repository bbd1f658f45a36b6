package proxy

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// errOnlyH1 says that a server does not speak HTTP/2. The connection that was
// made to find out is in the pool of HTTP/1.1.
var errOnlyH1 = errors.New("the server speaks HTTP/1.1")

// h2Client asks servers over HTTP/2. net/http's Transport does the protocol. It
// keeps one set of connections for each host of a URL, so the URLs that it is
// given name a [poolKey] instead of a host.
type h2Client struct {
	u     *upstream
	tls   *http.Transport
	plain *http.Transport // prior knowledge (RFC 9113 section 3.3)

	mu     sync.Mutex
	onlyH1 map[h1Key]time.Time // servers without HTTP/2, and until when that is believed
}

// maxOnlyH1 bounds the servers that are remembered.
const maxOnlyH1 = 1024

func newH2Client(u *upstream) *h2Client {
	c := &h2Client{u: u, onlyH1: map[h1Key]time.Time{}}
	c.tls = c.transport()
	c.tls.DialTLSContext = c.dialTLS
	c.tls.ForceAttemptHTTP2 = true
	c.plain = c.transport()
	c.plain.DialContext = func(ctx context.Context, _, addr string) (net.Conn, error) { return u.dial(ctx, keyOf(ctx).addr) }
	c.plain.Protocols = new(http.Protocols)
	c.plain.Protocols.SetUnencryptedHTTP2(true)
	return c
}

func (c *h2Client) transport() *http.Transport {
	return &http.Transport{DisableCompression: true, IdleConnTimeout: upstreamIdle, MaxResponseHeaderBytes: maxResponseHead}
}

func (c *h2Client) close() {
	c.tls.CloseIdleConnections()
	c.plain.CloseIdleConnections()
}

// poolKey is the context's key of the *poolRoute of a request.
type poolKey struct{}

// poolRoute is where a request goes, and what measures its way there.
type poolRoute struct {
	key h1Key
	*trip
}

func keyOf(ctx context.Context) h1Key {
	if r, ok := ctx.Value(poolKey{}).(*poolRoute); ok {
		return r.key
	}
	return h1Key{}
}

// host returns a text that no other key has, in the form of a host and port.
func (k h1Key) host() string { return hex.EncodeToString([]byte(k.addr+"|"+k.sni)) + ":1" }

// dialTLS returns the Transport's DialTLSContext.
func (c *h2Client) dialTLS(ctx context.Context, _, _ string) (net.Conn, error) {
	key := keyOf(ctx)
	t, err := c.u.dialTLS(ctx, key, "h2", "http/1.1")
	if err != nil {
		return nil, err
	}
	if t.ConnectionState().NegotiatedProtocol == "h2" {
		return t, nil
	}
	c.mu.Lock()
	if len(c.onlyH1) >= maxOnlyH1 {
		clear(c.onlyH1)
	}
	c.onlyH1[key] = time.Now().Add(upstreamIdle)
	c.mu.Unlock()
	c.u.pool.put(c.u.newH1Conn(t, key))
	return nil, errOnlyH1
}

// speaksH2 reports whether a server may speak HTTP/2, as far as is known.
func (c *h2Client) speaksH2(key h1Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	until, known := c.onlyH1[key]
	if known && time.Now().After(until) {
		delete(c.onlyH1, key)
		known = false
	}
	return !known
}

// roundTrip sends a request to the server that key names.
func (c *h2Client) roundTrip(ctx context.Context, key h1Key, out *http.Request, t *trip) (*http.Response, error) {
	if key.tls && !c.speaksH2(key) {
		return nil, errOnlyH1
	}
	out = out.WithContext(context.WithValue(ctx, poolKey{}, &poolRoute{key, t}))
	if key.tls {
		return c.tls.RoundTrip(out)
	}
	return c.plain.RoundTrip(out)
}

// forwardH2 asks a real server over HTTP/2. It returns errOnlyH1, with nobody
// reading the body of the request, when the server does not speak that or wants
// this request over HTTP/1.1.
func (s *serving) forwardH2(ctx context.Context, key h1Key) (*exchange.Response, error) {
	out, err := s.h2Request(ctx, key)
	if err != nil {
		return nil, err
	}
	t := h2Trace{s: s}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: t.gotConn, Got1xxResponse: t.got1xx, WroteHeaders: func() { s.trip.note(&s.trip.Sent, time.Since(s.x.Start)) },
	})
	s.flight.Set(capture.Connecting)
	defer s.flight.Set(capture.Answering)
	for {
		res, err := s.p.upstream.h2.roundTrip(ctx, key, out, &s.trip)
		if err == nil {
			s.trip.note(&s.trip.Headed, time.Since(s.x.Start))
			return s.h2Response(res, t.end())
		}
		// The server may have closed a kept connection just now. A request that
		// changes nothing is sent again; the Transport itself does so with those
		// that were surely not processed (RFC 9113 section 8.7).
		var reset http2.StreamError
		again := t.again() && out.GetBody != nil && idempotent(out.Method) && ctx.Err() == nil && !errors.As(err, &reset)
		var body io.ReadCloser
		if again {
			body, again = repeat(out)
		}
		if !again {
			t.end()
			s.takeBack()
			if wantsH1(err) {
				err = cmp.Or(s.stopPump(ctx), errOnlyH1)
			}
			return nil, err
		}
		out.Body = body
	}
}

// wantsH1 reports whether a server refused a request with HTTP_1_1_REQUIRED (RFC
// 9113 section 7), as IIS does where NTLM or a client certificate is needed. It
// did not process the request. net/http's error for GOAWAY can't be named, so
// the text is looked at.
func wantsH1(err error) bool {
	return strings.Contains(err.Error(), http2.ErrCodeHTTP11Required.String())
}

// repeat returns the body of a request once more, if that can be done.
func repeat(out *http.Request) (io.ReadCloser, bool) {
	body, err := out.GetBody()
	return body, err == nil
}

// h2Request returns the request for the Transport.
func (s *serving) h2Request(ctx context.Context, key h1Key) (*http.Request, error) {
	q := &s.req
	host := key.host()
	u := &url.URL{Scheme: q.Scheme, Host: host, Opaque: q.Target}
	if strings.HasPrefix(q.Target, "//") {
		// The Transport takes the authority off what looks like a whole URL.
		u.Opaque = "//" + q.Authority + q.Target
	}
	header := make(http.Header, len(q.Header)+1)
	for _, f := range q.Header {
		if !isOurs(f.Name) {
			header.Add(f.Name, f.Value)
		}
	}
	if q.Header.HasToken("TE", "trailers") {
		header["Te"] = []string{"trailers"} // gRPC asks for it
	}
	if _, ok := header["User-Agent"]; !ok {
		header["User-Agent"] = nil // Transport would add its own
	}
	out := &http.Request{Method: q.Method, URL: u, Host: q.Authority, Header: header, Trailer: s.r.h2.Trailer}
	if q.Body == nil {
		out.GetBody = func() (io.ReadCloser, error) { return nil, nil }
		return out, nil
	}
	out.ContentLength = q.ContentLength
	return out, s.lend(ctx, out)
}

// h2Response makes an exchange's response of the Transport's.
func (s *serving) h2Response(res *http.Response, peer exchange.Peer) (*exchange.Response, error) {
	header := h2Header(res.Header)
	header.DropHops()
	sized := header.Has("Content-Length")
	if sized && res.ContentLength < 0 {
		header.Del("Content-Length") // no number, or several
	}
	r := &exchange.Response{Status: res.StatusCode, Header: header, Server: &peer}
	announced := slices.Sorted(maps.Keys(res.Trailer))
	body := res.Body
	if res.ContentLength == 0 && sized {
		// No byte is to come, but trailers may be. They are read here.
		if _, err := io.Copy(io.Discard, body); err != nil {
			body.Close()
			return nil, err
		}
	} else if res.ContentLength == 0 {
		res.Trailer, announced = nil, nil // the stream has ended
	}
	if res.ContentLength == 0 || exchange.Bodiless(s.req.Method, res.StatusCode) {
		body.Close()
		if len(res.Trailer) == 0 {
			return r, nil
		}
		body = http.NoBody
	}
	for _, k := range announced {
		r.Header.Add("trailer", k)
	}
	r.Trailer = func() exchange.Header { return h2Header(res.Trailer) }
	r.Body = &exchange.Reader{R: body, N: res.ContentLength}
	return r, nil
}

// h2Trace gets the Transport's news of a request that is under way. The Transport
// calls it on goroutines of its own.
type h2Trace struct {
	s      *serving
	mu     sync.Mutex
	peer   exchange.Peer
	reused bool
	done   bool // nothing more may be sent to the device
}

func (t *h2Trace) gotConn(info httptrace.GotConnInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.peer, t.reused = peerOf(info.Conn), info.Reused
	t.s.trip.over(info.Reused)
	t.s.flight.Set(capture.Waiting)
}

// got1xx passes interim answers on.
func (t *h2Trace) got1xx(code int, h textproto.MIMEHeader) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.done && code != http.StatusContinue {
		t.s.informational(code, h2Header(http.Header(h)))
	}
	return nil
}

// again reports whether the last try went over a kept connection, once for
// each try.
func (t *h2Trace) again() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	reused := t.reused
	t.reused = false
	return reused
}

// end stops interim answers and returns the real server's end of the connection.
func (t *h2Trace) end() exchange.Peer {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = true
	return t.peer
}
