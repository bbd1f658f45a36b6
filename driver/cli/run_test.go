package cli

import (
	"bufio"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"starproxy/driver/rpc"
)

// running is a "starproxy run" in this process.
type running struct {
	*console
	greeting string
	cancel   context.CancelFunc
	ended    chan int
}

// startRun runs the command until its greeting is complete, which the line
// beginning with last tells.
func startRun(t *testing.T, last string, env []string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{console: newConsole(env...), cancel: cancel, ended: make(chan int, 1)}
	r.Name = "starproxy"
	out, in := io.Pipe()
	r.Stdout = in
	go func() {
		code := r.run(ctx, append([]string{"run"}, args...))
		in.Close()
		r.ended <- code
	}()
	t.Cleanup(func() { cancel() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		r.greeting += lines.Text() + "\n"
		if strings.HasPrefix(lines.Text(), last) {
			go io.Copy(io.Discard, out)
			return r
		}
	}
	t.Fatalf("exit code %d\nstdout\n%sstderr\n%s", <-r.ended, r.greeting, r.stderr.String())
	return nil
}

// find is the first group of a pattern in the greeting.
func (r *running) find(t *testing.T, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)` + pattern).FindStringSubmatch(r.greeting)
	if m == nil {
		t.Fatalf("no %s in\n%s", pattern, r.greeting)
	}
	return m[1]
}

func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if code := <-r.ended; code != 0 {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
}

// freePort is a port that nobody listens on now, and that nobody is given who
// asks for any.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		// Below 32768: the system gives those above to connections as it likes.
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(12_000+rand.IntN(20_000)))); err == nil {
			defer l.Close()
			return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		}
	}
	t.Fatal("no port is free")
	return ""
}

// Without a configuration the proxy is up at once and the line to try works.
func TestRunBuiltIn(t *testing.T) {
	t.Parallel()
	data, port := tempDir(t), freePort(t)
	r := startRun(t, "  curl", []string{"XDG_DATA_HOME=" + data}, "--port", port)
	proxyURL := r.find(t, `^proxy: +(http://\S+) \(mode mock, 4 mock endpoint\(s\)\)$`)
	if proxyURL != "http://127.0.0.1:"+port {
		t.Errorf("proxy %s, want port %s", proxyURL, port)
	}
	ca := r.find(t, `^CA: +(\S+)$`)
	if want := filepath.Join(data, "starproxy/conf/mitmproxy-ca-cert.pem"); ca != want {
		t.Errorf("CA %s, want %s", ca, want)
	}
	if _, err := os.Stat(ca); err != nil {
		t.Error(err)
	}
	socket := r.find(t, `^export JUMPSTARTER_HOST=(\S+)$`)
	if st, err := os.Stat(socket); err != nil || st.Mode().Type() != os.ModeSocket {
		t.Errorf("socket: %v, %v", st, err)
	}
	try := r.find(t, `^  (curl -x .*)$`)
	if want := "curl -x " + proxyURL + " --cacert " + ca + " https://device.example/api/v1/status"; try != want {
		t.Errorf("line to try %q, want %q", try, want)
	}
	through, _ := url.Parse(proxyURL)
	c := http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(through), DisableKeepAlives: true}}
	resp, err := c.Get("http://device.example/api/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 || !strings.Contains(string(body), "quickstart-01") {
		t.Errorf("%s %s", resp.Status, body)
	}

	// A mock is saved to the scenario, which is the user's own.
	called := dialed(t, socket, "proxy")
	for _, words := range []string{"mock set POST /api/v1/telemetry -", "mock save POST /api/v1/telemetry"} {
		j := newConsole()
		j.Stdin = strings.NewReader("{status: 203, body: {accepted: true}}")
		if code := j.exit(j.dispatch(t.Context(), "j proxy", &proxyCommands{}, strings.Fields(words), called)); code != 0 {
			t.Errorf("j %s: exit code %d, stderr %q", words, code, j.stderr.String())
		}
	}
	scenario, err := os.ReadFile(filepath.Join(data, "starproxy/quickstart/scenario.yaml"))
	if want := strings.Replace(string(quickstart), "status: 202\n", "status: 203\n", 1); err != nil || string(scenario) != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, scenario, want)
	}

	// The port is taken now: one line, with the way out.
	second := newConsole("XDG_DATA_HOME=" + tempDir(t))
	second.Name = "starproxy"
	if code := second.run(t.Context(), []string{"run", "--port", port}); code != 1 ||
		!strings.Contains(second.stderr.String(), "already in use") || !strings.HasSuffix(second.stderr.String(), "(choose another with --port)\n") ||
		strings.Count(second.stderr.String(), "\n") != 1 {
		t.Errorf("exit code %d, stderr %q", code, second.stderr.String())
	}
	r.stop(t)
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket is still there")
	}
}

