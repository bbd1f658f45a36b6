package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// refusals are the entries of what was refused.
func (b *bench) refusals() []*capture.Entry {
	return b.journal.Entries(func(e *capture.Entry) bool { return e.Kind == capture.Refused })
}

func errorsOf(entries []*capture.Entry) string {
	var list []string
	for _, e := range entries {
		list = append(list, e.Error)
	}
	return fmt.Sprintf("%q", list)
}

// begin sends a request with fields besides those that it needs.
func (f *framed) begin(stream uint32, end bool, more ...string) {
	f.headers(stream, end, append([]string{":method", "POST", ":path", "/p", ":authority", "a.test", ":scheme", "https"}, more...)...)
}

// settled waits until all frames before it are processed, which a PING tells, or
// one of them has ended the connection.
func (f *framed) settled() {
	f.t.Helper()
	want := [8]byte{'e', 'n', 'd'}
	f.fr.WritePing(false, want)
	for {
		fr, err := f.fr.ReadFrame()
		if err != nil {
			return
		}
		switch fr := fr.(type) {
		case *http2.PingFrame:
			if fr.IsAck() && fr.Data == want {
				return
			}
		case *http2.GoAwayFrame:
			if fr.ErrCode != http2.ErrCodeNo {
				return
			}
		}
	}
}

