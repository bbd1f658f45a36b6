package driver

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starproxy/driver/rpc"
)

// collect reads a stream to its end, decoding base64.
func (b *bench) collect(method string, args ...any) string {
	b.Helper()
	seq, err := b.d.Stream(context.Background(), method, args)
	if err != nil {
		b.Fatal(err)
	}
	var out strings.Builder
	for v, err := range seq {
		var e *rpc.Refusal
		if errors.As(err, &e) {
			return e.Code.String() + " " + e.Text
		}
		if err != nil {
			b.Fatal(err)
		}
		chunk, err := base64.StdEncoding.DecodeString(v.(string))
		if err != nil {
			b.Fatal(err)
		}
		out.Write(chunk)
	}
	return out.String()
}

func TestFiles(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	big := strings.Repeat("0123456789abcdef", chunkSize/16) + "tail"
	b.want(fmt.Sprintf("Uploaded: fw/a.bin (%d bytes)", len(big)), "upload_mock_file", "fw/a.bin", base64.StdEncoding.EncodeToString([]byte(big)))
	if got := b.collect("get_captured_file", "fw/a.bin"); got != big {
		t.Errorf("got %d bytes", len(got))
	}
	if got := b.collect("get_captured_file", filepath.Join(b.dir, "mock-files", "fw", "a.bin")); got != big {
		t.Errorf("got %d bytes", len(got))
	}
	b.write("secret", "s")
	if err := os.Symlink("..", filepath.Join(b.dir, "mock-files", "up")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ method, name, want string }{
		{"get_captured_file", "../secret", "INVALID_ARGUMENT Invalid file path: ../secret"},
		{"get_captured_file", "up/secret", "INVALID_ARGUMENT Invalid file path: up/secret"},
		{"get_captured_file", "/etc/hostname", "INVALID_ARGUMENT Invalid file path: /etc/hostname"},
		{"get_captured_file", "fw", "INVALID_ARGUMENT Invalid file path: fw"},
		{"get_captured_file", "", "INVALID_ARGUMENT Invalid file path: "},
		{"get_captured_file", "none", "NOT_FOUND Captured file not found: none"},
		{"get_flow_file", "../secret", "INVALID_ARGUMENT Invalid flow file name: '../secret'"},
		{"get_flow_file", "none.bin", "INTERNAL Flow file not found: none.bin"},
	} {
		if got := b.collect(tt.method, tt.name); got != tt.want {
			t.Errorf("%s(%q): %s", tt.method, tt.name, got)
		}
	}
	b.want("Invalid file path: up/x", "upload_mock_file", "up/x", "")
	if _, err := os.Stat(filepath.Join(b.dir, "x")); err == nil {
		t.Error("written outside")
	}

	path := b.write("flows/capture_1.bin", "flow")
	b.write("flows/notes.txt", "")
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
	b.want(fmt.Sprintf(`[{"name":"capture_1.bin","path":%q,"size_bytes":4,"modified":"2026-01-02T03:04:05"}]`, path), "list_flow_files")
	if got := b.collect("get_flow_file", "capture_1.bin"); got != "flow" {
		t.Error(got)
	}
	b.write("addons/hls.star", "")
	b.write("addons/_lib.star", "")
	b.write("addons/old.py", "")
	b.want(`["hls"]`, "list_addons")
}

