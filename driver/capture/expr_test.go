package capture

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
)

func blob(s string) Blob { return Blob{Size: int64(len(s)), Data: []byte(s)} }

func zipped(s string) Blob {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return blob(b.String())
}

// marks are Annotations.
type marks map[uint64][2]string

func (m marks) Mark(seq uint64) (mark, comment string) { return m[seq][0], m[seq][1] }

// exprEntries are what expressions are tried on, by name.
func exprEntries() map[string]*Entry {
	client := netip.MustParseAddrPort("192.0.2.7:40123")
	return map[string]*Entry{
		// A login that a mock answered.
		"login": {
			Seq: 1, Client: client, Method: "POST", Scheme: "https", Host: "api.example.com", Port: 443, Target: "/v1/login?user=a%20b", Proto: "HTTP/2.0",
			Authority: "api.example.com", RequestHeader: exchange.HeaderOf("Content-Type", "application/x-www-form-urlencoded", "X-API-Key", "Secret"),
			RequestBody: blob("name=a\nword=Grün"), Duration: 5 * time.Millisecond,
			Status: 401, ResponseHeader: exchange.HeaderOf("Content-Type", "application/json", "Content-Encoding", "gzip", "Set-Cookie", "a=1", "Set-Cookie", "b=2"),
			ResponseBody: zipped(`{"error": "wrong password"}`), Origin: exchange.FromMock, Endpoint: "POST /v1/login", Source: "happy.yaml:3",
			Notes: []exchange.Note{{Level: "warning", Text: "slow down"}},
		},
		// A picture from the real server, asked for by its address.
		"logo": {
			Seq: 2, Client: netip.MustParseAddrPort("[2001:db8::1]:9"), Method: "GET", Scheme: "http", Host: "198.51.100.4", Port: 8080, Target: "/logo.png", Proto: "HTTP/1.1",
			Authority: "cdn.example.net:8080", Server: exchange.Peer{Addr: netip.MustParseAddrPort("198.51.100.4:8080")}, Duration: 2 * time.Second,
			Status: 200, ResponseHeader: exchange.HeaderOf("Content-Type", "image/png"), ResponseBody: blob("\x89PNG\r\n\x1a\nIHDR" + strings.Repeat("\xff", 3000)),
		},
		// A real server out of reach.
		"lost": {
			Seq: 3, Client: client, Method: "GET", Scheme: "http", Host: "lost.example.com", Port: 80, Target: "/", Proto: "HTTP/1.1", Authority: "lost.example.com",
			Status: 502, ResponseHeader: exchange.HeaderOf("Content-Type", "text/plain"), ResponseBody: blob("502 no such host"), Origin: exchange.FromProxy, Error: "no such host",
		},
		"patch":  {Seq: 4, Method: "GET", Scheme: "https", Host: "h", Port: 8443, Target: "/p", Status: 200, Origin: exchange.FromPatch, Endpoint: "GET /p"},
		"replay": {Seq: 5, Method: "GET", Scheme: "https", Host: "h", Port: 443, Target: "/r", Status: 304, Origin: exchange.FromReplay},
		"tls":    {Seq: 6, Kind: TLSError, Client: client, Host: "203.0.113.9", Port: 443, SNI: "pinned.example.com", Error: "unknown certificate authority"},
		"socket": {
			Seq: 7, Method: "GET", Scheme: "https", Host: "h", Port: 443, Target: "/ws", Status: 101, Origin: exchange.FromServer,
			RequestHeader: exchange.HeaderOf("Upgrade", "websocket"),
		},
		"refused": {
			Seq: 8, Kind: Refused, Origin: exchange.FromProxy, Client: client, Method: "BREW", Scheme: "http", Host: "pot.example.org", Port: 80, Target: "/tea",
			Authority: "pot.example.org", Status: 400, Error: "Content-Length: got it twice", RequestBody: blob("BREW /tea HTTP/1.1\r\nHost: pot.example.org\r\nX-Leaf: oolong"),
		},
	}
}