// What the server of HTTP/2 refuses is in the journal once, with the reason and
// what came, when the device knows it.
func TestH2RefusalsAreCaptured(t *testing.T) {
	t.Parallel()
	frame := func(kind, flags byte, stream uint32, payload string) func(*framed) {
		return func(d *framed) {
			fmt.Fprintf(d.c, "%s%c%c%s%s", []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload))}, kind, flags,
				[]byte{byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream)}, payload)
		}
	}
	request := func(end bool, fields ...string) func(*framed) {
		return func(d *framed) { d.headers(1, end, fields...) }
	}
	post := func(more ...string) func(*framed) { return func(d *framed) { d.begin(1, true, more...) } }
	long := strings.Repeat("x", 250_000)
	for _, c := range []struct {
		name   string
		send   func(*framed)
		reason string
		status int
		target string
		came   string // is in what came
	}{
		{"upper case", post("Accept", "*/*"), `HTTP/2 stream 1: PROTOCOL_ERROR: invalid header field name "Accept"`, 0, "/p", "\x00\x00"},
		{"name with a blank", post("x y", "z"), `HTTP/2 stream 1: PROTOCOL_ERROR: invalid header field name "x y"`, 0, "/p", ""},
		{"value with a line", post("x", "y\r\nz"), `HTTP/2 stream 1: PROTOCOL_ERROR: invalid header field value for "x"`, 0, "/p", ""},
		{"unknown pseudo field", post(":x", "y"), `HTTP/2 stream 1: PROTOCOL_ERROR: invalid pseudo-header ":x"`, 0, "/p", ""},
		{"pseudo field twice", post(":path", "/q"), `HTTP/2 stream 1: PROTOCOL_ERROR: duplicate pseudo-header ":path"`, 0, "/q", ""},
		{"pseudo field late", request(true, ":method", "GET", "x", "y", ":path", "/p", ":scheme", "https"), `HTTP/2 stream 1: PROTOCOL_ERROR: pseudo header field after regular`, 0, "/p", ""},
		{"answer's field", post(":status", "200"), `HTTP/2 stream 1: PROTOCOL_ERROR: mix of request and response pseudo headers`, 0, "/p", ""},
		{"no path", request(true, ":method", "GET", ":authority", "a.test", ":scheme", "https"), "HTTP/2 stream 1: PROTOCOL_ERROR (bad_path_method)", 0, "", ""},
		{"odd scheme", request(true, ":method", "GET", ":path", "/p", ":authority", "a.test", ":scheme", "gopher"), "HTTP/2 stream 1: PROTOCOL_ERROR (bad_path_method)", 0, "/p", ""},
		{"percent", request(true, ":method", "GET", ":path", "/50%", ":authority", "a.test", ":scheme", "https"), "HTTP/2 stream 1: PROTOCOL_ERROR (bad_path)", 0, "/50%", ""},
		{"relative", request(true, ":method", "GET", ":path", "p", ":authority", "a.test", ":scheme", "https"), "HTTP/2 stream 1: PROTOCOL_ERROR (bad_path)", 0, "p", ""},
		{"half a CONNECT", request(true, ":method", "CONNECT", ":path", "/p", ":authority", "a.test:1", ":scheme", "https"), "HTTP/2 stream 1: PROTOCOL_ERROR (bad_connect)", 0, "/p", ""},
		{"connection", post("connection", "close"), `HTTP/2 stream 1: request header "Connection" is not valid in HTTP/2`, 400, "/p", ""},
		{"te", post("te", "gzip"), `HTTP/2 stream 1: request header "TE" may only be "trailers" in HTTP/2`, 400, "/p", ""},
		{"connection of HEAD", request(true, ":method", "HEAD", ":path", "/p", ":authority", "a.test", ":scheme", "https", "upgrade", "x"), `HTTP/2 stream 1`, 400, "/p", ""},
		{"long header", post("a", long, "b", long, "c", long, "d", long, "e", long), "header: got over 1 MiB, want less", 431, "/p", ""},
		{"many lines", func(d *framed) {
			var more []string
			for i := range 1001 {
				more = append(more, fmt.Sprint("x", i), "")
			}
			d.begin(1, true, more...)
		}, "header: got over 1000 lines, want less", 431, "/p", ""},
		{"huge header", func(d *framed) {
			d.begin(1, true, "a", strings.Repeat("x", 2500)) // is in the table now
			d.stream()
			bomb := strings.Repeat("\xbe", 1700)
			frame(1, 5, 3, "\x82\x87\x84\x01\x06a.test"+bomb)(d)
		}, "HTTP/2 stream 3: got a header of more than 4 MiB", 431, "/", "\xbe\xbe"},
		{"window of a stream", func(d *framed) {
			d.begin(1, false)
			d.fr.WriteWindowUpdate(1, 1<<31-1)
		}, "HTTP/2 stream 1: FLOW_CONTROL_ERROR (bad_flow)", 0, "/p", "\x7f\xff\xff\xff"},
		{"no increment", func(d *framed) {
			d.begin(1, false)
			d.fr.WriteWindowUpdate(1, 0)
		}, "HTTP/2 stream 1: PROTOCOL_ERROR (frame_windowupdate_zero_inc_stream)", 0, "/p", ""},
		{"more than announced", func(d *framed) {
			d.begin(1, false, "content-length", "2")
			d.fr.WriteData(1, true, []byte("three"))
		}, "HTTP/2 stream 1: PROTOCOL_ERROR (send_too_much)", 0, "/p", "three"},
		{"data behind the end", func(d *framed) {
			d.begin(1, true)
			d.stream()
			d.fr.WriteData(1, true, []byte("late"))
			d.fr.WriteData(1, true, []byte("later"))
		}, "HTTP/2 stream 1: STREAM_CLOSED (closed)", 0, "/p", "late"},
		{"trailers with a path", func(d *framed) {
			d.begin(1, false)
			d.headers(1, true, ":path", "/q")
		}, "HTTP/2 stream 1: PROTOCOL_ERROR (trailers_pseudo)", 0, "/q", ""},
		{"depends on itself", frame(2, 0, 1, "\x00\x00\x00\x01\x00"), "HTTP/2 stream 1: PROTOCOL_ERROR (priority)", 0, "", ""},

		{"even stream", func(d *framed) { d.begin(2, true) }, "HTTP/2 connection: PROTOCOL_ERROR (headers_even)", 0, "/p", ""},
		{"data of no stream", frame(0, 0, 0, "abc"), "HTTP/2 connection: PROTOCOL_ERROR: DATA frame with stream ID 0", 0, "", "abc"},
		{"data of an idle stream", frame(0, 0, 1, "abc"), "HTTP/2 connection: PROTOCOL_ERROR (data_on_idle)", 0, "", "abc"},
		{"reset of an idle stream", frame(3, 0, 1, "\x00\x00\x00\x00"), "HTTP/2 connection: PROTOCOL_ERROR (reset_idle_stream)", 0, "", ""},
		{"short ping", frame(6, 0, 0, "abc"), "HTTP/2 connection: FRAME_SIZE_ERROR (frame_ping_length)", 0, "", "abc"},
		{"odd settings", frame(4, 0, 0, "\x00\x04\xff\xff\xff\xff"), "HTTP/2 connection: FLOW_CONTROL_ERROR (frame_settings_window_size_too_big)", 0, "", ""},
		{"push promise", frame(5, 4, 1, "\x00\x00\x00\x02"), "HTTP/2 connection: PROTOCOL_ERROR (push_promise)", 0, "", ""},
		{"continuation of nothing", frame(9, 4, 1, "\x82"), "HTTP/2 connection: PROTOCOL_ERROR: unexpected CONTINUATION for stream 1", 0, "", "\x09\x04\x00\x00\x00\x01"},
		{"no compression", frame(1, 5, 1, "\xff\xff\xff\xff\xff"), "HTTP/2 connection: COMPRESSION_ERROR", 0, "", "\xff\xff\xff\xff\xff"},
		{"long frame", frame(0, 0, 1, strings.Repeat("y", 1<<20+1)), "HTTP/2 connection: FRAME_SIZE_ERROR", 0, "", "\x10\x00\x01\x00"},
		{"stream again", func(d *framed) {
			d.begin(3, true)
			d.stream()
			d.begin(1, true)
		}, "HTTP/2 connection: PROTOCOL_ERROR (stream_went_down)", 0, "/p", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, echo)
			d := b.device("a.test:443", "a.test")
			c.send(d)
			if c.status != 0 {
				d.stream() // the answer
			}
			d.settled()
			got := b.refusals()
			if len(got) != 1 {
				t.Fatalf("%d refusals, want one: %s", len(got), errorsOf(got))
			}
			e := got[0]
			if !strings.HasPrefix(e.Error, c.reason) || strings.HasSuffix(c.reason, ")") && e.Error != c.reason {
				t.Errorf("reason %q, want %q", e.Error, c.reason)
			}
			if e.Status != c.status || e.Target != c.target || !e.Client.IsValid() || e.Conn == 0 || e.SNI != "a.test" || e.Host != "a.test" || e.Scheme != "https" || e.Proto != "HTTP/2.0" {
				t.Errorf("status %d, target %q, client %v, SNI %q, host %q, want status %d and target %q", e.Status, e.Target, e.Client, e.SNI, e.Host, c.status, c.target)
			}
			if came := e.RequestBody; !bytes.Contains(came.Data, []byte(c.came)) || len(came.Data) > capture.MaxRefused || int64(len(came.Data)) > came.Size || (came.Size > capture.MaxRefused) != came.Truncated {
				t.Errorf("came %q of %d bytes, want %q in it", came.Data, came.Size, c.came)
			}
		})
	}
}

