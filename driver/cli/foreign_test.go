package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPythonJ checks which j on PATH is Python's.
func TestPythonJ(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name, "j")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return filepath.Dir(path)
	}
	binary := put("binary", "\x7fELF python", 0o755)
	shell := put("shell", "#!/bin/sh\ncd \"$1\"\n", 0o755)
	plain := put("plain", "#!/venv/bin/python\n", 0o644)
	pip := put("pip", "#!/venv/bin/python3\nimport sys\n", 0o755)
	long := put("long", "#!/bin/sh\n'''exec' /a/very/long/path/python3 \"$0\" \"$@\"\n' '''\n", 0o755)
	put("venv/bin", "#!/venv/bin/python3\n", 0o755)
	venv := filepath.Join(dir, "venv")
	list := func(dirs ...string) string { return strings.Join(dirs, string(os.PathListSeparator)) }
	for _, c := range []struct{ path, venv, want string }{
		{list(binary, shell, plain), "", ""},
		{list(binary, pip, long), "", filepath.Join(pip, "j")},
		{list(long, pip), "", filepath.Join(long, "j")},
		{list(binary), venv, filepath.Join(venv, "bin", "j")},
		{list(pip), venv, filepath.Join(pip, "j")},
		{"", "", ""},
	} {
		sys := &System{Getenv: func(name string) string { return map[string]string{"PATH": c.path, "VIRTUAL_ENV": c.venv}[name] }}
		if got := pythonJ(sys); got != c.want {
			t.Errorf("PATH %s, VIRTUAL_ENV %s: %q, want %q", c.path, c.venv, got, c.want)
		}
	}
}
