package value

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"starproxy/builtins/exchange"
)

func TestRequest(t *testing.T) {
	t.Parallel()
	headers := new(starlark.Dict)
	headers.SetKey(starlark.String("cookie"), starlark.String("sid=1; lang=de; sid=2"))
	headers.SetKey(starlark.String("x-a"), starlark.String("b"))
	body := starlark.String(`{"user": {"name": "ada", "a.b": 1}, "tags": ["x", {"y": 2}]}`)
	x, err := NewExchange("post https://api.test:8443/v1//items/7?page=2&page=3&q=a%20b", headers, nil, nil, body)
	if err != nil {
		t.Fatal(err)
	}
	x.Params = map[string]string{"id": "7"}
	x.Request.Header.Add("X-A", "c")
	r := &Request{x: x, maxBody: 1000}
	for name, want := range map[string]string{
		"method": `"POST"`, "url": `"https://api.test:8443/v1//items/7?page=2&page=3&q=a%20b"`, "scheme": `"https"`, "host": `"api.test"`,
		"port": "8443", "path": `"/v1//items/7"`, "query": `{"page": "2", "q": "a b"}`, "params": `{"id": "7"}`,
		"headers": `{"cookie": "sid=1; lang=de; sid=2", "x-a": "b"}`, "cookies": `{"sid": "1", "lang": "de"}`, "client": `"127.0.0.1:40000"`,
		"http_version": `"1.1"`, "id": "1", "segments": `["v1", "items", "7"]`,
	} {
		v, err := r.Attr(name)
		if err != nil || v.String() != want {
			t.Errorf("req.%s = %v, %v; want %s", name, v, err, want)
		}
	}
	for _, name := range r.AttrNames() {
		if v, err := r.Attr(name); v == nil || err != nil {
			t.Errorf("req.%s = %v, %v", name, v, err)
		}
	}
	for path, want := range map[string]string{
		"user.name": `"ada"`, "tags.0": `"x"`, "tags.1.y": "2", "user.a.b": "1",
	} {
		if v, err := r.JSON(path); err != nil || v == nil || v.String() != want {
			t.Errorf("JSON(%q) = %v, %v; want %s", path, v, err, want)
		}
	}
	for _, path := range []string{"user.none", "tags.9", "tags.-3", "tags.x", "user.name.x", "."} {
		if v, err := r.JSON(path); v != nil || err != nil {
			t.Errorf("JSON(%q) = %v, %v; want nothing", path, v, err)
		}
	}
	h, _ := r.Attr("headers")
	if v := h.(Header).owner.lines().Values("X-A"); len(v) != 2 {
		t.Errorf("headers X-A: %v", v)
	}
}

func TestRequestBody(t *testing.T) {
	t.Parallel()
	x, err := NewExchange("GET /", nil, nil, nil, starlark.String("\xff not json"))
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{x: x, maxBody: 100}
	if v, err := r.JSON(""); v != nil || err != nil {
		t.Errorf("JSON of other text = %v, %v", v, err)
	}
	if s, err := r.Text(); s != "ÿ not json" || err != nil {
		t.Errorf("Text = %q, %v", s, err)
	}
	x.Request.Body = exchange.NewIncoming(strings.NewReader(strings.Repeat("x", 200)), nil)
	r = &Request{x: x, maxBody: 100}
	if _, err := r.Body(); err == nil || !strings.Contains(err.Error(), "larger than 100 bytes (scripts.max_body)") {
		t.Errorf("a large body: %v", err)
	}
	x.Request.Body = nil
	r = &Request{x: x, maxBody: 100}
	if b, err := r.Body(); len(b) != 0 || err != nil {
		t.Errorf("no body: %q, %v", b, err)
	}
}

