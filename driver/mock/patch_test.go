package mock

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
)

// server makes an exchange whose real server gives res.
func server(t testing.TB, text string, res *exchange.Response) *exchange.Exchange {
	return &exchange.Exchange{
		Request: request(t, text),
		Forward: func(context.Context) (*exchange.Response, error) { return res, nil },
	}
}

// closing is a stream that remembers that it was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

func stream(s string) (*exchange.Reader, *closing) {
	c := &closing{Reader: iotest.OneByteReader(strings.NewReader(s))}
	return &exchange.Reader{R: c, N: -1}, c
}

func TestPatch(t *testing.T) {
	t.Parallel()
	src, closed := stream(`{"a": {"b": 1, "c": "<&>"}, "n": 1.0}`)
	x := server(t, "GET /", &exchange.Response{
		Status: 203,
		Header: exchange.HeaderOf("Content-Type", "application/vnd.x+json", "Content-Length", "37", "Etag", `"1"`, "X-KEEP", "k", "X-Set", "old", "Via", "v", "x-SET", "older", "x-set", "oldest"),
		Body:   src, Delay: time.Second,
	})
	h := NewPatch(jsonvalue.Object{{Key: "a", Value: jsonvalue.Object{{Key: "b", Value: int64(2)}}}, {Key: "m[0]", Value: true}}, nil, exchange.HeaderOf("x-set", "1", "X-New", "n", "X-Set", "2"), time.Minute)
	res, err := h.Respond(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, res); got != `{"a":{"b":2,"c":"<&>"},"n":1.0,"m":[true]}` {
		t.Error(got)
	}
	if res.Status != 203 || res.Origin != exchange.FromPatch || res.Delay != time.Minute+time.Second || !closed.closed || len(x.Notes.List()) != 0 {
		t.Error(res, closed.closed, x.Notes.List())
	}
	if want := exchange.HeaderOf("Content-Type", "application/vnd.x+json", "X-KEEP", "k", "x-set", "1", "Via", "v", "x-set", "2", "X-New", "n"); !slices.Equal(res.Header, want) {
		t.Errorf("got %v, want %v", res.Header, want)
	}
}

func TestPatchKeepsTheCharset(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ typ, sent, want string }{
		{"application/json; charset=iso-8859-1", "{\"a\":\"\xe9\"}", "{\"a\":\"\xe9\",\"b\":\"\xe8\"}"},
		{"application/json; charset=utf-16le", "{\x00}\x00", "{\x00\"\x00b\x00\"\x00:\x00\"\x00\xe8\x00\"\x00}\x00"},
		{"application/json", "\xef\xbb\xbf{\"a\":1}", `{"a":1,"b":"è"}`},
	} {
		src, _ := stream(c.sent)
		x := server(t, "GET /", &exchange.Response{Status: 200, Header: exchange.HeaderOf("Content-Type", c.typ), Body: src})
		res, err := NewPatch(jsonvalue.Object{{Key: "b", Value: "è"}}, nil, nil, 0).Respond(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, res); got != c.want || res.Header.Get("Content-Type") != c.typ {
			t.Errorf("%s: got %q, want %q", c.typ, got, c.want)
		}
	}
}

func TestPatchDecodes(t *testing.T) {
	t.Parallel()
	for encoding, open := range map[string]func(io.Writer) io.WriteCloser{
		"gzip":        func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"deflate":     func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		"Deflate":     func(w io.Writer) io.WriteCloser { z, _ := flate.NewWriter(w, 1); return z },
		"br":          func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
		"zstd":        func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
		"br, x-gzip ": func(w io.Writer) io.WriteCloser { z := gzip.NewWriter(w); return chain{brotli.NewWriter(z), z} },
	} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			var z bytes.Buffer
			w := open(&z)
			io.WriteString(w, `{"a":1}`)
			w.Close()
			src, _ := stream(z.String())
			res := askServer(t, NewPatch(jsonvalue.Object{{Key: "b", Value: 2}}, nil, nil, 0), server(t, "GET /", &exchange.Response{
				Status: 200, Header: exchange.HeaderOf("Content-Type", "application/json", "Content-Encoding", encoding), Body: src,
			}))
			if got := body(t, res); got != `{"a":1,"b":2}` || res.Header.Has("Content-Encoding") {
				t.Error(got, res.Header)
			}
		})
	}
}

// chain closes an encoder and the one below it.
type chain struct {
	io.WriteCloser
	below io.Closer
}

func (c chain) Close() error { return errors.Join(c.WriteCloser.Close(), c.below.Close()) }