// exprMessages are those of the socket.
func exprMessages(seq uint64, yield func(*Entry) bool) {
	if seq == 7 && yield(&Entry{Kind: Message, Socket: 7, FromClient: true, RequestBody: blob("subscribe")}) {
		yield(&Entry{Kind: Message, Socket: 7, ResponseBody: blob("Tick 17")})
	}
}

func TestExprOperators(t *testing.T) {
	t.Parallel()
	entries := exprEntries()
	var names []string
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)
	all := strings.Join(names, " ")
	notes := marks{4: {":red_circle:", "look\nat this"}}
	used := map[string]bool{}
	for _, tt := range []struct{ expr, want string }{
		{"", all},
		{" \t\n", all},
		{"~all", all},
		{"~u LOGIN", "login"},
		{"login", "login"},
		{"'user=a%20'", "login"},
		{"~u ^https://api.example.com/v1", "login"},
		{"~u cdn.example.net:8080/logo", "logo"}, // as the Host header has it
		{"~u 198.51.100.4:8080/logo", "logo"},    // as captures show it
		{"https://h:8443/p", "patch"},
		{"203.0.113.9", "tls"},
		{"~d example.com$", "login lost tls"},
		{"~d ^cdn.example.net$", "logo"},
		{"~d ^198", "logo"},
		{"~m post", "login"},
		{"~m ^connect$", "tls"},
		{"~c 401", "login"},
		{"~c 4xx", "login"},
		{"~c 200-399", "logo patch replay"},
		{"~c 101,3XX,400-402", "login replay socket"},
		{"~c 502", ""},
		{"~b password", "login"},
		{"~b subscribe", "socket"},
		{"~b ^502", ""},
		{"~bq word", "login"},
		{"~bq PASSWORD", ""},
		{"~bq name=a.word", "login"},
		{"~bq GRÜN", "login"},
		{"~bq '^SUB'", "socket"},
		{"~bq tick", ""},
		{"~bs wrong.password", "login"},
		{"~bs tick", "socket"},
		{"~bs png.*ihdr", "logo"},
		{`~bs \x89png`, "logo"},
		{`~bs \xff{100}`, "logo"},
		{"~bs subscribe", ""},
		{"~h secret", "login"},
		{"~h ^Set-Cookie:.*2$", "login"},
		{"~h upgrade", "socket"},
		{"~hq '^x-api-key: secret\r$'", "login"},
		{"~hq ^host:", "login logo lost refused"},
		{"~hq cookie", ""},
		{"~hs ^content-type:", "login logo"},
		{"~t json", "login"},
		{"~t form", "login"},
		{"~tq json", ""},
		{"~tq form-urlencoded$", "login"},
		{"~ts ^image/", "logo"},
		{"~ts text/plain", ""},
		{"~a", "logo"},
		{"~src ^192.0.2.7:", "login lost refused tls"},
		{`~src "^\[2001:db8::1]:9$"`, "logo"},
		{"~dst :443$", "login replay socket tls"},
		{"~dst ^198.51.100.4:8080$", "logo"},
		{"~q", "lost"},
		{"~s", "login logo patch replay socket"},
		{"~e", "lost refused tls"},
		{"~mock ^post", "login"},
		{"~mock ''", "login patch"},
		{"~mocked", "login patch replay"},
		{"~patched", "patch"},
		{"~passthrough", "logo socket"},
		{"~tls", "tls"},
		{"~refused", "refused"},
		{"pot.example", "refused"},
		{"~u ^http://pot.example.org/tea$", "refused"},
		{"~d pot", "refused"},
		{"~dst ^pot.example.org:80$", "refused"},
		{"~m brew", "refused"},
		{"~m ^refused$", "refused"},
		{"~c 400", ""},
		{"~b oolong", "refused"},
		{"~bq 'brew /tea'", "refused"},
		{"~bs oolong", ""},
		{"~h '^x-leaf: oolong'", "refused"},
		{"~hq oolong", "refused"},
		{"~hs oolong", ""},
		{"~t oolong", ""},
		{"~meta origin", "login logo lost patch replay socket"},
		{"~slow 5", "login logo"},
		{"~slow 6ms", "logo"},
		{"~slow 2s", "logo"},
		{"~slow 2.001s", ""},
		{"~size 3000", "logo"},
		{"~size 2.9K", "logo"},
		{"~size 1m", ""},
		{"~marked", "patch"},
		{"~marker RED", "patch"},
		{"~comment ^at", "patch"},
		{"~meta '^starproxy.endpoint: GET'", "patch"},
		{"~meta 'origin: replayed'", "replay"},
		{"~meta 'warning: slow'", "login"},
		{"~replay", "replay"},
		{"~replays", "replay"},
		{"~replayq", ""},
		{"~http", "login logo lost patch replay socket"},
		{"~websocket", "socket"},
		{"~tcp", ""},
		{"~udp", ""},
		{"~dns", ""},

		// The grammar.
		{"(~s)", "login logo patch replay socket"},
		{"( ~s )", "login logo patch replay socket"},
		{"~s|~q", "login logo lost patch replay socket"},
		{"!(~s|~q)", "refused tls"},
		{"! ~s", "lost refused tls"},
		{"!!~q", "lost"},
		{"!~s & ~e", "lost refused tls"},
		{"~q | ~s & ~m POST", "login lost"},
		{"(~q | ~s) & ~m POST", "login"},
		{"~tls | ~e ~q", "lost"}, // side by side binds weakest
		{"~e ~tls | ~q", "lost tls"},
		{"(~e ~q)", "lost"},
		{"~c 200|~c 401", "login logo patch"},
		{"~u login|logo", "login logo"},
		{"~u login | ~u logo", "login logo"},
		{"~u login |logo", "login logo"},
		{"~d h&x", ""},
		{"~m GET&~u logo", "logo"},
		{"~m POST|~u logo", "login logo"},
		{"~m POST|!~all", "login"},
		{"~m POST|(~u logo)", "login logo"},
		{"~u lo (go)", "logo"},
		{"~u lo(go)", "logo"},
		{"~d '(api|cdn)'", "login logo"},
		{`~d "(api|cdn)"`, "login logo"},
		{`~d"(api|cdn)"`, "login logo"},
		{`~bq "a\nword"`, "login"},
		{`~u "v\d"`, "login"},
		{`~u "v\\d"`, "login"},
		{`~u v\d`, "login"},
		{`~bs '"error": "'`, "login"},
		{`~bs "\"error\": "`, "login"},
		{"~m POST && ~s", "login"},
		{"~tls || ~q", "lost tls"},
		{"~bq Grün", "login"},
		{"grün", ""},
		{"~u (?-i)LOGIN", "?"},
		{"~u '(?-i)LOGIN'", ""},
	} {
		x, err := ParseFilter(tt.expr)
		if tt.want == "?" {
			if err == nil {
				t.Errorf("%s: no error", tt.expr)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.expr, err)
			continue
		}
		again, err := ParseFilter(x.String())
		if err != nil || again.String() != x.String() {
			t.Errorf("%s: %s: %v", tt.expr, x, err)
			continue
		}
		for _, x := range []*Expr{x, again} {
			f := x.Filter(exprMessages, notes)
			var got []string
			for _, name := range names {
				if f.pass(entries[name]) {
					got = append(got, name)
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("%s (%s): matches %q, want %q", tt.expr, x, got, tt.want)
			}
		}
		for name := range operators {
			if strings.HasPrefix(tt.expr, "~"+name+" ") || tt.expr == "~"+name {
				used[name] = true
			}
		}
	}
	for _, op := range Operators() {
		if !used[op.Name] || op.Help == "" {
			t.Errorf("~%s is not tried", op.Name)
		}
	}
}

