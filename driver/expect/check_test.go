package expect

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

var began = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// trace makes exchanges of lines "SECONDS METHOD URL STATUS key=value…". The keys are
// took, ip, error, body, partial (bytes), real, unmatched, >Name and <Name for headers.
func trace(t *testing.T, text string) (list []*capture.Entry) {
	t.Helper()
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		at, err := strconv.ParseFloat(words[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(words[2])
		if err != nil {
			t.Fatal(err)
		}
		status, _ := strconv.Atoi(words[3])
		e := &capture.Entry{
			Seq: uint64(len(list) + 1), Start: began.Add(time.Duration(at * float64(time.Second))), Duration: 10 * time.Millisecond,
			Method: words[1], Scheme: u.Scheme, Host: u.Hostname(), Port: exchange.DefaultPort(u.Scheme), Target: u.RequestURI(),
			Proto: "HTTP/1.1", Status: status, Origin: exchange.FromMock, Client: netip.MustParseAddrPort("10.0.0.1:4000"),
		}
		for _, w := range words[4:] {
			set(t, e, w)
		}
		list = append(list, e)
	}
	return list
}

func set(t *testing.T, e *capture.Entry, word string) {
	key, value, _ := strings.Cut(word, "=")
	value = strings.ReplaceAll(value, "_", " ")
	switch {
	case key == "took":
		d, err := time.ParseDuration(value)
		if err != nil {
			t.Fatal(err)
		}
		e.Duration = d
	case key == "ip":
		e.Client = netip.AddrPortFrom(netip.MustParseAddr(value), 1)
	case key == "error":
		e.Error = value
	case key == "body":
		e.RequestBody = capture.Blob{Size: int64(len(value)), Data: []byte(value)}
	case key == "partial":
		n, _ := strconv.Atoi(value)
		e.ResponseBody = capture.Blob{Size: int64(n), Data: make([]byte, n), Partial: true}
	case key == "real":
		e.Server.Addr = netip.MustParseAddrPort("192.0.2.1:443")
	case key == "unknown":
		e.Origin = exchange.FromServer
	case key == "unmatched":
		e.Unmatched = true
	case key == "tls":
		e.Kind, e.SNI = capture.TLSError, e.Host
	case key[0] == '>':
		e.RequestHeader.Add(key[1:], value)
	case key[0] == '<':
		e.ResponseHeader.Add(key[1:], value)
	default:
		t.Fatalf("no key %q", key)
	}
}

const plain = `
0   POST https://api.example.com/telemetry 200 body={"a":{"b":1,"c":2},"id":"x7"} >Content-Type=application/json
5   POST https://api.example.com/telemetry/2 200 body={"a":{"b":1}}
20  GET  https://api.example.com/config?v=1 200
30  POST https://api.example.com/telemetry 200 body=hello
`

// verdicts are traces, expectations, and a part of the failure, empty for none.
var verdicts = []struct{ trace, expectation, failure string }{
	{plain, `{request: "POST /telemetry*", host: api.example.com, count: 3, within_s: 60}`, ""},
	{plain, `{request: "POST /telemetry*", host: api.example.com, count: 4}`, "got 3 requests, want 4"},
	{plain, `{request: "POST /telemetry*", count: 3, within_s: 25}`, "got 2 requests within 25 s, want 3"},
	{plain, `{request: "POST /telemetry*", count: {min: 1, max: 2}}`, "got 3 requests, want 1 to 2"},
	{plain, `{request: "POST /telemetry*", count: {max: 3}}`, ""},
	{plain, `{request: "/telemetry", count: 2}`, ""},
	{plain, `{request: "POST /telemetri"}`, `near: #1 12:00:00.000 +0 s POST "https://api.example.com/telemetry" 200: path is "/telemetry"`},
	{plain, `{request: "POST /telemetry", host: "*.example.org"}`, "host is api.example.com, expected *.example.org"},
	{plain, `{request: "GET /config", match: {query: {v: "2"}}, count: 0}`, ""},
	{plain, `{request: "GET /config", match: {query: {v: "1"}}, count: 0}`, "got 1 request, want 0"},
	{plain, `{filter: "~m POST", count: 3}`, ""},
	{plain, `{status: [200, 404], count: 4}`, ""},
	{plain, `{client: 10.0.0.2, count: 0}`, ""},
	{plain, `{order: ["POST /telemetry", "GET /config", "POST /telemetry"]}`, ""},
	{plain, `{order: ["GET /config", "POST /telemetry/2"]}`, "got no POST /telemetry/2 after GET /config, but before, want the order"},
	{plain, `{order: ["GET /nothing"]}`, "got no GET /nothing at all"},
	{plain, `{request: "POST /telemetry/2", body: {json: {a: {b: 1}}}}`, ""},
	{plain, `{request: "POST /telemetry/2", body: {json: {a: {b: 2}}}}`, "body: at a.b: got 1, want 2"},
	{plain, `{request: "POST /telemetry", body: {json: {}}}`, "the body is no JSON"},
	{plain, `{request: "POST /telemetry/2", body: {schema: {type: object, required: [a], properties: {a: {type: object}}}}}`, ""},
	{plain, `{request: "POST /telemetry/2", body: {schema: {type: object, required: [id]}}}`, "body: missing property 'id'"},
	{plain, `{request: "POST /telemetry*", body: {regex: "b\"?:\\d|hel+o"}}`, ""},
	{plain, `{request: "POST /telemetry", body: {contains: world}}`, `the body lacks "world"`},
	{plain, `{request: "POST /telemetry", headers: {Content-Type: ""}}`, "Content-Type"},
	{plain, `{request: "POST /telemetry", must: {body_json: {a.b: {gte: 1}}}}`, "body"},
	{plain, `{only_hosts: ["*.example.com"]}`, ""},
	{plain, `{only_hosts: [example.com]}`, "got 4 of: a host beyond only_hosts, want none"},
	{plain + "40 - https://track.example.org/ 0 tls=1", `{only_hosts: ["*.example.com"]}`, "track.example.org"},
	{plain, `{no_plaintext: true, no_egress: true, no_unmatched: true, no_secrets_in_urls: true}`, ""},
	{"0 GET http://a/ 200", `{no_plaintext: true}`, "HTTP without TLS"},
	{"0 GET https://a/ 200 real=1", `{no_egress: true}`, "a real server was asked"},
	{"0 GET https://a/ 200 unknown=1", `{no_egress: true}`, "a real server was asked"},
	{"0 GET https://a/ 404 unmatched=1", `{no_unmatched: true}`, "no mock and no recording matches"},
	{"0 GET https://a/?access_token=abcdef123 200", `{no_secrets_in_urls: true}`, "MASKED-1\" 200 (access_token in the URL)"},
	{"0 GET https://a/?key=abcdef123 200", `{no_secrets_in_urls: true}`, `/?key=MASKED-1" 200 (key in the URL)`},
	{"0 GET https://a/ 200", `{request: "GET /", retries: {count: 1}}`, "retries can't be judged"},
	{"0 GET https://a/ 503\n1 GET https://a/ 200", `{retries: {count: 1}}`, ""},
	{"0 GET https://a/ 503\n1 GET https://a/ 0 error=reset", `{retries: {count: 2}}`, "got 1 retries after the failure of GET /, want 2"},
	{"0 GET https://a/ 503 <Retry-After=5\n5.1 GET https://a/ 200", `{retries: {honours_retry_after: true}}`, ""},
	{"0 GET https://a/ 503 <Retry-After=5\n2 GET https://a/ 200", `{retries: {honours_retry_after: true}}`, "got a retry after 1.99 s"},
	{"0 GET https://a/ 429 <Retry-After=Sat,_28_Nov_2026_12:00:10_GMT\n3 GET https://a/ 200", `{retries: {honours_retry_after: true}}`, "no earlier"},
	{"0 GET https://a/ 500\n1 GET https://a/ 500\n2 GET https://a/ 200", `{retries: {factor: 1}}`, ""},
	{"0 GET https://a/ 500\n1 GET https://a/ 500\n2 GET https://a/ 200", `{retries: {factor: 2}}`, "got waits of 0.99, 0.99 s"},
	{"0 GET https://a/ 500\n1 GET https://a/ 500\n3 GET https://a/ 500\n5 GET https://a/ 500\n7 GET https://a/ 200", `{retries: {factor: 2, max_s: 2}}`, ""},
	{"0 GET https://a/ 500\n3 GET https://a/ 200", `{retries: {first_s: 1}}`, "the first 1 s"},
	{"0 GET https://a/ 500\n.1 GET https://a/ 500\n.2 GET https://a/ 500\n.3 GET https://a/ 200", `{rate: {max: 3, per_s: 1}}`, "got 4 requests within 1 s, want at most 3"},
	{"0 GET https://a/ 200\n1 GET https://a/ 200\n2 GET https://a/ 200", `{rate: {max: 1, per_s: 1}}`, ""},
	{"0 GET https://a/ 200\n60 GET https://a/ 200\n118 GET https://a/ 200", `{interval: {every_s: 60}}`, ""},
	{"0 GET https://a/ 200\n60 GET https://a/ 200\n70 GET https://a/ 200", `{interval: {every_s: 60, tolerance: 0.2}}`, "got 10 s from one request"},
	{"0 GET https://a/ 200\n30 GET https://a/ 200 ip=10.0.0.2", `{interval: {every_s: 60}}`, "can't be judged"},
	{"0 GET https://a/ 200 <ETag=\"x\"\n1 GET https://a/ 304 >If-None-Match=\"x\"\n2 GET https://a/ 304 >If-None-Match=\"x\"", `{conditional: true}`, ""},
	{"0 GET https://a/ 200 <ETag=\"x\"\n1 GET https://a/ 200", `{conditional: true}`, "got no condition"},
	{"0 GET https://a/ 200 <Last-Modified=then\n1 GET https://a/ 304 >If-Modified-Since=then", `{conditional: true}`, ""},
	{"0 GET https://a/ 200\n1 GET https://a/ 200", `{conditional: true}`, "can't be judged"},
	{"0 GET https://a/f 200 partial=100\n1 GET https://a/f 206 >Range=bytes=100-", `{resumes: true}`, ""},
	{"0 GET https://a/f 200 partial=100\n1 GET https://a/f 206 >Range=bytes=100- partial=50\n2 GET https://a/f 206 >Range=bytes=150-", `{resumes: true}`, ""},
	{"0 GET https://a/f 200 partial=100\n1 GET https://a/f 200", `{resumes: true}`, "got no Range, want Range: bytes=100-"},
	{"0 GET https://a/f 200 partial=100", `{resumes: true}`, "got no request after a download broke off at byte 100"},
	{"0 GET https://a/f 200", `{resumes: true}`, "can't be judged"},
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, c := range verdicts {
		l, err := Read("e.yaml", []byte(c.expectation))
		if err != nil {
			t.Errorf("%s: %v", c.expectation, err)
			continue
		}
		r, err := l.Check(trace(t, c.trace), nil)
		if err != nil {
			t.Fatal(err)
		}
		text := r.Text()
		if r.OK != (c.failure == "") || !strings.Contains(text, c.failure) {
			t.Errorf("%s\nof %s\ngot %s, want %q", c.expectation, c.trace, text, c.failure)
		}
		if !r.OK && !strings.HasPrefix(text, "e.yaml:1:1: ") {
			t.Errorf("%s: got %s, want the place first", c.expectation, text)
		}
	}
}

func TestNoEntries(t *testing.T) {
	t.Parallel()
	for _, c := range verdicts {
		l, err := Read("e.yaml", []byte(c.expectation))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Check(nil, nil); err != nil {
			t.Error(err)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[]`:                          "e.yaml:1:1: got 0 expectations, want 1 to 1000",
		`[1]`:                         "e.yaml:1:2: [0]: got the number 1, want an expectation",
		`{reqest: GET /}`:             `e.yaml:1:2: unknown key "reqest"; did you mean "request"?`,
		`{request: GET}`:              `e.yaml:1:11: request: endpoint key "GET"`,
		`{count: {min: 3, max: 1}}`:   "e.yaml:1:9: count: got min 3 and max 1",
		`{count: -1}`:                 "e.yaml:1:9: count: got",
		`{within_s: 0}`:               "e.yaml:1:12: within_s: got the number 0, want a number of seconds above 0",
		`{only_hosts: ["a b"]}`:       "e.yaml:1:14: only_hosts[0]: ",
		`{host: "a/b"}`:               "e.yaml:1:8: host: ",
		`{client: device}`:            "e.yaml:1:10: client: got",
		`{filter: "~zz"}`:             "e.yaml:1:10: filter: ",
		`{must: {hedaers: {}}}`:       `e.yaml:1:9: unknown key "hedaers" in must; did you mean "headers"?`,
		`{headers: x}`:                "e.yaml:1:11: headers: got",
		`{body: {}}`:                  "e.yaml:1:8: body: got",
		`{body: {regex: "("}}`:        "e.yaml:1:16: body.regex: ",
		`{body: {schema: {type: x}}}`: "e.yaml:1:17: body.schema: ",
		`{body: {schema: {$ref: "file:///etc/passwd"}}}`: "want one within the schema",
		`{rate: {max: 0}}`:         "e.yaml:1:14: rate.max: got the number 0",
		`{interval: {every_s: 0}}`: "e.yaml:1:22: interval.every_s: got the number 0",
		`{retries: {factor: 0.5}}`: "e.yaml:1:20: retries.factor: got the number 0.5, want a number from 1 to 100",
		`{retries: {jitter: 2}}`:   "e.yaml:1:20: retries.jitter: got the number 2",
		`{status: ok}`:             "e.yaml:1:10: status: got",
		`{order: [""]}`:            "e.yaml:1:9: order[0]: got no text",
	} {
		_, err := Read("e.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// TestSimulated lets simulated devices wait as they should, with noise within the jitter,
// and with a fault of each kind.
func TestSimulated(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		factor, first := 1+random.Float64()*2, 0.2+random.Float64()*3
		longest, jitter, tries := first*(2+random.Float64()*10), random.Float64()*0.2, 3+random.IntN(5)
		waits := make([]float64, tries)
		for k := range waits {
			want := first
			for range k {
				want *= factor
			}
			waits[k] = min(want, longest) * (1 + jitter*(2*random.Float64()-1))
		}
		expectation := fmt.Sprintf(`{retries: {count: %d, factor: %g, max_s: %g, jitter: %g}}`, tries, factor, longest, jitter)
		l, err := Read("e.yaml", []byte(expectation))
		if err != nil {
			t.Fatal(err)
		}
		if r, _ := l.Check(retrying(waits), nil); !r.OK {
			t.Errorf("run %d, waits %v, %s: got %s, want no failure", i, waits, expectation, r.Text())
		}
		wrong := append([]float64(nil), waits...)
		wrong[random.IntN(tries)] += longest * 2
		if r, _ := l.Check(retrying(wrong), nil); r.OK {
			t.Errorf("run %d, waits %v, %s: got no failure", i, wrong, expectation)
		}
		if r, _ := l.Check(retrying(waits[1:]), nil); r.OK {
			t.Errorf("run %d: got no failure with a retry less", i)
		}
	}
}

// retrying is a device that fails, waits and tries again, until it succeeds.
func retrying(waits []float64) (list []*capture.Entry) {
	at := began
	for i := range len(waits) + 1 {
		e := &capture.Entry{Seq: uint64(i + 1), Start: at, Duration: 100 * time.Millisecond, Method: "GET", Scheme: "https", Host: "a", Target: "/", Status: 503}
		if i == len(waits) {
			e.Status = 200
		} else {
			at = end(e).Add(time.Duration(waits[i] * float64(time.Second)))
		}
		list = append(list, e)
	}
	return list
}

func FuzzRead(f *testing.F) {
	for _, c := range verdicts {
		f.Add([]byte(c.expectation))
	}
	list := []*capture.Entry{{Method: "GET", Scheme: "http", Host: "a", Target: "/"}}
	f.Fuzz(func(_ *testing.T, text []byte) {
		if l, err := Read("e.yaml", text); err == nil {
			_, _ = l.Check(list, nil)
			_, _ = l.Check(nil, nil)
		}
	})
}
