package driver

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// taken is a port that somebody else listens on.
func taken(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// TestFailedRestartLeavesAllAsItWas asks for restarts that can't be, of every
// kind; the proxy goes on in its mode, with its mocks and its web UI.
func TestFailedRestartLeavesAllAsItWas(t *testing.T) {
	t.Parallel()
	webPort := taken(t)
	b := newBench(t, func(c *Config) {
		c.Web = Web{Host: "127.0.0.1", Port: webPort}
		c.MockScenario = "s.yaml"
	})
	b.write("mock-responses/s.yaml", "GET /a: {body: before}\n")
	broken := b.write("flows/broken.bin", "this is no recording")
	proxy := b.start()
	port := taken(t)
	for name, args := range map[string][]any{
		"taken port":               {"mock", false, "", float64(port)},
		"taken port, pass-through": {"passthrough", false, "", float64(port)},
		"taken port, record":       {"record", false, "", float64(port)},
		"taken web port":           {"record", true, "", 0.0},
		"taken web port, mock":     {"mock", true, "", 0.0},
		"no recording":             {"replay", false, "broken.bin", 0.0},
		"no recording, by path":    {"replay", false, broken, 0.0},
		"missing recording":        {"replay", false, "none.bin", 0.0},
		"unknown mode":             {"mocking", false, "", 0.0},
	} {
		got := b.call("restart", args...)
		if strings.HasPrefix(got, "Started") {
			t.Errorf("%s: got %s", name, got)
		}
		s := b.status()
		if s["running"] != true || s["mode"] != "mock" || s["proxy_address"] != proxy.Host || s["web_ui_enabled"] != false || s["mock_count"] != 1.0 {
			t.Errorf("%s: status %v", name, s)
		}
		if got := b.get(proxy, "http://h.test/a"); got != "200 before" {
			t.Errorf("%s: got %s", name, got)
		}
	}
	// A scenario that became wrong does not end the proxy that answers from it.
	b.write("mock-responses/s.yaml", "GET /a: {bodyy: 1}\n")
	if got := b.call("restart", "mock"); !strings.HasPrefix(got, "Failed to initialize mock mode: ") {
		t.Error(got)
	}
	if got := b.get(proxy, "http://h.test/a"); got != "200 before" {
		t.Errorf("after a broken scenario: got %s", got)
	}
	if left, _ := filepath.Glob(filepath.Join(b.dir, "flows", "capture_*")); left != nil {
		t.Errorf("failed starts left %q", left)
	}
}

// TestFailedRecordLeavesNoFile starts to record where that can't be.
func TestFailedRecordLeavesNoFile(t *testing.T) {
	t.Parallel()
	port := taken(t)
	b := newBench(t, func(c *Config) { c.Web = Web{Host: "127.0.0.1", Port: port} })
	for name, args := range map[string][]any{
		"taken port":     {"record", false, "", float64(port)},
		"taken web port": {"record", true, "", 0.0},
	} {
		if got := b.call("start", args...); !strings.HasPrefix(got, "Failed to start (") {
			t.Errorf("%s: got %s", name, got)
		}
	}
	if left, _ := os.ReadDir(filepath.Join(b.dir, "flows")); len(left) > 0 {
		t.Errorf("failed starts left %v", left)
	}
	b.want("false", "is_running")
}

// TestRestartRefusesNobody restarts a proxy, over and over, between modes, while
// devices connect: none finds the port closed.
func TestRestartRefusesNobody(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.call("set_mock", "GET", "/a", 200.0, "{}")
	proxy := b.start()
	var wg sync.WaitGroup
	var over atomic.Bool
	for range 4 {
		wg.Go(func() {
			for !over.Load() {
				c, err := net.Dial("tcp", proxy.Host)
				if err != nil {
					t.Errorf("the port was closed: %v", err)
					return
				}
				io.WriteString(c, "GET http://mitm.it/ HTTP/1.1\r\nHost: mitm.it\r\nConnection: close\r\n\r\n")
				io.Copy(io.Discard, c) // broken off, if a restart comes now
				c.Close()
			}
		})
	}
	for i := range 10 {
		mode := []string{"mock", "passthrough", "record"}[i%3]
		if got := b.call("restart", mode); !strings.HasPrefix(got, fmt.Sprintf("Started in '%s' mode on %s", mode, proxy.Host)) {
			t.Error(got)
		}
	}
	over.Store(true)
	wg.Wait()
	b.call("restart", "mock")
	if got := b.do(proxy, "GET", "http://h.test/a", http.Header{}); !strings.HasPrefix(got, "200 ") {
		t.Error(got)
	}
}