func TestExprWithoutMore(t *testing.T) {
	t.Parallel()
	e := exprEntries()
	for _, tt := range []struct {
		expr, entry string
		want        bool
	}{{"~b tick", "socket", false}, {"~marked", "patch", false}, {"~comment .", "patch", false}, {"~b password", "login", true}, {"", "tls", true}} {
		x, err := ParseFilter(tt.expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := x.Match(e[tt.entry]); got != tt.want {
			t.Errorf("%s: %v", tt.expr, got)
		}
		if got := x.Filter(nil).pass(e[tt.entry]); got != tt.want {
			t.Errorf("%s: %v", tt.expr, got)
		}
		if got := x.NeedsMessages(); got != strings.HasPrefix(tt.expr, "~b") {
			t.Errorf("%s: needs messages: %v", tt.expr, got)
		}
	}
	// The end of a socket has its messages, a message its own text.
	x, _ := ParseFilter("~bs tick")
	f := x.Filter(exprMessages)
	if !f(&Entry{Kind: SocketEnd, Socket: 7, Status: 101}) || f(&Entry{Kind: SocketEnd, Socket: 8, Status: 101}) {
		t.Error("the end of a socket")
	}
	if !f(&Entry{Kind: Message, ResponseBody: blob("tick")}) || f(&Entry{Kind: Message, FromClient: true, RequestBody: blob("tick")}) {
		t.Error("a message")
	}
}

func TestExprBodies(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxSearched) + "needle"
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte("head needle tail"), 0o600); err != nil {
		t.Fatal(err)
	}
	gz := exchange.HeaderOf("Content-Encoding", "gzip")
	for _, tt := range []struct {
		name string
		h    exchange.Header
		b    Blob
		want bool
	}{
		{"file", nil, Blob{Path: file, Size: 16}, true},
		{"section", nil, Blob{Path: file, Off: 8, Size: 8}, false},
		{"file that is gone", nil, Blob{Path: file + "x", Size: 16}, false},
		{"not kept", nil, Blob{Size: 16, Truncated: true}, false},
		{"not in the encoding it claims", gz, blob("a NEEDLE"), true},
		{"broken off", gz, Blob{Size: 40, Data: zipped("needle" + strings.Repeat("q", 200)).Data[:20]}, true},
		{"beyond the bound", nil, blob(long), false},
		{"within", nil, blob(long[6:]), true},
		{"beyond, packed", gz, zipped(long), false},
		{"in UTF-16", exchange.HeaderOf("Content-Type", "text/plain; charset=utf-16"), blob("n\x00e\x00e\x00d\x00l\x00e\x00"), true},
		{"in UTF-16 by its mark", exchange.HeaderOf("Content-Type", "text/plain"), blob("\xfe\xff\x00n\x00e\x00e\x00d\x00l\x00e"), true},
		{"unknown encoding", exchange.HeaderOf("Content-Encoding", "odd"), blob("needle"), true},
	} {
		for _, expr := range []string{"~bs needle", "~bs nee[d]le", "~b needle"} {
			if tt.b.Size > maxSearched/2 && strings.Contains(expr, "[") {
				continue // slow with the race detector
			}
			x, err := ParseFilter(expr)
			if err != nil {
				t.Fatal(err)
			}
			if got := x.Match(&Entry{Status: 200, ResponseHeader: tt.h, ResponseBody: tt.b}); got != tt.want {
				t.Errorf("%s: %s: %v", tt.name, expr, got)
			}
		}
	}
}

