package cli

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/render"
)

// shownCapture is the answer of get_capture for a request to a hostile server.
const shownCapture = `{"seq": 7, "kind": "http", "method": "POST", "url": "https://api.example.com/login?x=1", "protocol": "HTTP/2.0",
 "client": "10.0.0.7:4711", "server": "192.0.2.1:443", "start": 43200, "way": "socks5@1080", "mark": ":red_circle:", "comment": "look",
 "failure": "api.example.com:443: the server reset the connection in the middle of its answer",
 "headers_list": [["Host", "api.example.com"], ["Cookie", "` + "long=" + `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]],
 "response_headers_list": [["X-Evil", "\u001b[2J\u001b]0;owned\u0007\u202e"], ["Content-Type", "application/json"]],
 "response_trailers": {"Grpc-Status": "0"}, "body_size": 9,
 "row": {"seq": 7, "kind": "http", "method": "POST", "status": 200, "size": 7000, "origin": "patched", "error": "api.example.com:443: the server reset the connection in the middle of its answer"},
 "why": {"endpoint": "POST /login", "source": "a.yaml:3"}, "met": ["network edge"],
 "notes": [{"level": "error", "text": "Traceback:\n  a.star:3:1: in handle\nboom \u001b[31m"}],
 "timing": {"uploaded_ms": 1.5, "answered_ms": 11.5, "duration_ms": 21.5, "asked_ms": 2, "dns_ms": 1, "connect_ms": 2.5, "tls_ms": 0, "wait_ms": 4, "receive_ms": 10},
 "tls": {"client": {"version": "TLS 1.3", "cipher": "TLS_AES_128_GCM_SHA256", "alpn": "h2"}, "server": null},
 "socket": {"closed": true, "messages": 52, "code": 1001, "by": "server", "reason": "bye"},
 "curl": "curl https://api.example.com/login \\\n  --data-raw 'x'"}`

// showing is an exporter with that request.
func showing() *fake {
	messages := []string{}
	for i := range 52 {
		messages = append(messages, fmt.Sprintf(`{"kind": "message", "time": 0, "from": "%s", "binary": %t, "size": 5, "text": "n%d\u001b[2J"}`,
			[]string{"client", "server"}[i%2], i == 51, i))
	}
	long := "[\n" + strings.Repeat(`{"key": "value \u001b[31m"},`+"\n", 30) + "0]"
	piece := func(data, kind string, more string) string {
		return `{"data": "` + base64.StdEncoding.EncodeToString([]byte(data)) + `", "type": "` + kind + `"` + more + `}`
	}
	return &fake{answers: map[string]any{
		"get_capture":      shownCapture,
		"get_capture_body": []any{piece("a=1&b=\x1b[2J", "text/plain", ""), piece(long, "application/json", `, "truncated": true`)},
		"render_body":      []any{`{"views": []}`, `{"views": [{"name": "JSON", "parts": []}]}`},
		"list_messages":    "[" + strings.Join(append(messages, `{"kind": "end"}`), ",") + "]",
	}}
}

// All about a request, at 60, 80 and 120 columns, is as in the golden file. No line of it is
// wider than the terminal but those that are copied, and none plays with it.
func TestCaptureShow(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	clock := regexp.MustCompile(`\d\d:\d\d:\d\d\.000`)
	for _, columns := range []int{60, 80, 120} {
		c := newConsole(fmt.Sprint("COLUMNS=", columns))
		if code := c.exit(c.dispatch(t.Context(), "j proxy", &proxyCommands{}, []string{"capture", "show", "7"}, proxy{showing()})); code != 0 {
			t.Fatalf("exit code %d: %s", code, c.stderr.String())
		}
		text := c.stdout.String()
		for line := range strings.Lines(text) {
			if line = strings.TrimRight(line, "\n"); textWidth(line) > columns && !strings.HasPrefix(line, "  curl") {
				t.Errorf("%d columns: %q takes %d", columns, line, textWidth(line))
			}
			if strings.ContainsAny(line, "\x1b\x07\u202e") {
				t.Errorf("%q plays with the terminal", line)
			}
		}
		fmt.Fprintf(&got, "%d columns:\n%s", columns, clock.ReplaceAllString(text, "hh:mm:ss.000"))
	}
	golden(t, "show.golden", got.String())
}

