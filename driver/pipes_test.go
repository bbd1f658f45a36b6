//go:build unix

package driver

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// oddFile makes something at path that is no regular file.
func oddFile(t *testing.T, kind, path string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		switch kind {
		case "a named pipe":
			err = syscall.Mkfifo(path, 0o644)
		case "a socket":
			var ln net.Listener
			if ln, err = net.Listen("unix", path); err == nil {
				t.Cleanup(func() { ln.Close() })
			}
		case "a device":
			err = os.Symlink("/dev/zero", path)
		case "a directory":
			err = os.MkdirAll(path, 0o755)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoMethodWaitsForPipes puts what can't be read in the place of each file
// that a method reads. Every call is answered, with the reason, and the methods
// about mocks go on working.
func TestNoMethodWaitsForPipes(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"a named pipe", "a socket", "a device", "a directory"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			// The path of a socket is short.
			dir, err := os.MkdirTemp("", "odd")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			b := newBench(t, func(c *Config) { c.Directories.Data = dir })
			b.dir = dir
			for _, name := range []string{"mock-responses/s.yaml", "mock-responses/s.json", "mock-responses/s.star", "addons/a.star",
				"flows/f.bin", "flows/f.har", "mock-files/m.json"} {
				oddFile(t, kind, filepath.Join(dir, name))
			}
			want := "got " + kind + ", want a regular file"
			for _, call := range [][]any{
				{"load_mock_scenario", "s.yaml"}, {"load_mock_scenario", "s.json"}, {"load_mock_scenario", "s.star"},
				{"set_mock_addon", "GET", "/a", "a"},
				{"start", "replay", false, "f.bin", 0.0}, {"start", "replay", false, "f.har", 0.0},
			} {
				got := b.call(call[0].(string), call[1:]...)
				if kind == "a directory" && call[0] == "load_mock_scenario" {
					if !strings.HasPrefix(got, "Scenario file not found") {
						t.Errorf("%v: got %s", call, got)
					}
					continue
				}
				if kind == "a device" { // refused sooner: the link leads out of the directory
					if strings.HasPrefix(got, "Loaded") || strings.HasPrefix(got, "Started") || strings.HasPrefix(got, "Addon mock set") {
						t.Errorf("%v: got %s", call, got)
					}
					continue
				}
				if !strings.Contains(got, want) {
					t.Errorf("%v: got %s, want %s", call, got, want)
				}
			}
			b.want("File mock set: GET /f → m.json (application/json)", "set_mock_file", "GET", "/f", "m.json")
			proxy := b.start()
			if got := b.get(proxy, "http://h.test/f"); !strings.HasPrefix(got, "500 ") {
				t.Errorf("the mock of a file: got %s", got)
			}
			b.want("Cleared 1 mock(s)", "clear_mocks")
		})
	}
}