// What is cheap is asked first, whatever the order it is written in.
func TestExprOrder(t *testing.T) {
	t.Parallel()
	asked := 0
	messages := func(uint64, func(*Entry) bool) { asked++ }
	socket := exprEntries()["socket"]
	for _, expr := range []string{"~b x & ~c 200", "~b x ~tls", "!(~b x | ~s)", "!~b x & (~h x & ~m POST)", "~b x | ~h upgrade"} {
		x, err := ParseFilter(expr)
		if err != nil {
			t.Fatal(err)
		}
		x.Filter(messages)(socket)
		if asked != 0 {
			t.Errorf("%s: looked into messages", expr)
		}
		if !x.NeedsMessages() {
			t.Errorf("%s: needs messages", expr)
		}
	}
	x, _ := ParseFilter("~bq a | ~bs b | ~b c")
	x.Filter(messages)(socket)
	if asked != 3 {
		t.Errorf("asked for messages %d times", asked)
	}
}

func TestExprString(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ expr, want string }{
		{"", ""},
		{"  a  ", "~u a"},
		{"a b", "~u a & ~u b"},
		{"a | b c", "(~u a | ~u b) & ~u c"},
		{"(a & (b & c)) d", "~u a & ~u b & ~u c & ~u d"},
		{"!(~s|~q)|!(~s ~q)|!!~e|!!!~a", "!(~s | ~q) | !(~s & ~q) | ~e | !~a"},
		{"~s|(~q|~e)", "~s | ~q | ~e"},
		{`~d '(a|b)' ~u "it's \"q\" \d"`, `~d "(a|b)" & ~u "it's \"q\" \\d"`},
		{"~u ''", `~u ""`},
		{"~c 4XX,200 & ~size 1K", "~c 4XX,200 & ~size 1K"},
		{"~b x & ~s", "~b x & ~s"}, // as written, whatever is asked first
	} {
		x, err := ParseFilter(tt.expr)
		if err != nil || x.String() != tt.want {
			t.Errorf("%q: %v %v, want %s", tt.expr, x, err, tt.want)
		}
	}
}

