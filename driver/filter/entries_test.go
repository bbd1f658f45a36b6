package filter

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

func blob(s string) capture.Blob { return capture.Blob{Size: int64(len(s)), Data: []byte(s)} }

func zipped(s string) capture.Blob {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return blob(b.String())
}

// marks implements Annotations: mark and comment by number.
type marks map[uint64][2]string

func (m marks) Mark(seq uint64) (mark, comment string) { return m[seq][0], m[seq][1] }

// Device names the device of all entries.
func (m marks) Device(a netip.Addr) string {
	return map[netip.Addr]string{netip.MustParseAddr("192.0.2.7"): "charger-07"}[a]
}

// entries returns the entries that expressions are matched against, by name.
func entries() map[string]*capture.Entry {
	client := netip.MustParseAddrPort("192.0.2.7:40123")
	return map[string]*capture.Entry{
		// A login that a mock answered.
		"login": {
			Seq: 1, Client: client, Method: "POST", Scheme: "https", Host: "api.example.com", Port: 443, Target: "/v1/login?user=a%20b", Proto: "HTTP/2.0",
			Authority: "api.example.com", RequestHeader: exchange.HeaderOf("Content-Type", "application/x-www-form-urlencoded", "X-API-Key", "Secret"),
			RequestBody: blob("name=a\nword=Grün"), Duration: 5 * time.Millisecond,
			Status: 401, ResponseHeader: exchange.HeaderOf("Content-Type", "application/json", "Content-Encoding", "gzip", "Set-Cookie", "a=1", "Set-Cookie", "b=2"),
			ResponseBody: zipped(`{"error": "wrong password"}`), Origin: exchange.FromMock, Endpoint: "POST /v1/login", Source: "happy.yaml:3",
			Notes: []exchange.Note{{Level: "warning", Text: "slow down"}, {Level: "warning", Text: "contract: request body: is missing (a.yaml:1:1 #)"}, {Level: exchange.Met, Text: "network edge"}},
		},
		// A picture from the real server, asked for by its address.
		"logo": {
			Seq: 2, Open: true, Client: netip.MustParseAddrPort("[2001:db8::1]:9"), Method: "GET", Scheme: "http", Host: "198.51.100.4", Port: 8080, Target: "/logo.png", Proto: "HTTP/1.1",
			Authority: "cdn.example.net:8080", Server: exchange.Peer{Addr: netip.MustParseAddrPort("198.51.100.4:8080")}, Duration: 2 * time.Second,
			Status: 200, ResponseHeader: exchange.HeaderOf("Content-Type", "image/png"), ResponseBody: blob("\x89PNG\r\n\x1a\nIHDR" + strings.Repeat("\xff", 3000)),
		},
		// A real server out of reach.
		"lost": {
			Seq: 3, Unmatched: true, Client: client, Method: "GET", Scheme: "http", Host: "lost.example.com", Port: 80, Target: "/", Proto: "HTTP/1.1", Authority: "lost.example.com",
			Status: 502, ResponseHeader: exchange.HeaderOf("Content-Type", "text/plain"), ResponseBody: blob("502 no such host"), Origin: exchange.FromProxy, Error: "no such host",
		},
		"patch":  {Seq: 4, Method: "GET", Scheme: "https", Host: "h", Port: 8443, Target: "/p", Status: 200, Origin: exchange.FromPatch, Endpoint: "GET /p"},
		"replay": {Seq: 5, Method: "GET", Scheme: "https", Host: "h", Port: 443, Target: "/r", Status: 304, Origin: exchange.FromReplay},
		"tls":    {Seq: 6, Kind: capture.TLSError, Client: client, Host: "203.0.113.9", Port: 443, SNI: "pinned.example.com", Error: "unknown certificate authority"},
		"socket": {
			Seq: 7, Method: "GET", Scheme: "https", Host: "h", Port: 443, Target: "/ws", Status: 101, Origin: exchange.FromServer,
			RequestHeader: exchange.HeaderOf("Upgrade", "websocket"),
		},
		"refused": {
			Seq: 8, Kind: capture.Refused, Origin: exchange.FromProxy, Client: client, Method: "BREW", Scheme: "http", Host: "pot.example.org", Port: 80, Target: "/tea",
			Authority: "pot.example.org", Status: 400, Error: "Content-Length: got it twice", RequestBody: blob("BREW /tea HTTP/1.1\r\nHost: pot.example.org\r\nX-Leaf: oolong"),
		},
	}
}

// socketMessages yields the messages of the entry "socket".
func socketMessages(seq uint64, yield func(*capture.Entry) bool) {
	if seq == 7 && yield(&capture.Entry{Kind: capture.Message, Socket: 7, FromClient: true, RequestBody: blob("subscribe")}) {
		yield(&capture.Entry{Kind: capture.Message, Socket: 7, ResponseBody: blob("Tick 17")})
	}
}

// parse parses an expression that must be right.
func parse(t testing.TB, expr string) *Expr {
	t.Helper()
	x, err := Parse(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return x
}

// matching returns the sorted names of the entries that x matches.
func matching(x *Expr, entries map[string]*capture.Entry) string {
	f := x.Filter(socketMessages, marks{4: {":red_circle:", "look\nat this"}})
	var names []string
	for name, e := range entries {
		if f == nil || f(e) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// checkMatches checks which entries an expression and its canonical form match.
func checkMatches(t *testing.T, expr, want string) {
	t.Helper()
	entries := entries()
	x := parse(t, expr)
	if got := matching(x, entries); got != want {
		t.Errorf("%s: matches %q, want %q", expr, got, want)
	}
	again := parse(t, x.String())
	if got := matching(again, entries); got != want || again.String() != x.String() {
		t.Errorf("%s in its canonical form %s: matches %q, want %q; written again: %s", expr, x, got, want, again)
	}
}
