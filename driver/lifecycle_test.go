package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"starproxy/driver/rpc"
)

func TestLifecycle(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	pid := os.Getpid()
	b.want("Not running", "stop")
	b.want("false", "is_running")
	s := b.status()
	for k, want := range map[string]any{"running": false, "mode": "stopped", "pid": nil, "proxy_address": nil,
		"web_ui_enabled": false, "web_ui_address": nil, "mock_count": 0.0, "flow_file": nil} {
		if got, ok := s[k]; !ok || got != want {
			t.Errorf("status %s: got %v, want %v", k, got, want)
		}
	}
	b.want("Unknown mode 'x'. Use: mock, passthrough, record, replay", "start", "x")
	b.want("Error: replay_file is required for replay mode", "start", "replay")
	b.want("Replay file not found: "+filepath.Join(b.dir, "flows", "a.bin"), "start", "replay", false, "a.bin", 0.0)
	if entries, _ := os.ReadDir(filepath.Join(b.dir, "flows")); entries != nil {
		t.Error("a refused start left a directory behind")
	}

	started := b.call("start", "passthrough", false, "", 0.0)
	s = b.status()
	addr, _ := s["proxy_address"].(string)
	if want := fmt.Sprintf("Started in 'passthrough' mode on %s (PID %d)", addr, pid); started != want {
		t.Errorf("got %s, want %s", started, want)
	}
	if strings.HasSuffix(addr, ":0") || s["mode"] != "passthrough" || s["running"] != true || s["pid"] != float64(pid) {
		t.Errorf("status %v", s)
	}
	b.want("true", "is_running")
	b.want(fmt.Sprintf("Already running in 'passthrough' mode (PID %d). Stop first.", pid), "start")
	b.want("Unknown mode 'y'. Use: mock, passthrough, record, replay", "restart", "y")
	b.want("true", "is_running")
	b.want(fmt.Sprintf("Started in 'passthrough' mode on %s (PID %d)", addr, pid), "restart")
	b.want(fmt.Sprintf("Started in 'mock' mode on %s (PID %d)", addr, pid), "restart", "mock")
	b.want(fmt.Sprintf("Stopped (was 'mock' mode, PID %d)", pid), "stop")
	b.want("Not running", "stop")
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("still listening after stop")
	}
	if text := b.call("restart"); !strings.HasPrefix(text, "Started in 'mock' mode") {
		t.Error(text)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	b := newBench(t, nil)
	b.want("Mock set: GET /a → 200", "set_mock", "get", "/a", 200.0, "{}")
	got := b.call("start", "mock", false, "", float64(port))
	want := fmt.Sprintf("Failed to start (port %d is already in use by another program): listen tcp 127.0.0.1:%d: bind: address already in use", port, port)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	b.want("false", "is_running")
	if s := b.status(); s["mode"] != "stopped" || s["mock_count"] != 1.0 {
		t.Error(s)
	}
	// The override holds for later starts, but not one that failed.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	port = free.Addr().(*net.TCPAddr).Port
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	for range 2 {
		text := b.call("start", "mock", false, "", float64(port))
		if !strings.Contains(text, " on "+addr+" (PID") {
			t.Error(text)
		}
		b.call("stop")
		port = 0
	}
	// A free port is not that of later starts.
	if text := b.call("start", "mock", false, "", -1.0); strings.Contains(text, " on "+addr+" (PID") {
		t.Errorf("any free port: got %s", text)
	}
	b.call("stop")
	if text := b.call("start", "mock", false, "", 0.0); !strings.Contains(text, " on "+addr+" (PID") {
		t.Errorf("after a free port: got %s, want %s", text, addr)
	}
	b.call("stop")
	b.want("INVALID_ARGUMENT start: argument port: got 70000, want 0 to 65535, or -1 for a free one", "start", "mock", false, "", 70000.0)
}

func TestModes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	real := server(t)
	b.want("Mock set: GET /a → 201", "set_mock", "GET", "/a", 201.0, `{"z": 1, "a": 2}`)
	proxy := b.start()
	if got := b.get(proxy, real.URL+"/a"); got != `201 {"z": 1, "a": 2}` && got != `201 {"z":1,"a":2}` {
		t.Error(got)
	}
	if got := b.get(proxy, "http://nowhere.invalid/a"); !strings.HasPrefix(got, "201 ") {
		t.Error(got)
	}
	if got := b.get(proxy, real.URL+"/b"); got != `200 real /b ""` {
		t.Error(got)
	}
	b.call("restart", "passthrough")
	if got := b.get(proxy, real.URL+"/a"); got != `200 real /a ""` {
		t.Error(got)
	}
	// A mock set now waits for mock mode.
	b.call("set_mock", "GET", "/b", 202.0, "")
	if got := b.get(proxy, real.URL+"/b"); got != `200 real /b ""` {
		t.Error(got)
	}
	b.call("restart", "mock")
	if got := b.get(proxy, real.URL+"/b"); got != `202 {}` {
		t.Error(got)
	}
	b.want("Removed mock: GET /b", "remove_mock", "get", "/b")
	if got := b.get(proxy, real.URL+"/b"); got != `200 real /b ""` {
		t.Error(got)
	}
}

