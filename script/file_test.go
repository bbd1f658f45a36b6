package script_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/access"
	"starproxy/driver/mock"
	"starproxy/script"
)

// read_file sees what a mock's file: sees, and no more.
func TestReadFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "files")
	for name, content := range map[string]string{
		"../secret": "secret", "a/b.bin": "\x00\xff", "empty": "", "large": strings.Repeat("x", 2000),
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := testOptions()
	o.MaxBody = 1000
	o.Answering.FilesDir = dir
	o.Answering.File = func(name string, status int, h exchange.Header, typ string, delay time.Duration) exchange.Handler {
		return mock.NewFile((*access.Policy)(nil).Owned(dir), name, status, h, typ, delay)
	}
	src := `
def test_content():
    assert.eq(read_file("a/b.bin"), b"\x00\xff")
    assert.eq(read_file("empty"), b"")

def test_missing():
    assert.eq(read_file("c", default = None), None)
    assert.fails(lambda: read_file("c"), "read_file: \"c\": no such file in")
    assert.eq(read_file("c", default = b"x"), b"x")
    assert.eq(read_file("a", default = None), None)
    assert.eq(read_file("../secret", default = None), None)

def test_large():
    assert.fails(lambda: read_file("large"), "read_file: large is larger than 1000 bytes .scripts.max_body.")
`
	for _, r := range script.RunTests(t.Context(), o, "file_test.star", []byte(src)) {
		if r.Err != nil {
			t.Errorf("%s: %v", r.Name, r.Err)
		}
	}
}
