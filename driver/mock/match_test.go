package mock

import (
	"bytes"
	"compress/gzip"
	"reflect"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

func TestPathPatterns(t *testing.T) {
	t.Parallel()
	type params = map[string]string
	for _, c := range []struct {
		pattern, path string
		want          params // nil: does not fit
	}{
		{"/a", "/a", params{}},
		{"/a", "/a/", nil},
		{"/a", "/A", nil},
		{"/a%20b", "/a%20b", params{}},
		{"/a%20b", "/a b", params{}},
		{"/a b", "/a%20b", params{}},
		{"/café", "/caf%C3%A9", params{}},
		{"/café", "/caf%c3%a9", params{}},
		{"/café", "/caf\u00e9", params{}},
		{"/café", "/cafe", nil},
		{"/caf%c3%a9", "/caf%C3%A9", params{}},
		{"/a|b", "/a%7Cb", params{}},
		{"/a|b", "/a|b", params{}},
		{"/a%7cb", "/a|b", params{}},
		{"/" + `"<>[\]^` + "`", "/%22%3C%3E%5B%5C%5D%5E%60", params{}},
		{"/x[0]", "/x[0]", params{}},
		{"/~user", "/%7Euser", params{}},
		{"/100%", "/100%25", params{}},
		{"/a/b", "/a%2Fb", nil},
		{"/a%2fb", "/a%2Fb", params{}},
		{"/a:b", "/a%3Ab", nil},
		{"/日本/*", "/%E6%97%A5%E6%9C%AC/x", params{}},
		{"/a%2*", "/a%2fb", params{}},
		{"/caf%*", "/caf%c3%a9", params{}},
		{"/städte/{name}/größe", "/st%C3%A4dte/K%C3%B6ln/gr%C3%B6%C3%9Fe", params{"name": "Köln"}},
		{"/ü{id}ü", "/%C3%BC7%C3%BC", params{"id": "7"}},
		{"/a*", "/ab/c", params{}},
		{"/a*", "/a", params{}},
		{"/a/*", "/a", nil},
		{"/a/*", "/a/", params{}},
		{"*", "/anything", params{}},
		{"*", "*", params{}},
		{"", "/anything", params{}},
		{"/a*b", "/a*b", params{}},
		{"/a*b", "/axb", nil},
		{"/d/{id}", "/d/7", params{"id": "7"}},
		{"/d/{id}", "/d/", nil},
		{"/d/{id}", "/d/7/x", nil},
		{"/d/{id}", "/d/a%20b", params{"id": "a b"}},
		{"/d/{id}", "/d/a%2", params{"id": "a%2"}},
		{"/d/{id}/log", "/d/7/log", params{"id": "7"}},
		{"/d/{id}/log", "/d/7/lag", nil},
		{"/d/{id}.json", "/d/7.json", params{"id": "7"}},
		{"/d/{id}.json", "/d/.json", nil},
		{"/v{major}/{name}", "/v2/x", params{"major": "2", "name": "x"}},
		{"/d/*/log", "/d/7/log", params{}},
		{"/d/*/log", "/d//log", nil},
		{"/d/{id}/*", "/d/7/a/b", params{"id": "7"}},
		{"/d/{id}/*", "/d/7", nil},
		{"/d/{id}*", "/d/7/a", params{"id": "7"}},
		{"/d/{id}-x*", "/d/7-xyz", params{"id": "7"}},
		{"/d/{id}-x*", "/d/7-yz", nil},
		{"/{a}/{b-c}", "/1/2", params{"a": "1", "b-c": "2"}},
	} {
		m := Match{Path: c.pattern}
		if err := m.Compile(); err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		r := request(t, "GET /")
		r.Target = c.path + "?x=/y"
		got, ok := m.Matches(r)
		if ok != (c.want != nil) || ok && len(c.want)+len(got) > 0 && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q on %q: %v %v, expected %v", c.pattern, c.path, got, ok, c.want)
		}
		if why := m.Explain(r); (len(why) == 0) != ok {
			t.Errorf("%q on %q: explained as %q", c.pattern, c.path, why)
		}
	}
}

