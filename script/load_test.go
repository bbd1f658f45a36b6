package script_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"starproxy/script"
)

// tree writes the files of a txtar archive below a new directory.
func tree(t *testing.T, archive string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	for _, f := range txtar.Parse([]byte(archive)).Files {
		p := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestLoad(t *testing.T) {
	t.Parallel()
	root := tree(t, `
-- main.star --
load("lib/a.star", "a", one = "shared")
load("//lib/b.star", "b")
load("@stdlib//sequence.star", "sequence")
total = a + b
same = one[0]
endpoints = {"GET /s": sequence([struct(answer = None)])}
seen = set([total])
steps = []
while len(steps) < total:
    steps.append(1)
-- lib/a.star --
load("b.star", "b", "one")
load("../main2.star", "two")
a = b + two
-- lib/b.star --
b = 1
one = [1]
shared = one
-- main2.star --
two = 1
`)
	if _, err := newHost(script.Options{}).Load(root, "main.star"); err == nil {
		t.Fatal("a name that a file does not have was loaded from it")
	}
	text := strings.Replace(mustRead(t, root, "lib/a.star"), "a = b", "shared = one\na = b", 1)
	if err := os.WriteFile(filepath.Join(root, "lib/a.star"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := newHost(script.Options{}).Load(root, "main.star")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Globals["steps"].String(); got != "[1, 1, 1]" {
		t.Error("steps are", got)
	}
	var files []string
	for _, name := range []string{"main.star", "lib/a.star", "lib/b.star", "main2.star"} {
		files = append(files, filepath.Join(root, name))
	}
	if !slices.Equal(s.Files, files) {
		t.Errorf("files are %v", s.Files)
	}
	if _, ok := s.Globals["a"]; ok {
		t.Error("what a script loads is a global of it")
	}
}

func mustRead(t *testing.T, root, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ files, want, trace string }{
		"missing script":   {"-- x --\n", "ROOT/main.star: script not read: no such file", ""},
		"syntax":           {"-- main.star --\nx = 1\ndef f(:\n", "ROOT/main.star:2:8: got ':'", ""},
		"true":             {"-- main.star --\nx = true\n", "ROOT/main.star:1:5: undefined: true (write True)", ""},
		"missing":          {"-- main.star --\n\nload(\"lib.star\", \"x\")\n", "ROOT/main.star:2:1: cannot load lib.star: no such file", ""},
		"out of root":      {"-- main.star --\nload(\"../x.star\", \"x\")\n", "cannot load ../x.star: leads out of ROOT", ""},
		"out by //":        {"-- main.star --\nload(\"//../x.star\", \"x\")\n", "leads out of ROOT", ""},
		"absolute":         {"-- main.star --\nload(\"/etc/x.star\", \"x\")\n", "want a path from this file, or //path from ROOT", ""},
		"absolute by //":   {"-- main.star --\nload(\"///etc/x.star\", \"x\")\n", "want a path from this file", ""},
		"network":          {"-- main.star --\nload(\"https://a.test/x.star\", \"x\")\n", "not from the network", ""},
		"library":          {"-- main.star --\nload(\"@else//x.star\", \"x\")\n", "the only library is @stdlib//NAME.star", ""},
		"no stdlib module": {"-- main.star --\nload(\"@stdlib//x.star\", \"x\")\n", "no module @stdlib//x.star", ""},
		"no script":        {"-- main.star --\nload(\"x.txt\", \"x\")\n-- x.txt --\nx = 1\n", "want a name that ends in .star", ""},
		"directory":        {"-- main.star --\nload(\"d.star\", \"x\")\n-- d.star/x --\n", "d.star: got a directory, want a regular file", ""},
		"itself":           {"-- main.star --\nload(\"main.star\", \"x\")\n", "load cycle: main.star -> main.star", ""},
		"cycle": {"-- main.star --\nload(\"lib/a.star\", \"x\")\n-- lib/a.star --\nload(\"b.star\", \"x\")\n-- lib/b.star --\nload(\"//lib/a.star\", \"x\")\n",
			"ROOT/lib/b.star:1:1: cannot load //lib/a.star: load cycle: lib/a.star -> lib/b.star -> lib/a.star",
			"ROOT/main.star:1:1: in <toplevel>\n  ROOT/lib/a.star:1:1: in <toplevel>\n  ROOT/lib/b.star:1:1: in <toplevel>\n"},
		"in what it loads": {"-- main.star --\nload(\"a.star\", \"x\")\n-- a.star --\ndef f():\n    return 1 // 0\nx = f()\n",
			"ROOT/a.star:2:14: floored division by zero",
			"ROOT/main.star:1:1: in <toplevel>\n  ROOT/a.star:3:6: in <toplevel>\n  ROOT/a.star:2:14: in f\n"},
		"frozen":     {"-- main.star --\nload(\"a.star\", \"x\")\nx.append(1)\n-- a.star --\nx = []\n", "ROOT/main.star:2:9: append: cannot append to frozen list (globals are frozen", ""},
		"reassigned": {"-- main.star --\nx = 1\nx = 2\n", "ROOT/main.star:2:1: cannot reassign global x", ""},
		"endless":    {"-- main.star --\nwhile True:\n    pass\n", "step limit exceeded", ""},
		"sleeps":     {"-- main.star --\nsleep(\"1h\")\n", "time limit exceeded: more than 50ms (scripts.max_time)", ""},
		"large":      {"-- main.star --\n" + strings.Repeat("#", 1<<20) + "\n", "ROOT/main.star: script not read: got a larger file, want at most 1048576 bytes", ""},
		"lambdas":    {"-- main.star --\nx = " + strings.Repeat("lambda: ", 1<<16) + "1\n", "", ""},
		"nots":       {"-- main.star --\nx = " + strings.Repeat("not ", 1<<17) + "1\n", "", ""},
		"ifs":        {"-- main.star --\nx = " + strings.Repeat("1 if 1 else ", 1<<16) + "1\n", "", ""},
		"dots":       {"-- main.star --\nx = lambda y: y" + strings.Repeat(".a", 1<<18) + "\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := tree(t, c.files)
			o := script.Options{}
			if name == "sleeps" {
				o.MaxTime = 50e6
			}
			s, err := newHost(o).Load(root, "main.star")
			if c.want == "" {
				return // enough that it ended
			}
			var e *script.Error
			if !errors.As(err, &e) {
				t.Fatalf("error is %T %v", err, err)
			}
			if got := strings.ReplaceAll(err.Error(), root, "ROOT"); !strings.Contains(got, c.want) {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
			if got := strings.ReplaceAll(e.Backtrace(), root, "ROOT"); !strings.Contains(got, c.trace) {
				t.Errorf("got %s\nwant %s", got, c.trace)
			}
			if len(s.Files) == 0 || s.Files[0] != filepath.Join(root, "main.star") {
				t.Errorf("files are %v", s.Files)
			}
			if name == "missing" && !slices.Contains(s.Files, filepath.Join(root, "lib.star")) {
				t.Errorf("files lack the missing one: %v", s.Files)
			}
		})
	}
}

func TestLoadLinks(t *testing.T) {
	t.Parallel()
	root := tree(t, "-- main.star --\nload(\"link.star\", \"x\")\n-- real.star --\nx = 1\n-- ../out.star --\nx = 2\n")
	link := filepath.Join(root, "link.star")
	for target, want := range map[string]string{"real.star": "", "../out.star": "path escapes"} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		_, err := newHost(script.Options{}).Load(root, "main.star")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", target, err)
		}
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLoadText(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{})
	s, err := h.LoadText("sent.star", []byte("load(\"@stdlib//rules.star\", \"conditional\")\nx = conditional\n"))
	if err != nil || s.Globals["x"] == nil || len(s.Files) != 0 {
		t.Error(s, err)
	}
	_, err = h.LoadText("sent.star", []byte("load(\"other.star\", \"x\")\n"))
	if err == nil || !strings.Contains(err.Error(), "sent.star:1:1: cannot load other.star: a script that is no file can load only @stdlib//NAME.star") {
		t.Error(err)
	}
}

// FuzzLoad checks that no text of a script can do harm.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{"x = 1", "load('a.star', 'b')", "def f():\n  return f()\nf()", "endpoints = {'GET /': lambda r: None}", "x = [" + strings.Repeat("[", 600)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		h := newHost(script.Options{MaxSteps: 10_000, MaxTime: 1e9})
		s, err := h.LoadText("fuzz.star", []byte(src))
		var e *script.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("error is a %T: %v", err, err)
		}
		if err == nil && s.Globals == nil {
			t.Fatal("no globals and no error")
		}
	})
}

