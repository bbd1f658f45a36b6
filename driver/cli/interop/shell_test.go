package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shell runs "starproxy shell" on a fresh bench.
func shell(t *testing.T, path []string, argv ...string) output {
	t.Helper()
	b, config := newBench(t, "")
	home := filepath.Dir(b.dir)
	args := append([]string{filepath.Join(bin, "starproxy"), "shell", "--exporter-config", config, "--"}, argv...)
	return run(t, home, environ(path, "HOME="+home), args...)
}

func TestShell(t *testing.T) {
	t.Parallel()
	t.Run("exit code", func(t *testing.T) {
		t.Parallel()
		if out := shell(t, nil, "sh", "-c", "exit 7"); out.code != 7 {
			t.Errorf("want exit code 7: %s", out)
		}
	})
	t.Run("environment and j", func(t *testing.T) {
		t.Parallel()
		out := shell(t, nil, "sh", "-c", `test -S "$JUMPSTARTER_HOST" && echo "allow=$JMP_DRIVERS_ALLOW" && j proxy start && j proxy status && j proxy stop`)
		if out.code != 0 || !strings.Contains(out.stdout, "allow=UNSAFE\nStarted in 'mock' mode") || !strings.Contains(out.stdout, "Proxy is running") {
			t.Errorf("shell: %s", out)
		}
	})
	t.Run("python j inside", func(t *testing.T) {
		t.Parallel()
		pythons := filepath.Join(python(t), "j")
		out := shell(t, nil, "sh", "-c", pythons+" proxy start && "+pythons+" proxy status")
		if out.code != 0 || !strings.Contains(out.stdout, "Proxy is running") {
			t.Errorf("shell: %s", out)
		}
	})
}

// Our j in the shell of the Python exporter.
func TestShellOfPython(t *testing.T) {
	t.Parallel()
	py, mitm := python(t), mitmproxy(t)
	b, config := newBench(t, "")
	home := filepath.Dir(b.dir)
	out := run(t, home, environ([]string{py, mitm}, "HOME="+home, "XDG_RUNTIME_DIR="+home), "jmp", "shell", "--exporter-config", config, "--",
		"sh", "-c", filepath.Join(bin, "j")+" proxy start && "+filepath.Join(bin, "j")+" proxy status && "+filepath.Join(bin, "j")+" proxy stop")
	for _, want := range []string{"Started in 'mock' mode on 127.0.0.1:", "Proxy is running (PID ", "  Mode:    mock\n", "Stopped (was 'mock' mode"} {
		if !strings.Contains(out.stdout, want) {
			t.Errorf("no %q in: %s", want, out)
		}
	}
}

// The example suite is run as its first lines say: by pytest inside a shell.
func TestExampleSuite(t *testing.T) {
	t.Parallel()
	py := python(t)
	dir := exampleDir(t)
	out := run(t, dir, environ([]string{py}, "HOME="+dir), filepath.Join(bin, "starproxy"), "shell",
		"--exporter-config", "exporter.yaml", "--", "pytest", "-q", "-p", "no:cacheprovider",
		"-o", "asyncio_default_fixture_loop_scope=function", "--tb=short")
	if out.code != 0 || !strings.Contains(out.stdout, "6 passed") {
		t.Errorf("pytest: %s", out)
	}
}

// The example with three devices at one proxy address does what it says.
func TestExampleDevices(t *testing.T) {
	t.Parallel()
	py := python(t)
	dir := filepath.Join(exampleDir(t), "devices")
	replacePorts(t, filepath.Join(dir, "exporter.yaml"), freePort(t), freePort(t))
	out := run(t, dir, environ([]string{py}, "HOME="+dir), filepath.Join(bin, "starproxy"), "shell",
		"--exporter-config", "exporter.yaml", "--", "pytest", "-q", "-p", "no:cacheprovider",
		"-o", "asyncio_default_fixture_loop_scope=function", "--tb=short")
	if out.code != 0 || !strings.Contains(out.stdout, "4 passed") {
		t.Errorf("pytest: %s", out)
	}
}

// The example exporter file is the stock one: Python's exporter takes it too.
func TestExampleExporterOfPython(t *testing.T) {
	t.Parallel()
	py, mitm := python(t), mitmproxy(t)
	dir := exampleDir(t)
	out := run(t, dir, environ([]string{py, mitm}, "HOME="+dir, "XDG_RUNTIME_DIR="+filepath.Dir(dir)), "jmp", "shell",
		"--exporter-config", "exporter.yaml", "--", "sh", "-c", "j proxy start; j proxy mock list; j proxy stop")
	for _, want := range []string{"Started in 'mock' mode", "  GET /api/v1/status  ->  200\n", "  GET /api/v1/time  ->  200 (template)\n"} {
		if !strings.Contains(out.stdout, want) {
			t.Errorf("no %q in: %s", want, out)
		}
	}
}

// exampleDir is a copy of the examples with ports that are free.
func exampleDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(tempDir(t), "examples")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root(t), "examples"))); err != nil {
		t.Fatal(err)
	}
	replacePorts(t, filepath.Join(dir, "exporter.yaml"), freePort(t), freePort(t))
	return dir
}