// A connection that does not begin as HTTP/2 does is refused too.
func TestH2PrefaceIsCaptured(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, sent, reason string }{
		{"HTTP/1.1", "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n", `HTTP/2: got "GET /x HTTP/1.1", want the preface PRI * HTTP/2.0`},
		{"another preface", "PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", `HTTP/2: got "PRI * HTTP/2.0", want the preface PRI * HTTP/2.0`},
		{"settings do not come first", http2.ClientPreface + "\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678", "HTTP/2 connection: PROTOCOL_ERROR (first_settings)"},
		{"settings do not come", http2.ClientPreface, "HTTP/2 connection closed: timeout waiting for SETTINGS frames"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, echo)
			nc, _ := b.tunnel("a.test:443")
			d := tls.Client(nc, &tls.Config{RootCAs: b.roots, ServerName: "a.test", NextProtos: []string{"h2"}})
			io.WriteString(d, c.sent)
			io.Copy(io.Discard, d)
			got := b.refusals()
			if len(got) != 1 || got[0].Error != c.reason {
				t.Fatalf("got %s, want one refusal for %q", errorsOf(got), c.reason)
			}
			if came := strings.TrimPrefix(c.sent, http2.ClientPreface); string(got[0].RequestBody.Data) != came {
				t.Errorf("came %q, want %q", got[0].RequestBody.Data, came)
			}
		})
	}
}

