package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"starproxy/driver/capture"
)

// rowsOfAllKinds are captured exchanges, each unlike the others.
func rowsOfAllKinds() []requestRow {
	const noon = 1769860800
	long := "/api/v1/sessions/with/segments/that/do/not/fit/anywhere?since=2024-01-01"
	return []requestRow{
		{Seq: 1, Kind: "http", Start: noon, Method: "GET", Scheme: "https", Host: "api.example.com", Port: 443, Path: "/v1/status?from=test", Status: 200,
			Duration: 12.4, Size: 345, Origin: "mocked", Endpoint: "GET /v1/status"},
		{Seq: 2, Kind: "http", Start: noon + 1, Method: "POST", Scheme: "http", Host: "firmware-updates.cdn.vendor.example.com", Port: 8080, Path: long,
			Status: 201, Duration: 1234, Size: 1536, Origin: "passthrough"},
		{Seq: 3, Kind: "http", Start: noon + 2, Method: "GET", Scheme: "http", Host: "127.0.0.1", Port: 1, Path: "/nobody", SentStatus: 502, Size: 430,
			Origin: "proxy", Error: "127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused"},
		{Seq: 4, Kind: "http", Start: noon + 3, Method: "GET", Scheme: "https", Host: "expired.example.com", Port: 443, Path: "/", SentStatus: 502,
			Origin: "proxy", Error: "expired.example.com:443: tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-01-31T12:00:00Z is after 2020-01-01T00:00:00Z"},
		{Seq: 5, Kind: "http", Start: noon + 4, Method: "PATCH", Scheme: "http", Host: "a.example.com", Port: 80, Path: "/p", Status: 200, Duration: 3,
			Size: 7, Origin: "patched"},
		{Seq: 6, Kind: "http", Start: noon + 5, Method: "GET", Scheme: "http", Host: "a.example.com", Port: 80, Path: "/cut", Origin: "mocked", Error: "fault: reset"},
		{Seq: 7, Kind: "http", Start: noon + 6, Method: "OPTIONS", Scheme: "http", Host: "a.example.com", Port: 80, Path: "/none", Status: 501, Size: 99,
			Origin: "proxy", Unmatched: true, Outcome: "rejected"},
		{Seq: 8, Kind: "http", Start: noon + 7, Method: "GET", Scheme: "https", Host: "live.example.com", Port: 443, Path: "/ws", Status: 101, Origin: "passthrough",
			Open: true},
		{Seq: 9, Kind: "http", Start: noon + 8, Method: "GET", Scheme: "http", Host: "a.example.com", Port: 80, Path: "/half", Status: 200, Size: 5 << 20,
			Duration: 61000, Origin: "passthrough", Error: "a.example.com:80: the server reset the connection in the middle of its answer"},
		{Seq: 10, Kind: "tls_error", Start: noon + 9, Method: "CONNECT", Scheme: "https", Host: "bank.example.com", Port: 443, Origin: "passthrough",
			Error: "device does not trust the CA: most likely, since the device broke the TLS handshake off with an alert that can't be read"},
		{Seq: 11, Kind: "tcp", Start: noon + 10, Scheme: "tcp", Host: "mq.example.com", Port: 8883, Size: 12, Origin: "passthrough"},
		{Seq: 12, Kind: "refused", Start: noon + 11, Host: "a.example.com", Port: 80, Scheme: "http", Path: "/garbled", SentStatus: 400, Origin: "proxy",
			Error: "Host: got none, want one"},
		{Seq: 13, Kind: "http", Start: noon + 11, Method: "GET", Scheme: "http", Host: "a.example.com", Port: 80, Path: "/hang", SentStatus: 502, Duration: 9000,
			Origin: "proxy", Error: "the device closed the connection before it had its answer"},
		{Seq: 14, Kind: "http", Start: noon + 11, Method: "GET", Scheme: "http", Host: "a.example.com", Port: 80, Path: "/hang", SentStatus: 502,
			Origin: "proxy", Error: capture.ErrCut.Error()},
		{Seq: 12345, Kind: "http", Start: noon + 12, Method: "GET\x1b[31m", Scheme: "http", Host: "evil\x1b]0;x\x07.example", Port: 80,
			Path: "/日本語/日本語/日本語/日本語/日本語/日本語/日本語/日本語/日本語\x1b[2J\r\u202e", Status: 200, Origin: "passthrough"},
	}
}

// The table of captures at 60, 80 and 120 columns and its stock lines are those of the golden
// file; no line is wider than the terminal, and none plays with it.
func TestCaptureLines(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, width := range []int{60, 80, 120} {
		fmt.Fprintf(&got, "%d columns:\n", width)
		l := captureLines{lineFormat{width: width, zone: time.UTC}, minNumber}
		for _, r := range rowsOfAllKinds() {
			for _, line := range l.lines(r) {
				if n := textWidth(line); n > width && r.Seq != 12345 || n > width+1 {
					t.Errorf("%d columns: %q takes %d", width, line, n)
				}
				if strings.ContainsAny(line, "\x1b\x07\r\u202e") {
					t.Errorf("%q plays with the terminal", line)
				}
				got.WriteString(strings.TrimRight(line, " ") + "\n")
			}
		}
	}
	got.WriteString("stock lines:\n")
	for _, r := range rowsOfAllKinds() {
		got.WriteString(strings.TrimRight(lineFormat{width: 80, zone: time.UTC}.line(r.stock())+r.more(), " ") + "\n")
	}
	golden(t, "captures.golden", got.String())
}

