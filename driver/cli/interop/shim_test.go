package interop

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// shimEnviron is for Python programs that import the driver of driver/python.
func shimEnviron(t *testing.T, home string, extra ...string) []string {
	t.Helper()
	return environ([]string{python(t)}, append(extra, "HOME="+home, "XDG_RUNTIME_DIR="+home,
		"PYTHONPATH="+filepath.Join(root(t), "driver", "python"), "STARPROXY="+filepath.Join(bin, "starproxy"))...)
}

// TestPythonDriver runs the tests of the Python package.
func TestPythonDriver(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(root(t), "driver", "python")
	pytest(t, shimEnviron(t, tempDir(t)), dir, 63, filepath.Join(dir, "tests"))
}

// beside are the exports of a bench whose proxy is not alone.
const beside = "  power: {type: jumpstarter_driver_power.driver.MockPower}\n  again: {ref: proxy}\n"

// shimYAML is the stock configuration of one proxy with the line changed that
// has starproxy run it. more is added to it.
func shimYAML(t *testing.T, b *bench, more string) string {
	t.Helper()
	return strings.Replace(exporterYAML(b.dir, b.port, freePort(t), more),
		"jumpstarter_driver_mitmproxy.driver.MitmproxyDriver", "jumpstarter_driver_starproxy.driver.StarproxyDriver", 1)
}

// shim starts a bench on the Python exporter with our driver, and more exports.
func shim(t *testing.T, more string) *bench {
	t.Helper()
	b, config := newBench(t, "")
	write(t, config, shimYAML(t, b, more))
	home := filepath.Dir(b.dir)
	b.proc = start(t, home, shimEnviron(t, home), []int{-1, 0, 1, 2, 143}, "jmp",
		"shell", "--exporter-config", config, "--", "sh", "-c", `echo "host=$JUMPSTARTER_HOST"; exec cat`)
	b.host = b.proc.await(t, "host=")
	b.environ = []string{"JUMPSTARTER_HOST=" + b.host, "JMP_DRIVERS_ALLOW=UNSAFE", "_JMP_SUPPRESS_DRIVER_WARNINGS=1"}
	return b
}

// TestPythonDriverClient runs the suites of the stock client, as against our
// own exporter.
func TestPythonDriverClient(t *testing.T) {
	t.Parallel()
	python(t)
	for file := range suites {
		t.Run(strings.TrimSuffix(file, ".py"), func(t *testing.T) {
			t.Parallel()
			shim(t, "").suite(t, file)
		})
	}
}

// TestPythonDriverBench uses the proxy and the power relay of one bench in a
// "jmp shell", with either j.
func TestPythonDriverBench(t *testing.T) {
	t.Parallel()
	b, config := newBench(t, "")
	home := filepath.Dir(b.dir)
	write(t, config, shimYAML(t, b, "      mock_scenario: \"\"\n      ssl_insecure: true\n      mocks: {GET /health: {status: 200, body: {ok: true}}}\n"+beside))
	script := fmt.Sprintf(`set -e
j power on
j proxy start
j proxy status
curl -s -x http://127.0.0.1:%d http://backend.example/health; echo
j again mock list
j proxy mock load /no/such.yaml
%s proxy status
%[2]s power off
%[2]s power --help
j proxy stop`, b.port, filepath.Join(bin, "j"))
	out := run(t, home, shimEnviron(t, home), "jmp", "shell", "--exporter-config", config, "--", "sh", "-c", script)
	for _, want := range []string{
		"Started in 'mock' mode on 127.0.0.1:", "Proxy is running (PID ", "{\"ok\":true}\n", "  GET /health  ->  200\n",
		"File not found: ", "Power cycle", "Stopped (was 'mock' mode",
	} {
		if !strings.Contains(out.stdout, want) {
			t.Errorf("no %q in: %s", want, out)
		}
	}
	for _, want := range []string{"power on", "power off", "proxy started export=proxy mode=mock"} {
		if !strings.Contains(strings.Join(strings.Fields(out.stdout+out.stderr), " "), want) {
			t.Errorf("no %q in the log: %s", want, out)
		}
	}
}

// TestPythonDriverStreams has requests watched, and the page carried, through
// the Python exporter.
func TestPythonDriverStreams(t *testing.T) {
	t.Parallel()
	b := shim(t, beside)
	b.mustJ(t, b.dir, "proxy", "start", "--web-ui")
	watch := start(t, b.dir, environ([]string{python(t)}, append(b.environ, "PYTHONUNBUFFERED=1")...), []int{-1, 0, 1, 2, 130, 143}, "j", "proxy", "capture", "watch")
	watch.await(t, "Watching captured requests")
	b.mustSetMock(t, "/seen")
	if status, _ := get(t, b.port, "http://api.example.com/seen"); status != 200 {
		t.Errorf("GET /seen: %d", status)
	}
	if rest := watch.await(t, "/seen"); !strings.Contains(rest, "[mocked]") {
		t.Errorf("line ends in %q", rest)
	}
	web := start(t, b.dir, environ([]string{bin}, b.environ...), []int{0, 1, 130}, "j", "proxy", "web", "--port", fmt.Sprint(freePort(t)))
	jar, err := cookiejar.New(nil) // the page keeps who may see it in a cookie
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: patience}
	resp, err := browser.Get(web.await(t, "mitmweb UI available at: "))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the page: %s", resp.Status)
	}
}