func TestExprErrors(t *testing.T) {
	t.Parallel()
	all := "expected one of ~a ~all ~b ~bq"
	for _, tt := range []struct {
		expr string
		pos  int
		want string
	}{
		{"~d ", 3, "column 4: expected a regular expression after ~d"},
		{"~d", 2, "column 3: expected a regular expression after ~d"},
		{"~d ~s", 3, "column 4: expected a regular expression after ~d"},
		{"~d|a", 2, "column 3: expected a regular expression after ~d"},
		{"~m &~s", 3, "column 4: expected a regular expression after ~m"},
		{"~u (a|b)", 3, "column 4: expected a regular expression after ~u, found (: in an argument it needs quotes"},
		{"grün ~u [a", 9, "column 9: expected a regular expression after ~u, found `[a`: missing closing ]"},
		{"~u '(?=a)'", 3, "column 4: expected a regular expression after ~u, found `(?=a)`: RE2 has no such group (look-around, for one): (?="},
		{"~u '(a'", 3, "column 4: expected a regular expression after ~u, found `(a`: missing closing )"},
		{`~b a\1`, 3, "column 4: expected a regular expression after ~b, found `a\\1`: invalid escape sequence: \\1"},
		{"a**", 0, "column 1: expected a regular expression, found `a**`: invalid nested repetition operator: **"},
		{"~u foo(bar", 10, "column 11: expected a ) for the ( in column 7"},
		{"(~s", 3, "column 4: expected a ) for the ( in column 1"},
		{"~s)", 2, "column 3: expected an expression, found a ) without a ("},
		{"()", 1, "column 2: expected an expression, found )"},
		{"~s & ", 5, "column 6: expected an expression, found the end"},
		{"!", 1, "column 2: expected an expression, found the end"},
		{"| a", 0, "column 1: expected an expression, found |"},
		{"~s | & a", 5, "column 6: expected an expression, found &"},
		{"~u 'ab", 3, "column 4: expected a closing ' for this one"},
		{`~u "ab\"`, 3, `column 4: expected a closing " for this one`},
		{"it's", 2, "column 3: expected a closing ' for this one"},
		{"~c 20x", 3, "column 4: expected a status (404, 4xx, 200-299, 401,403) after ~c, found `20x`"},
		{"~c 20", 3, "column 4: expected a status (404, 4xx, 200-299, 401,403) after ~c, found `20`"},
		{"~c 300-200", 3, "column 4: expected a status (404, 4xx, 200-299, 401,403) after ~c, found `300-200`"},
		{"~c 200,", 3, "column 4: expected a status (404, 4xx, 200-299, 401,403) after ~c, found `200,`"},
		{"~c !200", 3, "column 4: expected a status (404, 4xx, 200-299, 401,403) after ~c"},
		{"~slow 1h", 6, "column 7: expected a time in milliseconds (250, 1.5s) after ~slow, found `1h`"},
		{"~slow -1", 6, "column 7: expected a time in milliseconds (250, 1.5s) after ~slow, found `-1`"},
		{"~slow inf", 6, "column 7: expected a time in milliseconds (250, 1.5s) after ~slow, found `inf`"},
		{"~size 1e9", 6, "column 7: expected a size in bytes (1000, 64k, 2m) after ~size, found `1e9`"},
		{"~size .", 6, "column 7: expected a size in bytes (1000, 64k, 2m) after ~size, found `.`"},
		{"~size 99999999999999999999", 6, "column 7: expected a size in bytes (1000, 64k, 2m) after ~size, found `99999999999999999999`"},
		{"~s ~C 200", 3, "column 4: unknown operator ~C: did you mean ~c?"},
		{"~c200", 0, "column 1: unknown operator ~c200: did you mean ~c?"},
		{"~coment x", 0, "column 1: unknown operator ~coment: did you mean ~comment?"},
		{"~makred", 0, "column 1: unknown operator ~makred: did you mean ~marked?"},
		{"~web", 0, "column 1: unknown operator ~web: did you mean ~websocket?"},
		{"~zz", 0, "column 1: unknown operator ~zz: " + all},
		{"~", 0, "column 1: unknown operator ~: " + all},
		{"~u /~me", 4, "column 5: unknown operator ~me: a regular expression with ~ needs quotes"},
		{"a\xff", 0, "column 1: expected a regular expression, found \"a\\xff\": invalid UTF-8"},
		{strings.Repeat("(", 101), 100, "column 101: expected at most 100 parentheses inside each other"},
		{strings.Repeat("a", maxExpr+1), maxExpr, "column 16385: expected an expression of at most 16384 bytes, found 16385"},
	} {
		_, err := ParseFilter(tt.expr)
		var e *ExprError
		if !errors.As(err, &e) {
			t.Errorf("%.40q: %v, want %s", tt.expr, err, tt.want)
			continue
		}
		if text := e.Error(); e.Pos != tt.pos || text != tt.want && !(strings.HasSuffix(tt.want, all) && strings.HasPrefix(text, tt.want)) || strings.Contains(text, "\n") {
			t.Errorf("%.40q: at %d: %s\nwant at %d: %s", tt.expr, e.Pos, text, tt.pos, tt.want)
		}
	}
	deep := strings.Repeat("(", 100) + strings.Repeat("!", 1000) + "a" + strings.Repeat(")", 100)
	if x, err := ParseFilter(deep); err != nil || x.String() != "~u a" {
		t.Error(x, err)
	}
}

