package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"starproxy/driver/client"
)

// mixedBench is a bench of a proxy and drivers that Python hosts.
type mixedBench struct {
	home, config, notes string
	env                 []string
}

// newMixedBench writes the configuration of a bench. more is added to the
// configuration of its test driver.
func newMixedBench(t testing.TB, more string) *mixedBench {
	t.Helper()
	home := tempDir(t)
	b := &mixedBench{home: home, config: filepath.Join(home, "bench.yaml"), notes: filepath.Join(home, "notes")}
	modules, err := filepath.Abs("mixed")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(echoServer(t))
	write(t, b.config, fmt.Sprintf(`
export:
  proxy:
    type: jumpstarter_driver_mitmproxy.driver.MitmproxyDriver
    config: {listen: {host: 127.0.0.1, port: 0}, web: {host: 127.0.0.1, port: 0}, directories: {data: %[1]q}}
  lab:
    children:
      power:
        type: jumpstarter_driver_power.driver.MockPower
        description: the relay
        methods_description: {on: switch it on}
      proxy: {ref: proxy}
  again: {ref: lab.power}
  serial: {type: jumpstarter_driver_pyserial.driver.PySerial, config: {url: "loop://"}}
  echo: {type: jumpstarter_driver_network.driver.TcpNetwork, config: {host: 127.0.0.1, port: %[2]s}}
  disk: {type: jumpstarter_driver_opendal.driver.Opendal, config: {scheme: fs, kwargs: {root: %[3]q}}}
  bench: {type: bench_driver.Bench, config: {notes: %[4]q%[5]s}}
  part: {ref: bench.inner}
  deep: {children: {relay: {type: jumpstarter_driver_composite.driver.Composite, children: {serial: {ref: serial}}}}}
`, filepath.Join(home, "data"), port, filepath.Join(home, "disk"), b.notes, more))
	b.env = environ([]string{python(t)}, "HOME="+home, "XDG_RUNTIME_DIR="+home, "PYTHONPATH="+modules)
	return b
}

