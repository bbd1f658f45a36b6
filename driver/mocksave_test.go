package driver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/endpoints"
)

// preview is the answer of preview_mock_save.
func (b *bench) preview(key, file string) (p endpoints.SavePreview) {
	b.Helper()
	decodeAnswer(b, &p, "preview_mock_save", key, file)
	return p
}

// wantFile compares a file with a text.
func (b *bench) wantFile(name, want string) {
	b.Helper()
	got, err := os.ReadFile(filepath.Join(b.dir, name))
	if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
		b.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
	}
}

func TestSaveMock(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const before = "# mine\nendpoints:\n  # about a\n  GET /a:\n    status: 200   # fine\n    body: a\n\n  GET /b: {body: b}   # about b\n  http://h.test/c:\n  - {method: POST, body: c}\n"
	const file = "mock-responses/m.yaml"
	b.write(file, before)
	proxy := b.start()
	get := func(path, want string) {
		t.Helper()
		if got := b.get(proxy, "http://h.test"+path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	b.call("load_mock_scenario", "m.yaml")
	b.call("put_mock", "GET /a", "{status: 201, body: a}")
	get("/a", "201 a")
	p := b.preview("GET /a", "")
	if want := "--- m.yaml\n+++ m.yaml\n@@ -2,7 +2,7 @@\n endpoints:\n   # about a\n   GET /a:\n-    status: 200   # fine\n+    status: 201   # fine\n     body: a\n \n   GET /b: {body: b}   # about b\n"; p.Diff != want || p.Name != "m.yaml" || p.New || p.Removes {
		t.Errorf("got %+v, want\n%s", p, want)
	}
	b.wantFile(file, before)
	// What was not shown is not written.
	b.write(file, before+"# more\n")
	if err := os.Chmod(filepath.Join(b.dir, file), 0o640); err != nil {
		t.Fatal(err)
	}
	b.awaitLog("scenario reloaded")
	if got := b.call("save_mock", "GET /a", "", p.Hash); got != "FAILED_PRECONDITION save_mock: m.yaml or the mock has changed since the preview" {
		t.Error(got)
	}
	p = b.preview("GET /a", "m.yaml")
	b.call("put_mock", "GET /a", "{status: 202, body: a}")
	if got := b.call("save_mock", "GET /a", "", p.Hash); !strings.Contains(got, "has changed since the preview") {
		t.Error(got)
	}
	b.wantFile(file, before+"# more\n")
	b.want("Saved GET /a to m.yaml", "save_mock", "GET /a", "", b.preview("GET /a", "").Hash)
	after := strings.Replace(before, "status: 200", "status: 202", 1) + "# more\n"
	b.wantFile(file, after)
	if info, err := os.Stat(filepath.Join(b.dir, file)); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got the mode %v, %v", info.Mode(), err)
	}
	// It is now one of the file, with its hits.
	if e := b.listed()["GET /a"]; e.Source != "m.yaml:4" || e.Hits != 0 || e.Over != "" {
		t.Errorf("got %+v", e)
	}
	get("/a", "202 a")
	b.call("put_mock", "GET /new", "body: new")
	get("/new", "200 new")
	b.call("save_mock", "GET /new", "", b.preview("GET /new", "").Hash)
	if e := b.listed()["GET /new"]; e.Source != "m.yaml:11" || e.Hits != 1 {
		t.Errorf("got %+v", e)
	}
	// Below a URL, and a removal.
	b.call("put_mock", "POST http://h.test/c", "{status: 203, body: c}")
	b.call("save_mock", "POST http://h.test/c", "", b.preview("POST http://h.test/c", "").Hash)
	b.call("remove_mock", "GET", "/b")
	if p = b.preview("GET /b", ""); !p.Removes {
		t.Errorf("%+v", p)
	}
	b.want("Removed GET /b from m.yaml", "save_mock", "GET /b", "", p.Hash)
	b.wantFile(file, "# mine\nendpoints:\n  # about a\n  GET /a:\n    status: 202   # fine\n    body: a\n\n"+
		"  http://h.test/c:\n    method: POST\n    status: 203\n    body: c\n  GET /new:\n    body: new\n# more\n")
	if got := b.preview("GET /a", "").Diff; got != "" {
		t.Errorf("got the diff %s", got)
	}
}

func TestSaveMockToNewFile(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.start()
	b.call("put_mock", "GET /a", "{body: {x: 'yes'}}")
	if got := b.call("preview_mock_save", "GET /a"); !strings.Contains(got, "no scenario file is loaded") {
		t.Error(got)
	}
	p := b.preview("GET /a", "new/mine.yaml")
	if !p.New || p.Name != "new/mine.yaml" {
		t.Errorf("%+v", p)
	}
	b.want("Saved GET /a to new/mine.yaml", "save_mock", "GET /a", "new/mine.yaml", p.Hash)
	b.wantFile("mock-responses/new/mine.yaml", "endpoints:\n  GET /a:\n    body:\n      x: \"yes\"\n")
	p = b.preview("GET /a", "mine.json")
	b.call("save_mock", "GET /a", "mine.json", p.Hash)
	b.wantFile("mock-responses/mine.json", "{\n  \"endpoints\": {\n    \"GET /a\": {\n      \"body\": {\n        \"x\": \"yes\"\n      }\n    }\n  }\n}\n")
	b.want("Loaded 1 endpoint(s) from mine.json", "load_mock_scenario", "mine.json")
}

func TestSaveMockRefuses(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside.yaml")
	if err := os.WriteFile(outside, []byte("GET /x: {body: x}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, writable := range []bool{false, true} {
		b := newBench(t, func(c *Config) { c.MockScenario, c.WritableScenario = outside, writable })
		b.write("mock-responses/s.star", "def f(req):\n    return None\nendpoints = {'GET /s': f}\n")
		b.write("mock-responses/bad.yaml", "GET /x: {boddy: 1}\n")
		b.write("mock-responses/openapi.yaml", "openapi: 3.0.0\npaths: {}\n")
		b.write("mock-responses/alias.yaml", "GET /x: &x {body: 1}\nGET /a: *x\nGET /b: *x\n")
		if err := os.Symlink(outside, filepath.Join(b.dir, "mock-responses/link.yaml")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(t.TempDir(), filepath.Join(b.dir, "mock-responses/linked")); err != nil {
			t.Fatal(err)
		}
		b.start()
		b.call("put_mock", "GET /a", "body: a")
		b.call("put_mock", "GET /x", "body: xx")
		for _, c := range []struct{ key, file, want string }{
			{"GET /a", "s.star", "is a script, which is edited by hand"},
			{"GET /a", "../x.yaml", "want a file below the directory of scenarios"},
			{"GET /a", "/etc/x.yaml", "want a file below the directory of scenarios"},
			{"GET /a", "x.txt", "want a name that ends in .yaml, .yml or .json"},
			{"GET /a", "linked/x.yaml", "escapes"},
			{"GET /a", "bad.yaml", `unknown key "boddy"`},
			{"GET /a", "openapi.yaml", "this is an OpenAPI document"},
			{"GET /x", "alias.yaml", "can't be edited in place"},
			{"GET /none", "alias.yaml", "there is no endpoint GET /none in force, and none in alias.yaml"},
			{"GET /none", "none.yaml", "there is no endpoint GET /none in force, and no file none.yaml"},
		} {
			if got := b.call("preview_mock_save", c.key, c.file); !strings.Contains(got, c.want) || !strings.HasPrefix(got, "FAILED_PRECONDITION") {
				t.Errorf("%s to %s: got %s, want %s", c.key, c.file, got, c.want)
			}
		}
		for _, file := range []string{"", outside, "link.yaml"} {
			if got := b.call("preview_mock_save", "GET /x", file); writable == strings.Contains(got, "writable_scenario") {
				t.Errorf("writable %v, %q: got %s", writable, file, got)
			}
		}
		if writable {
			b.call("save_mock", "GET /x", "", b.preview("GET /x", "").Hash)
		}
		want := map[bool]string{false: "GET /x: {body: x}\n", true: "GET /x: {body: xx}\n"}[writable]
		if got, err := os.ReadFile(outside); err != nil || string(got) != want {
			t.Errorf("writable %v: got %q, %v", writable, got, err)
		}
		b.call("load_mock_scenario", "s.star")
		if got := b.call("preview_mock_save", "GET /s", "new.yaml"); !strings.Contains(got, "a function of a script answers GET /s: edit s.star:3") {
			t.Error(got)
		}
	}
}