func TestCaptures(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	binary := strings.Repeat("\x00\x01", 50<<10)
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		if r.URL.Path == "/small" {
			fmt.Fprint(w, binary[:10])
			return
		}
		fmt.Fprint(w, binary)
	}))
	t.Cleanup(real.Close)
	b.call("set_mock", "GET", "/a", 200.0, `{"x": 1}`)
	proxy := b.start()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seq, err := b.d.Stream(ctx, "watch_captured_requests", nil)
	if err != nil {
		t.Fatal(err)
	}
	b.get(proxy, "http://nowhere.invalid/a?q=1")
	go b.get(proxy, real.URL+"/bin")
	waited := make(chan string)
	go func() { waited <- b.call("wait_for_request", "GET", "/b*", 20.0) }()

	type event struct {
		Method, Path string
		Status       int     `json:"response_status"`
		Mocked       bool    `json:"was_mocked"`
		Body         *string `json:"response_body"`
		File         *string `json:"response_body_file"`
		Error        *string
	}
	var events []event
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		var e event
		if err := json.Unmarshal([]byte(v.(string)), &e); err != nil {
			t.Fatal(err)
		}
		if events = append(events, e); len(events) == 2 {
			break
		}
	}
	if e := events[0]; e.Path != "/a?q=1" || !e.Mocked || e.Status != 200 || e.Body == nil {
		t.Errorf("%+v", e)
	}
	e := events[1]
	if e.Path != "/bin" || e.Mocked || e.File == nil {
		t.Fatalf("%+v", e)
	}
	if got := b.collect("get_captured_file", *e.File); got != binary {
		t.Errorf("got %d bytes", len(got))
	}
	// A body in memory is no file, and can be had all the same.
	b.get(proxy, real.URL+"/small")
	var small event
	if err := json.Unmarshal([]byte(b.call("wait_for_request", "GET", "/small", 20.0)), &small); err != nil || small.File == nil {
		t.Fatalf("%+v, %v", small, err)
	}
	if got := b.collect("get_captured_file", *small.File); got != binary[:10] {
		t.Errorf("%s: got %q, want %q", *small.File, got, binary[:10])
	}
	if got := <-waited; !strings.Contains(got, `"path":"/bin"`) {
		t.Error(got)
	}
	if got := b.call("wait_for_request", "GET", "/a", 0.0); !strings.Contains(got, `"error"`) {
		t.Error("a path without the query stands for one with it", got)
	}
	if got := b.call("wait_for_request", "GET", "/a?q=1"); !strings.Contains(got, `"was_mocked":true`) {
		t.Error(got)
	}

	// A request whose server is out of reach was made all the same.
	b.get(proxy, "http://127.0.0.1:1/lost")
	got := b.call("wait_for_request", "GET", "/lost", 20.0)
	if strings.Contains(got, `"error"`) || !strings.Contains(got, `"response_status":0`) || !strings.Contains(got, `"failure"`) {
		t.Error(got)
	}

	b.call("stop")
	var all []event
	if err := json.Unmarshal([]byte(b.call("get_captured_requests")), &all); err != nil || len(all) != 4 {
		t.Error(len(all), err)
	}
	b.want("Removed 1 spool file(s)", "clean_capture_spool")
	b.want("Cleared 4 captured request(s)", "clear_captured_requests")
	b.want("[]", "get_captured_requests")
}

func TestWaitsEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	seq, err := b.d.Stream(ctx, "watch_captured_requests", nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() {
		var last error
		for _, err := range seq {
			last = err
		}
		ended <- last
	}()
	go func() {
		_, err := b.d.Call(ctx, "wait_for_request", []any{"GET", "/never", 1e300})
		ended <- err
	}()
	cancel()
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if err := b.d.Close(); err != nil {
		t.Error(err)
	}
	if got := b.call("wait_for_request", "GET", "/never", 5.0); got != "UNAVAILABLE wait_for_request: the driver was closed" {
		t.Error(got)
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.want(`{"yaml":"endpoints: {}\n","files":[]}`, "export_captured_scenario")
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Kept", "yes")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s answered", r.URL)
	}))
	b.call("set_mock", "GET", "/mocked", 200.0, "{}")
	proxy := b.start()
	targets := []string{"/a", "/a?page=1", "/b/c"}
	before := map[string]string{}
	for _, target := range targets {
		before[target] = b.get(proxy, real.URL+target)
		b.call("wait_for_request", "GET", target)
	}
	b.get(proxy, real.URL+"/mocked")
	b.call("wait_for_request", "GET", "/mocked")
	real.Close()

	var export struct {
		YAML  string
		Files []string
	}
	if err := json.Unmarshal([]byte(b.call("export_captured_scenario", "", true)), &export); err != nil {
		t.Fatal(err)
	}
	if len(export.Files) != 3 || strings.Contains(export.YAML, "/mocked") {
		t.Errorf("%+v", export)
	}
	for _, f := range export.Files {
		if info, err := os.Stat(filepath.Join(b.dir, "mock-files", f)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", f, info.Mode(), err)
		}
		if got := b.collect("get_captured_file", f); !strings.HasSuffix(got, "answered") {
			t.Errorf("%s: %s", f, got)
		}
	}
	b.want("Loaded 2 endpoint(s) from export.yaml", "load_mock_scenario_content", "export.yaml", export.YAML)
	for _, target := range targets {
		if got := b.get(proxy, real.URL+target); got != before[target] {
			t.Errorf("%s: got %s, recorded %s", target, got, before[target])
		}
	}
	if got := b.call("export_captured_scenario", "/b/*", true); strings.Contains(got, "page") || !strings.Contains(got, "/b/c") {
		t.Error(got)
	}
}