func TestReject(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Unmatched = Reject })
	b.call("set_mock", "GET", "/status", 200.0, "{}")
	proxy := b.start()
	got := b.get(proxy, "http://nowhere.invalid/statuz")
	if !strings.HasPrefix(got, "501 ") || !strings.Contains(got, "GET /status") {
		t.Error(got)
	}
	if s := b.status(); s["unmatched"] != "reject" {
		t.Error(s)
	}
}

func TestStripConditionalHeaders(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	real := server(t)
	proxy := b.start()
	h := http.Header{"If-None-Match": {`"x"`}}
	if got := b.do(proxy, "GET", real.URL+"/", h); got != `200 real / "\"x\""` {
		t.Error(got)
	}
	b.want("State set: strip_conditional_headers", "set_state", "strip_conditional_headers", "true")
	if got := b.do(proxy, "GET", real.URL+"/", h); got != `200 real / ""` {
		t.Error(got)
	}
	b.call("set_state", "strip_conditional_headers", "false")
	if got := b.do(proxy, "GET", real.URL+"/", h); got != `200 real / "\"x\""` {
		t.Error(got)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	proxy := b.start()
	for range 2 {
		if err := b.d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := net.Dial("tcp", proxy.Host); err == nil {
		t.Error("still listening after close")
	}
	b.want("FAILED_PRECONDITION the driver is closed", "start")
	b.want("false", "is_running")
}

func TestCACert(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	path := filepath.Join(b.dir, "conf", "mitmproxy-ca-cert.pem")
	b.want("CA cert not found at "+path+". Start proxy once to generate.", "get_ca_cert_path")
	b.want("Error: CA cert not found at "+path+". Start proxy once to generate.", "get_ca_cert")
	b.start()
	if !exists(path) {
		t.Error("the start answered before the certificate was there")
	}
	b.want(path, "get_ca_cert_path")
	pem := b.call("get_ca_cert")
	if !strings.HasPrefix(pem, "-----BEGIN CERTIFICATE-----\n") {
		t.Error(pem)
	}
	b.call("stop")
	b.want(pem, "get_ca_cert")

	// Deleted while stopped: the next start makes another.
	if err := os.RemoveAll(filepath.Join(b.dir, "conf")); err != nil {
		t.Fatal(err)
	}
	b.want("CA cert not found at "+path+". Start proxy once to generate.", "get_ca_cert_path")
	b.start()
	if !exists(path) {
		t.Error("the start answered before the new certificate was there")
	}
	if again := b.call("get_ca_cert"); again == pem || !strings.HasPrefix(again, "-----BEGIN") {
		t.Error("the certificate was not made anew")
	}
}

func TestStartWithoutDirectory(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) {
		file := filepath.Join(c.Directories.Data, "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		c.Directories.Conf = filepath.Join(file, "conf")
	})
	if got := b.call("start"); !strings.HasPrefix(got, "Failed to start: certificate authority: ") {
		t.Error(got)
	}
	b.want("false", "is_running")
	if _, err := b.d.Connect(context.Background(), "connect_web"); err == nil || err.(*rpc.Refusal).Code != rpc.FailedPrecondition {
		t.Error(err)
	}
}

// A proxy whose CA key is still being made answers what needs no certificate;
// whoever needs one waits, and so does the answer to the start.
func TestStartBeforeCA(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.d.authority.wait()
	made := b.d.authority.now
	late := &opening{done: make(chan struct{})}
	b.d.authority.now = late
	if err := os.RemoveAll(filepath.Join(b.dir, "conf")); err != nil {
		t.Fatal(err)
	}
	b.call("set_mock", "GET", "/a", 200.0, `"plain"`)
	started := make(chan string, 1)
	go func() { started <- b.call("start") }()
	for b.d.life.run.Load() == nil {
		runtime.Gosched()
	}
	p := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
	if got := b.get(p, "http://x.invalid/a"); got != `200 plain` {
		t.Error(got)
	}
	select {
	case got := <-started:
		t.Error("the start did not wait for the CA:", got)
	default:
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if v, err := b.d.Call(ctx, "get_ca_cert", nil); !errors.Is(err, context.Canceled) {
		t.Error("did not wait:", v, err)
	}
	page := make(chan string)
	go func() { page <- b.get(p, "http://mitm.it/cert/pem") }()
	late.ca = made.ca
	close(late.done)
	if got := <-started; !strings.HasPrefix(got, "Started in 'mock' mode on ") {
		t.Error(got)
	}
	if got := <-page; !strings.HasPrefix(got, "200 -----BEGIN CERTIFICATE") {
		t.Error(got)
	}
}

// A key file that is a link to nothing, of a disk that is not there, say, is
// told at the start.
func TestStartWithALinkToNoCA(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) {
		dir := c.Directories.Conf
		if dir == "" {
			dir = filepath.Join(c.Directories.Data, "conf")
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(t.TempDir(), "gone"), filepath.Join(dir, "mitmproxy-ca.pem")); err != nil {
			t.Fatal(err)
		}
	})
	if got := b.call("start"); !strings.HasPrefix(got, "Failed to start: certificate authority: ") || !strings.Contains(got, "mitmproxy-ca.pem") {
		t.Error(got)
	}
}