// What our own handlers do, and what devices may do, is no refusal.
func TestH2NoRefusals(t *testing.T) {
	t.Parallel()
	answer := func(res *exchange.Response) exchange.Handler {
		return exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
			r := *res
			r.Origin = exchange.FromMock
			return &r, nil
		})
	}
	fault := exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
		return nil, http2.StreamError{StreamID: 1, Code: http2.ErrCodeProtocol}
	})
	for _, c := range []struct {
		name    string
		handler exchange.Handler
		send    func(*framed)
	}{
		{"answers", echo, func(d *framed) {
			for id := uint32(1); id < 20; id += 2 {
				d.begin(id, true)
				d.stream()
			}
		}},
		{"answers of 400", answer(exchange.Text(400, "request header \"X\" is odd\n")), func(d *framed) {
			for id := uint32(1); id < 20; id += 2 {
				d.begin(id, true)
				d.stream()
			}
			d.headers(21, true, ":method", "HEAD", ":path", "/", ":authority", "a.test", ":scheme", "https")
			d.stream()
		}},
		{"answers of 431", answer(exchange.Text(431, "no")), func(d *framed) {
			for id := uint32(1); id < 20; id += 2 {
				d.begin(id, true)
				d.stream()
			}
		}},
		{"answer before the upload", answer(exchange.Text(413, "no")), func(d *framed) {
			d.begin(1, false)
			d.stream()
			for range 10 {
				d.fr.WriteData(1, false, make([]byte, 1000))
			}
			d.fr.WriteData(1, true, nil)
		}},
		{"failure", fault, func(d *framed) {
			d.begin(1, true)
			d.stream()
		}},
		{"cancelled by the device", answer(&exchange.Response{Status: 200, Body: exchange.Bytes(make([]byte, 1<<20))}), func(d *framed) {
			d.begin(1, true)
			d.next()
			d.fr.WriteRSTStream(1, http2.ErrCodeCancel)
		}},
		{"unknown frames", echo, func(d *framed) { d.fr.WriteRawFrame(77, 0, 0, []byte("abc")) }},
		{"device leaves", echo, func(d *framed) {
			d.begin(1, false)
			d.c.Close()
		}},
		{"device says goodbye", echo, func(d *framed) { d.fr.WriteGoAway(0, http2.ErrCodeProtocol, nil) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, c.handler)
			d := b.device("a.test:443", "a.test")
			c.send(d)
			d.settled()
			d.c.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			b.p.Close(ctx) // waits for the connection
			if got := b.refusals(); len(got) != 0 {
				t.Errorf("refused: %+v", got[0])
			}
		})
	}
}

// A plan that breaks an answer off is told by its exchange alone.
func TestH2FaultsAreNoRefusals(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"truncate", "close", "reset", "garbage"} {
		b := start(t, exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
			return exchange.NewFault(kind, 10, &exchange.Response{Status: 400, Origin: exchange.FromMock, Body: exchange.Bytes(make([]byte, 4000))})
		}))
		d := b.device("a.test:443", "a.test")
		d.begin(1, true)
		d.stream()
		d.c.Close()
		b.p.Close(t.Context())
		if got := b.refusals(); len(got) != 0 {
			t.Errorf("%s: refused: %+v", kind, got[0])
		}
	}
}

// A device that uses one connection for long is told the truth too.
func TestH2RefusalsOfLongConnections(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	d := b.device("a.test:443", "a.test")
	id := uint32(1)
	for ; id < 200; id += 2 {
		d.begin(id, true, "x", fmt.Sprint(id, strings.Repeat("y", 100)))
		d.stream()
	}
	for _, bad := range []string{"connection", "A"} {
		d.begin(id, true, bad, "z")
		d.stream()
		id += 2
	}
	d.begin(id, true)
	if got := d.stream(); !strings.Contains(got[0], ":status=200") {
		t.Error(got)
	}
	d.settled()
	got := b.refusals()
	if len(got) != 2 || got[0].Error != `HTTP/2 stream 201: request header "Connection" is not valid in HTTP/2` || got[1].Error != "HTTP/2 stream 203: PROTOCOL_ERROR" {
		t.Fatal(errorsOf(got))
	}
	if n := got[1].RequestBody.Size; n == 0 || n > capture.MaxRefused {
		t.Error(n, "bytes")
	}
}

// No secret reaches the journal in a header block, where it may be compressed.
func TestH2RefusalsHideSecrets(t *testing.T) {
	t.Parallel()
	const secret = "aaaaaaaaaaaaaaaa-e4-2a"
	for _, long := range []bool{false, true} {
		var hide Hidden
		hide.Add(secret)
		b := start(t, echo, func(c *Config) { c.Hidden = &hide })
		d := b.device("a.test:443", "a.test")
		id := uint32(1)
		for ; long && id < 100; id += 2 {
			d.begin(id, true, "x", fmt.Sprint(id, strings.Repeat("y", 300)))
			d.stream()
		}
		d.begin(id, true, "cookie", "t="+secret, "Bad", "x", "proxy-authorization", "Basic dXNlcjpwYXNz")
		block := bytes.Clone(d.out.Bytes())
		d.settled()
		got := b.refusals()
		if len(got) != 1 {
			t.Fatal(got)
		}
		e := got[0]
		if data := e.RequestBody.Data; len(data) == 0 || bytes.Contains(data, block[len(block)-20:]) || bytes.Contains(data, []byte(secret)) {
			t.Errorf("came %q", data)
		}
		if s := fmt.Sprint(e.RequestHeader); strings.Contains(s, secret) || strings.Contains(s, "dXNl") || !long && !strings.Contains(s, "Basic hidden") {
			t.Error("header", s)
		}
	}
}
