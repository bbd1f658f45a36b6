package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
	"starproxy/script"
)

// TestAnswering checks that the functions of a script answer with what the
// scenario has: its files, defaults and kinds of mocks.
func TestAnswering(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fw.bin"), []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := Env{FilesDir: dir, DefaultLatency: call.Latency{Fixed: time.Millisecond}, DefaultContentType: "text/x", Script: script.New(script.Options{Merge: mock.Merge})}
	s, err := Parse("a.star", []byte(`
STEPS = {"sequence": [{"status": 201, "repeat": 1}, {"status": 202}]}
endpoints = {
    "GET /file": lambda req: response(file = "fw.bin", headers = {"X-A": "b"}),
    "GET /file.dict": lambda req: {"file": "fw.bin"},
    "GET /missing": lambda req: response(file = "none.bin"),
    "GET /outside": lambda req: response(file = "../secret"),
    "GET /plain": lambda req: {"body": "x"},
    "GET /template": lambda req: {"body_template": {"at": "{{request_path}}"}},
    "GET /header": lambda req: {"headers": {"X-At": "{{request_path}}"}},
    "GET /steps": lambda req: STEPS,
    "GET /rules": lambda req: {"rules": [{"match": {"query": {"q": "1"}}, "status": 204}, {"status": 205}]},
    "GET /unknown": lambda req: {"statuss": 200},
    "GET /bytes": lambda req: {"body": b"\x00\xff", "headers": {"X-At": "{{request_path}}"}},
}
`), env)
	if err != nil {
		t.Fatal(err)
	}
	table := mock.NewTable()
	table.ReplaceAll(s.Endpoints)
	ask := func(target string, header exchange.Header) (*exchange.Response, error) {
		x := &exchange.Exchange{Request: &exchange.Request{Method: "GET", Scheme: "http", Host: "a.test", Port: 80, Target: target, Proto: "HTTP/1.1", Header: header}}
		res, err := table.Handler(mock.Reject(table)).Respond(t.Context(), x)
		if err == nil {
			if c, ok := res.Body.(*exchange.File); ok {
				t.Cleanup(func() { c.Close() })
			}
		}
		return res, err
	}
	for _, c := range []struct {
		target string
		header exchange.Header
		status int
		want   string // "Name: value", or the body
	}{
		{"/file", nil, 200, "X-A: b"},
		{"/file", nil, 200, "Content-Type: application/octet-stream"},
		{"/file", exchange.HeaderOf("Range", "bytes=2-3"), 206, "Content-Range: bytes 2-3/10"},
		{"/file.dict", exchange.HeaderOf("Range", "bytes=2-3"), 206, "Content-Range: bytes 2-3/10"},
		{"/missing", nil, 500, `{"error":"Mock file not found: none.bin"}`},
		{"/outside", nil, 500, `{"error":"Mock file not found: ../secret"}`},
		{"/plain", nil, 200, "Content-Type: text/x"},
		{"/template", nil, 200, `{"at":"/template"}`},
		{"/header", nil, 200, "X-At: /header"},
		{"/bytes", nil, 200, "\x00\xff"},
		{"/bytes", nil, 200, "X-At: /bytes"},
		{"/steps", nil, 201, ""},
		{"/steps", nil, 202, ""},
		{"/rules", nil, 205, ""},
		{"/rules?q=1", nil, 204, ""},
	} {
		res, err := ask(c.target, c.header)
		if err != nil {
			t.Errorf("%s: %v", c.target, err)
			continue
		}
		got := ""
		if name, _, ok := strings.Cut(c.want, ": "); ok && c.want[0] != '{' {
			got = name + ": " + res.Header.Get(name)
		} else if b, ok := res.Body.(exchange.Bytes); ok {
			got = string(b)
		}
		if res.Status != c.status || got != c.want || res.Status < 300 && res.Delay != time.Millisecond {
			t.Errorf("%s: %d %q after %s, want %d %q", c.target, res.Status, got, res.Delay, c.status, c.want)
		}
	}
	if _, err := ask("/unknown", nil); err == nil || err.Error() != `a.star:13:21: unknown key "statuss" in answer; did you mean "status"?` {
		t.Errorf("unknown key: %v", err)
	}
}
