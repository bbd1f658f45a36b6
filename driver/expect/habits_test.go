package expect

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

var midnight = time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)

// after returns the time s seconds after midnight.
func after(s float64) time.Time { return midnight.Add(time.Duration(s * float64(time.Second))) }

// recorded reads exchanges, one a line: the seconds since midnight, the method, the URL, and
// the status (0 for none). What follows is "> NAME: VALUE" for a line of the request's
// header, "< NAME: VALUE" for one of the answer's, "= BODY" for the request's body,
// "took SECONDS", "got BYTES", "cut" for an answer that broke off, "unmatched", "mock" for
// one that a mock answered, and "client ADDRESS"; with | between them.
func recorded(t *testing.T, text string) []*capture.Entry {
	t.Helper()
	var list []*capture.Entry
	for line := range strings.Lines(text) {
		parts := strings.Split(strings.TrimSpace(line), " | ")
		words := strings.Fields(parts[0])
		if len(words) == 0 {
			continue
		}
		at, err := strconv.ParseFloat(words[0], 64)
		if err != nil || len(words) != 4 {
			t.Fatalf("bad line of a trace: %s", line)
		}
		e := entry(t, at, words[1], words[2], words[3])
		for _, p := range parts[1:] {
			detail(t, e, p)
		}
		list = append(list, e)
	}
	return list
}

func entry(t *testing.T, at float64, method, url, status string) *capture.Entry {
	t.Helper()
	scheme, rest, ok := strings.Cut(url, "://")
	authority, path, _ := strings.Cut(rest, "/")
	if !ok {
		t.Fatalf("bad URL of a trace: %s", url)
	}
	host, port := exchange.SplitAuthority(authority, exchange.DefaultPort(scheme))
	e := &capture.Entry{Start: after(at), Duration: time.Millisecond, Method: method, Scheme: scheme, Host: host, Port: port,
		Target: "/" + path, Proto: "HTTP/1.1", Authority: authority, Client: netip.MustParseAddrPort("10.0.0.7:4000"),
		Server: exchange.Peer{Addr: netip.MustParseAddrPort("192.0.2.1:443")}}
	var err error
	if e.Status, err = strconv.Atoi(status); err != nil {
		t.Fatal(err)
	}
	if e.Status == 0 {
		e.Error = "timeout"
	}
	return e
}