// echoServer repeats what it is sent.
func echoServer(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// shell runs a script in a shell of the bench.
func (b *mixedBench) shell(t testing.TB, script string, args ...string) output {
	t.Helper()
	argv := append([]string{filepath.Join(bin, "starproxy"), "shell", "--exporter-config", b.config, "--log-level", "info"}, args...)
	return run(t, b.home, b.env, append(argv, "--", "sh", "-c", script)...)
}

// noted is what the test driver has noted, in words.
func (b *mixedBench) noted(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(b.notes)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for line := range strings.Lines(string(text)) {
		words = append(words, strings.Fields(line)[0])
	}
	return strings.Join(words, " ")
}

// run starts an exporter of the bench and connects to it.
func (b *mixedBench) run(t testing.TB, args ...string) (*process, *client.Client) {
	t.Helper()
	argv := append([]string{filepath.Join(bin, "starproxy"), "run", "--exporter-config", b.config, "--socket", b.socket()}, args...)
	p := start(t, b.home, b.env, []int{0, 143}, argv...)
	p.await(t, "JUMPSTARTER_HOST=")
	c, err := client.Dial(t.Context(), b.socket(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return p, c
}

func (b *mixedBench) socket() string { return filepath.Join(b.home, "s") }

// node is the driver at a path of names.
func node(t testing.TB, c *client.Client, path ...string) *client.Node {
	t.Helper()
	n, err := c.Find(path...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMixedSuite uses the bench by the stock client, with the proxy in the
// exporter's process and in one of its own.
func TestMixedSuite(t *testing.T) {
	for name, args := range map[string][]string{"own": nil, "isolated": {"--isolate"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newMixedBench(t, "")
			b.run(t, args...)
			dir, err := filepath.Abs("mixed")
			if err != nil {
				t.Fatal(err)
			}
			env := append(b.env, "JUMPSTARTER_HOST="+b.socket(), "JMP_DRIVERS_ALLOW=UNSAFE")
			pytest(t, env, dir, 20, filepath.Join(dir, "test_mixed.py"))
		})
	}
}

// TestMixedShell checks logs and the ends of a session: drivers are made and
// reset once, and closed.
func TestMixedShell(t *testing.T) {
	t.Parallel()
	b := newMixedBench(t, "")
	out := b.shell(t, `j power on; set -e; j lab power on; j again off; j serial --help >/dev/null; j proxy start; j proxy status; j proxy stop`)
	for _, want := range []string{"power on", "power off", "closing has its say"} {
		if !strings.Contains(out.stderr, want) {
			t.Errorf("no %q in the log: %s", want, out)
		}
	}
	if out.code != 0 || !strings.Contains(out.stdout, "Proxy is running") {
		t.Errorf("shell: %s", out)
	}
	if got := b.noted(t); got != "made reset closed" {
		t.Errorf("the driver was %s", got)
	}
}

// eventually waits until done reports true.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// TestMixedLeft checks that a client that leaves a stream ends the method in
// the driver.
func TestMixedLeft(t *testing.T) {
	t.Parallel()
	_, c := newMixedBench(t, "").run(t)
	bench := node(t, c, "bench")
	ctx, cancel := context.WithCancel(t.Context())
	for item, err := range bench.Stream(ctx, "count", 1_000_000) {
		if err != nil {
			t.Fatal(err)
		}
		if item == 10.0 {
			cancel()
			break
		}
	}
	cancel()
	eventually(t, "the method ends", func() bool {
		ends, err := bench.Call(t.Context(), "ends")
		return err == nil && fmt.Sprint(ends) == "[1e+06]"
	})
}

// TestMixedCrash kills Python within a session: its drivers say so, the proxy
// goes on. The next session has a new Python.
func TestMixedCrash(t *testing.T) {
	t.Parallel()
	b := newMixedBench(t, "")
	p, c := b.run(t, "--start", "mock", "--isolate")
	bench, proxy := node(t, c, "bench"), node(t, c, "proxy")
	held, err := node(t, c, "echo").Connect(t.Context(), "connect")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	const why = "the Python part has died: it ended with exit status 3: out of luck"
	for _, method := range []string{"die", "ends"} {
		_, err := bench.Call(t.Context(), method)
		if !errors.Is(err, &client.Error{Code: codes.Unavailable}) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", method, err)
		}
	}
	if n, err := io.Copy(io.Discard, held); n > 0 {
		t.Errorf("the open stream: %d bytes, %v", n, err)
	}
	if text, err := proxy.Call(t.Context(), "status"); err != nil || !strings.Contains(fmt.Sprint(text), `"running":true`) && !strings.Contains(fmt.Sprint(text), `"running": true`) {
		t.Errorf("the proxy: %v, %v", text, err)
	}
	if said := p.said(); !strings.Contains(said, why) {
		t.Errorf("the log does not say so: %s", said)
	}
	if out := run(t, b.home, append(b.env, "JUMPSTARTER_HOST="+b.socket(), "JMP_DRIVERS_ALLOW=UNSAFE"), "j", "power", "on"); out.code == 0 {
		t.Errorf("j power on: %s", out)
	}
}

// TestMixedQuit has a driver end Python's loop while another call would hold the
// process for long: it is told as dead all the same.
func TestMixedQuit(t *testing.T) {
	t.Parallel()
	b := newMixedBench(t, "")
	_, c := b.run(t)
	bench := node(t, c, "bench")
	go bench.Call(t.Context(), "block", 1000)
	eventually(t, "a call blocks", func() bool {
		notes, err := os.ReadFile(b.notes)
		return err == nil && strings.Contains(string(notes), "blocked")
	})
	go bench.Call(t.Context(), "quit")
	eventually(t, "Python is told as dead", func() bool {
		_, err := bench.Call(t.Context(), "ends")
		return err != nil && strings.Contains(err.Error(), "the Python part has died: it ended with exit status 1")
	})
}

// TestMixedMissing checks that a bench whose drivers are not installed says
// what to install: the types are those of the example of the stock driver.
func TestMixedMissing(t *testing.T) {
	t.Parallel()
	b := newMixedBench(t, "")
	write(t, b.config, `
export:
  dutlink: {type: jumpstarter_driver_dutlink.driver.Dutlink, config: {}}
  serial: {type: jumpstarter_driver_pyserial.driver.PySerial, config: {url: "loop://"}}
  video: {type: jumpstarter_driver_ustreamer.driver.UStreamer, config: {args: {device: /dev/video0}}}
`)
	venv := filepath.Join(b.home, "empty")
	if out := run(t, b.home, b.env, "python3", "-m", "venv", "--without-pip", venv); out.code != 0 {
		t.Fatal(out)
	}
	const at = "export.dutlink: Python cannot host jumpstarter_driver_dutlink.driver.Dutlink: "
	for python, want := range map[string]string{
		"":      at + "ModuleNotFoundError: No module named 'jumpstarter_driver_dutlink': pip install jumpstarter-driver-dutlink jumpstarter-driver-ustreamer",
		venv:    at + "ModuleNotFoundError: No module named 'jumpstarter': pip install jumpstarter jumpstarter-driver-dutlink",
		"/none": at + `the Python part: --python: exec: "/none": stat /none: no such file or directory`,
	} {
		out := b.shell(t, "true", "--python", python)
		if out.code != 1 || !strings.Contains(out.stderr, want+"\n") {
			t.Errorf("--python %q: expected %q, got %s", python, want, out)
		}
	}
}

// TestMixedSlow checks that a driver which does not close holds up nobody for
// long.
func TestMixedSlow(t *testing.T) {
	t.Parallel()
	b := newMixedBench(t, ", slow_close: 1000")
	p, _ := b.run(t)
	begun := time.Now()
	out := p.interrupt(t)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the exporter ended after %v: %s", took, out)
	}
	if want := "the Python part: close the session: it did not answer within 5s and was killed"; !strings.Contains(out.stdout, want) {
		t.Errorf("no %q in: %s", want, out)
	}
}

// TestMixedLab leases the bench by a controller: the client reads along, Python
// dies in the first lease, and the second one has another.
func TestMixedLab(t *testing.T) {
	t.Parallel()
	b, l := newMixedBench(t, ""), newLab(t)
	text, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	config := l.exporterFile(t, string(text))
	env := append(b.env, "HOME="+l.home, "XDG_RUNTIME_DIR="+l.home)
	p := start(t, l.home, env, []int{143}, filepath.Join(bin, "starproxy"), "run", "--exporter-config", config, "--start", "mock")
	l.available(t, 0)
	shell := func(script string) output {
		t.Helper()
		skip := len(l.Exporter("bench").Reports)
		out := run(t, l.home, env, "jmp", "shell", "--client-config", l.client, "--selector", "device=dut", "--exporter-logs", "--", "sh", "-c", script)
		l.available(t, skip)
		return out
	}
	const ask = `python -c '
import sys
from jumpstarter.common.utils import env
with env() as root:
    print(root.bench.ask(*sys.argv[1:]))
' `
	first := shell("j power on || j lab power on; " + ask + "say hello; " + ask + "die; " + ask + "ends; j proxy status")
	for _, want := range []string{
		"power on", "logged: hello", "printed: hello", "from a child", // what drivers log and print
		"the Python part has died: it ended with exit status 3: out of luck", "Mode:    mock",
	} {
		if !strings.Contains(first.stdout+first.stderr, want) {
			t.Errorf("no %q in: %s", want, first)
		}
	}
	second := shell(ask + "ends; j lab power off; j proxy status")
	if second.code != 0 || !strings.Contains(second.stdout, "[]\n") || !strings.Contains(second.stdout, "Mode:    mock") {
		t.Errorf("the second lease: %s", second)
	}
	if want := "the Python part is started again"; !strings.Contains(p.said(), want) {
		t.Errorf("no %q in the log: %s", want, p.said())
	}
}