func TestContainsFold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, what string
		want       bool
	}{
		{"", "a", false}, {"a", "a", true}, {"xA", "a", true}, {"aab", "ab", true}, {"AaB", "ab", true}, {"abab", "abc", false},
		{"0[1", "[1", true}, {"{1", "[1", false}, {"\xe1b", "ab", false},
	} {
		if got := containsFold([]byte(tt.text), []byte(tt.what)); got != tt.want {
			t.Errorf("%q in %q: %v", tt.what, tt.text, got)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{"", "~u a|b", "!(~s|~q) x", "~c 4xx,200-299 & ~m GET&~u x", `~d '(a|b)' "\d\\"`, "~size 1.5k | ~slow 2s", "((a)) b !!c", "~b \xff", "ü && ~bs \\x89"} {
		f.Add(s)
	}
	entries := exprEntries()
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 200 {
			return
		}
		x, err := ParseFilter(s)
		var e *ExprError
		if err != nil {
			if !errors.As(err, &e) || e.Pos < 0 || e.Pos > len(s) || strings.ContainsAny(e.Error(), "\r\n") {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		again, err := ParseFilter(x.String())
		if err != nil || again.String() != x.String() {
			t.Fatalf("%q is %q, which is %v, %v", s, x, again, err)
		}
		one, two := x.Filter(exprMessages), again.Filter(exprMessages)
		for name, e := range entries {
			if one.pass(e) != two.pass(e) {
				t.Fatalf("%q and %q differ on %s", s, x, name)
			}
		}
	})
}

func BenchmarkExprBody(b *testing.B) {
	body := blob(strings.Repeat(`{"name": "value", "number": 12345},`+"\n", 1<<20/36))
	e := &Entry{Status: 200, ResponseBody: body}
	for _, expr := range []string{"~bs nothing", "~bs no.hing", "~bs val.*thing", `~bs \x89x`} {
		b.Run(expr, func(b *testing.B) {
			x, err := ParseFilter(expr)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(body.Size)
			for b.Loop() {
				x.Match(e)
			}
		})
	}
}
