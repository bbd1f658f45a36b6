package interop

import (
	"fmt"
	"os"
	"path/filepath"
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
	pytest(t, shimEnviron(t, tempDir(t)), dir, 11, filepath.Join(dir, "tests"))
}

// TestPythonDriverBench has a Python exporter with a power relay run the proxy,
// with the stock configuration of the proxy.
func TestPythonDriverBench(t *testing.T) {
	t.Parallel()
	b, config := newBench(t, "")
	home := filepath.Dir(b.dir)
	stock := exporterYAML(b.dir, b.port, freePort(t), "      mock_scenario: \"\"\n      ssl_insecure: true\n      mocks: {GET /health: {status: 200, body: {ok: true}}}\n"+
		"  power: {type: jumpstarter_driver_power.driver.MockPower}\n  again: {ref: proxy}\n")
	write(t, config, strings.Replace(stock, "jumpstarter_driver_mitmproxy.driver.MitmproxyDriver", "jumpstarter_driver_starproxy.driver.StarproxyDriver", 1))
	script := fmt.Sprintf(`set -e
j power on
j proxy start
j proxy status
curl -s -x http://127.0.0.1:%d http://backend.example/health; echo
j again mock list
j proxy mock load /no/such.yaml
%s proxy status
%[2]s power off
j proxy stop`, b.port, filepath.Join(bin, "j"))
	out := run(t, home, shimEnviron(t, home), "jmp", "shell", "--exporter-config", config, "--", "sh", "-c", script)
	for _, want := range []string{
		"Started in 'mock' mode on 127.0.0.1:", "Proxy is running (PID ", "{\"ok\":true}\n", "  GET /health  ->  200\n",
		"File not found: ", "Stopped (was 'mock' mode",
	} {
		if !strings.Contains(out.stdout, want) {
			t.Errorf("no %q in: %s", want, out)
		}
	}
	for _, want := range []string{"power on", "power off"} {
		if !strings.Contains(out.stdout+out.stderr, want) {
			t.Errorf("no %q in the log: %s", want, out)
		}
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
