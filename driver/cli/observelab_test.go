package cli

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"starproxy/driver/exporter/labtest"
)

// labRun runs the program as an exporter of a lab, in a process whose name its
// own children can have, too.
func labRun(t *testing.T, l *labtest.Lab, export string, env []string, args ...string) (stdout, stderr *buffer) {
	t.Helper()
	dir := tempDir(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "starproxy")
	if err := os.Link(self, program); err != nil {
		t.Skip("the program cannot be linked: ", err)
	}
	text, err := l.ExporterFile("bench")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "bench.yaml")
	if err := os.WriteFile(file, []byte(text+export), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr = &buffer{}, &buffer{}
	cmd := exec.Command(program, append([]string{"run", "--exporter-config", file}, args...)...)
	cmd.Stdout, cmd.Stderr, cmd.Env = stdout, stderr, append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	return stdout, stderr
}

// TestLeasesObserved tells Prometheus, the service manager and the log of two
// leases, whose proxies run in processes of their own.
func TestLeasesObserved(t *testing.T) {
	t.Parallel()
	l, err := labtest.Start(labtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	l.AddExporter("bench", map[string]string{"device": "dut"})
	alice, err := l.NewClient("alice")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(alice.Close)
	socket, heard := manager(t)
	port := freePort(t)
	export := "export:\n  proxy:\n    type: starproxy.MitmproxyDriver\n    config:\n      listen: {host: 127.0.0.1, port: " + port + "}\n" +
		"      directories: {data: " + tempDir(t) + "}\n      mocks: {GET /hello: {status: 204}}\n"
	stdout, stderr := labRun(t, l, export, []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=200000"}, "--start", "mock", "--metrics", "0", "--log-format", "json")
	next(t, heard, "READY=1")
	next(t, heard, "STATUS=registered with "+l.Endpoint())
	next(t, heard, "WATCHDOG=1")
	address := regexp.MustCompile(`metrics: (\S+)/metrics`).FindStringSubmatch(stdout.await(t, `metrics: \S+/metrics`))[1]
	metrics := func() string {
		t.Helper()
		res, err := http.Get(address + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	holds := func(wanted ...string) {
		t.Helper()
		text := ""
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			text = metrics()
			missing := 0
			for _, want := range wanted {
				if !strings.Contains(text, want+"\n") {
					missing++
				}
			}
			if missing == 0 {
				return
			}
		}
		t.Fatalf("not all of %q in\n%s\n%s", wanted, text, stderr.String())
	}
	holds("starproxy_controller_connected 1", "starproxy_lease_active 0", `starproxy_exporter_status{status="available"} 1`)
	for n, counted := range []string{"1", "2"} {
		lease, err := alice.Lease(t.Context(), "device=dut", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		next(t, heard, "STATUS=lease "+lease+" of client alice")
		holds("starproxy_lease_active 1", "starproxy_leases_total "+counted, `starproxy_exporter_status{status="lease_ready"} 1`, `starproxy_proxy_up{export="proxy"} 1`)
		get(t, device(t, "http://127.0.0.1:"+port), "http://api.example/hello?lease="+counted)
		holds(`starproxy_requests_total{export="proxy",outcome="mocked"} ` + counted)
		stderr.await(t, `"msg":"request","export":"proxy".*"path":"/hello\?lease=`+counted+`"`)
		if err := alice.Delete(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
		holds("starproxy_lease_active 0", `starproxy_requests_total{export="proxy",outcome="mocked"} `+counted)
		if strings.Contains(metrics(), "starproxy_proxy_up{") {
			t.Errorf("lease %d: a proxy is up that has no lease", n+1)
		}
	}
	l.Kill()
	next(t, heard, "STATUS=without its controller: ")
	holds("starproxy_controller_connected 0")
	if res, err := http.Get(address + "/healthz"); err != nil || res.StatusCode != 200 {
		t.Errorf("an exporter without its controller is not healthy: %v, %v", res, err)
	}
	if err := l.Restart(); err != nil {
		t.Fatal(err)
	}
	holds("starproxy_controller_connected 1", "starproxy_controller_reconnects_total 1")
}