func detail(t *testing.T, e *capture.Entry, p string) {
	t.Helper()
	word, rest, _ := strings.Cut(strings.TrimSpace(p), " ")
	name, value, _ := strings.Cut(rest, ": ")
	n, err := 0.0, error(nil)
	switch word {
	case ">":
		e.RequestHeader.Add(name, value)
	case "<":
		e.ResponseHeader.Add(name, value)
	case "=":
		e.RequestHeader.Add("Content-Type", "application/json")
		e.RequestBody = capture.Blob{Data: []byte(rest), Size: int64(len(rest))}
	case "took":
		n, err = strconv.ParseFloat(rest, 64)
		e.Duration = time.Duration(n * float64(time.Second))
	case "got":
		n, err = strconv.ParseFloat(rest, 64)
		e.ResponseBody.Size = int64(n)
	case "cut":
		e.ResponseBody.Partial = true
	case "unmatched":
		e.Unmatched = true
	case "mock":
		e.Server, e.Origin = exchange.Peer{}, exchange.FromMock
	case "client":
		e.Client = netip.AddrPortFrom(netip.MustParseAddr(rest), 4000)
	default:
		t.Fatalf("bad word of a trace: %s", p)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// up joins lines of a trace, each of which is a request to one URL: the seconds, the
// status and details.
func up(lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		at, rest, _ := strings.Cut(l, " ")
		b.WriteString(at + " GET https://api.example.com/up " + rest + "\n")
	}
	return b.String()
}

// TestHabits judges traces of devices that do as they should, and of others.
func TestHabits(t *testing.T) {
	t.Parallel()
	const modified = "Sun, 01 Mar 2026 00:00:00 GMT"
	doubling := up("0 503", "1 503", "3 503", "7 503", "15 200")
	capped := up("0 503", "1 503", "3 503", "7 503", "12 503", "17 503", "22 200")
	storm := up("0 200", "0.1 200", "0.2 200", "60 503", "61 503", "70 200", "70.1 200", "70.2 200", "70.3 200", "90 200")
	for _, c := range []struct {
		name, trace, expectation string
		ok                       bool
	}{
		{"number of retries", doubling, `{retries: {count: 4}}`, true},
		{"too many", doubling, `{retries: {count: {max: 3}}}`, false},
		{"too few", doubling, `{retries: {count: 5}}`, false},
		{"gave up", up("0 503", "1 503"), `{retries: {count: 1}}`, true},
		{"other devices", up("0 503 | client 10.0.0.1", "1 200 | client 10.0.0.2"), `{retries: {count: {min: 1}}}`, false},
		{"factor", doubling, `{retries: {factor: 2, first_s: 1}}`, true},
		{"range of factors", doubling, `{retries: {factor: {min: 1.5, max: 2.5}, jitter: 0.01}}`, true},
		{"other factor", doubling, `{retries: {factor: 3, jitter: 0.2}}`, false},
		{"no growth", up("0 503", "2 503", "4 503", "6 503", "8 200"), `{retries: {factor: {min: 1.5}, jitter: 0.2}}`, false},
		{"cap", capped, `{retries: {factor: 2, max_s: 5}}`, true},
		{"over the cap", doubling, `{retries: {max_s: 5}}`, false},
		{"below the cap, growing", doubling, `{retries: {max_s: 10}}`, true},
		{"cap not told", capped, `{retries: {factor: 2, jitter: 0.2}}`, false},
		{"jitter", up("0 503", "1.2 503", "3 503", "7.5 200"), `{retries: {factor: 2, jitter: {min: 0.05, max: 0.3}}}`, true},
		{"no jitter", doubling, `{retries: {factor: 2, jitter: {min: 0.05, max: 0.3}}}`, false},
		{"retry-after", up("0 429 | < Retry-After: 3", "3.5 200"), `{retries: {honours_retry_after: true}}`, true},
		{"too early", up("0 429 | < Retry-After: 3", "1.5 200"), `{retries: {honours_retry_after: true}}`, false},
		{"no retry-after", up("0 503", "1 200"), `{retries: {honours_retry_after: true}}`, false},
		{"date by a slow clock", up("0 503 | < Retry-After: Sun, 01 Mar 2026 01:00:10 GMT | < Date: Sun, 01 Mar 2026 01:00:00 GMT", "9.5 200"),
			`{retries: {honours_retry_after: true}}`, true},
		{"before the date", up("0 503 | < Retry-After: Sun, 01 Mar 2026 00:00:10 GMT", "5 200"), `{retries: {honours_retry_after: true}}`, false},

		{"no storm", storm, `{rate: {max: 4, per_s: 5}}`, true},
		{"storm", storm, `{rate: {max: 3, per_s: 5}}`, false},
		{"storm after an outage", storm, `{rate: {max: 3, per_s: 5, outage: true}}`, false},
		{"storm before an outage", up("0 200", "0.1 200", "0.2 200", "60 503", "70 200"), `{rate: {max: 2, outage: true}}`, true},

		{"polls", up("0 200", "60 200", "121 200", "180 200"), `{interval: {every_s: 60}}`, true},
		{"strict polls", up("0 200", "60 200", "121 200", "180 200"), `{interval: {every_s: 60, tolerance: 0.001}}`, false},
		{"a retry between polls", up("0 200", "60 503", "62 200", "122 200"), `{interval: {every_s: 60}}`, true},
		{"early poll", up("0 200", "60 200", "90 200"), `{interval: {every_s: 60}}`, false},
		{"polls of two devices", up("0 200 | client 10.0.0.1", "5 200 | client 10.0.0.2", "60 200 | client 10.0.0.1", "65 200 | client 10.0.0.2"),
			`{interval: {every_s: 60}}`, true},
		{"polls with a cursor", "0 GET http://h.example/p?since=0 200\n60 GET http://h.example/p?since=1 200", `{interval: {every_s: 60}}`, true},
		{"polls of two paths", "0 GET http://h.example/a 200\n5 GET http://h.example/b 200\n60 GET http://h.example/a 200\n" +
			"65 GET http://h.example/b 200", `{interval: {every_s: 60}}`, true},

		{"conditional", up(`0 200 | < ETag: "a"`, `1 304 | > If-None-Match: "a"`, `2 200 | > If-None-Match: "a" | < ETag: "b"`,
			`3 304 | > If-None-Match: "b"`), `{conditional: true}`, true},
		{"weak", up(`0 200 | < ETag: W/"a"`, `1 304 | > If-None-Match: W/"a"`), `{conditional: true}`, true},
		{"no condition", up(`0 200 | < ETag: "a"`, `1 200`), `{conditional: true}`, false},
		{"old tag", up(`0 200 | < ETag: "a"`, `1 200 | < ETag: "b" | > If-None-Match: "a"`, `2 200 | > If-None-Match: "a"`),
			`{conditional: true}`, false},
		{"date", up("0 200 | < Last-Modified: "+modified, "1 304 | > If-Modified-Since: "+modified), `{conditional: true}`, true},
		{"no date", up("0 200 | < Last-Modified: "+modified, "1 200"), `{conditional: true}`, false},
		{"not to be stored", up(`0 200 | < ETag: "x" | < Cache-Control: private, no-store`, `1 200 | < ETag: "a"`,
			`2 304 | > If-None-Match: "a"`), `{conditional: true}`, true},
		{"a part", up(`0 200 | < ETag: "a"`, `1 206 | > Range: bytes=5-`, `2 304 | > If-None-Match: "a"`), `{conditional: true}`, true},
		{"broken answer", up(`0 200 | < ETag: "a" | cut | got 5`, `1 200 | < ETag: "a"`, `2 304 | > If-None-Match: "a"`),
			`{conditional: true}`, true},
		{"new tag by a 304", up(`0 200 | < ETag: "a"`, `1 304 | > If-None-Match: "a" | < ETag: "b"`, `2 304 | > If-None-Match: "b"`),
			`{conditional: true}`, true},

		{"resumed", up("0 200 | got 500 | cut", "1 206 | > Range: bytes=500- | < Content-Range: bytes 500-999/1000 | got 500"),
			`{resumes: true}`, true},
		{"fewer bytes than announced", up("0 200 | got 500 | < Content-Length: 1000", "1 200 | got 1000"), `{resumes: true}`, false},
		{"resumed twice", up("0 200 | got 500 | cut", "1 206 | > Range: bytes=500- | < Content-Range: bytes 500-999/1000 | got 200 | cut",
			"2 206 | > Range: bytes=700-999 | < Content-Range: bytes 700-999/1000 | got 300"), `{resumes: true}`, true},
		{"from the beginning", up("0 200 | got 500 | cut", "1 200 | got 1000"), `{resumes: true}`, false},
		{"from byte 0", up("0 200 | got 500 | cut", "1 206 | > Range: bytes=0-"), `{resumes: true}`, false},
		{"with a gap", up("0 200 | got 500 | cut", "1 206 | > Range: bytes=600-"), `{resumes: true}`, false},
		{"after an error", up("0 200 | got 500 | cut", "1 503 | > Range: bytes=500-", "2 206 | > Range: bytes=500- | got 500"), `{resumes: true}`, true},
		{"forgotten after an error", up("0 200 | got 500 | cut", "1 503 | > Range: bytes=500-", "2 200 | got 1000"), `{resumes: true}`, false},
		{"no ranges", up("0 200 | got 500 | cut | < Accept-Ranges: none", "1 200 | got 500 | cut", "2 206 | > Range: bytes=500- | got 500"),
			`{resumes: true}`, true},
		{"nothing came", up("0 200 | got 0 | cut", "1 200 | got 500 | cut", "2 206 | > Range: bytes=500- | got 500"), `{resumes: true}`, true},

		{"order", up("0 200", "1 200"), `{order: ["GET /up", "GET /up"]}`, true},
		{"in order", "0 GET http://h.example/a 200\n1 GET http://h.example/b 200", `{order: [GET /a, GET /b]}`, true},
		{"before its turn", "0 GET http://h.example/b 200\n1 GET http://h.example/a 200\n2 GET http://h.example/b 200",
			`{order: [GET /a, GET /b]}`, false},
		{"repeated", "0 GET http://h.example/a 200\n1 GET http://h.example/b 200\n2 GET http://h.example/a 200",
			`{order: [GET /a, GET /b]}`, true},
		{"within after", "0 GET http://h.example/x 200\n50 GET http://h.example/boot 200\n55 GET http://h.example/a 200",
			`{request: GET /a, after: GET /boot, count: 1, within_s: 10}`, true},
		{"late after", "0 GET http://h.example/boot 200\n55 GET http://h.example/a 200",
			`{request: GET /a, after: GET /boot, count: 1, within_s: 10}`, false},
		{"before after", "0 GET http://h.example/a 200\n1 GET http://h.example/boot 200", `{request: GET /a, after: GET /boot}`, false},
		{"never after", "0 GET http://h.example/a 200", `{request: GET /a, after: GET /boot, count: 0}`, false},
	} {
		want(t, c.name, c.expectation, recorded(t, c.trace), c.ok)
	}
}
