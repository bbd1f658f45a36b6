package exporter

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"starproxy/driver"
	"starproxy/driver/client"
)

// hostVariable makes this test binary the process of the proxies, or another
// program that the tests need.
const hostVariable = "STARPROXY_TEST_PROXIES"

func TestMain(m *testing.M) {
	if orphaned := os.Getenv(parentVariable); orphaned != "" {
		if err := parentMain(orphaned); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	switch fault := os.Getenv(hostVariable); fault {
	case "":
	case "python":
		fakePython()
		return
	default:
		go failOnDemand(fault)
		if err := HostProxies(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "8") // these tests wait more than they compute
	}
	os.Exit(m.Run())
}

func isolation() *Isolation {
	return &Isolation{Command: func() *exec.Cmd {
		self, _ := os.Executable()
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), hostVariable+"=1")
		return cmd
	}}
}

// isolatedFile is an exporter with two proxies, the second nested.
func isolatedFile(dir string) string {
	return fmt.Sprintf(`
export:
  proxy:
    type: starproxy.MitmproxyDriver
    config:
      listen: {host: 127.0.0.1, port: 0}
      web: {host: 127.0.0.1, port: 0}
      directories: {data: %q}
      unmatched: reject
      mocks: {GET /health: {status: 200, body: {ok: true}}}
  lab: {children: {second: {type: starproxy.MitmproxyDriver, config: {listen: {host: 127.0.0.1, port: 0}, web: {host: 127.0.0.1, port: 0}, directories: {data: %q}}}}}
`, filepath.Join(dir, "a"), filepath.Join(dir, "b"))
}

func openIsolated(t testing.TB, file string, o Options) (*Session, *client.Client) {
	t.Helper()
	config, err := Parse("bench.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(config, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	path, err := s.ServeUnix("")
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(t.Context(), path, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return s, c
}

// report is the status of a proxy.
func report(t testing.TB, n *client.Node) (out struct {
	Running  bool   `json:"running"`
	Address  string `json:"proxy_address"`
	Mode     string `json:"mode"`
	WebUI    bool   `json:"web_ui_enabled"`
	FlowFile string `json:"flow_file"`
	Replay   struct {
		File    string `json:"file"`
		Answers int    `json:"answers"`
	} `json:"replay"`
	Crashes struct {
		Count int    `json:"count"`
		Last  string `json:"last"`
	} `json:"crashes"`
}) {
	t.Helper()
	text, err := n.Call(t.Context(), "status")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text.(string)), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func ask(t testing.TB, proxy, address string) (int, error) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: proxy}), DisableKeepAlives: true}, Timeout: 10 * time.Second}
	res, err := c.Get(address)
	if err != nil {
		return 0, err
	}
	res.Body.Close()
	return res.StatusCode, nil
}

// TestIsolatedCrash kills the process of the proxies: it comes back with the
// same names and uuids, and the proxy that ran runs again at its port.
func TestIsolatedCrash(t *testing.T) {
	t.Parallel()
	s, c := openIsolated(t, isolatedFile(t.TempDir()), Options{Isolate: isolation()})
	before := s.Report()
	proxy, second := find(t, c, "proxy"), find(t, c, "lab", "second")
	if text, err := proxy.Call(t.Context(), "start"); err != nil || !strings.HasPrefix(text.(string), "Started in 'mock'") {
		t.Fatalf("start: %v, %v", text, err)
	}
	if _, err := proxy.Call(t.Context(), "set_mock", "GET", "/lost", 200, `"x"`, "text/plain", "{}"); err != nil {
		t.Fatal(err)
	}
	address := report(t, proxy).Address
	for crash := 1; crash <= 2; crash++ {
		i := s.isolated
		i.mu.Lock()
		pid := i.now.session.PID()
		i.mu.Unlock()
		if err := kill(pid); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		eventually(t, "the process is back", func() bool {
			text, err := proxy.Call(t.Context(), "status") // one that was under way fails
			return err == nil && strings.Contains(text.(string), fmt.Sprintf(`"count": %d`, crash)) ||
				err == nil && strings.Contains(text.(string), fmt.Sprintf(`"count":%d`, crash))
		})
		t.Logf("back after %v", time.Since(begun))
		now := report(t, proxy)
		if !now.Running || now.Address != address || now.Crashes.Last != "the process of the proxies has died: it ended with signal: killed" {
			t.Errorf("after crash %d: %+v, was at %s", crash, now, address)
		}
		for path, want := range map[string]int{"/health": 200, "/lost": 501} {
			if code, err := ask(t, address, "http://backend.example"+path); code != want {
				t.Errorf("after crash %d: %s: %d, %v", crash, path, code, err)
			}
		}
		if report(t, second).Running {
			t.Error("a proxy that was not running was started")
		}
	}
	if after := s.Report(); !reflect.DeepEqual(before.GetReports(), after.GetReports()) {
		t.Error("the report has changed")
	}
}