// TestHints checks what is said to people who write Python.
func TestHints(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{MaxSteps: 100_000})
	for src, want := range map[string]string{
		"class A:\n    pass\n":                       "t.star:1:1: got class, want primary expression (there are no classes",
		"def f():\n    try:\n        pass\n":         "try_(fn, arg)",
		"def f():\n    raise ValueError(1)\n":        "fail(message)",
		"def f(x):\n    if x is None:\n        pass": "write == or !=",
		"x = f\"a\"\n":                               "no f-strings",
		"x = {\"a\": f\"a\"}\n":                      "no f-strings",
		"x = [1, f\"a\"]\n":                          "no f-strings",
		"print(f\"a\", 1)\n":                         "no f-strings",
		"def f():\n    return f\"a\"\n":              "no f-strings",
		"respones(1)\n":                              "t.star:1:1: undefined: respones (did you mean response?)",
		"total = 0\ndef f():\n    total += 1\nf()":   "t.star:3:5: local variable total referenced before assignment (if a global is meant, a function can't assign to it: keep what changes in state or in a cell)",
		"{\"a\": 1}[\"q\"]":                          "key \"q\" not in dict (d.get(key, default) is no error)",
		"None[\"q\"]":                                "the value is None",
		"None.q":                                     "the value is None",
		"json.decode(None)":                          "json.decode: got None instead of text: what should have given it found nothing",
		"read_file(\"x\")":                           "read_file: \"x\": there are no files here",
		"def f():\n    x = 1\n    while True:\n        pass\nf()":              "t.star:3:5: step limit exceeded: more than 100000 steps without a wait (scripts.max_steps) (an endless loop?)",
		"def f():\n    x = 1\n    while x:\n        y = 2\n        x = 3\nf()": "t.star:3:11: step limit",
	} {
		if _, err := h.LoadText("t.star", []byte(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", src, err, want)
		}
	}
}

// TestLoadKeepsWhatEnds checks that globals which can't be frozen are an error
// of the script: the interpreter would not come back.
func TestLoadKeepsWhatEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"a function of itself": {"def f():\n    def g():\n        return g\n    return g\nx = f()\n", "t.star: global x: function g refers to itself and cannot be kept: define it at the top level"},
		"deep":                 {"x = [[]]\nfor i in range(100000):\n    x[0] = [x[0]]\n", "nested deeper than 10000 levels"},
		"tuples":               {"x = [(1,)]\nfor i in range(60):\n    x[0] = (x[0], x[0])\n", "more than 20000000 parts"},
	} {
		if _, err := newHost(script.Options{}).LoadText("t.star", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := newHost(script.Options{}).LoadText("t.star", []byte("def g(n):\n    return g(n - 1) if n else 0\ndef f(n):\n    return lambda: g(n)\nx = [f(1), f(2)]\nx.append(x)\n")); err != nil {
		t.Error(err)
	}
}
