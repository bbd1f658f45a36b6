package driver

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// A device learns nothing about the directories of the bench, whatever fails;
// its owner reads the whole path.
func TestDevicesAreToldNoPaths(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "bench data")
	b := newBench(t, func(c *Config) {
		c.Directories.Data = dir
		c.Unmatched = Reject
	})
	b.dir = dir
	b.write("addons/fails.star", "load(\"lib/deep.star\", \"deep\")\ndef handle(req, config):\n    return deep()\n")
	b.write("addons/lib/deep.star", "def deep():\n    return 1 // 0\n")
	b.write("mock-responses/set/main.star", `
load("lib.star", "helper")
def stream(req):
    def run(out):
        out.write("begun ")
        helper()
    return response(stream = run)
def ws(sock):
    sock.receive()
    helper()
endpoints = {
    "GET /div": lambda req: helper(),
    "GET /fail": lambda req: fail("no luck"),
    "GET /read": lambda req: read_file("none.bin"),
    "GET /dict": lambda req: {"statu": 1},
    "GET /type": lambda req: 7,
    "GET /file": lambda req: response(file = "none.bin"),
    "GET /stream": stream,
    "WEBSOCKET /ws": ws,
    "GET /addon": {"addon": "fails"},
    "GET /data": {"file": "none.bin"},
    "GET /template": {"body_template": {"x": "{{state('a')['b']}}"}},
}
`)
	b.write("mock-responses/set/lib.star", "def helper():\n    return {}[\"missing\"]\n")
	b.write("mock-responses/hooks.star", "def seen(req):\n    fail(\"hook\")\nhooks = struct(request = seen)\nendpoints = {}\n")
	proxy := b.start()
	b.want("Loaded 11 endpoint(s) from main.star", "load_mock_scenario", "set/main.star")
	private := []string{dir, filepath.Dir(dir), "bench data", "mock-responses/", "addons/"}
	check := func(what, text string) {
		t.Helper()
		for _, p := range private {
			if strings.Contains(text, p) {
				t.Errorf("%s tells %q: %s", what, p, text)
			}
		}
	}
	for _, path := range []string{"/div", "/fail", "/read", "/dict", "/type", "/file", "/addon", "/data", "/template", "/nothing", "/div/x"} {
		got := b.get(proxy, "http://device.invalid"+path)
		if !strings.HasPrefix(got, "50") {
			t.Errorf("%s: %s", path, got)
		}
		check(path, got)
	}
	c, _, err := websocket.Dial(t.Context(), "ws://device.invalid/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}})
	if err != nil {
		t.Fatal(err)
	}
	c.Write(context.Background(), websocket.MessageText, []byte("x"))
	_, _, err = c.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusInternalError {
		t.Errorf("the socket ended with %v", err)
	}
	check("/ws", err.Error())
	c.CloseNow()
	if got := b.get(proxy, "http://device.invalid/div"); !strings.Contains(got, "lib.star:2:") {
		t.Errorf("the place is missing: %s", got)
	}
	// The owner has the whole path.
	owner := ""
	for e := range b.d.journal.All(nil) {
		for _, n := range e.Notes {
			owner += n.Text + "\n"
		}
	}
	if !strings.Contains(owner, filepath.Join(dir, "mock-responses", "set", "lib.star")+":2:") {
		t.Errorf("the notes have no whole path: %s", owner)
	}
	b.call("load_mock_scenario", "hooks.star")
	check("a hook", b.get(proxy, "http://device.invalid/x"))
	// A recording whose answer is gone, and a CA that can't be read.
	b.write("flows/empty.bin", "")
	b.call("restart", "replay", false, "empty.bin")
	proxy = &url.URL{Scheme: "http", Host: proxy.Host}
	check("replay", b.get(proxy, "http://device.invalid/x"))
	bad := newBench(t, func(c *Config) {
		c.Directories.Data = dir
		c.Directories.Conf = filepath.Join(dir, "bad conf")
		if err := os.MkdirAll(c.Directories.Conf, 0o755); err != nil {
			t.Fatal(err)
		}
	})
	first := bad.start()
	if err := os.WriteFile(filepath.Join(dir, "bad conf", "mitmproxy-ca.pem"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("mitm.it", bad.get(first, "http://mitm.it/cert/pem"))
}
