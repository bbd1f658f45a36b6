package exporter

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starproxy/driver"
	"starproxy/driver/ca"
)

// benchOf is a session with one proxy for each of the named selections, all
// configured for one port of 127.0.0.1 and with one CA.
func benchOf(t *testing.T, proxies ...string) *Session {
	t.Helper()
	text, dir, port := "export:\n", t.TempDir(), taken(t)
	for _, p := range proxies {
		name, selection, _ := strings.Cut(p, " ")
		if selection != "" {
			selection = ", " + selection
		}
		text += fmt.Sprintf("  %s: {type: starproxy.MitmproxyDriver, config: {listen: {host: 127.0.0.1, port: %.0f%s}, web: {host: 127.0.0.1, port: 0}, directories: {data: %s/%s, conf: %s/conf}, mocks: {GET /who: {body: %s}}}}\n", name, port, selection, dir, name, dir, name)
	}
	config, err := Parse("bench.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(config, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// started starts a proxy of the session and returns its address.
func started(t *testing.T, s *Session, name string) string {
	t.Helper()
	text := call(t, driverAt(s, name), "start")
	_, at, ok := strings.Cut(text, "Started in 'mock' mode on ")
	if !ok {
		t.Fatal(text)
	}
	at, _, _ = strings.Cut(at, " ")
	return at
}

// from asks a proxy from a local address and as a user, and gives status and body.
func from(t *testing.T, local, user, proxy, target string) string {
	u := &url.URL{Scheme: "http", Host: proxy}
	if user != "" {
		u.User = url.UserPassword(user, "x")
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{Proxy: http.ProxyURL(u), DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", addr)
		}}}
	res, err := c.Get(target)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", res.StatusCode, strings.TrimSpace(string(body)))
}

// captured is how many requests a proxy has captured.
func captured(t *testing.T, s *Session, name string) int {
	t.Helper()
	var entries []any
	if err := json.Unmarshal([]byte(call(t, driverAt(s, name), "get_captured_requests")), &entries); err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Three devices have one proxy address and each its own mocks, state and captures.
func TestDevicesShareAnAddress(t *testing.T) {
	t.Parallel()
	s := benchOf(t, "a clients: [127.0.0.2]", "b users: [bob]", "rest")
	at := started(t, s, "a")
	for _, name := range []string{"b", "rest"} {
		if got := started(t, s, name); got != at {
			t.Errorf("%s listens at %s, want %s as the first", name, got, at)
		}
	}
	call(t, driverAt(s, "b"), "set_mock", "GET", "/only", 200.0, `"bob's"`)
	call(t, driverAt(s, "b"), "set_state", "k", "1")
	for _, tt := range []struct{ local, user, want, only string }{
		{"127.0.0.2", "", "a", "501"},
		{"127.0.0.1", "bob", "b", "200"},
		{"127.0.0.1", "", "rest", "501"},
	} {
		if got := from(t, tt.local, tt.user, at, "http://h.test/who"); got != "200 "+tt.want {
			t.Errorf("%+v: got %s, want 200 %s", tt, got, tt.want)
		}
		if n := captured(t, s, tt.want); n != 1 {
			t.Errorf("%s: got %d captures, want 1", tt.want, n)
		}
		var status map[string]any
		if err := json.Unmarshal([]byte(call(t, driverAt(s, tt.want), "status")), &status); err != nil || status["proxy_address"] != at {
			t.Errorf("%s: got the status %v, %v, want the address %s", tt.want, status, err, at)
		}
	}
	if got := from(t, "127.0.0.1", "bob", at, "http://h.test/only"); !strings.HasPrefix(got, "200 ") {
		t.Errorf("bob's own mock: got %s", got)
	}
	for _, name := range []string{"a", "rest"} {
		if got := call(t, driverAt(s, name), "list_mocks"); strings.Contains(got, "/only") {
			t.Errorf("%s has bob's mock: %s", name, got)
		}
		if got := call(t, driverAt(s, name), "get_state", "k"); got != "null" {
			t.Errorf("%s has bob's state: %s", name, got)
		}
	}
}

// Each of three exports starts, stops and restarts, in other modes too, while the
// others answer without a loss; the address stays.
func TestDevicesStartAndStopAlone(t *testing.T) {
	t.Parallel()
	s := benchOf(t, "a clients: [127.0.0.2]", "b users: [bob]", "rest")
	at := started(t, s, "a")
	started(t, s, "b")
	var over atomic.Bool
	var wg sync.WaitGroup
	var asked atomic.Int64
	for range 2 {
		wg.Go(func() {
			for !over.Load() {
				if got := from(t, "127.0.0.2", "", at, "http://h.test/who"); got != "200 a" {
					t.Errorf("a: got %s", got)
					return
				}
				asked.Add(1)
			}
		})
	}
	bob := driverAt(s, "b")
	for _, step := range []struct{ method, mode, want string }{
		{"restart", "passthrough", "502"}, {"restart", "mock", "200 b"}, {"stop", "", "503"}, {"start", "mock", "200 b"}, {"restart", "record", "502"},
		{"restart", "mock", "200 b"}, {"stop", "", "503"}, {"start", "mock", "200 b"},
	} {
		before := asked.Load()
		args := []any{}
		if step.mode != "" {
			args = append(args, step.mode)
		}
		if got := call(t, bob, step.method, args...); strings.HasPrefix(got, "Failed") {
			t.Fatal(got)
		}
		if got := from(t, "127.0.0.1", "bob", at, "http://h.invalid/who"); !strings.HasPrefix(got, step.want) {
			t.Errorf("b after %s %s: got %s, want %s", step.method, step.mode, got, step.want)
		}
		for deadline := time.Now().Add(20 * time.Second); asked.Load() == before && !t.Failed(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("a is not served")
			}
		}
	}
	over.Store(true)
	wg.Wait()
	if got := from(t, "127.0.0.1", "", at, "http://h.test/who"); !strings.HasPrefix(got, "503") {
		t.Errorf("a device of rest, which is not started: got %s, want 503", got)
	}
	// All stop; whoever comes first gets the port back, and the others join it.
	for _, name := range []string{"a", "b"} {
		call(t, driverAt(s, name), "stop")
	}
	for _, name := range []string{"rest", "b", "a"} {
		if got := started(t, s, name); got != at {
			t.Errorf("%s again: got %s, want %s", name, got, at)
		}
	}
	// An export that is told another port leaves the address.
	port := taken(t)
	if got := call(t, bob, "restart", "mock", false, "", port); !strings.Contains(got, fmt.Sprintf("on 127.0.0.1:%.0f ", port)) {
		t.Fatal(got)
	}
	if got := from(t, "127.0.0.1", "bob", at, "http://h.test/who"); got != "200 rest" {
		t.Errorf("at the old address: got %s, want 200 rest", got)
	}
	moved := "127.0.0.1:" + strconv.Itoa(int(port))
	if got := from(t, "127.0.0.1", "bob", moved, "http://h.test/who"); got != "200 b" {
		t.Errorf("at the new address: got %s, want 200 b", got)
	}
	if got := from(t, "127.0.0.1", "", moved, "http://h.test/who"); !strings.HasPrefix(got, "407") {
		t.Errorf("at the new address without a user: got %s, want 407", got)
	}
	// A restart that can't be leaves everything as it was.
	if got := call(t, driverAt(s, "rest"), "restart", "replay", false, "none.bin"); strings.HasPrefix(got, "Started") {
		t.Error(got)
	}
	if got := from(t, "127.0.0.1", "", at, "http://h.test/who"); got != "200 rest" {
		t.Errorf("after a failed restart: got %s, want 200 rest", got)
	}
}

// Isolated proxies share their address, too, and come back to it: whichever is
// started again first.
func TestDevicesIsolated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "export:\n"
	for _, p := range []string{"rest", "a, clients: [127.0.0.2, 127.1.0.0/16]", "b, users: [bob]"} {
		name, _, _ := strings.Cut(p, ",")
		text += fmt.Sprintf("  %s: {type: starproxy.MitmproxyDriver, config: {listen: {host: 127.0.0.1, port: 0%s}, directories: {data: %s/%s, conf: %[3]s/conf}, mocks: {GET /who: {body: %[1]s}}}}\n", name, p[len(name):], dir, name)
	}
	_, c := openIsolated(t, text, Options{Isolate: isolation()})
	at := ""
	for _, name := range []string{"a", "b", "rest"} {
		if _, err := find(t, c, name).Call(t.Context(), "start"); err != nil {
			t.Fatal(err)
		}
		status := report(t, find(t, c, name))
		if at == "" {
			at = status.Address
		}
		if status.Address != at {
			t.Errorf("%s: got the address %s, want %s", name, status.Address, at)
		}
	}
	whose := func() string {
		return strings.Join([]string{from(t, "127.0.0.2", "", at, "http://h.test/who"), from(t, "127.1.2.3", "", at, "http://h.test/who"),
			from(t, "127.0.0.1", "bob", at, "http://h.test/who"), from(t, "127.0.0.1", "", at, "http://h.test/who")}, ", ")
	}
	const want = "200 a, 200 a, 200 b, 200 rest"
	if got := whose(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var pid struct{ PID int }
	answer, err := find(t, c, "a").Call(t.Context(), "status")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(answer.(string)), &pid); err != nil || pid.PID <= 1 || pid.PID == os.Getpid() {
		t.Fatalf("the process of the proxies: got %d, %v", pid.PID, err)
	}
	if err := kill(pid.PID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are back", func() bool { return whose() == want })
}

// taken is a port that was free just now, and that nobody is given who asks for
// any.
func taken(t *testing.T) float64 {
	t.Helper()
	for range 100 {
		// Below 32768: the system gives those above to connections as it likes.
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(12_000+rand.IntN(20_000)))); err == nil {
			defer l.Close()
			return float64(l.Addr().(*net.TCPAddr).Port)
		}
	}
	t.Fatal("no port is free")
	return 0
}

