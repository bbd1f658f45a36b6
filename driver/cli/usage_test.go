package cli

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// What people type at first is understood, or answered with the command that
// they meant.
func TestFirstWords(t *testing.T) {
	t.Parallel()
	unknown := "unexpected argument "
	for _, test := range []struct {
		name, args string
		code       int
		want       string // in the output
	}{
		{"starproxy", "capture", 80, unknown + `capture, did you mean "j proxy capture"?`},
		{"starproxy", "capture watch -f /api/*", 80, `did you mean "j proxy capture watch -f '/api/*'"?`},
		{"starproxy", "start", 80, `did you mean "j proxy start"?`},
		{"starproxy", "mock load x.yaml", 80, `did you mean "j proxy mock load x.yaml"?`},
		{"starproxy", "proxy status", 80, unknown + `proxy, did you mean "j proxy status"?`},
		{"starproxy", "web", 80, `did you mean "j proxy web"?`},
		{"starproxy", "chekc", 80, `did you mean "check"?`},
		{"j", "start", 80, `did you mean "j proxy start"?`},
		{"j", "flow list", 80, `did you mean "j proxy flow list"?`},
		{"j", "proxy status", 1, "JUMPSTARTER_HOST is not set"},
		{"starproxy", "help", 0, "First steps:"},
		{"starproxy", "help run", 0, "Usage: starproxy run"},
		{"starproxy", "help script check", 0, "Usage: starproxy script check"},
		{"j", "help", 0, "Usage: j EXPORT"},
		{"j", "help mock set", 0, "Usage: j EXPORT mock set"},
		{"j", "help proxy capture show", 0, "Usage: j proxy capture show"},
		{"j", "help mock st", 80, "unexpected argument st"},
		{"starproxy", "help mock set", 0, "Usage: j EXPORT mock set"},
		{"starproxy", "help j", 0, "Usage: j EXPORT"},
		{"starproxy", "help scenario import", 0, "Usage: starproxy scenario import"},
		{"starproxy", "version -o json", 0, `"version":"` + version() + `"`},
		{"starproxy", "--version", 0, "starproxy " + version()},
		{"starproxy", "-V", 0, "starproxy " + version()},
		{"j", "--version", 0, "starproxy " + version()},
		{"starproxy", "run --port x", 80, `--port: got "x", want a whole number (see starproxy run --help)`},
		{"starproxy", "run --proxy-memory=-1", 80, `want a whole number from 0 on`},
		{"starproxy", "run --start fly", 80, `--start: got "fly", want one of mock, passthrough, record, replay (see`},
		{"starproxy", "run --start", 80, `--start: got nothing, want a value`},
		{"starproxy", "run --start replay", 80, `--replay-file FILE`},
		{"starproxy", "schema x", 80, `<document>: got "x", want one of scenario, exporter`},
	} {
		c := newConsole("COLUMNS=100")
		c.Name = test.name
		code := c.run(t.Context(), strings.Fields(test.args))
		if out := c.stdout.String() + c.stderr.String(); code != test.code || !strings.Contains(out, test.want) {
			t.Errorf("%s %s: exit code %d, got %q, want %d and %q", test.name, test.args, code, out, test.code, test.want)
		}
	}
}

// The words that j has behind an export are those of its grammar.
func TestProxyWords(t *testing.T) {
	t.Parallel()
	app, err := kong.New(&proxyCommands{}, kong.Bind(&System{}))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, node := range app.Model.Children {
		names = append(names, node.Name)
	}
	slices.Sort(names)
	words := slices.Sorted(slices.Values(proxyWords()))
	if !reflect.DeepEqual(words, names) {
		t.Errorf("got %q, want %q", words, names)
	}
}

// A port that is in use is told with the flag that chooses another.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	port := strconv.Itoa(busy.Addr().(*net.TCPAddr).Port)
	config := filepath.Join(tempDir(t), "exporter.yaml")
	text := "export: {proxy: {type: starproxy.MitmproxyDriver, config: {listen: {host: 127.0.0.1, port: " + port + "}, directories: {data: data}}}}"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		flag string
	}{
		{[]string{"--port", port}, "--port"},
		{[]string{"--listen", "127.0.0.1:0", "--web-listen", "127.0.0.1:" + port}, "--web-listen"},
		{[]string{"--exporter-config", config, "--start", "mock"}, "--listen"},
	} {
		c := newConsole("XDG_DATA_HOME=" + tempDir(t))
		c.Name = "starproxy"
		code := c.run(t.Context(), append([]string{"run"}, test.args...))
		got := c.stderr.String()
		if code != 1 || !strings.HasSuffix(got, "(choose another with "+test.flag+")\n") || strings.Contains(got, "mitmproxy instance") {
			t.Errorf("%q: exit code %d, %s, want the flag %s", test.args, code, got, test.flag)
		}
	}
}

// j web takes a free port where the usual one is in use, as it is on the bench
// itself; one that was asked for is told.
func TestWebPort(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(webPort))
	if err == nil {
		defer busy.Close()
	} // else somebody has it already
	l, err := (&webCmd{Address: "127.0.0.1"}).listen()
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	defer l.Close()
	if port == webPort {
		t.Errorf("got port %d, want a free one", port)
	}
	if _, err := (&webCmd{Address: "127.0.0.1", Port: &port}).listen(); err == nil || !strings.Contains(err.Error(), "choose another with --port") {
		t.Errorf("got %v, want a word about --port", err)
	}
}