func TestFilteredCaptures(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprintf(w, "the real %s", r.URL.Path)
	}))
	defer real.Close()
	b.write("mock-responses/s.star", `
def echo(ws):
    for msg in ws:
        ws.send("echo " + msg.text)

endpoints = {
    "GET /mocked": {"body": {"token": "t1"}},
    "WEBSOCKET /echo": echo,
}
`)
	b.want("Loaded 2 endpoint(s) from s.star", "load_mock_scenario", "s.star")
	proxy := b.start()
	for _, path := range []string{"/mocked", "/page?q=1", "/missing"} {
		b.get(proxy, real.URL+path)
		b.call("wait_for_request", "GET", path)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	defer client.CloseIdleConnections()
	ws, _, err := websocket.Dial(t.Context(), "ws://nowhere.invalid/echo", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if err := ws.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, msg, err := ws.Read(t.Context()); string(msg) != "echo hello" || err != nil {
		t.Errorf("%s %v", msg, err)
	}
	b.call("wait_for_request", "GET", "/echo")

	path := func(event []byte) string {
		var e struct{ Path string }
		if err := json.Unmarshal(event, &e); err != nil {
			t.Fatal(err)
		}
		return e.Path
	}
	for _, tt := range []struct{ expr, want string }{
		{"", "/mocked /page?q=1 /missing /echo"},
		{"~mocked & ~http & !~websocket", "/mocked"},
		{"~mock ^GET", "/mocked"},
		{"~c 4xx", "/missing"},
		{"~b real & ~c 200", "/page?q=1"},
		{"~b ^echo.hello$", "/echo"},
		{"~bq hello", "/echo"},
		{"~bq echo", ""},
		{`~b '"t\d"' | q=`, "/mocked /page?q=1"},
		{"~e", ""},
	} {
		var events []json.RawMessage
		if err := json.Unmarshal([]byte(b.call("list_captured_requests", tt.expr)), &events); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range events {
			got = append(got, path(e))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, want %q", tt.expr, got, tt.want)
		}
	}
	if got, want := b.call("list_captured_requests", ""), b.call("get_captured_requests"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	b.want("INVALID_ARGUMENT list_captured_requests: argument filter_expr: column 1: unknown operator ~coment: did you mean ~comment?", "list_captured_requests", "~coment x")
	var refused *rpc.Refusal
	if _, err := b.d.Stream(t.Context(), "watch_captured_requests", []any{"(~s"}); !errors.As(err, &refused) || refused.Code != rpc.InvalidArgument ||
		refused.Text != "watch_captured_requests: argument filter_expr: column 4: expected a ) for the ( in column 1" {
		t.Error(err)
	}

	// What is there, then what comes.
	seq, err := b.d.Stream(t.Context(), "watch_captured_requests", []any{"~c 404 | ~b hello"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, path([]byte(v.(string)))); len(got) == 2 {
			b.get(proxy, real.URL+"/page?q=2")
			b.get(proxy, real.URL+"/page/hello")
		}
		if len(got) == 3 {
			break
		}
	}
	if want := "/missing /echo /page/hello"; strings.Join(got, " ") != want {
		t.Errorf("watched %q, want %s", got, want)
	}

	// A caller that has gone is not searched for.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.d.Call(ctx, "list_captured_requests", []any{"~b x"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
