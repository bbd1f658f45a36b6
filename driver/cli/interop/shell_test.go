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

// The examples are run as their first lines say: inside a shell, by pytest,
// against our exporter and, because the file is the stock one, Python's.
func TestExampleSuite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		argv func(t *testing.T) []string
	}{
		{"our exporter", func(t *testing.T) []string { return []string{filepath.Join(bin, "starproxy"), "shell"} }},
		{"python exporter", func(t *testing.T) []string { mitmproxy(t); return []string{"jmp", "shell"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			py := python(t)
			argv := c.argv(t)
			dir := filepath.Join(tempDir(t), "examples")
			if err := os.CopyFS(dir, os.DirFS(filepath.Join(root(t), "examples"))); err != nil {
				t.Fatal(err)
			}
			replacePorts(t, filepath.Join(dir, "exporter.yaml"), freePort(t), freePort(t))
			path := []string{py}
			if argv[0] == "jmp" {
				path = append(path, mitmproxy(t))
			}
			argv = append(argv, "--exporter-config", "exporter.yaml", "--", "pytest", "-q", "-p", "no:cacheprovider",
				"-o", "asyncio_default_fixture_loop_scope=function", "--tb=short")
			if argv[0] == "jmp" { // it does not change its answers for the very next request
				argv = append(argv, "-k", "sees_its_backend or knows_what_it_was_told")
			}
			out := run(t, dir, environ(path, "HOME="+filepath.Dir(dir), "XDG_RUNTIME_DIR="+filepath.Dir(dir)), argv...)
			if out.code != 0 || !strings.Contains(out.stdout, " passed") || strings.Contains(out.stdout, "failed") {
				t.Errorf("pytest: %s", out)
			}
		})
	}
}