// Two exports without a selection may be configured for one address; the second
// that starts is told why it can't.
func TestDevicesWithoutSelection(t *testing.T) {
	t.Parallel()
	port := taken(t)
	config, err := Parse("bench.yaml", fmt.Appendf(nil, "export:\n  a: {type: starproxy.MitmproxyDriver, config: {listen: &l {host: 127.0.0.1, port: %.0f}, directories: {data: %s/a}}}\n"+
		"  b: {type: starproxy.MitmproxyDriver, config: {listen: *l, directories: {data: %[2]s/b}}}\n", port, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(config, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	started(t, s, "a")
	got := call(t, driverAt(s, "b"), "start")
	if !strings.HasPrefix(got, "Failed to start (port ") || !strings.HasSuffix(got, "another export is configured for it, and neither has listen.clients or listen.users") {
		t.Error(got)
	}
	call(t, driverAt(s, "a"), "stop")
	started(t, s, "b")
}

// BenchmarkHundred is what a session of 100 proxies takes from its opening until
// the last one listens, and the memory of the process then: with a port for each,
// and with one port for all. Making their one CA is not counted.
func BenchmarkHundred(b *testing.B) {
	for _, shared := range []bool{false, true} {
		b.Run(fmt.Sprintf("shared=%v", shared), func(b *testing.B) {
			dir := b.TempDir()
			config := &Config{}
			for i := range 100 {
				c := driver.DefaultConfig()
				c.Listen.Host, c.Listen.Port = "127.0.0.1", 0
				c.Directories.Data, c.Directories.Conf = fmt.Sprintf("%s/%d", dir, i), dir+"/conf"
				if shared {
					c.Listen.Users = []driver.ProxyUser{driver.ProxyUser(fmt.Sprint("dut", i))}
				}
				config.Export = append(config.Export, &Node{Name: fmt.Sprint("p", i), Driver: &c})
			}
			if _, err := ca.Open(dir + "/conf"); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				s, err := Open(config, Options{})
				if err != nil {
					b.Fatal(err)
				}
				for i := range 100 {
					if _, err := driverAt(s, fmt.Sprint("p", i)).Call(b.Context(), "start", nil); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.Sys-m.HeapReleased)/(1<<20), "MiB")
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
