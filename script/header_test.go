package script_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/script"
)

// TestHeaderLines checks which lines a header has after a script changed it, and
// what it shows of them.
func TestHeaderLines(t *testing.T) {
	t.Parallel()
	came := exchange.HeaderOf("host", "api.test", "X-ONE", "1", "cookie", "a", "x-two", "2", "Cookie", "b")
	for src, want := range map[string]exchange.Header{
		`pass`:                        came,
		`h["Cookie"] = "c"`:           exchange.HeaderOf("host", "api.test", "X-ONE", "1", "cookie", "c", "x-two", "2"),
		`h["x-one"] = [3, 4]`:         exchange.HeaderOf("host", "api.test", "X-ONE", "3", "cookie", "a", "x-two", "2", "Cookie", "b", "X-ONE", "4"),
		`h["x-NEW"] = "n"`:            slices.Concat(came, exchange.HeaderOf("x-NEW", "n")),
		`h.add("COOKIE", "c")`:        slices.Concat(came, exchange.HeaderOf("cookie", "c")),
		`h.pop("COOKIE")`:             exchange.HeaderOf("host", "api.test", "X-ONE", "1", "x-two", "2"),
		`h["X-Two"] = None`:           exchange.HeaderOf("host", "api.test", "X-ONE", "1", "cookie", "a", "Cookie", "b"),
		`h["x-two"] = []`:             exchange.HeaderOf("host", "api.test", "X-ONE", "1", "cookie", "a", "Cookie", "b"),
		`assert_(len(h), 4)`:          came,
		`assert_(list(h), h.keys())`:  came,
		`assert_(h.all("COOKIE"), 2)`: came,
		`assert_(h.keys(), ["host", "X-ONE", "cookie", "x-two"])`:                                            came,
		`assert_(h.items(), [("host", "api.test"), ("X-ONE", "1"), ("cookie", "a"), ("x-two", "2")])`:        came,
		`assert_(str(h), "{\"host\": \"api.test\", \"X-ONE\": \"1\", \"cookie\": \"a\", \"x-two\": \"2\"}")`: came,
	} {
		run := handler(t, script.Options{}, `
def assert_(got, want):
    if got != want and (type(want) != "int" or len(got) != want):
        fail("got %r, want %r" % (got, want))
def f(req):
    h = req.headers
    `+src+`
    r = forward(req)
    h = r.headers
    `+src+`
    return r`, "f")
		sent := came.Clone()
		x := newExchange("GET", "/", "")
		x.Request.Header = sent
		x.Forward = func(context.Context) (*exchange.Response, error) {
			return &exchange.Response{Status: 200, Header: came.Clone()}, nil
		}
		res, err := run.Respond(t.Context(), x)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if !slices.Equal(x.Request.Header, want) || !slices.Equal(res.Header, want) {
			t.Errorf("%s:\n got %v\n and %v,\nwant %v", src, x.Request.Header, res.Header, want)
		}
		if !slices.Equal(sent, came) {
			t.Errorf("%s: the header that others hold became %v", src, sent)
		}
	}
}

// TestAnswerLines checks that the lines of an answer are as the script writes them.
func TestAnswerLines(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]exchange.Header{
		`response(headers = {"x-b": 1, "X-A": ["2", "3"], "content-length": "9", "etag": "4"}, body = {})`: exchange.HeaderOf("x-b", "1", "X-A", "2", "X-A", "3", "etag", "4", "Content-Type", "application/json"),
		`{"headers": {"x-b": 1, "content-type": "text/x", "A": None, "X-B": 2}, "body": "a"}`:              exchange.HeaderOf("x-b", "1", "content-type", "text/x", "X-B", "2"),
		`text(response(headers = {"ETAG": "1", "z": "2"}))`:                                                exchange.HeaderOf("z", "2", "Content-Type", "text/plain; charset=utf-8"),
		`plain(response(body = {}))`: exchange.HeaderOf("Content-Type", "text/y"),
		`response(body = {})`:        exchange.HeaderOf("Content-Type", "application/json"),
	} {
		run := handler(t, script.Options{}, `
def text(res):
    res.body = "text"
    return res
def plain(res):
    res.headers["content-type"] = "text/y"
    return res
def f(req):
    return `+src, "f")
		for range 2 { // what is shared stays as it is
			if res, err := run.Respond(t.Context(), newExchange("GET", "/", "")); err != nil || !slices.Equal(res.Header, want) {
				t.Errorf("%s: got %v, %v, want %v", src, res, err, want)
			}
		}
	}
}

// TestHost checks that what a script says of the server's name holds for Host and
// for the authority, and that forward keeps its own to itself.
func TestHost(t *testing.T) {
	t.Parallel()
	const kept = `[{Host api.test}] "api.test"`
	h1, h2 := exchange.HeaderOf("Host", "api.test"), exchange.Header(nil)
	for _, c := range []struct {
		came                 exchange.Header
		src, forwarded, left string
	}{
		{h1, `pass`, kept, kept},
		{h1, `req.headers["host"] = "b.test"`, `[{Host b.test}] "b.test"`, `[{Host b.test}] "b.test"`},
		{h1, `req.headers.pop("HOST")`, `[] ""`, `[] ""`},
		{h1, `req.headers["Host"] = None`, `[] ""`, `[] ""`},
		{h1, `req.headers["X"] = req.headers["Host"]`, `[{Host api.test} {X api.test}] "api.test"`, `[{Host api.test} {X api.test}] "api.test"`},
		{h1, `req.url = "https://b.test:444/"`, `[{Host b.test:444}] "b.test:444"`, `[{Host b.test:444}] "b.test:444"`},
		{h1, `req.path = "/c"`, kept, kept},
		{h1, `args = {"url": "http://b.test/"}`, `[{Host b.test}] "b.test"`, kept},
		{h1, `args = {"url": "http://b.test/", "headers": {"host": "c.test"}}`, `[{Host c.test}] "c.test"`, kept},
		{h1, `args = {"headers": {"Host": None, "X": 1}}`, `[{X 1}] ""`, kept},
		{h2, `req.headers["host"] = "b.test"`, `[{host b.test}] "b.test"`, `[{host b.test}] "b.test"`},
		{h2, `req.headers["host"] = None`, `[] "api.test"`, `[] "api.test"`},
		{h2, `req.url = "http://b.test/"`, `[] "b.test"`, `[] "b.test"`},
		{h2, `args = {"headers": {"host": "b.test"}}`, `[{host b.test}] "b.test"`, `[] "api.test"`},
	} {
		x := newExchange("GET", "/", "")
		sent := c.came.Clone()
		x.Request.Header = sent
		show := func() string { return fmt.Sprintf("%v %q", x.Request.Header, x.Request.Authority) }
		got := ""
		x.Forward = func(context.Context) (*exchange.Response, error) {
			got = show()
			return &exchange.Response{Status: 200}, nil
		}
		run := handler(t, script.Options{}, "def f(req):\n    args = {}\n    "+c.src+"\n    return forward(req, **args)", "f")
		if _, err := run.Respond(t.Context(), x); err != nil || got != c.forwarded || show() != c.left {
			t.Errorf("%v: %s: forwarded %s, left %s, %v; want %s, %s", c.came, c.src, got, show(), err, c.forwarded, c.left)
		}
		if !slices.Equal(sent, c.came) {
			t.Errorf("%s: the header that others hold became %v", c.src, sent)
		}
	}
}