// TestIsolatedKnows checks that proxies in a process of their own refuse to
// connect to what the exporter listens on, whenever it began to.
func TestIsolatedKnows(t *testing.T) {
	t.Parallel()
	shared := driver.NewShared()
	before := answering(t)
	forget := shared.Listening(before.Addr())
	_, c := openIsolated(t, isolatedFile(t.TempDir()), Options{Isolate: isolation(), Shared: shared})
	second := find(t, c, "lab", "second")
	if _, err := second.Call(t.Context(), "start", "passthrough"); err != nil {
		t.Fatal(err)
	}
	address := report(t, second).Address
	later := answering(t)
	shared.Listening(later.Addr())
	refused := func(ln net.Listener) func() bool {
		return func() bool {
			code, _ := ask(t, address, "http://"+ln.Addr().String()+"/")
			return code == http.StatusBadGateway
		}
	}
	if !refused(before)() {
		t.Error("a listener from before is reached")
	}
	eventually(t, "a later listener is refused", refused(later))
	forget()
	eventually(t, "a listener that is closed is no longer refused", func() bool { return !refused(before)() })
}

// answering is a server that answers everything. It keeps no connection: one
// from before its address was known would be used again.
func answering(t *testing.T) net.Listener {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.SetKeepAlivesEnabled(false)
	t.Cleanup(s.Close)
	return s.Listener
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// TestIsolatedErrors checks that errors are the same as those of a proxy in the
// exporter's own process.
func TestIsolatedErrors(t *testing.T) {
	t.Parallel()
	_, c := openIsolated(t, isolatedFile(t.TempDir()), Options{Isolate: isolation()})
	proxy := find(t, c, "proxy")
	_, dc := openIsolated(t, isolatedFile(t.TempDir()), Options{})
	own := find(t, dc, "proxy")
	for _, call := range [][]any{{"nothing"}, {"start", "mock", false, "", 99999}, {"watch_status"}, {"set_mock"}} {
		_, far := proxy.Call(t.Context(), call[0].(string), call[1:]...)
		_, near := own.Call(t.Context(), call[0].(string), call[1:]...)
		if far == nil || near == nil || far.Error() != near.Error() {
			t.Errorf("%v: %v isolated, %v else", call, far, near)
		}
	}
	read := func(n *client.Node) string {
		conn, err := n.Connect(t.Context(), "connect_web")
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
		return fmt.Sprint(err)
	}
	if far, near := read(proxy), read(own); far != near {
		t.Errorf("connect_web: %s isolated, %s else", far, near)
	}
}

// TestIsolatedLeavesNothing opens and closes sessions.
func TestIsolatedLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	once := func() {
		s, c := openIsolated(t, isolatedFile(dir), Options{Isolate: isolation()})
		if _, err := find(t, c, "proxy").Call(t.Context(), "start"); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	once()
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(list)
	}
	fds, routines := descriptors(), runtime.NumGoroutine()
	for range 10 { // TestMixedCycles has more
		once()
	}
	eventually(t, "goroutines and descriptors are as before", func() bool {
		return descriptors() <= fds && runtime.NumGoroutine() <= routines
	})
	left, err := filepath.Glob(filepath.Join(dir, "jumpstarter-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestConfigAsJSON checks that a configuration survives its way to the process
// of the proxies, the places in the file included.
func TestConfigAsJSON(t *testing.T) {
	t.Parallel()
	config, err := Parse("bench.yaml", []byte(isolatedFile("/data")+"      \n"))
	if err != nil {
		t.Fatal(err)
	}
	want := *config.Export[0].Driver
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got driver.Config
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// BenchmarkCall is a call to a proxy in the exporter's process beside one that is
// passed on to the process of the proxies. The client has a process of its own,
// as clients have.
func BenchmarkCall(b *testing.B) {
	names := []string{"own", "isolated"}
	nodes, times := map[string]*client.Node{}, map[string][]time.Duration{}
	for _, name := range names {
		_, _, socket := startParent(b, filepath.Join(b.TempDir(), name))
		c, err := client.Dial(b.Context(), socket, client.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		if nodes[name], err = c.Find("proxy"); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		for _, name := range names {
			for range 50 {
				begun := time.Now()
				if _, err := nodes[name].Call(b.Context(), "is_running"); err != nil {
					b.Fatal(err)
				}
				times[name] = append(times[name], time.Since(begun))
			}
		}
	}
	median := func(name string) float64 {
		slices.Sort(times[name])
		return float64(times[name][len(times[name])/2].Nanoseconds()) / 1e3
	}
	own, isolated := median("own"), median("isolated")
	b.ReportMetric(own, "µs/own")
	b.ReportMetric(isolated, "µs/isolated")
	b.ReportMetric(isolated-own, "µs/more")
}

// TestIsolatedCalls makes calls at the same time, one that waits until its
// client leaves, and large ones.
func TestIsolatedCalls(t *testing.T) {
	t.Parallel()
	s, c := openIsolated(t, isolatedFile(t.TempDir()), Options{Isolate: isolation()})
	n := find(t, c, "proxy")
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := n.Call(ctx, "wait_for_request", "GET", "/never", 3600)
		left <- err
	}()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			key, want := fmt.Sprintf("key%d", i), fmt.Sprintf("%q", strings.Repeat(fmt.Sprint(i%10), 1+i*50_000))
			if _, err := n.Call(t.Context(), "set_state", key, want); err != nil {
				t.Error(err)
				return
			}
			if got, err := n.Call(t.Context(), "get_state", key); err != nil || got != want {
				t.Errorf("%s: %d bytes, %v, want %d", key, len(fmt.Sprint(got)), err, len(want))
			}
		})
	}
	wg.Wait()
	r, err := s.isolated.link(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "one call waits", func() bool { return r.calls.running() == 1 })
	cancel()
	if err := <-left; !errors.Is(err, &client.Error{Code: codes.Canceled}) {
		t.Errorf("the call that was left: %v", err)
	}
	eventually(t, "no call waits", func() bool { return r.calls.running() == 0 })
	for _, size := range []int{8 << 20, 40 << 20} { // as an uploaded file comes
		if _, err := n.Call(t.Context(), "upload_mock_file", "big.bin", strings.Repeat("QUFB", size/4)); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// FuzzFrames reads what a process that has gone mad might write.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 1})
	f.Add([]byte{255, 255, 255, 255, 2, 1})
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		near, far := net.Pipe()
		go func() {
			far.Write(data)
			far.Close()
		}()
		defer near.Close()
		conn := newFrameConn(near)
		for {
			kind, message, err := conn.receive()
			if err != nil {
				return
			}
			_, _ = reply(kind, message)
		}
	})
}

// running is the number of calls that wait for their answers.
func (c *caller) running() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open) - len(c.idle)
}
