//go:build unix

package access

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"starproxy/builtins/disk"
)

// tree makes files below a fresh directory: names that end in a slash are
// directories, a text that begins with "-> " is a link.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]string{}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if len(text) > 3 && text[:3] == "-> " {
			links[path] = text[3:]
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, to := range links {
		if to[0] == '$' {
			to = root + to[1:]
		}
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func bench(t testing.TB) (root string, p *Policy) {
	root = tree(t, map[string]string{
		"data/files/a":               "a",
		"data/files/sub/b":           "b",
		"data/files/in-rel":          "-> sub/b",
		"data/files/in-abs":          "-> $/data/files/sub/b",
		"data/files/out-rel":         "-> ../../etc/shadow",
		"data/files/out-abs":         "-> $/etc/shadow",
		"data/files/out-dir":         "-> $/etc",
		"data/files/gone":            "-> $/etc/nothing",
		"data/files/loop":            "-> loop",
		"data/files/key":             "-> ../conf/mitmproxy-ca.pem",
		"data/conf/mitmproxy-ca.pem": "KEY",
		"data/conf/mitmproxy-ca.bak": "KEY",
		"data/conf/tls.key":          "KEY",
		"data/conf/ca-cert.pem":      "CERT",
		"etc/shadow":                 "root:x",
		"linked":                     "-> data/files",
		"extra/x":                    "x",
	})
	if err := os.Link(filepath.Join(root, "data/conf/mitmproxy-ca.pem"), filepath.Join(root, "data/files/hard")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "data/files/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	var s Secrets
	s.Add(filepath.Join(root, "data/conf/mitmproxy-ca.pem"), filepath.Join(root, "data/conf/tls.key"))
	return root, New([]string{filepath.Join(root, "data"), filepath.Join(root, "data/files"), filepath.Join(root, "linked"), filepath.Join(root, "later")}, &s)
}

func TestOpen(t *testing.T) {
	t.Parallel()
	root, p := bench(t)
	for path, want := range map[string]any{
		"data/files/a":                      "a",
		"data/files/sub/b":                  "b",
		"data/files/./sub//b":               "b",
		"data/files/in-rel":                 "b",
		"data/files/in-abs":                 "b",
		"linked/a":                          "a",
		"linked/sub/../a":                   "a",
		"data/conf/ca-cert.pem":             "CERT",
		"data/files/missing":                fs.ErrNotExist,
		"later/x":                           fs.ErrNotExist,
		"data/files":                        errNotRegular,
		"data/files/pipe":                   errNotRegular,
		"data/files/out-rel":                ErrOutside,
		"data/files/out-abs":                ErrOutside,
		"data/files/out-dir/shadow":         ErrOutside,
		"data/files/out-dir/nothing":        ErrOutside,
		"data/files/gone":                   ErrOutside,
		"data/files/../../etc/shadow":       ErrOutside,
		"etc/shadow":                        ErrOutside,
		"etc/nothing":                       ErrOutside,
		"data2/x":                           ErrOutside,
		"data/conf/mitmproxy-ca.pem":        ErrOutside,
		"data/conf/mitmproxy-ca.p12":        ErrOutside,
		"data/conf/mitmproxy-ca.bak":        ErrOutside,
		"data/conf/MITMPROXY-CA.pem":        ErrOutside,
		"data/conf/tls.key":                 ErrOutside,
		"data/files/key":                    ErrOutside,
		"data/files/hard":                   ErrOutside,
		"data/files/sub/../../conf/tls.key": ErrOutside,
	} {
		f, _, err := p.Open(filepath.Join(root, path))
		if path == "data/files/./sub//b" {
			f, _, err = p.Open(root + "/" + path)
		}
		check(t, path, f, err, want)
		if path == "data/files/missing" {
			if _, err := p.Resolve(filepath.Join(root, path)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("resolve %s: %v", path, err)
			}
		}
	}
	if _, _, err := p.Open(filepath.Join(root, "data/files/loop")); err == nil {
		t.Error("a link to itself was opened")
	}
	for _, path := range []string{"", ".", "data/files/a", "../etc/shadow"} {
		if _, _, err := p.Open(path); !errors.Is(err, ErrOutside) {
			t.Errorf("relative path %q: %v", path, err)
		}
	}
}

// errNotRegular is the expectation of a [disk.KindError], whatever its value.
var errNotRegular = errors.New("not a regular file")

func check(t *testing.T, path string, f *os.File, err error, want any) {
	t.Helper()
	if wrong, ok := want.(error); ok {
		if wrong == errNotRegular && errors.As(err, new(disk.KindError)) {
			return
		}
		if !errors.Is(err, wrong) {
			t.Errorf("%s: got error %v, want %v", path, err, wrong)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	defer f.Close()
	if b, err := io.ReadAll(f); string(b) != want {
		t.Errorf("%s: got %q, %v, want %q", path, b, err, want)
	}
}

func TestDir(t *testing.T) {
	t.Parallel()
	root, p := bench(t)
	for _, c := range []struct {
		dir, name string
		want      any
	}{
		{"data/files", "a", "a"},
		{"data/files/sub", "b", "b"},
		{"linked", "sub/b", "b"},
		{"data", "files/in-rel", "b"},
		{"data/files/sub", "../a", ErrOutside},
		{"data/files/sub", "/etc/shadow", ErrOutside},
		{"data/files", "out-rel", ErrOutside},
		{"data/files", "key", ErrOutside},
		{"data", "files/key", ErrOutside},
		{"data", "files/hard", ErrOutside},
		{"data", "conf/mitmproxy-ca.pem", ErrOutside},
		{"data/conf", "tls.key", ErrOutside},
		{"data/files", "pipe", errNotRegular},
		{"data/files", "", ErrOutside},
		{"data/files", "sub", errNotRegular},
		{"data/new", "x", fs.ErrNotExist},
		{"data/files/out-dir", "shadow", ErrOutside},
		{"etc", "shadow", ErrOutside},
		{"", "etc/shadow", ErrOutside},
		{"data/..", "etc/shadow", ErrOutside},
	} {
		dir, err := p.Dir(filepath.Join(root, c.dir))
		var f *os.File
		if err == nil {
			f, _, err = dir.Open(c.name)
		}
		check(t, c.dir+" "+c.name, f, err, c.want)
	}
	// A directory that becomes a link out after it was allowed.
	dir, err := p.Dir(filepath.Join(root, "data/files/new"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "etc"), filepath.Join(root, "data/files/new")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := dir.Open("shadow"); !errors.Is(err, ErrOutside) {
		t.Errorf("through a link made later: %v", err)
	}
	// What the owner names may lie anywhere, keys excepted.
	if f, _, err := p.Owned(filepath.Join(root, "extra")).Open("x"); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
	if _, _, err := p.Owned(filepath.Join(root, "data/conf")).Open("tls.key"); !errors.Is(err, ErrOutside) {
		t.Error(err)
	}
	var none *Policy
	if f, _, err := none.Open(filepath.Join(root, "etc/shadow")); err != nil {
		t.Errorf("no policy: %v", err)
	} else {
		f.Close()
	}
	if _, _, err := (Dir{}).Open("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestWritable(t *testing.T) {
	t.Parallel()
	root, p := bench(t)
	p.Own(filepath.Join(root, "data/set/scenario.star"))
	for name, want := range map[string]bool{
		"files/a": true, "files/new/x.star": true, "set/x.yaml": true, "conf/ca-cert.pem": true,
		"conf/mitmproxy-ca.pem": false, "conf/mitmproxy-ca.p12": false, "conf/TLS.key": false, "files/../conf/tls.key": false,
		"set/scenario.star": false, "set/SCENARIO.star": false, "set/lib.star": false, "set/deep/lib.star": false,
	} {
		if got := p.Writable(filepath.Join(root, "data"), name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if err := os.Symlink("../conf", filepath.Join(root, "data/files/c")); err != nil {
		t.Fatal(err)
	}
	if p.Writable(filepath.Join(root, "data/files"), "c/tls.key") {
		t.Error("a key can be written through a link")
	}
}
