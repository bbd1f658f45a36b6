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
	"wiremock":   "wiremock",
	"mockserver": "mockserver.json",
	"postman":    "postman.json",
	"mockoon":    "mockoon/environment.json",
	"har":        "session.har",
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

// TestBroken imports documents that are wrong. The error tells the place.
func TestBroken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`{"mappings": [`, "x.json:1:14: not a JSON document: unexpected end of JSON input"},
		{"{\n  \"a\": 1\n}", "x.json:1:1: got a map, want mappings of WireMock"},
		{"{\"mappings\": [\n  {\"request\": 7, \"response\": {}}]}", "x.json:2:15: request: got the number 7, want a map"},
		{"[{\"httpRequest\": {}},\n 7]", "x.json:2:2: expectation: got the number 7, want a map"},
		{`{"info": {"schema": "https://schema.getpostman.com/json/collection/v1.0.0/"}, "item": []}`,
			`x.json:1:21: info.schema: got "https://schema.getpostman.com/json/collection/v1.0.0/", want a collection of version 2.1`},
		{"{\"uuid\": \"x\",\n\"routes\": {}}", "x.json:2:11: routes: got an empty map, want a list"},
	} {
		file := filepath.Join(t.TempDir(), "x.json")
		write(t, file, []byte(c.text))
		_, err := Import([]string{file}, Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.text, err, c.want)
		}
	}
}

// TestOutside imports mappings whose body files lie outside of their directory.
func TestOutside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret.txt"), []byte("secret"))
	write(t, filepath.Join(dir, "mock", "__files", "fine.txt"), []byte("fine"))
	if err := os.Symlink("../../secret.txt", filepath.Join(dir, "mock", "__files", "link.txt")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../../secret.txt", "link.txt", filepath.ToSlash(filepath.Join(dir, "secret.txt"))} {
		write(t, filepath.Join(dir, "mock", "mappings", "a.json"),
			[]byte(`{"request": {"url": "/a"}, "response": {"bodyFileName": "`+name+`"}}`))
		got, err := Import([]string{filepath.Join(dir, "mock")}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Files) != 0 || len(got.Notes) != 1 || !strings.Contains(got.Notes[0].Text, "cannot be read") {
			t.Errorf("%s: got %d files and the notes %v, want none and one note", name, len(got.Files), got.Notes)
		}
	}
}

// TestForward imports stubs that pass requests on to another server.
func TestForward(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "proxy.json")
	write(t, file, []byte(`{"mappings": [
		{"priority": 10, "request": {"urlPattern": ".*"}, "response": {"proxyBaseUrl": "https://real.example/v2/"}},
		{"request": {"url": "/a"}, "response": {"body": "a"}}]}`))
	got, err := Import([]string{file}, Options{Starlark: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := `"* /*": lambda req: forward(req, url = "https://real.example/v2/" + req.url.split("/", 3)[3]),`; !strings.Contains(got.Text, want) {
		t.Errorf("got\n%s\nwant %s in it", got.Text, want)
	}
	if got, err = Import([]string{file}, Options{}); err != nil || got.Endpoints != 1 || len(got.Notes) != 1 ||
		!strings.Contains(got.Notes[0].Text, "--format starlark") {
		t.Errorf("got %+v %v, want one endpoint and a note", got, err)
	}
}