func TestMatchConditions(t *testing.T) {
	t.Parallel()
	const upgrade = "\nConnection: Upgrade\nUpgrade: websocket"
	for _, c := range []struct {
		name, request string
		match         Match
		why           string // empty: fits
	}{
		{"zero", "GET /", Match{}, ""},
		{"method", "POST /", Match{Method: "GET"}, "method is POST, expected GET"},
		{"method in lower case", "POST /", Match{Method: "post"}, ""},
		{"any method", "POST /", Match{Method: "*"}, ""},
		{"head from get", "HEAD /", Match{Method: "GET"}, ""},
		{"get not from head", "GET /", Match{Method: "HEAD"}, "method is GET, expected HEAD"},
		{"websocket", "GET /" + upgrade, Match{Method: WebSocket}, ""},
		{"websocket by get", "GET /" + upgrade, Match{Method: "GET"}, ""},
		{"no websocket", "GET /", Match{Method: WebSocket}, "not an upgrade to WebSocket"},
		{"server", "GET https://a.test:8443/", Match{Scheme: "https", Host: "A.test", Port: 8443}, ""},
		{"scheme", "GET https://a.test/", Match{Scheme: "http"}, "scheme is https, expected http"},
		{"host", "GET https://a.test/", Match{Host: "b.test"}, "host is a.test, expected b.test"},
		{"port", "GET https://a.test/", Match{Port: 80}, "port is 443, expected 80"},
		{"path", "GET /x", Match{Path: "/y"}, `path is "/x", expected "/y"`},
		{"header", "GET /\nX-A: 1", Match{Headers: map[string]string{"x-a": "1"}}, ""},
		{"header present", "GET /\nX-A: 1", Match{Headers: map[string]string{"x-a": ""}}, ""},
		{"header, one of several", "GET /\nX-A: 1\nX-A: 2", Match{Headers: map[string]string{"x-a": "2"}}, ""},
		{"header, folded", "GET /\nX-A: 1\nX-A: 2", Match{Headers: map[string]string{"x-a": "1, 2"}}, ""},
		{"header host", "GET https://a.test/", Match{Headers: map[string]string{"host": "a.test"}}, ""},
		{"header host, its line", "GET https://a.test/\nhost: b.test", Match{Headers: map[string]string{"Host": "b.test"}}, ""},
		{"header, in another case", "GET /\nx-a: 1\nX-A: 2", Match{Headers: map[string]string{"X-a": "2"}}, ""},
		{"headers differ", "GET /\nx-a: 1\nX-A: 2", Match{Headers: map[string]string{"x-a": "3"}}, `header X-A is "1, 2", expected "3"`},
		{"header missing", "GET /", Match{Headers: map[string]string{"x-a": ""}}, "header X-A is absent, expected any value"},
		{"header missing with value", "GET /", Match{Headers: map[string]string{"x-a": "1"}}, `header X-A is absent, expected "1"`},
		{"header differs", "GET /\nX-A: 2", Match{Headers: map[string]string{"x-a": "1"}}, `header X-A is "2", expected "1"`},
		{"header absent", "GET /", Match{HeadersAbsent: []string{"x-a"}}, ""},
		{"header not absent", "GET /\nX-A: 2", Match{HeadersAbsent: []string{"x-a"}}, `header X-A is "2", expected none`},
		{"query", "GET /?page=1&page=2", Match{Query: map[string]string{"page": "1"}}, ""},
		{"query present", "GET /?page", Match{Query: map[string]string{"page": ""}}, ""},
		{"query first only", "GET /?page=1&page=2", Match{Query: map[string]string{"page": "2"}}, `query parameter page is "1", expected "2"`},
		{"query missing", "GET /", Match{Query: map[string]string{"page": "2"}}, `query parameter page is absent, expected "2"`},
		{"query case", "GET /?Page=1", Match{Query: map[string]string{"page": ""}}, `query parameter page is absent, expected any value`},
		{"query, a percent sign", "GET /?d=100%", Match{Query: map[string]string{"d": "100%"}}, ""},
		{"query, a semicolon", "GET /?q=1;2&p=3", Match{Query: map[string]string{"q": "1;2", "p": "3"}}, ""},
		{"query, no UTF-8", "GET /?q=%E9&p=3", Match{Query: map[string]string{"q": "\xe9", "p": "3"}}, ""},
		{"query, no escape", "GET /?q%=%zz%41", Match{Query: map[string]string{"q%": "%zzA"}}, ""},
		{"query, fragment", "GET /?q=1#x", Match{Query: map[string]string{"q": "1"}}, ""},
		{"query, all values", "GET /?id=1&a&id=2", Match{QueryAll: map[string][]string{"id": {"1", "2"}}}, ""},
		{"query, all values in another order", "GET /?id=2&id=1", Match{QueryAll: map[string][]string{"id": {"1", "2"}}}, `query parameter id is ["2","1"], expected ["1","2"]`},
		{"query, a value too many", "GET /?id=1&id=2", Match{QueryAll: map[string][]string{"id": {"1"}}}, `query parameter id is ["1","2"], expected ["1"]`},
		{"query, no value at all", "GET /", Match{QueryAll: map[string][]string{"id": {"1", "2"}}}, `query parameter id is absent, expected ["1","2"]`},
		{"body contains", "POST /\n\nhello world", Match{BodyContains: "lo w"}, ""},
		{"body does not contain", "POST /\n\nhello", Match{BodyContains: "lo w"}, `body is "hello", expected to contain "lo w"`},
		{"no body", "GET /", Match{BodyContains: "x"}, `body is "", expected to contain "x"`},
		{"latin-1", "POST /\nContent-Type: text/plain; charset=ISO-8859-1\n\ncaf\xe9", Match{BodyContains: "café"}, ""},
		{"utf-16", "POST /\nContent-Type: text/plain; charset=utf-16\n\n\xff\xfea\x00b\x00", Match{BodyContains: "ab"}, ""},
		{"json", `POST /` + "\n\n" + `{"a":{"b":[10,{"c":"x"}]}}`, Match{BodyJSON: map[string]any{"a.b.0": int64(10), "a.b.1.c": "x"}}, ""},
		{"json from the end", "POST /\n\n[1,2]", Match{BodyJSON: map[string]any{"-1": 2}}, ""},
		{"json path, one language", `POST /` + "\n\n" + `{"@odata.type":"#T","items":[{"id":1},{"id":2,"a.b":{"c":3}}],"x[0]":4}`, Match{BodyJSON: map[string]any{
			"@odata.type": "#T", `@odata\.type`: "#T", "items.-1.id": 2, "items[-2].id": 1, "items.1.a.b.c": 3, `items[1].a\.b.c`: 3, "x[0]": 4}}, ""},
		{"json path, beyond", `POST /` + "\n\n" + `{"items":[1]}`, Match{BodyJSON: map[string]any{"items.-2": 1}}, `body items.-2 is absent, expected 1`},
		{"json number", `POST /` + "\n\n" + `{"a":1.0,"b":2}`, Match{BodyJSON: map[string]any{"a": 1, "b": 2.0}}, ""},
		{"json null", "POST /\n\n{}", Match{BodyJSON: map[string]any{"a": nil}}, ""},
		{"json empty body", "POST /", Match{BodyJSON: map[string]any{"a": nil}}, ""},
		{"json deep", `POST /` + "\n\n" + `{"a":{"b":[1,null,true]}}`, Match{BodyJSON: map[string]any{"a": map[string]any{"b": []any{1, nil, true}}}}, ""},
		{"json differs", `POST /` + "\n\n" + `{"a":"1"}`, Match{BodyJSON: map[string]any{"a": 1}}, `body a is "1", expected 1`},
		{"json big", `POST /` + "\n\n" + `{"a":9007199254740993}`, Match{BodyJSON: map[string]any{"a": int64(9007199254740992)}}, `body a is 9007199254740993, expected 9007199254740992`},
		{"json absent", `POST /` + "\n\n" + `{}`, Match{BodyJSON: map[string]any{"a.b": 1}}, `body a.b is absent, expected 1`},
		{"not json", "POST /\n\nx=1", Match{BodyJSON: map[string]any{"x": 1}}, `body: not JSON: invalid character 'x' looking for beginning of value, expected JSON with "x"`},
		{"several", "POST /x\nX-A: 1", Match{Method: "GET", Path: "/y", Headers: map[string]string{"X-A": "2"}, BodyContains: "z"},
			`method is POST, expected GET; path is "/x", expected "/y"; header X-A is "1", expected "2"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, c.request)
			if err := c.match.Compile(); err != nil {
				t.Fatal(err)
			}
			_, ok := c.match.Matches(r)
			why := strings.Join(c.match.Explain(r), "; ")
			if ok != (c.why == "") || why != c.why {
				t.Errorf("fits %v, why %s\nexpected %s", ok, why, c.why)
			}
		})
	}
}

func TestMatchDecodesBody(t *testing.T) {
	t.Parallel()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte(`{"user":"admin"}`))
	w.Close()
	m := Match{BodyContains: `"user"`, BodyJSON: map[string]any{"user": "admin"}}
	if err := m.Compile(); err != nil {
		t.Fatal(err)
	}
	r := request(t, "POST /\nContent-Encoding: gzip\n\n"+z.String())
	if why := m.Explain(r); why != nil {
		t.Error(why)
	}
	// What a condition has read is still there for the real server.
	var again bytes.Buffer
	if again.ReadFrom(r.Body); again.String() != z.String() {
		t.Error("the body is not forwarded as it came")
	}
	r = request(t, "POST /\nContent-Encoding: lzma\n\nxx")
	if why := m.Explain(r); len(why) != 2 || !strings.Contains(why[0], `content-encoding "lzma"`) {
		t.Error(why)
	}
}

func TestMatchLargeBody(t *testing.T) {
	t.Parallel()
	long := "needle" + strings.Repeat("x", maxMatchBody)
	contains := Match{BodyContains: "needle"}
	asJSON := Match{BodyJSON: map[string]any{"a": 1}}
	for _, m := range []*Match{&contains, &asJSON} {
		if err := m.Compile(); err != nil {
			t.Fatal(err)
		}
	}
	r := request(t, "POST /\n\n"+long)
	if _, ok := contains.Matches(r); !ok {
		t.Error("what is in the first part was not found")
	}
	if why := asJSON.Explain(r); len(why) != 1 || !strings.Contains(why[0], "larger than 1048576 bytes") {
		t.Error(why)
	}
}

func TestMatchReadsBodyOnlyWhenNeeded(t *testing.T) {
	t.Parallel()
	for _, m := range []Match{{}, {Method: "GET", BodyContains: "x"}, {Headers: map[string]string{"X-A": ""}, BodyContains: "x"}} {
		if err := m.Compile(); err != nil {
			t.Fatal(err)
		}
		r := request(t, "POST /")
		r.Body = exchange.NewIncoming(neverRead{t}, nil)
		m.Matches(r)
	}
}

type neverRead struct{ t *testing.T }

func (n neverRead) Read([]byte) (int, error) {
	n.t.Error("the body was read")
	return 0, nil
}

func TestLiteralBytes(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		want := c > ' ' && c < 0x7f && !strings.ContainsRune("%\"<>[\\]^`{|}", rune(c))
		if got := literalByte(byte(c)); got != want {
			t.Errorf("%q: got %v, want %v", rune(c), got, want)
		}
	}
}

// TestTableMatchesEscapes asks a table, which looks exact paths up, for paths in
// several spellings.
func TestTableMatchesEscapes(t *testing.T) {
	t.Parallel()
	table := NewTable()
	var eps []*Endpoint
	for _, key := range []string{"GET /café", "GET /a|b/*", "GET /d/{id}/größe"} {
		m, err := ParseKey(key)
		if err != nil {
			t.Fatal(err)
		}
		eps = append(eps, &Endpoint{Name: key, Match: m, Handler: NewStatic(200, nil, nil, 0)})
	}
	table.ReplaceAll(eps)
	for target, want := range map[string]string{
		"/caf%C3%A9": "GET /café", "/caf%c3%a9?x=1": "GET /café", "/café": "GET /café", "/%63afé": "GET /café",
		"/a%7Cb/x": "GET /a|b/*", "/a|b/x": "GET /a|b/*", "/d/K%C3%B6ln/gr%C3%B6%C3%9Fe": "GET /d/{id}/größe", "/cafe": "",
	} {
		r := request(t, "GET /")
		r.Target = target
		got := ""
		ep, params := table.lookup(r)
		if ep != nil {
			got = ep.Name
		}
		if got != want || strings.HasPrefix(target, "/d/") && params["id"] != "Köln" {
			t.Errorf("%s: got %q, %v; want %q", target, got, params, want)
		}
	}
}
