package scenario

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"starproxy/builtins/exchange"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/script"
)

// unpack writes the files of a txtar text below a new directory.
func unpack(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(text)).Files {
		p := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestScript(t *testing.T) {
	t.Parallel()
	dir := unpack(t, `
-- scenario.star --
load("//lib/answers.star", "hello")
load("@stdlib//sequence.star", "sequence")

config = {"default_content_type": "text/plain", "files_dir": "files"}

def none(req):
    return None

endpoints = {
    "GET /plain": {"body": {"z": 1, "a": [True, None, 1.5]}, "headers": {"X-A": "b"}},
    "GET /file": {"file": "a.txt"},
    "GET /hello": hello,
    "GET /real": none,
    "GET /choice": sequence([struct(answer = hello, repeat = 1), struct(answer = none)]),
    "GET /template": {"body_template": {"path": "{{request_path}}"}},
    "GET /two#a": {"match": {"query": {"a": "1"}}, "body": "a"},
    "GET /two": {"body": "b"},
    "http://h.test/list": [{"body": "one", "repeat": 1}, {"body": "two"}],
    "http://h.test/fn": none,
}
-- lib/answers.star --
def hello(req):
    return lambda req: None
-- files/a.txt --
from file
`)
	s, err := Load(dir, testEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	files := []string{filepath.Join(dir, "scenario.star"), filepath.Join(dir, "lib", "answers.star")}
	if s.Name != "scenario.star" || s.Path != files[0] || !slices.Equal(s.Files, files) {
		t.Errorf("got %+v", s)
	}
	table := mock.NewTable()
	table.ReplaceAll(s.Endpoints)
	for _, tt := range []struct{ target, want, summary, source string }{
		{"/plain", `{"z":1,"a":[true,null,1.5]}`, "200", "scenario.star:10"},
		{"/file", "from file\n", "200 file:a.txt", "scenario.star:11"},
		{"/hello", "", "script:hello", "scenario.star:12"},
		{"/real", "", "script:none", "scenario.star:13"},
		{"/choice", "", "script:sequence", "scenario.star:14"},
		{"/template", `{"path":"/template"}`, "200 (template)", "scenario.star:15"},
		{"/two?a=1", "a", "200", "scenario.star:16"},
		{"/two", "b", "200", "scenario.star:17"},
		{"/list", "one", "2 step(s)", "scenario.star:18"},
		{"/list", "two", "2 step(s)", "scenario.star:18"},
		{"/fn", "", "script:none", "scenario.star:19"},
	} {
		req := &exchange.Request{Method: "GET", Scheme: "http", Host: "h.test", Port: 80, Target: tt.target}
		ep := lookup(t, table, req)
		if ep == nil {
			t.Errorf("%s: no endpoint", tt.target)
			continue
		}
		if ep.Summary != tt.summary || ep.Source.String() != tt.source {
			t.Errorf("%s: %s %s", tt.target, ep.Summary, ep.Source)
		}
		res, body := respond(t, ep, req)
		if (res == nil) != (tt.want == "") || body != tt.want {
			t.Errorf("%s: got %q, want %q", tt.target, body, tt.want)
		}
	}
}

func TestScriptErrors(t *testing.T) {
	t.Parallel()
	env := testEnv(t)
	for text, want := range map[string]string{
		"":                    `s.star:1:1: endpoints: got no global of this name, want a dict`,
		"endpoint = {}":       `s.star:1:1: no global named endpoints; is endpoint meant?`,
		"endpoints = [1]":     "s.star:1:13: got list, want an object of endpoints",
		"endpoints = {1: {}}": "s.star:1:13: endpoints: got a key of type int, want text",
		"endpoints = {\n  'GET /x': {'status': 99},\n}":                                    `s.star:2:24: endpoint "GET /x": status: got the number 99, want a whole number from 200 to 599`,
		"endpoints = {\n  'GET /x': {'statsu': 1}}":                                        `s.star:2:14: unknown key "statsu" in endpoint "GET /x"; did you mean "status"?`,
		"endpoints = {'GET /x': {'body': {'a': len}}}":                                     `s.star:1:39: endpoint "GET /x": body: a: got a function, want data; only an endpoint itself may be a function`,
		"endpoints = {'GET /x': 5}":                                                        `s.star:1:24: endpoint "GET /x": got the number 5, want a map`,
		"endpoints = {'GET x': {}}":                                                        `s.star:1:14: endpoint key "GET x": path: got "x", which does not begin with /`,
		"endpoints = {'GET /x': {'sequence': [{'body': 1}, {'rep': 2}]}}":                  `s.star:1:52: unknown key "rep"`,
		"def f(a, b): pass\nendpoints = {'GET /x': f}":                                     `s.star:2:24: endpoint "GET /x": function f: got 2 parameters, want 1: the request`,
		"def f(): pass\nendpoints = {'GET /x': f}":                                         `s.star:2:24: endpoint "GET /x": function f: got 0 parameters, want 1: the request`,
		"def f(r, *, k): pass\nendpoints = {'GET /x': f}":                                  `endpoint "GET /x": function f needs the keyword k, but is called with the request only`,
		"def f(r, a=1, *b, c=2, **d): pass\nendpoints = {'GET /x': f}":                     "",
		"endpoints = {'GET /x': {'body_template': '{{oops'}}":                              `s.star:1:42: endpoint "GET /x": body_template: expression without an end`,
		"config = {'files': 'x'}\nendpoints = {}":                                          `s.star:1:11: unknown key "files" in config`,
		"hooks = {'reqest': len}\nendpoints = {}":                                          `s.star:1:10: unknown key "reqest" in hooks; did you mean "request"?`,
		"hooks = {'request': 1}\nendpoints = {}":                                           `s.star:1:21: hooks: request: got int, want a function`,
		"hooks = {'response': lambda r: 1}":                                                `s.star:1:22: hooks: response: function lambda: got 1 parameters, want 2: the request and the response`,
		"hooks = {'response': lambda q, r: 1}":                                             "",
		"l = []\nl.append(l)\nendpoints = {'GET /x': {'body': l}}":                         `nested more than 500 levels deep`,
		"a = [1] * 100\nb = [a] * 100\nc = [b] * 200\nendpoints = {'GET /x': {'body': c}}": `more than 1000000 values`,
		"def f():\n  return 1 // 0\nendpoints = f()":                                       `s.star:2:12: floored division by zero`,
		"load('x.star', 'x')":                                                              `s.star:1:1: cannot load x.star: a script that is no file can load only @stdlib//NAME.star`,
		"endpoints = {'GET /x': struct(a=1)}":                                              `unknown key "a" in endpoint "GET /x"`,
		"endpoints = dict([('GET /x', {'x': 1})])":                                         `unknown key "x" in endpoint "GET /x"`,
	} {
		_, err := Parse("s.star", []byte(text), env)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
	}
	s, err := Parse("s.star", []byte("hooks = {'request': lambda r: None}"), env)
	if err != nil || s.Hooks == nil || s.Hooks.Request == nil || s.Hooks.Response != nil || len(s.Endpoints) != 0 {
		t.Errorf("hooks alone: %+v, %v", s, err)
	}
}

// A scenario that fails to load names the files in which a repair may be.
func TestScriptFilesOfFailure(t *testing.T) {
	t.Parallel()
	dir := unpack(t, "-- s.star --\nload('a.star', 'x')\n-- a.star --\nload('b.star', 'x')\n")
	s, err := Load(filepath.Join(dir, "s.star"), testEnv(t))
	if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, "a.star")+":1:1: cannot load b.star: no such file") {
		t.Error(err)
	}
	if len(s.Files) != 3 || s.Files[2] != filepath.Join(dir, "b.star") {
		t.Error(s.Files)
	}
}

