package controller_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"starproxy/driver/cli"
	"starproxy/driver/client"
	"starproxy/driver/exporter/controller"
)

// program makes this test binary run as starproxy.
const program = "STARPROXY_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(program) != "" {
		os.Exit(cli.Main(os.Args))
	}
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "8") // these tests wait more than they compute
	}
	os.Exit(m.Run())
}

// output is what a process prints, readable while it runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs starproxy with an exporter file.
func start(t *testing.T, file string, args ...string) (*exec.Cmd, *output) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "bench.yaml")
	file += fmt.Sprintf("export: {proxy: {type: starproxy.MitmproxyDriver, config: {listen: {host: 127.0.0.1, port: 0}, web: {host: 127.0.0.1, port: 0}, directories: {data: %q}}}}\n", dir)
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out := &output{}
	cmd := exec.Command(self, append([]string{"run", "--exporter-config", path}, args...)...)
	cmd.Env = append(os.Environ(), program+"=1")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, out
}

// code waits for the end of a process.
func code(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	timer := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// A hang-up waits for the end of the lease, whose proxies --start has started
// and which is served on --socket too.
func TestHangupAfterLease(t *testing.T) {
	t.Parallel()
	lab := controller.NewLab(t)
	socket := filepath.Join(t.TempDir(), "s")
	cmd, out := start(t, lab.File(), "--start", "mock", "--socket", socket)
	lab.AwaitStatus("AVAILABLE")
	begun := time.Now()
	lab.SetLease("one")
	lab.Ready(t, "one")
	t.Logf("lease to first answer, with a proxy started: %v", time.Since(begun).Round(time.Millisecond))
	c, err := client.Dial(t.Context(), socket, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := c.Find("proxy")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := proxy.Call(t.Context(), "is_running"); v != true || err != nil {
		t.Errorf("the proxy of the lease: running %v, %v", v, err)
	}
	cmd.Process.Signal(syscall.SIGHUP)
	if v, err := proxy.Call(t.Context(), "set_state", "a", "1"); err != nil {
		t.Errorf("a call after the hang-up: %v, %v", v, err)
	}
	c.Close()
	lab.SetLease("")
	if got := code(t, cmd); got != 129 {
		t.Errorf("exit code %d, want 129\n%s", got, out)
	}
	for _, line := range []string{"default/bench: registered\n", "default/bench: lease one of client alice\n", "default/bench: lease one has ended\n"} {
		if strings.Count(out.String(), line) != 1 {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
	if got := lab.Statuses(); !strings.HasSuffix(got, "OFFLINE Exporter shutting down; UNREGISTERED with 0 streams") {
		t.Errorf("statuses: %s", got)
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket is still there")
	}
}

// The exit code says why the exporter ended.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, file string
		signal     syscall.Signal
		end        bool // of the lease
		want       int
	}{
		{"terminated", "", syscall.SIGTERM, false, 143},
		{"interrupted", "", syscall.SIGINT, false, 130},
		{"exitOnLeaseEnd", "exitOnLeaseEnd: true\n", 0, true, 0},
		{"hook", "hooks: {afterLease: {script: exit 3, onFailure: exit}}\n", 0, true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lab := controller.NewLab(t)
			cmd, out := start(t, lab.File()+tt.file)
			lab.SetLease("one")
			lab.Ready(t, "one")
			if tt.signal != 0 {
				cmd.Process.Signal(tt.signal)
			}
			if tt.end {
				lab.SetLease("")
			}
			if got := code(t, cmd); got != tt.want {
				t.Errorf("exit code %d, want %d\n%s", got, tt.want, out)
			}
			if got := lab.Statuses(); !strings.HasSuffix(got, "UNREGISTERED with 0 streams") {
				t.Errorf("statuses: %s", got)
			}
		})
	}
}