// Documents of other kinds are recognised, whichever command is given them.
func TestOtherDocuments(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	for name, text := range map[string]string{
		"exporter.yaml": "export:\n  proxy: {type: starproxy.MitmproxyDriver}\n",
		"lab.yaml":      "apiVersion: jumpstarter.dev/v1alpha1\nkind: ExporterConfig\nendpoint: x:1\n",
		"session.json":  `{"log": {"version": "1.2", "entries": []}}`,
		"petstore.yaml": "openapi: 3.0.0\npaths:\n  /pets: {get: {}}\n",
		"flat.yaml":     "GET /x: {body: ok}\n",
		"scenario.yaml": "endpoints:\n  GET /x: {body: ok}\n",
		"both.yaml":     "endpoints: {}\nexport: {}\n",
		"stub.json":     `{"request": {"method": "GET", "url": "/x"}, "response": {"status": 503}}`,
		"stubs.json":    `{"mappings": [{"request": {"url": "/x"}, "response": {}}]}`,
		"expect.json":   `[{"httpRequest": {"path": "/x"}, "httpResponse": {"statusCode": 200}}]`,
		"within.yaml":   "GET /x: {request: {url: /x}, response: {status: 503}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ command, file, want string }{
		{"script check", "exporter.yaml", `:1:1: this is an exporter file, not a scenario: "starproxy check FILE" looks at it`},
		{"script check", "lab.yaml", "this is an exporter file, not a scenario"},
		{"script check", "session.json", "this is a HAR document, not a scenario: mode replay answers from it"},
		{"script check", "petstore.yaml", "this is an OpenAPI document, not a scenario"},
		{"script check", "stub.json", `:1:1: this is a mapping of WireMock, not a scenario: "starproxy scenario import FILE -o SCENARIO" translates it`},
		{"script check", "stubs.json", "this is a mapping of WireMock, not a scenario"},
		{"script check", "expect.json", "this is an expectation of MockServer, not a scenario"},
		{"script check", "within.yaml", `:1:9: this is a mapping of WireMock, not the definition of endpoint "GET /x": "starproxy scenario import`},
		{"check", "stub.json", "this is a mapping of WireMock, not an exporter file"},
		{"run --port 1 --scenario", "stub.json", "this is a mapping of WireMock, not a scenario"},
		{"check", "flat.yaml", "this is a scenario, not an exporter file"},
		{"check", "scenario.yaml", `this is a scenario, not an exporter file: expected the key export, a map of names to drivers ("starproxy script check FILE"`},
		{"check", "session.json", "this is a HAR document, not an exporter file"},
		{"run --port 1 --scenario", "exporter.yaml", "this is an exporter file, not a scenario"},
		{"run --exporter-config", "flat.yaml", "this is a scenario, not an exporter file"},
	} {
		c := newConsole("XDG_DATA_HOME=" + tempDir(t))
		c.Name = "starproxy"
		code := c.run(t.Context(), append(strings.Fields(test.command), filepath.Join(dir, test.file)))
		if out := c.stdout.String() + c.stderr.String(); code != 1 || !strings.Contains(out, test.want) {
			t.Errorf("%s %s: exit code %d, got %q, want %q", test.command, test.file, code, out, test.want)
		}
	}
}

// A session knows help and exit, and a script that has such names keeps them.
func TestReplWords(t *testing.T) {
	t.Parallel()
	file := filepath.Join(tempDir(t), "lib.star")
	if err := os.WriteFile(file, []byte("def exit(n = 0):\n    return \"mine\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, in, want string }{
		{"", "exit\n1+1\n", ""},
		{"", "1+1\n quit()\n2+2\n", "2\n"},
		{"", "help\n", replHelp + "\n"},
		{"", "help random_intt\n", "no builtin or module \"random_intt\" (did you mean random_int?)\n"},
		{"", "help = 3\nhelp\n", "3\n"},
		{file, "exit()\n1+1\nquit\n3+3\n", "\"mine\"\n2\n"},
	} {
		c := newConsole()
		c.Name, c.Stdin = "starproxy", strings.NewReader(test.in)
		if code := c.run(t.Context(), append([]string{"script", "repl"}, strings.Fields(test.args)...)); code != 0 || c.stdout.String() != test.want {
			t.Errorf("%q: exit code %d, got %q, want %q; %s", test.in, code, c.stdout.String(), test.want, c.stderr.String())
		}
	}
	for _, in := range []string{"help call", "help(call)", `help("call")`, "help('call')"} {
		c := newConsole()
		c.Name, c.Stdin = "starproxy", strings.NewReader(in+"\n")
		if c.run(t.Context(), []string{"script", "repl"}); !strings.HasPrefix(c.stdout.String(), "call(key, ") {
			t.Errorf("%s: got %q", in, c.stdout.String())
		}
	}
}

// A health check fails for a proxy that does not run, and for one that does not
// take connections.
func TestStatusServing(t *testing.T) {
	t.Parallel()
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for _, test := range []struct {
		status string
		code   int
		want   string
	}{
		{`{"running": true, "proxy_address": "` + open.Addr().String() + `"}`, 0, ""},
		{`{"running": true, "proxy_address": "0.0.0.0:` + strconv.Itoa(open.Addr().(*net.TCPAddr).Port) + `"}`, 0, ""},
		{`{"running": false}`, 1, "j: the proxy does not run\n"},
		{`{"running": true, "proxy_address": "127.0.0.1:1"}`, 1, "j: the proxy takes no connections: "},
		{`{"running": true, "proxy_address": ""}`, 1, "j: proxy address"},
	} {
		f := &fake{answers: map[string]any{"status": test.status}}
		if _, stderr, code := proxyCommand(t, f, "status", "--serving"); code != test.code || !strings.HasPrefix(stderr, test.want) {
			t.Errorf("%s: exit code %d, %q, want %d, %q", test.status, code, stderr, test.code, test.want)
		}
	}
}