// A link stands for the file it leads to, with what lies beside that.
func TestScriptThroughLink(t *testing.T) {
	t.Parallel()
	dir := unpack(t, "-- real/s.star --\nload('a.star', 'x')\nendpoints = {'GET /x': {'body': x}}\n-- real/a.star --\nx = 'linked'\n")
	link := filepath.Join(dir, "link.star")
	if err := os.Symlink(filepath.Join(dir, "real", "s.star"), link); err != nil {
		t.Fatal(err)
	}
	s, err := Load(link, testEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.Path != link || s.Files[0] != link || len(s.Files) != 3 || s.Endpoints[0].Source.Name != link {
		t.Errorf("got %+v", s)
	}
}

// FuzzScript checks that no script makes a scenario that can't be shown.
func FuzzScript(f *testing.F) {
	for _, text := range []string{
		"endpoints = {'GET /x': {'body': 1}}", "endpoints = {'http://h/x': [{'body': 1}, {'body': 2}]}",
		"config = {'default_latency_ms': 1}\nendpoints = {'* /x*': lambda req: None}", "hooks = {'request': lambda req: None}",
		"endpoints = {'WEBSOCKET /x': lambda ws: None, 'GET /y': response(body=b'\\xff')}", "endpoints = {'GET /x': fault('reset')}",
		"endpoints = dict([('GET /x', struct(sequence = [{'body': (1, 2.5, None, True)}]))])",
	} {
		f.Add(text)
	}
	host := script.New(script.Options{MaxSteps: 10_000, MaxTime: time.Second})
	f.Cleanup(host.Close)
	env := Env{FilesDir: f.TempDir(), Script: host}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("f.star", []byte(text), env)
		if e := (*document.Error)(nil); err != nil && !errors.As(err, &e) {
			t.Fatalf("%T %v is not an Error", err, err)
		}
		if err == nil {
			for _, ep := range s.Endpoints {
				if _, err := json.Marshal(ep.Definition); err != nil || ep.Handler == nil || ep.Summary == "" {
					t.Fatalf("%+v: %v", ep, err)
				}
			}
		}
	})
}
