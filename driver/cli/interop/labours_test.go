package interop

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// oursFile is an exporter file with a proxy and hooks, beside its head.
const oursFile = `motd: welcome
hooks:
  beforeLease: {script: 'echo preparing for $CLIENT_NAME'}
  afterLease: {script: 'echo tidying up'}
export:
  proxy:
    type: jumpstarter_driver_mitmproxy.driver.MitmproxyDriver
    config: {listen: {host: 127.0.0.1, port: 0}, web: {host: 127.0.0.1, port: 0}, directories: {data: data}}
`

// startOurs runs our exporter of the lab until it is available.
func (l *lab) startOurs(t testing.TB, export string, code int) *process {
	t.Helper()
	env := environ([]string{bin}, "HOME="+l.home, "XDG_RUNTIME_DIR="+l.home)
	begun := time.Now()
	p := start(t, l.home, env, []int{0, code}, filepath.Join(bin, "starproxy"), "run", "--exporter-config", l.exporterFile(t, export), "--start", "mock")
	l.available(t, 0)
	t.Logf("available after %v", time.Since(begun).Round(time.Millisecond))
	return p
}

// TestLabOfOurs leases our exporter with the stock client.
func TestLabOfOurs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.startOurs(t, oursFile, 143)
	for range 2 { // a lease leaves nothing to the next
		skip := len(l.Exporter("bench").Reports)
		begun := time.Now()
		out := l.shell(t, `j proxy status && j proxy mock list && python -c '
from jumpstarter.utils.env import env
with env() as c:
    print(c.proxy.set_mock("GET", "/x", 200, "{}"))
    assert c.proxy.list_mocks()["GET /x"]
' && exit 7`, "--exporter-logs")
		t.Logf("a shell with three clients: %v", time.Since(begun).Round(time.Millisecond))
		if out.code != 7 || !strings.Contains(out.stdout, "Mode:    mock") || !strings.Contains(out.stdout, "No mocks configured.") {
			t.Fatalf("jmp shell: %s\nexporter: %v", out, l.Exporter("bench").Reports)
		}
		for _, text := range []string{"preparing for alice", "tidying up", "proxy started"} {
			if !strings.Contains(out.stderr, text) && !strings.Contains(out.stdout, text) {
				t.Errorf("the client's log has no %q: %s", text, out)
			}
		}
		l.available(t, skip)
	}
}

// TestLabOfOursRestart restarts the controller, and then the router, while a
// stock client works: at most the call that is made meanwhile fails.
func TestLabOfOursRestart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.startOurs(t, oursFile, 143)
	restart := make(chan error, 1)
	go func() {
		if err := l.AwaitStatus(within(t), "bench", "LEASE_READY", 0); err != nil {
			restart <- err
			return
		}
		time.Sleep(time.Second)
		l.Kill()
		time.Sleep(time.Second)
		if err := l.Restart(); err != nil {
			restart <- err
			return
		}
		time.Sleep(2 * time.Second)
		l.KillRouter()
		restart <- l.RestartRouter()
	}()
	out := l.shell(t, `n=0; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do j proxy status >/dev/null 2>&1 && n=$((n+1)); done; echo "$n succeeded"; j proxy status`)
	if err := <-restart; err != nil {
		t.Fatal(err)
	}
	t.Log("of 12 calls, ", regexp.MustCompile(`\d+ succeeded`).FindString(out.stdout))
	if out.code != 0 || strings.Contains(out.stdout, "\n0 succeeded") {
		t.Errorf("jmp shell: %s\nexporter: %v", out, l.Exporter("bench").Reports)
	}
}

// TestLabOfOursKilledClient kills a stock client: its lease runs out, then the
// next one comes.
func TestLabOfOursKilledClient(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.startOurs(t, oursFile, 143)
	client := start(t, l.home, l.environ(t), []int{-1}, "jmp", "shell", "--client-config", l.client, "--selector", "device=dut", "--duration", "0:00:04", "--", "sh", "-c", "sleep 5")
	if err := l.AwaitStatus(within(t), "bench", "LEASE_READY", 0); err != nil {
		t.Fatal(err)
	}
	skip := len(l.Exporter("bench").Reports)
	if err := client.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"AFTER_LEASE_HOOK Running afterLease hooks", "AVAILABLE Available for new lease"} {
		if err := l.AwaitStatus(within(t), "bench", want, skip); err != nil {
			t.Fatal(err)
		}
	}
	if out := l.shell(t, "j proxy status"); out.code != 0 {
		t.Errorf("jmp shell: %s", out)
	}
}