func askServer(t testing.TB, h exchange.Handler, x *exchange.Exchange) *exchange.Response {
	t.Helper()
	res, err := h.Respond(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestPatchLeavesAlone(t *testing.T) {
	t.Parallel()
	large := `{"a":"` + strings.Repeat("x", maxPatchBody) + `"}`
	for _, c := range []struct {
		name, contentType, encoding, body string
		want                              string
	}{
		{"html", "text/html", "", "<p>", "the answer is text/html, expected JSON"},
		{"not json", "application/json", "", "{", "the answer is not JSON"},
		{"more than json", "application/json", "", "{} {}", "more after the first value"},
		{"not gzip", "application/json", "gzip", "{}", "the answer: "},
		{"unknown encoding", "application/json", "lzma", "{}", `content-encoding "lzma"`},
		{"root list", "application/json", "", "[1]", "patch a: the target is a list"},
		{"too large", "application/json", "", large, "larger than 33554432 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := exchange.HeaderOf("Content-Type", c.contentType, "Etag", `"1"`)
			if c.encoding != "" {
				h.Set("Content-Encoding", c.encoding)
			}
			src := &exchange.Reader{R: io.NopCloser(strings.NewReader(c.body)), N: -1}
			x := server(t, "GET /", &exchange.Response{Status: 200, Header: h, Body: src})
			res := askServer(t, NewPatch(jsonvalue.Object{{Key: "a", Value: 1}}, nil, nil, 0), x)
			if got := body(t, res); got != c.body {
				t.Errorf("body of %d bytes changed: %.40s", len(c.body), got)
			}
			notes := x.Notes.List()
			if len(notes) != 1 || notes[0].Level != "warning" || !strings.Contains(notes[0].Text, c.want) {
				t.Error(notes)
			}
			if c.name != "root list" && (res.Origin != exchange.FromServer || res.Header.Get("Etag") == "") {
				t.Error(res)
			}
		})
	}
}

func TestPatchBrokenAnswer(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	src := &exchange.Reader{R: io.NopCloser(io.MultiReader(strings.NewReader(`{"a"`), iotest.ErrReader(gone))), N: 100}
	x := server(t, "GET /", &exchange.Response{Status: 200, Header: exchange.HeaderOf("Content-Type", "application/json"), Body: src})
	res := askServer(t, NewPatch(jsonvalue.Object{{Key: "a", Value: 1}}, nil, nil, 0), x)
	var s sink
	if err := res.Body.SendTo(t.Context(), &s); !errors.Is(err, gone) || s.String() != `{"a"` {
		t.Error(err, s.String())
	}
}

func TestPatchAsksForAWholeAnswer(t *testing.T) {
	t.Parallel()
	x := server(t, "GET /\nIf-None-Match: \"1\"\nRange: bytes=0-1\nAccept-Encoding: gzip;q=0.5, dcb, br\nX-A: 1", nil)
	sent := x.Request.Header
	x.Forward = func(context.Context) (*exchange.Response, error) {
		h := x.Request.Header
		if len(h) != 2 || h.Get("Accept-Encoding") != "gzip;q=0.5, br" || h.Get("X-A") != "1" {
			t.Errorf("forwarded %v", h)
		}
		return nil, &exchange.UpstreamError{Addr: "a:1", Err: io.EOF}
	}
	var upstream *exchange.UpstreamError
	if _, err := NewPatch(jsonvalue.Object{{Key: "a", Value: 1}}, nil, nil, 0).Respond(t.Context(), x); !errors.As(err, &upstream) {
		t.Error(err)
	}
	if len(x.Request.Header) != len(sent) || x.Request.Header.Get("Range") == "" {
		t.Errorf("the record shows %v", x.Request.Header)
	}
}

func TestPatchHead(t *testing.T) {
	t.Parallel()
	x := server(t, "HEAD /", &exchange.Response{Status: 200, Header: exchange.HeaderOf("Content-Type", "application/json", "Content-Length", "7")})
	res := askServer(t, NewPatch(jsonvalue.Object{{Key: "a", Value: 1}}, nil, nil, 0), x)
	if res.Header.Has("Content-Length") || len(x.Notes.List()) != 0 {
		t.Error(res.Header, x.Notes.List())
	}
}

func TestPatchHeadersOnly(t *testing.T) {
	t.Parallel()
	real := &exchange.Response{Status: 200, Header: exchange.HeaderOf("Content-Type", "text/html"), Body: exchange.Bytes("<p>")}
	x := server(t, "GET /", real)
	res := askServer(t, NewPatch(nil, nil, exchange.HeaderOf("X-A", "1"), 0), x)
	if body(t, res) != "<p>" || res.Header.Get("X-A") != "1" || res.Origin != exchange.FromPatch || len(x.Notes.List()) != 0 || real.Header.Has("X-A") {
		t.Error(res, x.Notes.List())
	}
}

func TestPatchRenders(t *testing.T) {
	t.Parallel()
	render := func(_ context.Context, x *exchange.Exchange, v any) (any, error) {
		switch x.Request.Path() {
		case "/fail":
			return nil, errors.New("no such name")
		case "/text":
			return "text", nil
		}
		return jsonvalue.Object{{Key: "path", Value: x.Request.Path()}}, nil
	}
	h := NewPatch(jsonvalue.Object{{Key: "path", Value: "{{request_path}}"}}, render, nil, 0)
	answer := func() *exchange.Response {
		return &exchange.Response{Status: 200, Header: exchange.HeaderOf("Content-Type", "application/json"), Body: exchange.Bytes(`{"a":1}`)}
	}
	if got := body(t, askServer(t, h, server(t, "GET /x", answer()))); got != `{"a":1,"path":"/x"}` {
		t.Error(got)
	}
	for _, path := range []string{"GET /fail", "GET /text"} {
		if _, err := h.Respond(t.Context(), server(t, path, answer())); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}

func TestReadBodyOfAnyKind(t *testing.T) {
	t.Parallel()
	data, rest, err := exchange.ReadBody(t.Context(), talker{}, 100)
	if string(data) != "one two" || rest != nil || err != nil {
		t.Errorf("%q %v %v", data, rest, err)
	}
	_, rest, err = exchange.ReadBody(t.Context(), talker{}, 4)
	if err != nil || rest == nil {
		t.Fatal(rest, err)
	}
	if got := body(t, &exchange.Response{Body: rest}); got != "one two" {
		t.Error(got)
	}
}

// talker is a body that is neither in memory nor a reader.
type talker struct{}

func (talker) SendTo(_ context.Context, c exchange.Conn) error {
	io.WriteString(c, "one ")
	c.Flush()
	_, err := c.ReadFrom(strings.NewReader("two"))
	return err
}
