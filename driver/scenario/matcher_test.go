package scenario

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
	"starproxy/script"
)

// incoming is a request as it stands on the wire; lines may end with \n.
func incoming(t testing.TB, text string) *exchange.Request {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	raw := strings.ReplaceAll(head, "\n", "\r\n") + "\r\nHost: h.test\r\n\r\n"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	target := r.RequestURI
	return &exchange.Request{
		Method: r.Method, Scheme: "http", Host: "h.test", Port: 80, Target: target, Proto: "HTTP/1.1", Authority: "h.test",
		Header: exchange.HeaderFrom(r.Header), Body: exchange.NewIncoming(strings.NewReader(body), nil), ContentLength: int64(len(body)),
	}
}

// upload is a multipart form with a file, a field and a part in JSON.
var upload = "POST / HTTP/1.1\nContent-Type: multipart/form-data; boundary=B\n\n" + strings.ReplaceAll(`--B
Content-Disposition: form-data; name="firmware"; filename="fw-2.5.bin"
Content-Type: application/octet-stream

`+"\x00\x01\xfe"+`
--B
Content-Disposition: form-data; name="note"

hello world
--B
Content-Disposition: form-data; name="meta"
Content-Type: application/json
X-Sum: abc

{"version": 7}
--B--
`, "\n", "\r\n")

const order = `POST / HTTP/1.1
Content-Type: text/xml

<?xml version="1.0"?>
<s:Envelope xmlns:s="http://soap"><s:Body>
  <order id="A7"><item sku="x"><qty> 2 </qty></item><item sku="y"><qty>5</qty></item></order>
</s:Body></s:Envelope>`

func form(body string) string {
	return "POST / HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n\n" + body
}

func jsonOf(body string) string { return "POST / HTTP/1.1\nContent-Type: application/json\n\n" + body }