const twoRows = `{"rows": [{"seq": 4, "kind": "http", "start": 1, "method": "GET", "scheme": "http", "host": "a.example", "port": 80, "path": "/x/1", "status": 200, "size": 2, "origin": "mocked"},
	{"seq": 6, "kind": "http", "start": 2000000000, "method": "GET", "scheme": "http", "host": "b.example", "port": 80, "path": "/y", "sent_status": 502, "origin": "proxy", "error": "b.example:80: no such host"}],
	"total": 5, "last": 7, "dropped": 2, "matched": 2}`

// Lists tell how many are not shown and why; --limit and --since choose.
func TestCaptureListTells(t *testing.T) {
	t.Parallel()
	pages := func() fake { return fake{answers: map[string]any{"list_captures": []any{twoRows, `{"rows": []}`}}} }
	early, late := clockTime(1, time.Local), clockTime(2e9, time.Local)
	first := "  " + early + " GET     /x/1                                           200       -      2 B [mocked]       #4  a.example\n"
	second := "  " + late + " GET     /y                                               -       -      0 B [proxy]        #6  b.example  [real server: no such host]\n"
	for _, a := range []asked{
		{args: []string{"capture", "list"}, fake: pages(), stdout: "2 captured request(s):\n" + first + second,
			stderr: "not shown: 5: 2 dropped from the journal, which has a limit, 3 not picked by the filter\n",
			calls:  "list_captures   0 5000 true\nlist_captures   4 5000 false"},
		{args: []string{"capture", "list", "--limit", "1"}, fake: pages(), stdout: "1 captured request(s):\n" + second,
			stderr: "not shown: 6: 2 dropped from the journal, which has a limit, 3 not picked by the filter, 1 beyond --limit\n"},
		{args: []string{"capture", "list", "--since", "5"}, fake: pages(), stdout: "1 captured request(s):\n" + second,
			stderr: "not shown: 6: 2 dropped from the journal, which has a limit, 3 not picked by the filter, 1 before --since\n"},
		{args: []string{"capture", "list", "--since", "2033-05-18T03:33:21Z"}, fake: pages(), stdout: "No captured requests match.\n",
			stderr: "not shown: 7: 2 dropped from the journal, which has a limit, 3 not picked by the filter, 2 before --since\n"},
		{args: []string{"capture", "list", "--limit", "1", "--json"}, fake: fake{answers: map[string]any{"list_captures": []any{`{"rows": [{"seq": 6, "mark": ":x:"}], "total": 1, "last": 6, "matched": 1}`}}},
			stdout: `{"rows":[{"seq":6,"mark":":x:"}],"not_shown":{"dropped":0,"filtered":0,"before_since":0,"beyond_limit":0,"unsent":0}}` + "\n"},
		{args: []string{"capture", "list", "-o", "table"}, fake: pages(), stdout: "2 captured request(s):\n" +
			"   4 " + early + " GET     200       -      2 B a.example/x/1                                    [mocked]\n" +
			"   6 " + late + " GET     502       -      0 B b.example/y                   [real server: no such host]\n",
			stderr: "not shown: 5: 2 dropped from the journal, which has a limit, 3 not picked by the filter\n"},
		{args: []string{"capture", "list", "--filter-expr", "~open"}, fake: fake{answers: map[string]any{"list_captures": []any{`{"rows": [], "total": 2, "last": 6}`}}},
			stdout: "No captured requests match.\n", stderr: "not shown: 2 not picked by the filter\nexchanges in flight are left out: --live lists them\n",
			calls: "list_captures ~open  0 5000 true"},
		{args: []string{"capture", "list", "--limit=-1"}, code: 80, stderr: "j: --limit: got -1, want a number from 0 on (0 is no limit)\n"},
		{args: []string{"capture", "list", "--since", "x"}, code: 80,
			stderr: "j: --since: got \"x\", want the number of a request, a duration such as 10m, or a time such as 15:04 (see j proxy capture list --help)\n"},
		{args: []string{"capture", "watch", "-f", "/x/*", "--limit", "1"}, fake: fake{answers: pages().answers, streams: map[string][]string{"watch_captures": {
			`{"seq": 7, "kind": "http", "start": 1, "method": "GET", "host": "z", "path": "/z"}`, `{"seq": 6, "kind": "http", "update": true, "path": "/x/0"}`,
			`{"kind": "missed", "missed": 3}`,
			`{"seq": 11, "kind": "http", "start": 1, "method": "GET", "scheme": "http", "host": "a.example", "port": 80, "path": "/x/1", "status": 200, "size": 2, "origin": "mocked"}`}}},
			stdout: "Watching captured requests (Ctrl+C to stop)...\n" + first + strings.Replace(first, "#4", "#11", 1),
			stderr: "not shown: 6: 2 dropped from the journal, which has a limit, 4 not picked by the filter\nnot shown: 3 dropped from the journal before they could be printed\n",
			calls:  "list_captures   0 5000 true\nlist_captures   4 5000 false\nwatch_captures   7"},
		{args: []string{"capture", "watch", "--json", "--limit", "1"}, fake: fake{answers: map[string]any{"list_captures": []any{`{"rows": [], "last": 6}`}},
			streams: map[string][]string{"watch_captures": {`{"seq": 7, "kind": "http"}`}}}, stdout: `{"seq":7,"kind":"http"}` + "\n"},
		{args: []string{"capture", "watch", "--live"}, fake: fake{answers: map[string]any{"list_captures": []any{`{"rows": [], "last": 6}`}},
			streams: map[string][]string{"watch_captures": {
				`{"kind": "open", "rows": [{"live": 3, "start": 1, "method": "GET", "host": "a.example", "path": "/x/1", "state": "waiting", "open": true}]}`,
				`{"kind": "open", "rows": [{"live": 3, "start": 1, "method": "GET", "host": "a.example", "path": "/x/1", "state": "waiting", "open": true, "size": 9}]}`,
				`{"kind": "open", "rows": [{"live": 3, "start": 1, "method": "GET", "host": "a.example", "path": "/x/1", "state": "sending", "open": true, "status": 200}], "gone": [2]}`,
				`{"seq": 7, "live": 3, "kind": "http", "start": 1, "method": "GET", "host": "a.example", "path": "/x/1", "status": 200, "size": 2, "origin": "mocked"}`}}},
			stdout: "Watching captured requests (Ctrl+C to stop)...\n" +
				strings.NewReplacer("200", "  -", "2 B", "0 B", "[mocked]      ", "[passthrough] ", "#4  a.example", "@3  a.example  [waiting]").Replace(first) +
				strings.NewReplacer("2 B", "0 B", "[mocked]      ", "[passthrough] ", "#4  a.example", "@3  a.example  [sending]").Replace(first) +
				strings.Replace(first, "#4", "#7", 1),
			calls: "list_captures   0 5000 true\nwatch_captures   6  true"},
		{args: []string{"capture", "watch", "--live"}, code: 1, stdout: "Watching captured requests (Ctrl+C to stop)...\n",
			stderr: "j: this exporter can't tell exchanges in flight (--live): it is the stock one or an old starproxy\n"},
		{args: []string{"capture", "list", "--live"}, fake: fake{answers: map[string]any{"list_captures": []any{`{"rows": []}`,
			`{"rows": [], "open": [{"live": 3, "start": 1, "method": "GET", "host": "a.example", "path": "/x/1", "state": "waiting", "open": true}]}`}}},
			stdout: "1 in flight:\n" +
				strings.NewReplacer("200", "  -", "2 B", "0 B", "[mocked]      ", "[passthrough] ", "#4  a.example", "@3  a.example  [waiting]").Replace(first),
			calls: "list_captures   0 5000 true\nlist_captures   0 1 false true"},
		{args: []string{"capture", "cut", "@3"}, fake: fake{answers: map[string]any{"cut_exchange": "ok"}}, stdout: "ok\n", calls: "cut_exchange 3"},
		{args: []string{"capture", "cut", "@x"}, code: 80,
			stderr: "j: <live>: got \"@x\", want the number of an exchange in flight, such as @12 or 12 (see j proxy capture cut --help)\n"},
		{args: []string{"capture", "cut", "3"}, fake: fake{answers: map[string]any{"cut_exchange": "Cut off: GET http://a.example/"}},
			stdout: "Cut off: GET http://a.example/\n", calls: "cut_exchange 3"},
		{args: []string{"capture", "watch", "--limit", "1"}, code: 1, stdout: "Watching captured requests (Ctrl+C to stop)...\n",
			stderr: "j: this exporter can't tell the last requests (--limit): it is the stock one or an old starproxy\n"},
	} {
		t.Run(strings.Join(a.args, " "), func(t *testing.T) {
			t.Parallel()
			a.run(t)
		})
	}
}

func TestSince(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"10m": 600, "2d": 172800, "1h30m": 5400} {
		var s since
		err := s.UnmarshalText([]byte(text))
		if got := float64(time.Now().Unix()) - s.start; err != nil || got < want-2 || got > want+60 {
			t.Errorf("%s: got %g seconds ago (%v), want %g", text, got, err, want)
		}
	}
	var s since
	if err := s.UnmarshalText([]byte("00:00")); err != nil || time.Unix(int64(s.start), 0).Format("15:04:05") != "00:00:00" {
		t.Errorf("00:00: got %v, %v", s, err)
	}
}
