package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/mock"
)

func TestAddons(t *testing.T) {
	t.Parallel()
	dir := unpack(t, `
-- ok.star --
load("lib/l.star", "pass_on")
hits = cell(0)
def handle(req, config):
    return pass_on(config)
-- lib/l.star --
def pass_on(config):
    log(config["files_dir"])
    return None
-- broken.star --
def handle(req, config):
    return tru
-- few.star --
def handle(req): return None
-- none.star --
x = 1
-- number.star --
handle = 5
-- old.py --
class Handler: pass
-- fails.star --
def handle(req, config):
    return 1 // 0
`)
	env := testEnv(t)
	env.AddonsDir = dir
	env.Addons = NewAddons(env.Script, nil)
	compile := func(addon string, config any) ([]*mock.Endpoint, error) {
		return Compile("GET /x", map[string]any{"addon": addon, "addon_config": config}, env, mock.Source{})
	}
	for name, want := range map[string]string{
		"broken":   filepath.Join(dir, "broken.star") + ":2:12: undefined: tru",
		"few":      filepath.Join(dir, "few.star") + ":1:1: function handle: got 1 parameters, want 2: the request and the config",
		"none":     "no function handle(req, config) and none websocket(ws, config)",
		"number":   "handle: got int, want a function",
		"old":      `old.py is Python, but addons are Starlark scripts (old.star): see docs/porting.md`,
		"../other": `the name "../other" leads out of the addons directory`,
	} {
		if _, err := compile(name, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	req := &exchange.Request{Method: "GET", Scheme: "http", Host: "h", Port: 80, Target: "/x"}

	eps, err := compile("ok", map[string]any{"a": 1})
	if err != nil {
		t.Fatal(err)
	}
	if eps[0].Summary != "addon:ok" {
		t.Error(eps[0].Summary)
	}
	x := &exchange.Exchange{Request: req}
	if res, err := eps[0].Handler.Respond(t.Context(), x); res != nil || err != nil {
		t.Error(res, err)
	}
	if notes := x.Notes.List(); len(notes) != 1 || notes[0].Text != env.FilesDir {
		t.Error(notes)
	}

	// Missing: it answers so until the script comes.
	if eps, err = compile("later", nil); err != nil {
		t.Fatal(err)
	}
	res, body := respond(t, eps[0], req)
	if res.Status != 500 || body != `{"error":"Addon not found: later"}` {
		t.Error(res, body)
	}
	if got := env.Addons.Faults()["later"]; got != "Addon not found: later" {
		t.Error(got)
	}
	path := filepath.Join(dir, "later.star")
	if err := os.WriteFile(path, []byte("def handle(req, config):\n  return None\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	env.Addons.Reload()
	if res, _ := respond(t, eps[0], req); res != nil {
		t.Error(res)
	}
	// Broken again: the version in force stays.
	if err := os.WriteFile(path, []byte("def handle(req, config):\n  return nul\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	env.Addons.Reload()
	if res, _ := respond(t, eps[0], req); res != nil {
		t.Error(res)
	}
	if got := env.Addons.Faults()["later"]; !strings.HasPrefix(got, path+":2:10: undefined: nul") {
		t.Error(got)
	}

	// Only those that endpoints name are kept, and none that never was good.
	if faults := env.Addons.Faults(); len(faults) != 1 {
		t.Error(faults)
	}
	rules := []*mock.Endpoint{{Definition: jsonvalue.Object{{Key: "rules", Value: []any{jsonvalue.Object{{Key: "addon", Value: "ok"}}}}}}}
	env.Addons.Retain(rules)
	if files := env.Addons.Files(); len(files) != 2 || files[0] != filepath.Join(dir, "ok.star") {
		t.Error(files)
	}

	if eps, err = compile("fails", nil); err != nil {
		t.Fatal(err)
	}
	_, err = eps[0].Handler.Respond(t.Context(), &exchange.Exchange{Request: req})
	if err == nil || err.Error() != "Addon error: "+filepath.Join(dir, "fails.star")+":2:14: floored division by zero" {
		t.Error(err)
	}
}

// Endpoints share one addon: setting another one again leaves its cells alone.
func TestAddonsAreShared(t *testing.T) {
	t.Parallel()
	dir := unpack(t, "-- a.star --\nhits = cell(0)\ndef handle(req, config):\n    log(str(hits.incr()))\n")
	env := testEnv(t)
	env.AddonsDir, env.Addons = dir, NewAddons(env.Script, nil)
	for _, want := range []string{"1", "2", "3"} {
		eps, err := Compile("GET /x", map[string]any{"addon": "a"}, env, mock.Source{})
		if err != nil {
			t.Fatal(err)
		}
		x := &exchange.Exchange{Request: &exchange.Request{Method: "GET", Target: "/x"}}
		if _, err := eps[0].Handler.Respond(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		if got := x.Notes.List()[0].Text; got != want {
			t.Errorf("hits are %s, want %s", got, want)
		}
	}
}