// golden compares a text with a file of testdata; UPDATE=1 writes it anew.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (UPDATE=1 writes it anew): %s", path, diff)
	}
}

// Bodies go raw into a pipe, whole or with a failure, and numbers are looked up.
func TestCaptureShowBody(t *testing.T) {
	t.Parallel()
	piece := func(data string, more string) string {
		return `{"data": "` + base64.StdEncoding.EncodeToString([]byte(data)) + `"` + more + `}`
	}
	raw := "\x00\x1b[2Jraw"
	for _, a := range []asked{
		{args: []string{"capture", "show", "7", "--body"}, fake: fake{answers: map[string]any{"get_capture_body": []any{piece(raw, `, "more": true`), piece("end", "")}}},
			stdout: raw + "end", calls: "get_capture_body 7 response 0 2097152\nget_capture_body 7 response 8 2097152"},
		{args: []string{"capture", "show", "--request-body"}, fake: fake{answers: map[string]any{"list_captures": `{"rows": [{"seq": 9}]}`, "get_capture_body": piece("", "")}},
			calls: "list_captures   0 1\nget_capture_body 9 request 0 2097152"},
		{args: []string{"capture", "show", "7", "--body"}, fake: fake{answers: map[string]any{"get_capture_body": piece("ab", `, "truncated": true`)}}, code: 1,
			stdout: "ab", stderr: "j: the body is incomplete: only its first 2 bytes were kept\n"},
		{args: []string{"capture", "show", "7", "--body"}, fake: fake{answers: map[string]any{"get_capture_body": piece("ab", `, "error": "gzip: invalid header"`)}}, code: 1,
			stdout: "ab", stderr: "j: the body is incomplete: gzip: invalid header\n"},
		{args: []string{"capture", "show", "7", "--body", "-o", "text"}, fake: fake{answers: map[string]any{"get_capture_body": piece(raw, `, "binary": true, "type": "x/y"`)}},
			stdout: "(x/y, no text)\n00000000  00 1b 5b 32 4a 72 61 77                           |..[2Jraw|\n"},
		{args: []string{"capture", "show", "7", "--json"}, fake: fake{answers: map[string]any{"get_capture": `{"seq": 7}`}}, stdout: `{"seq": 7}` + "\n"},
		{args: []string{"capture", "show"}, fake: fake{answers: map[string]any{"list_captures": `{"rows": []}`}}, code: 1, stderr: "j: no captured requests\n"},
		{args: []string{"capture", "show"}, code: 1, stderr: "j: this exporter can't show one request: it is the stock one or an old starproxy\n"},
		{args: []string{"capture", "show", "--body", "--request-body"}, code: 80, stderr: "j: got --body and --request-body, want one of them\n"},
		{args: []string{"capture", "show", "7", "-o", "raw"}, code: 80, stderr: "j: --output: got raw, want --body or --request-body with it\n"},
	} {
		t.Run(strings.Join(a.args, " "), func(t *testing.T) {
			t.Parallel()
			a.run(t)
		})
	}
}

// Trees are lines of names and values.
func TestViewLines(t *testing.T) {
	t.Parallel()
	var v render.View
	text := `{"name": "MessagePack", "notes": ["odd"], "parts": [{"title": "T", "table": [["A", "b\u001b"]], "text": "x\ty\n", "tree":
		{"kind": "object", "nodes": [{"name": "a", "kind": "list", "nodes": [{"kind": "number", "text": "1"}, {"kind": "object", "nodes": [{"name": "b", "kind": "word", "text": "null"}]}]},
		{"name": "s", "kind": "string", "text": "q\"\n\u001b", "note": "int64"}, {"name": "e", "kind": "object"}, {"name": "l", "kind": "list"}]}},
		{"type": "image/png", "data": "aGk="}]}`
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	want := []string{"(MessagePack)", "T", "A: b\ufffd", "x    y", "a:", "  - 1", "  -", "    b: null", `s: "q\"\n` + "\ufffd" + `"  (int64)`, "e: {}", "l: []",
		"(image/png, 2 B)", "! odd"}
	if diff := cmp.Diff(want, viewLines(v)); diff != "" {
		t.Error(diff)
	}
}