// matcherCases are conditions with requests: why is empty where they hold, and
// else what the explanation says.
var matcherCases = []struct{ match, request, why string }{
	{`path: {regex: "^/v[12]/"}`, "GET /v2/x HTTP/1.1", ""},
	{`path: {regex: "^/v[12]/"}`, "GET /v3/x HTTP/1.1", `path is "/v3/x", expected a match of "^/v[12]/"`},
	{`path: /v3/x`, "GET /v3/x?q=1 HTTP/1.1", ""},
	{`target: "/v3/x?q=1"`, "GET /v3/x?q=1 HTTP/1.1", ""},
	{`target: /v3/x`, "GET /v3/x?q=1 HTTP/1.1", `target is "/v3/x?q=1", expected "/v3/x"`},
	{`path: {contains: admin, not: {regex: "\\.js$"}}`, "GET /admin/x HTTP/1.1", ""},
	{`path: {contains: admin, not: {regex: "\\.js$"}}`, "GET /admin/x.js HTTP/1.1", `expected to contain "admin" and not a match of "\\.js$"`},
	{`method: {one_of: [PUT, PATCH]}`, "PATCH / HTTP/1.1", ""},
	{`method: {one_of: [PUT, PATCH]}`, "POST / HTTP/1.1", `method is "POST", expected one of "PUT", "PATCH"`},
	{`host: {regex: "\\.test$"}`, "GET / HTTP/1.1", ""},

	{`query: {page: {gte: 2, lt: 10}}`, "GET /?page=2 HTTP/1.1", ""},
	{`query: {page: {gte: 2, lt: 10}}`, "GET /?page=10 HTTP/1.1", `query parameter page is "10", expected a number of at least 2 and a number less than 10`},
	{`query: {page: {gt: 2}}`, "GET /?page=two HTTP/1.1", `query parameter page is "two", expected a number greater than 2`},
	{`query: {page: {gt: 2}}`, "GET / HTTP/1.1", "query parameter page is absent, expected a number greater than 2"},
	{`query: {page: {lte: 1.5e+1}}`, "GET /?page=15.000 HTTP/1.1", ""},
	{`query: {n: {gt: 9007199254740992}}`, "GET /?n=9007199254740993 HTTP/1.1", ""},
	{`query: {n: {gt: 18446744073709551615}}`, "GET /?n=18446744073709551616 HTTP/1.1", ""},
	{`query: {n: {gt: 18446744073709551615}}`, "GET /?n=18446744073709551615 HTTP/1.1", "greater than 18446744073709551615"},
	{`query: {n: {lt: -0.1}}`, "GET /?n=-0.11 HTTP/1.1", ""},
	{`query: {n: {lt: 5}}`, "GET /?n=0x1 HTTP/1.1", `"0x1"`},
	{`query: {n: {gt: 5}}`, "GET /?n=inf HTTP/1.1", `"inf"`},
	{`query: {n: {gt: 5}}`, "GET /?n=1e999999999 HTTP/1.1", ""},
	{`query: {n: {lt: 0}}`, "GET /?n=-0 HTTP/1.1", `"-0"`},
	{`query: {n: {lt: 0.31, gte: 0.3}}`, "GET /?n=%2B00.30 HTTP/1.1", ""},
	{`query: {debug: {absent: true}}`, "GET /?a=1 HTTP/1.1", ""},
	{`query: {debug: {absent: true}}`, "GET /?debug HTTP/1.1", `query parameter debug is "", expected none`},
	{`query: {debug: {absent: false}}`, "GET /?debug HTTP/1.1", ""},
	{`query: {debug: {absent: false}}`, "GET /?bug HTTP/1.1", `query parameter debug is absent, expected any value`},
	{`query: {tag: {equals: b}}`, "GET /?tag=a&tag=b HTTP/1.1", ""},
	{`query: {tag: {not: b}}`, "GET /?tag=a&tag=b HTTP/1.1", `query parameter tag is "a", "b", expected not "b"`},
	{`query: {tag: {not: b}}`, "GET / HTTP/1.1", ""},
	{`query: {tag: {equals: ""}}`, "GET /?tag= HTTP/1.1", ""},
	{`query: {tag: {equals: ""}}`, "GET /?tag=x HTTP/1.1", `expected ""`},
	{`query: {n: {one_of: [1, 2, on]}}`, "GET /?n=on HTTP/1.1", ""},
	{`query: {a: x, b: {contains: y}}`, "GET /?a=x&b=xyz HTTP/1.1", ""},
	{`query: {a: x, b: {contains: y}}`, "GET /?a=z&b=xyz HTTP/1.1", `query parameter a is "z", expected "x"`},

	{`headers: {user-agent: {contains: okhttp}}`, "GET / HTTP/1.1\nUser-Agent: okhttp/4", ""},
	{`headers: {user-agent: {regex: "(?i)OKHTTP/[0-9]"}}`, "GET / HTTP/1.1\nUser-Agent: okhttp/x", `header User-Agent is "okhttp/x"`},
	{`headers: {x-a: {one_of: [a, b]}}`, "GET / HTTP/1.1\nX-A: z\nX-A: b", ""},
	{`headers: {x-a: {absent: true}}`, "GET / HTTP/1.1\nX-A: z", `header X-A is "z", expected none`},
	{`headers: {host: {regex: "^h\\."}}`, "GET / HTTP/1.1", ""},
	{`headers: {content-length: {gt: 3}}`, "POST / HTTP/1.1\nContent-Length: 4\n\nabcd", ""},

	{`cookies: {sid: {regex: "^[0-9a-f]+$"}}`, "GET / HTTP/1.1\nCookie: a=1; sid=0af", ""},
	{`cookies: {sid: {regex: "^[0-9a-f]+$"}}`, "GET / HTTP/1.1\nCookie: a=1; sid=xyz", `cookie sid is "xyz", expected a match of`},
	{`cookies: {sid: }`, "GET / HTTP/1.1\nCookie: sid=1", ""},
	{`cookies: {sid: abc}`, "GET / HTTP/1.1", `cookie sid is absent, expected "abc"`},

	{`form: {grant: {one_of: [password, refresh]}}`, form("grant=refresh&x=1"), ""},
	{`form: {grant: {one_of: [password, refresh]}}`, form("grant=code"), `form field grant is "code", expected one of "password", "refresh"`},
	{`form: {n: {gt: 1}, x: ""}`, form("n=2&x=7"), ""},
	{`form: {note: hello world}`, upload, ""},

	{`body: {regex: "(?m)^two$"}`, "POST / HTTP/1.1\n\none\ntwo\nthree", ""},
	{`body: one`, "POST / HTTP/1.1\n\none", ""},
	{`body: {not: {contains: x}}`, "POST / HTTP/1.1\n\naxb", `body is "axb", expected not to contain "x"`},

	{`body_json: {user.age: {gte: 18}}`, jsonOf(`{"user":{"age":18}}`), ""},
	{`body_json: {user.age: {gte: 18}}`, jsonOf(`{"user":{"age":17.9}}`), "body user.age is 17.9, expected a number of at least 18"},
	{`body_json: {user.age: {gte: 18}}`, jsonOf(`{"user":{"age":"20"}}`), `body user.age is "20"`},
	{`body_json: {user.age: {gte: 18}}`, jsonOf(`{"user":`), "not JSON"},
	{`body_json: {id: {gt: 18446744073709551615}}`, jsonOf(`{"id":18446744073709551616}`), ""},
	{`body_json: {tags: {contains: b}}`, jsonOf(`{"tags":["a","b"]}`), ""},
	{`body_json: {tags: {contains: c}}`, jsonOf(`{"tags":["a","b"]}`), `body tags is ["a","b"], expected to contain "c"`},
	{`body_json: {name: {contains: da}}`, jsonOf(`{"name":"ada"}`), ""},
	{`body_json: {name: {regex: "^a.a$"}, x: {absent: true}}`, jsonOf(`{"name":"ada"}`), ""},
	{`body_json: {x: {absent: true}}`, jsonOf(`{"x":null}`), "body x is null, expected none"},
	{`body_json: {x: {absent: false}}`, jsonOf(`{"x":null}`), ""},
	{`body_json: {x: {one_of: [1, a, [2]]}}`, jsonOf(`{"x":[2.0]}`), ""},
	{`body_json: {x: {not: 1}}`, jsonOf(`{"x":1.0}`), "body x is 1.0, expected not 1"},
	{`body_json: {x: {not: {k: 1}}}`, jsonOf(`{"x":{"k":2}}`), ""},
	{`body_json: {x: {equals: {gt: 5}}}`, jsonOf(`{"x":{"gt":5}}`), ""},
	{`body_json: {x: {k: {gt: 5}}}`, jsonOf(`{"x":{"k":{"gt":5}}}`), ""},

	{`body_xml: {"//order/@id": A7}`, order, ""},
	{`body_xml: {"//item[@sku='y']/qty": {gte: 5}}`, order, ""},
	{`body_xml: {"//item[@sku='x']/qty": {gte: 5}}`, order, `XML //item[@sku='x']/qty is "2", expected a number of at least 5`},
	{`body_xml: {"/Envelope/Body/order/item[2]/qty": 5}`, order, ""},
	{`body_xml: {"/s:Envelope/s:Body/order": }`, order, ""},
	{`body_xml: {"/t:Envelope": }`, order, "XML /t:Envelope is absent, expected any value"},
	{`body_xml: {"count(//item)": 2, "sum(//qty)": {gt: 6}}`, order, ""},
	{`body_xml: {"boolean(//refund)": false}`, order, ""},
	{`body_xml: {"//refund": {absent: true}}`, order, ""},
	{`body_xml: {"//qty": {one_of: [5]}}`, order, ""},
	{`body_xml: {"//item[qty>4]/@sku": y}`, order, ""},
	{`body_xml: {"//a": x}`, "POST / HTTP/1.1\n\n<a>x", "not XML: <a> is never closed"},
	{`body_xml: {"//a": x}`, "POST / HTTP/1.1\n\n", "not XML: no element"},
	{`body_xml: {"//a": "Москва"}`, "POST / HTTP/1.1\n\n<?xml version='1.0' encoding='windows-1251'?><a>\xcc\xee\xf1\xea\xe2\xe0</a>", ""},
	{`body_xml: {"//a": "é"}`, "POST / HTTP/1.1\n\n<a>\xe9</a>", ""},
	{`body_xml: {"//a": "é"}`, "POST / HTTP/1.1\nContent-Type: text/xml; charset=latin-1\n\n<?xml version='1.0' encoding='utf-8'?><a>\xe9</a>", ""},
	{`body_xml: {"//a": "é"}`, "POST / HTTP/1.1\n\n\xff\xfe<\x00a\x00>\x00\xe9\x00<\x00/\x00a\x00>\x00", ""},
	{`body_xml: {"//a": "&x"}`, "POST / HTTP/1.1\n\n<a>&amp;<![CDATA[x]]></a>", ""},
	{`body_xml: {"//a": x}`, "POST / HTTP/1.1\n\n<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>", "not XML"},

	{`parts: {note: hello world}`, upload, ""},
	{`parts: {note: {contains: bye}}`, upload, `part note is "hello world", expected to contain "bye"`},
	{`parts: {firmware: {filename: {regex: "\\.bin$"}, content_type: application/octet-stream}}`, upload, ""},
	{`parts: {firmware: {filename: {regex: "\\.hex$"}}}`, upload, `part firmware is the file "fw-2.5.bin" of 3 bytes (application/octet-stream), expected a part with filename: a match of "\\.hex$"`},
	{`parts: {meta: {body_json: {version: {gte: 7}}, headers: {x-sum: abc}}}`, upload, ""},
	{`parts: {meta: {body_json: {version: 8}}}`, upload, "expected a part with JSON version: 8"},
	{`parts: {note: é}`, strings.Replace(upload, "hello world", "\xe9", 1), ""},
	{`form: {note: é}`, strings.Replace(upload, "hello world", "\xe9", 1), ""},
	{`cookies: {p: {contains: ":1"}}`, "GET / HTTP/1.1\nCookie: p={\"a\":1}", ""},
	{`query: {d: {regex: "%$"}, q: {equals: 1;2}}`, "GET /?d=100%&q=1;2 HTTP/1.1", ""},
	{`query: {ids: [1, 3], q: {gt: 1}}`, "GET /?ids=1&ids=3&q=2 HTTP/1.1", ""},
	{`query: {ids: [1, 3], q: {gt: 1}}`, "GET /?ids=1&q=2 HTTP/1.1", `expected ["1","3"]`},
	{`body_json: {items.-1.id: {gt: 1}, "@odata.type": {contains: x}}`, jsonOf(`{"items":[{"id":1},{"id":2}],"@odata.type":"axb"}`), ""},
	{`parts: {gone: {absent: true}, note: }`, upload, ""},
	{`parts: {gone: }`, upload, "part gone is absent, expected any value"},
	{`parts: {a: }`, form("a=1"), `part a is absent: the content type is "application/x-www-form-urlencoded", not multipart`},
}

