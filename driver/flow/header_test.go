package flow

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/uuid"

	"starproxy/builtins/exchange"
)

// The lines of a captured header are recorded as they came, and so are those of
// an answer replayed, from both formats.
func TestHeaderLinesKeepOrderAndSpelling(t *testing.T) {
	t.Parallel()
	sent := exchange.HeaderOf("X-B", "1", "hOST", "b.test", "accept", "*/*", "x-b", "2")
	for name, c := range map[string]struct {
		proto                  string
		header, want, answered exchange.Header
		authority              string
	}{
		"as sent":    {"HTTP/1.1", sent, sent, exchange.HeaderOf("x-z", "1", "Content-Length", "2", "ETag", "e", "Set-Cookie", "a=1", "set-cookie", "b=2"), ""},
		"no Host":    {"HTTP/1.1", exchange.HeaderOf("X-B", "1"), exchange.HeaderOf("Host", "a.test", "X-B", "1"), exchange.HeaderOf("Content-Length", "2", "x-z", "1"), ""},
		"lower case": {"HTTP/2.0", exchange.HeaderOf("accept", "*/*"), exchange.HeaderOf("accept", "*/*"), exchange.HeaderOf("x-z", "1", "content-length", "2", "etag", "e"), "a.test"},
		"no length":  {"HTTP/2.0", nil, nil, exchange.HeaderOf("x-z", "1", "A", "2"), "a.test"},
		"no lines":   {"HTTP/1.0", nil, exchange.HeaderOf("Host", "a.test"), exchange.HeaderOf("content-LENGTH", "2"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := captured(1)
			e.Proto, e.RequestHeader, e.ResponseHeader = c.proto, c.header, slices.Grow(c.answered.Clone(), 4)
			f := FromEntry(e, nil, nil, uuid.UUID{})
			if !slices.Equal(f.Request.Header, c.want) || f.Request.Authority != c.authority {
				t.Errorf("got %q of %q, want %q of %q", f.Request.Header, f.Request.Authority, c.want, c.authority)
			}
			if !slices.Equal(f.Response.Header, c.answered) || len(e.RequestHeader) != len(c.header) {
				t.Errorf("answer: got %q, want %q", f.Response.Header, c.answered)
			}
			r, _ := recording(t)
			r.Exchange(e)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			har := filepath.Join(t.TempDir(), "a.har")
			if _, _, err := Convert(r.Path(), har); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{r.Path(), har} {
				if got := flowsOf(t, path)[0].Request.Header; !slices.Equal(got, c.want) {
					t.Errorf("%s: got %q, want %q", filepath.Ext(path), got, c.want)
				}
				replay, err := OpenReplay(path, ReplayOptions{Matching: Matching{IgnoreHost: true}})
				if err != nil {
					t.Fatal(err)
				}
				defer replay.Close()
				for range 2 {
					q := &exchange.Request{Method: "GET", Scheme: "http", Host: "a.test", Port: 80, Target: "/1", Proto: "HTTP/1.1"}
					res, err := replay.Respond(t.Context(), &exchange.Exchange{Request: q})
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(res.Header, c.answered) {
						t.Errorf("%s: replayed %q, want %q", filepath.Ext(path), res.Header, c.answered)
					}
					res.Header.Set("X-Z", "changed")
				}
			}
		})
	}
}

// A header that is to count counts in any case, Host too.
func TestMatchHeaderNames(t *testing.T) {
	t.Parallel()
	m := Matching{IgnoreHost: true, Headers: []string{"host", "X-A"}}
	keyOf := func(s subject) key {
		k, err := m.keyOf(&s)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	then := keyOf(recorded(&Request{Method: "GET", Path: "/", Header: exchange.HeaderOf("HOST", "b.test", "x-a", "1", "X-A", "2")}))
	for want, h := range map[bool]exchange.Header{
		true:  exchange.HeaderOf("X-a", "1", "Host", "b.test", "x-A", "2"),
		false: exchange.HeaderOf("X-a", "2", "Host", "b.test", "x-A", "1"),
	} {
		if got := keyOf(live(&exchange.Request{Method: "GET", Target: "/", Header: h}, nil)) == then; got != want {
			t.Errorf("%q: got %v, want %v", h, got, want)
		}
	}
}

// A request is the same as its recording, whichever server each part of it names.
func TestMatchHosts(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]exchange.Header{
		"HTTP/1.1": exchange.HeaderOf("host", "line.test:81"),
		"HTTP/1.0": nil,
		"HTTP/2.0": exchange.HeaderOf("host", "line.test"),
	} {
		e := captured(1)
		e.Proto, e.Authority, e.RequestHeader = name, "target.test:80", h
		then := recorded(&FromEntry(e, nil, nil, uuid.UUID{}).Request)
		now := live(&exchange.Request{Method: "GET", Scheme: "http", Host: "a.test", Port: 80, Target: "/1", Proto: name, Authority: e.Authority, Header: h}, nil)
		if now.host != then.host {
			t.Errorf("%s: host of the request %q, of its recording %q", name, now.host, then.host)
		}
	}
}
