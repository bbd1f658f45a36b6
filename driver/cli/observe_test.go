package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"starproxy/driver/client"
)

// dialed is a proxy of the exporter at a socket.
func dialed(t *testing.T, socket, export string) proxy {
	t.Helper()
	c, err := client.Dial(t.Context(), socket, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	n, err := c.Find(export)
	if err != nil {
		t.Fatal(err)
	}
	return proxy{n}
}

// manager plays the service manager: it gives the datagrams that come.
func manager(t *testing.T) (socket string, heard <-chan string) {
	t.Helper()
	socket = filepath.Join(tempDir(t), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	to := make(chan string, 1000)
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			to <- string(b[:n])
		}
	}()
	return socket, to
}

// next waits for a datagram with a text.
func next(t *testing.T, heard <-chan string, text string) string {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case got := <-heard:
			if strings.Contains(got, text) {
				return got
			}
		case <-timeout:
			t.Fatalf("the service manager was not told %s", text)
		}
	}
}

// TestServiceManager plays NOTIFY_SOCKET for a whole run.
func TestServiceManager(t *testing.T) {
	t.Parallel()
	socket, heard := manager(t)
	s := serveRun(t, nil, []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=100000"}, "--exporter-config", two(t, tempDir(t)), "--start", "mock")
	if got := next(t, heard, ""); !strings.HasPrefix(got, "READY=1\nSTATUS=2 of 2 proxies running, JUMPSTARTER_HOST=/") {
		t.Errorf("first %q", got)
	}
	next(t, heard, "WATCHDOG=1")
	next(t, heard, "WATCHDOG=1")
	s.cancel()
	next(t, heard, "STOPPING=1\nSTATUS=Stopping")
}

// TestWatchdog checks that the service manager hears from a process that is
// well only.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	socket, heard := manager(t)
	n := newNotifier(func(name string) string {
		return map[string]string{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "7"}[name]
	}, 7)
	var ill atomic.Bool
	faults := make(chan error, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go n.watchdog(ctx, func(ctx context.Context) error {
		if ill.Load() {
			<-ctx.Done() // hangs
			return ctx.Err()
		}
		return nil
	}, func(err error) { faults <- err })
	next(t, heard, "WATCHDOG=1")
	ill.Store(true)
	for range 3 {
		if err := <-faults; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("fault %v", err)
		}
	}
	for len(heard) > 0 { // what was sent before
		<-heard
	}
	<-faults
	if len(heard) > 0 {
		t.Error("the service manager hears from a process that is ill")
	}
	ill.Store(false)
	next(t, heard, "WATCHDOG=1")
}

func TestNotifier(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		env  map[string]string
		want notifier
	}{
		{"no manager", map[string]string{"WATCHDOG_USEC": "1000000"}, notifier{}},
		{"no watchdog", map[string]string{"NOTIFY_SOCKET": "/s"}, notifier{socket: "/s"}},
		{"watchdog", map[string]string{"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "42"}, notifier{"/s", time.Second}},
		{"another's watchdog", map[string]string{"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "43"}, notifier{socket: "/s"}},
		{"nonsense", map[string]string{"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "soon"}, notifier{socket: "/s"}},
	} {
		if got := newNotifier(func(name string) string { return test.env[name] }, 42); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
	if err := (notifier{socket: "/nowhere/at/all"}).send("READY=1"); err == nil {
		t.Error("a manager that is not there is no error")
	}
}

// TestRunMetrics reads the metrics of a run, and checks that devices do not.
func TestRunMetrics(t *testing.T) {
	t.Parallel()
	s := serveRun(t, nil, nil, "--exporter-config", two(t, tempDir(t)), "--start", "mock", "--metrics", "0")
	text := s.stdout.await(t, `metrics: http://127\.0\.0\.1:\d+/metrics`, `left: +http://\S+`, `JMP_DRIVERS_ALLOW`)
	address := regexp.MustCompile(`metrics: (http://\S+)/metrics`).FindStringSubmatch(text)[1]
	left := device(t, regexp.MustCompile(`left: +(http://\S+)`).FindStringSubmatch(text)[1])
	get(t, left, "http://api.example/hello")
	read := func(c *http.Client, path string) (int, string) {
		t.Helper()
		res, err := c.Get(address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	for _, probe := range []string{"/healthz", "/readyz"} {
		if status, body := read(http.DefaultClient, probe); status != 200 {
			t.Errorf("%s: %d %s", probe, status, body)
		}
	}
	_, body := read(http.DefaultClient, "/metrics")
	for _, want := range []string{`starproxy_requests_total{export="left",outcome="mocked"} 1`, `starproxy_requests_total{export="right",outcome="mocked"} 0`,
		`starproxy_proxy_up{export="right"} 1`, `starproxy_proxy_mode{export="left",mode="mock"} 1`} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	if status, body := read(left, "/metrics"); status != http.StatusBadGateway || !strings.Contains(body, "refused") {
		t.Errorf("a device gets the metrics: %d %s", status, body)
	}
}
