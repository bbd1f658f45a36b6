package driver

import (
	"os"
	"path/filepath"
	"testing"
)

// A release in which only what the script loads is new is taken up too, and so
// is what its addons are read from.
func TestScriptReloadThroughLink(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, release := range []string{"1", "2"} {
		b.write("mock-responses/releases/"+release+"/sub/s.star", "load(\"l.star\", \"body\")\nendpoints = {\"GET /y\": {\"body\": body}, \"GET /z\": {\"addon\": \"linked/a\"}}\n")
		b.write("mock-responses/releases/"+release+"/sub/l.star", "body = \"release "+release+"\"\n")
		b.write("addons/releases/"+release+"/a.star", "load(\"b.star\", \"text\")\ndef handle(req, config):\n    return response(body = text)\n")
		b.write("addons/releases/"+release+"/b.star", "text = \"addon "+release+"\"\n")
	}
	lead := func(dir, name, to string) {
		t.Helper()
		link := filepath.Join(b.dir, dir, name)
		if err := os.Symlink(filepath.Join("releases", to), link+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link+".new", link); err != nil {
			t.Fatal(err)
		}
	}
	lead("mock-responses", "current", "1")
	lead("addons", "linked", "1")
	b.want("Loaded 2 endpoint(s) from s.star", "load_mock_scenario", "current/sub/s.star")
	proxy := b.start()
	get := func(path, want string) {
		t.Helper()
		if got := b.get(proxy, "http://nowhere.invalid"+path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	get("/y", "200 release 1")
	get("/z", "200 addon 1")
	lead("mock-responses", "current", "2")
	b.awaitLog("scenario reloaded")
	get("/y", "200 release 2")
	lead("addons", "linked", "2")
	b.awaitLog("addon reloaded addon=linked/a")
	get("/z", "200 addon 2")
	b.write("mock-responses/releases/2/sub/l.star", "body = \"edited\"\n")
	b.awaitLog("scenario reloaded")
	get("/y", "200 edited")
}
