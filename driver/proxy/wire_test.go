package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"starproxy/builtins/exchange"

	"golang.org/x/net/http/httpguts"
)

// Whoever makes a request or an answer, nothing in it begins a line of its own.
func TestWhatIsWrittenIsChecked(t *testing.T) {
	t.Parallel()
	everyWay(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Host, "set") || r.Header["Host"] != nil {
			w.Header().Set("Saw-Host", r.Host)
		}
	}, func(t *testing.T, b *bench, c *http.Client, url string) {
		for _, e := range []struct {
			name   string
			change func(q *exchange.Request)
			want   string // in the error, "" for an answer
		}{
			{"nothing", func(q *exchange.Request) {}, ""},
			{"host of a script", func(q *exchange.Request) { q.Header.Set("Host", "set.test") }, ""},
			{"tab in a value", func(q *exchange.Request) { q.Header.Set("X-A", "a\tb \xff") }, ""},
			{"method", func(q *exchange.Request) { q.Method = "GET / HTTP/1.1\r\nX:" }, `method: got "GET / HTTP/1.1\r\nX:", want a token`},
			{"no method", func(q *exchange.Request) { q.Method = "" }, `method: got "", want a token`},
			{"target", func(q *exchange.Request) { q.Target = "/a b" }, `target: got "/a b", want no blanks`},
			{"target with a line end", func(q *exchange.Request) { q.Target = "/a\nb" }, "target: "},
			{"no target", func(q *exchange.Request) { q.Target = "" }, "target: got nothing"},
			{"authority", func(q *exchange.Request) { q.Header.Del("Host"); q.Authority = "a.test\r\nX: y" }, "authority: "},
			{"host header", func(q *exchange.Request) { q.Header.Set("Host", "a b") }, "authority: "},
			{"header name", func(q *exchange.Request) { q.Header.Set("X: y\r\nZ", "1") }, "header name: "},
			{"CR", func(q *exchange.Request) { q.Header.Set("X-A", "1", "a\rb") }, `header X-A: got "a\rb", want no CR, LF or NUL`},
			{"LF", func(q *exchange.Request) { q.Header.Set("X-A", "a\nb") }, "header X-A: "},
			{"NUL", func(q *exchange.Request) { q.Header.Set("X-A", "a\x00b") }, "header X-A: "},
		} {
			b.p.cfg.Handler = exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
				x.Request.Header = x.Request.Header.Clone()
				e.change(x.Request)
				return nil, nil
			})
			body, res := get(t, c, url)
			switch {
			case e.want == "" && (res.StatusCode != 200 || res.Header.Get("Saw-Host") != "" && res.Header.Get("Saw-Host") != "set.test"):
				t.Errorf("%s: %d %v %s", e.name, res.StatusCode, res.Header, body)
			case e.want != "" && (res.StatusCode != 500 || !strings.Contains(jsonError(t, body), e.want)):
				t.Errorf("%s: %d %s, want %q", e.name, res.StatusCode, body, e.want)
			}
		}
	})
}

// An answer that can't be written is an error of its mock; a recording leaves
// out what can't be.
func TestAnswersAreChecked(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		var header exchange.Header
		origin := exchange.FromMock
		b := start(t, exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
			return &exchange.Response{Status: 200, Header: header, Origin: origin, Body: exchange.Bytes("ok")}, nil
		}))
		c := b.client(h2)
		for _, e := range []struct {
			header exchange.Header
			want   string
		}{
			{exchange.HeaderOf("X-A", "a\tb"), ""},
			{exchange.HeaderOf("X-A", "a", "X-A", "b\r\nSet-Cookie: c=d"), `header X-A: got "b\r\nSet-Cookie: c=d", want no CR, LF or NUL`},
			{exchange.HeaderOf("X-A", "a\x00"), "header X-A: "},
			{exchange.HeaderOf("X A", "a"), `header name: got "X A", want a token`},
		} {
			header, origin = e.header, exchange.FromMock
			body, res := get(t, c, "https://a.test/")
			if e.want == "" && body != "ok" || e.want != "" && (res.StatusCode != 500 || !strings.Contains(jsonError(t, body), e.want)) {
				t.Errorf("%q: %d %s, want %q", e.header, res.StatusCode, body, e.want)
			}
			header, origin = e.header.Clone(), exchange.FromReplay
			header.Set("X-Good", "1")
			body, res = get(t, c, "https://a.test/")
			if body != "ok" || res.Header.Get("X-Good") != "1" || res.Header.Get("Set-Cookie") != "" || len(res.Header["X-A"]) > 1 {
				t.Errorf("replay of %q: %d %s %v", e.header, res.StatusCode, body, res.Header)
			}
		}
	}
}

func jsonError(t *testing.T, body string) string {
	t.Helper()
	var v struct{ Error string }
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Error(err, body)
	}
	return v.Error
}

// FuzzWrittenRequest: a request that passes the check is read as that one
// request, and as no other.
func FuzzWrittenRequest(f *testing.F) {
	f.Add("GET", "/a?b=c", "a.test:80", "X-A", "b")
	f.Add("G ET", "/ HTTP/1.1\r\nX: y", "a.test\r\n", "X: y\r\nZ", "a\r\nb")
	f.Add("OPTIONS", "*", "[::1]:8080", "Transfer-Encoding", "chunked")
	f.Add("PATCH", "//x\x85\xa0\xff", "", "Host", "b.test")
	f.Add("POST", "/\x00\x7f", "a@b", "Content-Length", "7")
	f.Fuzz(func(t *testing.T, method, target, authority, name, value string) {
		q := exchange.Request{Method: method, Target: target, Authority: authority, Scheme: "http",
			Header: exchange.HeaderOf(name, value)}
		if checkRequest(&q) != nil {
			return
		}
		s := &serving{req: q}
		var out bytes.Buffer
		w := bufio.NewWriter(&out)
		s.writeHead(w, &payload{}, false)
		w.Flush()
		lines := strings.Split(out.String(), "\r\n")
		if lines[0] != method+" "+target+" HTTP/1.1" || strings.Count(lines[0], " ") != 2 || authority != "" && lines[1] != "Host: "+authority {
			t.Fatalf("%q", lines)
		}
		for _, l := range lines[2 : len(lines)-2] {
			k, v, ok := strings.Cut(l, ": ")
			if !ok || !httpguts.ValidHeaderFieldName(k) || strings.ContainsAny(v, "\r\n\x00") {
				t.Errorf("line %q", l)
			}
		}
		if n := strings.Count(out.String(), "\r\n\r\n"); n != 1 || !strings.HasSuffix(out.String(), "\r\n\r\n") {
			t.Errorf("%d ends in %q", n, out.String())
		}
	})
}