func TestRequestDecodesBody(t *testing.T) {
	t.Parallel()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte(`{"user": "ada"}`))
	w.Close()
	request := func(encoding string, body []byte, maxBody int) *Request {
		x, err := NewExchange("POST /", nil, nil, nil, starlark.Bytes(body))
		if err != nil {
			t.Fatal(err)
		}
		x.Request.Header.Set("Content-Encoding", encoding)
		return &Request{x: x, maxBody: maxBody}
	}
	r := request("gzip", z.Bytes(), 100)
	if s, err := r.Text(); s != `{"user": "ada"}` || err != nil {
		t.Errorf("Text = %q, %v", s, err)
	}
	if v, err := r.JSON("user"); err != nil || v == nil || v.String() != `"ada"` {
		t.Errorf("JSON = %v, %v", v, err)
	}
	if b, err := r.Body(); !bytes.Equal(b, z.Bytes()) || err != nil {
		t.Errorf("Body = %q, %v; want it as sent", b, err)
	}
	// What is not in its encoding is given as it came.
	for _, encoding := range []string{"gzip", "utf-8"} {
		if s, err := request(encoding, []byte("plain"), 100).Text(); s != "plain" || err != nil {
			t.Errorf("%s: Text = %q, %v", encoding, s, err)
		}
	}
	z.Reset()
	w.Reset(&z)
	w.Write(make([]byte, 10000))
	w.Close()
	if _, err := request("gzip", z.Bytes(), 9999).Text(); err == nil || err.Error() != "request body is larger than 9999 bytes when decoded (scripts.max_body)" {
		t.Errorf("one that unfolds too far: %v", err)
	}
}

func TestReadings(t *testing.T) {
	t.Parallel()
	headers := starlark.NewDict(2)
	headers.SetKey(starlark.String("cookie"), starlark.String(`prefs={"a":1,"b":[2]}; a=é; x[y]=1; q="b c"; a=2`))
	headers.SetKey(starlark.String("content-type"), starlark.String("application/x-www-form-urlencoded"))
	x, err := NewExchange("POST /s?discount=100%&q=1;2&ids=1&ids=2&e=%E4%BD%A0&n&p=a+b%2B", headers, nil, nil, starlark.String("d=100%&q=1;2&ids=1&ids=2&n"))
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{x: x, maxBody: 1000}
	form, _ := r.Attr("form")
	fields, err := starlark.Call(new(starlark.Thread), form, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	query, _ := r.Attr("query")
	cookies, _ := r.Attr("cookies")
	for name, c := range map[string]struct {
		got  starlark.Value
		want string
	}{
		"query":   {query, `{"discount": "100%", "e": "你", "ids": "1", "n": "", "p": "a b+", "q": "1;2"}`},
		"form":    {fields, `{"d": "100%", "ids": "1", "n": "", "q": "1;2"}`},
		"cookies": {cookies, `{"prefs": "{\"a\":1,\"b\":[2]}", "a": "é", "x[y]": "1", "q": "b c"}`},
	} {
		if c.got.String() != c.want {
			t.Errorf("req.%s: got %s, want %s", name, c.got, c.want)
		}
	}
	for _, c := range []struct{ method, name, want string }{
		{"query_all", "ids", `["1", "2"]`}, {"query_all", "q", `["1;2"]`}, {"query_all", "none", "[]"},
		{"form_all", "ids", `["1", "2"]`}, {"cookies_all", "a", `["é", "2"]`}, {"cookies_all", "none", "[]"},
	} {
		m, _ := r.Attr(c.method)
		got, err := starlark.Call(new(starlark.Thread), m, starlark.Tuple{starlark.String(c.name)}, nil)
		if err != nil || got.String() != c.want {
			t.Errorf("req.%s(%q): got %v, %v; want %s", c.method, c.name, got, err, c.want)
		}
	}
}

// A number that cannot be held is an error, wherever in the body it is; None
// would say that there is no JSON.
func TestRequestJSONOutOfRange(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"a": 1e400}`, `{"a": [-1.5E+999]}`, `{"a": ` + strings.Repeat("9", 1001) + `}`, `{"b": 1, "a": {"c": 2e308}}`,
	} {
		for _, path := range []string{"a", ""} {
			x, err := NewExchange("POST https://api.test/", nil, nil, nil, starlark.String(body))
			if err != nil {
				t.Fatal(err)
			}
			v, err := (&Request{x: x, maxBody: 10000}).JSON(path)
			if err == nil || !strings.HasPrefix(err.Error(), "req.json: at offset ") {
				t.Errorf("JSON(%q) of %.40s = %v, %v; want an error", path, body, v, err)
			}
		}
	}
}