// TestPythonDriverKilled kills the program in mid-session: the bench goes on,
// and the proxy can be started again.
func TestPythonDriverKilled(t *testing.T) {
	t.Parallel()
	b := shim(t, beside)
	b.mustJ(t, b.dir, "proxy", "start")
	_, rest, _ := strings.Cut(b.mustJ(t, b.dir, "proxy", "status"), "(PID ")
	number, _, _ := strings.Cut(rest, ")")
	pid, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	if err := kill(pid); err != nil {
		t.Fatal(err)
	}
	if out := b.python(t, b.dir, "j", "power", "on"); out.code != 0 {
		t.Errorf("j power on: %s", out)
	}
	if out := b.j(t, b.dir, "proxy", "status"); out.stdout != "Proxy is not running.\n" {
		t.Errorf("j proxy status: %s", out)
	}
	b.mustJ(t, b.dir, "proxy", "start")
	b.mustSetMock(t, "/again")
	if status, _ := get(t, b.port, "http://api.example.com/again"); status != 200 {
		t.Errorf("GET /again: %d", status)
	}
	if said := strings.Join(strings.Fields(b.proc.said()), " "); !strings.Contains(said, "starproxy ended (killed by signal 9); the next call starts it again") {
		t.Errorf("the log does not tell of it:\n%s", said)
	}
}

// TestLabOfPythonDriver leases a Python exporter with our driver. Its
// environment has the driver installed, and not the stock one, whose client
// class it names.
func TestLabOfPythonDriver(t *testing.T) {
	t.Parallel()
	exporter := venv(t, ".venv-exporter", "jmp")
	l := newLab(t)
	port := freePort(t)
	config := l.exporterFile(t, fmt.Sprintf(`export:
  power: {type: jumpstarter_driver_power.driver.MockPower}
  proxy:
    type: jumpstarter_driver_starproxy.driver.StarproxyDriver
    config:
      listen: {host: 127.0.0.1, port: %d}
      directories: {data: %q}
      mocks: {GET /health: {status: 200, body: {ok: true}}}
`, port, filepath.Join(l.home, "data")))
	env := environ([]string{exporter}, "HOME="+l.home, "XDG_RUNTIME_DIR="+l.home, "STARPROXY="+filepath.Join(bin, "starproxy"))
	if out := run(t, l.home, env, "python", "-c", "import jumpstarter_driver_mitmproxy"); !strings.Contains(out.stderr, "ModuleNotFoundError") {
		t.Fatalf("the stock driver is in the exporter's environment: %s", out)
	}
	start(t, l.home, env, []int{0, 143}, "jmp", "run", "--exporter-config", config)
	l.available(t, 0)
	for range 2 { // a lease leaves nothing to the next
		skip := len(l.Exporter("bench").Reports)
		out := l.shell(t, fmt.Sprintf(`set -e
j power on
j proxy mock list
j proxy start
curl -s -x http://127.0.0.1:%d http://backend.example/health`, port), "--exporter-logs")
		if out.code != 0 || !strings.Contains(out.stdout, "No mocks configured.") || !strings.Contains(out.stdout, `{"ok":true}`) {
			t.Fatalf("jmp shell: %s\nexporter: %v", out, l.Exporter("bench").Reports)
		}
		if said := strings.Join(strings.Fields(out.stdout+out.stderr), " "); !strings.Contains(said, "proxy started export=proxy") {
			t.Errorf("the log of the lease has no start: %s", out)
		}
		l.available(t, skip)
	}
}

// TestPythonDriverInstalls checks that the package can be installed, and has
// its modules in it.
func TestPythonDriverInstalls(t *testing.T) {
	t.Parallel()
	py, dir := python(t), tempDir(t)
	source := filepath.Join(dir, "source")
	if err := os.CopyFS(source, os.DirFS(filepath.Join(root(t), "driver", "python"))); err != nil {
		t.Fatal(err)
	}
	out := run(t, dir, environ([]string{py}, "HOME="+dir), "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
		"--no-deps", "--target", filepath.Join(dir, "site"), source)
	if out.code != 0 {
		t.Fatalf("pip: %s", out)
	}
	out = run(t, dir, environ([]string{py}, "HOME="+dir, "PYTHONPATH="+filepath.Join(dir, "site")), "python", "-c",
		"from importlib.metadata import entry_points as e\nprint(e(group='jumpstarter.drivers', name='StarproxyDriver')['StarproxyDriver'].load().client())")
	if strings.TrimSpace(out.stdout) != "jumpstarter_driver_mitmproxy.client.MitmproxyClient" {
		t.Errorf("the entry point: %s", out)
	}
}
