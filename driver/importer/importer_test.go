package importer

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/mock"
	"starproxy/driver/scenario"
	"starproxy/script"
)

// sources has the files of each tool in testdata.
var sources = map[string]string{
	"wiremock": "wiremock",
}

// TestImport compares the scenario of each tool with its golden file, in both forms,
// and loads it. UPDATE=1 writes the golden files.
func TestImport(t *testing.T) {
	t.Parallel()
	for name, path := range sources {
		for _, ext := range []string{".yaml", ".star"} {
			t.Run(name+ext, func(t *testing.T) {
				t.Parallel()
				got, err := Import([]string{filepath.Join("testdata", path)}, Options{Starlark: ext == ".star", FilesDir: "files"})
				if err != nil {
					t.Fatal(err)
				}
				var notes strings.Builder
				for _, n := range got.Notes {
					notes.WriteString(filepath.ToSlash(n.String()) + "\n")
				}
				golden(t, name+ext, got.Text)
				golden(t, name+".notes"+ext+".txt", notes.String())
				dir := t.TempDir()
				write(t, filepath.Join(dir, "scenario"+ext), []byte(got.Text))
				for _, f := range got.Files {
					write(t, filepath.Join(dir, "files", filepath.FromSlash(f.Name)), f.Data)
				}
				loads(t, filepath.Join(dir, "scenario"+ext), got.Endpoints)
			})
		}
	}
}

// golden compares a text with a file of testdata/golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if os.Getenv("UPDATE") != "" {
		write(t, file, []byte(got))
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: want -, got +\n%s", name, diff)
	}
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// loads loads a scenario, which must have so many endpoints and cause no warning.
func loads(t *testing.T, path string, endpoints int) {
	t.Helper()
	host := script.New(script.Options{Merge: mock.Merge, Match: scenario.Matching})
	t.Cleanup(func() { host.Close() })
	var warned scenario.Warnings
	s, err := scenario.Load(path, scenario.Env{Script: host, Log: slog.New(&warned), FilesDir: filepath.Dir(path)})
	if err != nil {
		t.Fatal(err)
	}
	if len(warned) > 0 {
		t.Errorf("warnings: %s", strings.Join(warned, "\n"))
	}
	if len(s.Endpoints) < endpoints {
		t.Errorf("got %d endpoints, want %d", len(s.Endpoints), endpoints)
	}
}