// A scenario on the command line finds the files beside it, and must be there.
func TestRunScenario(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("scenario.yaml", "GET /fw: {file: fw.bin}\n")
	write("fw.bin", "firmware")
	for _, path := range []string{dir, filepath.Join(dir, "scenario.yaml")} {
		port := freePort(t)
		r := startRun(t, "  curl", []string{"XDG_DATA_HOME=" + tempDir(t)}, "--port", port, "--scenario", path)
		c := http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:" + port}), DisableKeepAlives: true}}
		resp, err := c.Get("http://device.example/fw")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || string(body) != "firmware" {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
		r.stop(t)
	}
	missing := newConsole("XDG_DATA_HOME=" + tempDir(t))
	missing.Name = "starproxy"
	if code := missing.run(t.Context(), []string{"run", "--scenario", filepath.Join(dir, "nope.yaml")}); code != 1 ||
		!strings.Contains(missing.stderr.String(), "nope.yaml: no such file") || strings.Count(missing.stderr.String(), "\n") != 1 {
		t.Errorf("exit code %d, stderr %q", code, missing.stderr.String())
	}
}

// With a configuration nothing starts, unless it is asked for.
func TestRunConfigured(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	config := filepath.Join(dir, "exporter.yaml")
	text := "export:\n  a: {type: starproxy.MitmproxyDriver, config: {listen: {host: 127.0.0.1, port: 0}, directories: {data: " + dir + "/a}}}\n" +
		"  group: {children: {b: {type: starproxy.MitmproxyDriver, config: {listen: {host: 127.0.0.1, port: 0}, directories: {data: " + dir + "/b}}}}}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startRun(t, "export JMP", nil, "--exporter-config", config)
	if want := "a:      not running, start it with: j a start\ngroup.b: not running, start it with: j group b start\n"; !strings.HasPrefix(r.greeting, want) {
		t.Errorf("greeting\n%swant\n%s", r.greeting, want)
	}
	r.stop(t)

	socket := filepath.Join(dir, "s")
	r = startRun(t, "  curl", nil, "--exporter-config", config, "--start", "passthrough", "--socket", socket,
		"--tls-grpc-listener", "127.0.0.1:"+freePort(t), "--tls-grpc-insecure")
	r.find(t, `^(a): +http://127.0.0.1:\d+ \(mode passthrough, 0 mock`)
	r.find(t, `^(group.b): http://127.0.0.1:\d+ \(mode passthrough`)
	r.find(t, `^  curl -x \S+ (http://mitm.it/cert/pem)$`)
	r.find(t, `^# or over TCP: JUMPSTARTER_HOST=127.0.0.1:\d+ (JMP_GRPC_INSECURE=1)$`)
	if got := r.find(t, `^export JUMPSTARTER_HOST=(\S+)$`); got != socket {
		t.Errorf("socket %s, want %s", got, socket)
	}
	r.stop(t)

	c := newConsole()
	c.Name = "starproxy"
	if code := c.run(t.Context(), []string{"run", "--exporter-config", config, "--port", "1"}); code != 80 ||
		c.stderr.String() != "starproxy: --port, --listen, --way and --web-listen need a configuration with one proxy, this one has 2\n" {
		t.Errorf("exit code %d, stderr %q", code, c.stderr.String())
	}
}

func TestPlainGet(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{"GET /a/b.json": true, "GET /": true, "GET /a*": false, "GET /{id}": false, "POST /a": false, "GET /a#x": false, "GET http://h/": false} {
		if _, got := plainGet(key); got != want {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
}

// A port that another program has is chosen by the flag for it, if there is one.
func TestInUse(t *testing.T) {
	t.Parallel()
	for about, want := range map[string]string{
		"listen.port": "taken (choose another with --port)", "web.port": "taken (choose another with --web-listen)", "listen.modes": "taken",
	} {
		if got := inUse(&rpc.Refusal{Code: rpc.AlreadyExists, About: about, Text: "taken"}, true).Error(); got != want {
			t.Errorf("%s: got %q, want %q", about, got, want)
		}
	}
}