// The conditions decide the same in an endpoint of YAML and of a script, and in
// a rule; explanations tell what was seen and expected.
func TestMatchers(t *testing.T) {
	t.Parallel()
	host := script.New(script.Options{})
	defer host.Close()
	for _, c := range matcherCases {
		document := "endpoints:\n  \"* /*\":\n    match: {" + c.match + "}\n    rules: [{match: {" + c.match + "}, body: yes}]\n"
		s, err := Parse("m.yaml", []byte(document), Env{Script: host})
		if err != nil {
			t.Errorf("%s: %v", c.match, err)
			continue
		}
		ep := s.Endpoints[0]
		table := mock.NewTable()
		table.ReplaceAll(s.Endpoints)
		found := lookup(t, table, incoming(t, c.request))
		why := strings.Join(ep.Match.Explain(incoming(t, c.request)), "; ")
		if (found != nil) != (c.why == "") || (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: found %v, because %q, expected %q\nfor %s", c.match, found != nil, why, c.why, c.request)
		}
		if res, _ := respond(t, ep, incoming(t, c.request)); (res != nil) != (c.why == "") {
			t.Errorf("%s: the rule holds: %v, expected %v", c.match, res != nil, c.why == "")
		}
	}
}

// What a rule expected is in the report on a request that nothing answered.
func TestMatchersOfRulesAreExplained(t *testing.T) {
	t.Parallel()
	host := script.New(script.Options{})
	defer host.Close()
	s, err := Parse("m.yaml", []byte(`
GET /users/{id}:
  rules:
    - {match: {params: {id: {gt: 100}}}, body: big}
    - {match: {query: {admin: {regex: "^y"}}}, body: admin}
`), Env{Script: host})
	if err != nil {
		t.Fatal(err)
	}
	table := mock.NewTable()
	table.ReplaceAll(s.Endpoints)
	misses := table.Misses(incoming(t, "GET /users/7?admin=no HTTP/1.1"), 1)
	got := fmt.Sprint(misses[0].Why)
	for _, want := range []string{`rules[0]: path parameter id is "7", expected a number greater than 100`, `rules[1]: query parameter admin is "no", expected a match of "^y"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s, expected %s in it", got, want)
		}
	}
	for target, want := range map[string]string{"/users/101": "big", "/users/7?admin=yes": "admin", "/users/7": ""} {
		x := &exchange.Exchange{Request: incoming(t, "GET "+target+" HTTP/1.1")}
		res, err := table.Handler(mock.Forward).Respond(t.Context(), forwardNothing(x))
		if err != nil {
			t.Fatal(err)
		}
		body := ""
		if res.Origin == exchange.FromMock {
			var b sink
			res.Body.SendTo(t.Context(), &b)
			body = b.String()
		}
		if body != want {
			t.Errorf("%s: %q, expected %q", target, body, want)
		}
	}
}

// Mistakes in matchers are told with their place and what was expected.
func TestWrongMatchers(t *testing.T) {
	t.Parallel()
	for match, want := range map[string]string{
		`query: {a: {matches: x}}`:              `m.yaml:2:23: unknown key "matches" in endpoint "GET /": match.query.a; did you mean "regex"?`,
		`queryParameters: {a: x}`:               `unknown key "queryParameters" in endpoint "GET /": match; did you mean "query"?`,
		`query: {a: {regexp: x}}`:               `m.yaml:2:23: unknown key "regexp" in endpoint "GET /": match.query.a; did you mean "regex"?`,
		`query: {a: {regex: "("}}`:              "m.yaml:2:30: endpoint \"GET /\": match.query.a.regex: error parsing regexp: missing closing ): `(`",
		`query: {a: {gt: ten}}`:                 `match.query.a.gt: got the text "ten", want a number`,
		`query: {a: {gt: "5"}}`:                 `match.query.a.gt: got the text "5", want a number`,
		`query: {a: {absent: 1}}`:               `match.query.a.absent: got the number 1, want true or false`,
		`query: {a: {absent: true, equals: x}}`: `absent: true goes with no other word`,
		`query: {a: {one_of: x}}`:               `match.query.a.one_of: got the text "x", want a list of values`,
		`query: {a: {one_of: []}}`:              `match.query.a.one_of: got an empty list, want a list of values`,
		`cookies: {a: [1]}`:                     `match.cookies.a: got a list, want text`,
		`query: {a: []}`:                        `match.query.a: got an empty list, want at least one value`,
		`query: {a: [[1]]}`:                     `match.query.a[0]: got a list, want text`,
		`query: {a: {}}`:                        `match.query.a: got an empty map, want text or a matcher`,
		`headers: {"a b": {absent: true}}`:      `"a b" is no name of a header`,
		`path: {gt: {}}`:                        `match.path.gt: got an empty map, want a number`,
		`cookies: x`:                            `match.cookies: got the text "x", want a map of names to text or matchers`,
		`body_xml: {"//a[": x}`:                 `m.yaml:2:22: endpoint "GET /": match.body_xml: XPath: got "//a["`,
		`body_xml: {"nope(": x}`:                `XPath: got "nope("`,
		`body_json: {a: {regex: 5, gt: x}}`:     `match.body_json.a.gt: got the text "x", want a number`,
		`parts: {a: {file_name: x}}`:            `unknown key "file_name" in endpoint "GET /": match.parts.a; did you mean "filename"?`,
		`bodyjson: {}`:                          `did you mean "body_json"?`,
	} {
		_, err := Parse("m.yaml", []byte("GET /:\n  match: {"+match+"}\n"), Env{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %s", match, err, want)
		}
	}
}

// What is probably meant otherwise is a warning.
func TestDoubtfulMatchers(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	_, err := Parse("m.yaml", []byte("GET /u/{id}:\n  match: {body_json: {a: {regex: x, flags: i}}, params: {uid: 1}}\n"),
		Env{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`is no word of a matcher`, `match.params.uid: the path of its key has id`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s, expected %s in it", log.String(), want)
		}
	}
}

// A document that would take long to search ends the search, not the proxy.
func TestXMLIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, body, why string }{
		{"//b[count(preceding-sibling::b)=7]", "<a>" + strings.Repeat("<b/>", 50_000) + "</a>", "takes too long"},
		{"//b", "<a>" + strings.Repeat("<b/>", 101_000) + "</a>", "more than 100000 nodes"},
		{"//b", strings.Repeat("<b>", 501) + strings.Repeat("</b>", 501), "or 500 levels"},
		{"count(//b)", "<a>" + strings.Repeat("<b/>", 50_000) + "</a>", `is "50000"`},
	} {
		m := mock.Match{Conditions: []mock.Condition{{In: mock.InXML, Name: c.path, Matcher: mock.Equal("x")}}}
		if err := m.Compile(); err != nil {
			t.Fatal(err)
		}
		why := fmt.Sprint(m.Explain(incoming(t, "POST / HTTP/1.1\n\n"+c.body)))
		if !strings.Contains(why, c.why) {
			t.Errorf("%s: %s, expected %q in it", c.path, why, c.why)
		}
	}
}

// forwardNothing lets the real server answer with 204.
func forwardNothing(x *exchange.Exchange) *exchange.Exchange {
	x.Forward = func(context.Context) (*exchange.Response, error) {
		return &exchange.Response{Status: 204, Origin: exchange.FromServer}, nil
	}
	return x
}

// Of an upload larger than what conditions read, the parts at its beginning are
// still told apart; what their data is can't be said.
func TestMatchersOfLargeUploads(t *testing.T) {
	t.Parallel()
	large := strings.Replace(upload, "\x00\x01\xfe", strings.Repeat("x", 2<<20), 1)
	for match, want := range map[string]string{
		`parts: {firmware: {filename: {contains: fw-}}}`:       "",
		`parts: {firmware: {content_type: text/plain}}`:        "of which only what is in the first 1048576 bytes",
		`parts: {firmware: {filename: fw-2.5.bin, regex: xx}}`: "of which only what is in the first",
	} {
		s, err := Parse("m.yaml", []byte("POST /: {match: {"+match+"}}"), Env{})
		if err != nil {
			t.Fatal(err)
		}
		why := strings.Join(s.Endpoints[0].Match.Explain(incoming(t, large)), "; ")
		if (why == "") != (want == "") || !strings.Contains(why, want) {
			t.Errorf("%s: %.300q, expected %q in it", match, why, want)
		}
	}
}

// Conditions that functions make hold as those of documents do.
func TestMatcherFunction(t *testing.T) {
	t.Parallel()
	host := script.New(script.Options{Match: Matching})
	defer host.Close()
	s, err := Parse("m.star", []byte(`
big = matcher({"params": {"id": {"gt": 18446744073709551615}}})

def user(req):
    return response(body = "big" if big(req) else "small")

def upload(req):
    p = {p.name: p for p in req.parts}
    return {"body": "%s %s %d %s %s" % (p["firmware"].filename, p["firmware"].content_type, len(p["firmware"].body), p["note"].text, p["meta"].json("version"))}

endpoints = {
    "GET /users/{id}": user,
    "POST /": upload,
    "GET /data": {"match": {"query": {"n": {"lt": 3}}}, "body": "few"},
}
`), Env{Script: host})
	if err != nil {
		t.Fatal(err)
	}
	table := mock.NewTable()
	table.ReplaceAll(s.Endpoints)
	for request, want := range map[string]string{
		"GET /users/18446744073709551616 HTTP/1.1": "big",
		"GET /users/18446744073709551615 HTTP/1.1": "small",
		"GET /data?n=2 HTTP/1.1":                   "few",
		upload:                                     "fw-2.5.bin application/octet-stream 3 hello world 7",
	} {
		res, err := table.Handler(mock.Forward).Respond(t.Context(), forwardNothing(&exchange.Exchange{Request: incoming(t, request)}))
		if err != nil {
			t.Fatal(err)
		}
		var b sink
		res.Body.SendTo(t.Context(), &b)
		if b.String() != want {
			t.Errorf("%.30q: %q, expected %q", request, b.String(), want)
		}
	}
	for source, want := range map[string]string{
		`matcher({"quer": {}})`:                              `matcher: unknown key "quer"; did you mean "query"?`,
		`matcher({"query": {"a": {"regex": "("}}})`:          "matcher: query.a.regex: error parsing regexp",
		`matcher([])`:                                        `matcher: argument "conditions": got list, want dict`,
		`matcher({"query": {"a": {"gt": "1"}}})`:             `matcher: query.a.gt: got the text "1", want a number`,
		`matcher({"body_xml": {"//a[": {"gt": 1}}})`:         `matcher: body_xml: XPath: got "//a["`,
		`matcher({"query": {"a": {"one_of": lambda x: x}}})`: `matcher: `,
	} {
		_, err := Parse("m.star", []byte("m = "+source+"\nendpoints = {}\n"), Env{Script: host})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %s", source, err, want)
		}
	}
}
