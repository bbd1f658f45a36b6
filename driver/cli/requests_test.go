package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// await waits until the text has a match for each pattern, and gives the text.
func (b *buffer) await(t *testing.T, patterns ...string) string {
	t.Helper()
	text := ""
	for _, pattern := range patterns {
		re := regexp.MustCompile(pattern)
		for end := time.Now().Add(10 * time.Second); !re.MatchString(b.String()); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("no match for %s in\n%s", pattern, b.String())
			}
		}
		text = b.String()
	}
	return text
}

// serving is a "starproxy run" whose streams are read while it runs.
type serving struct {
	console
	stdout, stderr buffer
	cancel         context.CancelFunc
	ended          chan int
}

// serveRun runs the command; a terminal takes the place of standard output if
// there is one.
func serveRun(t *testing.T, terminal *os.File, env []string, args ...string) *serving {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &serving{console: *newConsole(env...), cancel: cancel, ended: make(chan int, 1)}
	s.Name, s.Stdout, s.Stderr = "starproxy", &s.stdout, &s.stderr
	if terminal != nil {
		s.Stdout = terminal
	}
	go func() { s.ended <- s.run(ctx, append([]string{"run"}, args...)) }()
	t.Cleanup(func() {
		cancel()
		if code := <-s.ended; code != 0 {
			t.Errorf("exit code %d: %s", code, s.stderr.String())
		}
	})
	return s
}

// device is an HTTP client behind a proxy.
func device(t *testing.T, proxy string) *http.Client {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return u, nil }}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func get(t *testing.T, c *http.Client, url string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
}

// two is an exporter file with two proxies that reject, below dir.
func two(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "two.yaml")
	text := "export:\n"
	for _, name := range []string{"left", "right"} {
		text += fmt.Sprintf("  %s:\n    type: starproxy.MitmproxyDriver\n    config:\n      listen: {host: 127.0.0.1, port: 0}\n"+
			"      directories: {data: %s}\n      mocks: {GET /hello: {status: 204}, \"GET /any/*\": {status: 200}}\n", name, filepath.Join(dir, name))
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRequestLines reads the lines of requests on a terminal, with two exports.
func TestRequestLines(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	terminal, screen := pty(t, 160)
	serveRun(t, terminal, []string{"TERM=xterm"}, "--exporter-config", two(t, tempDir(t)), "--start", "mock")
	text := screen.await(t, `left: +http://\S+`, `right: +http://\S+`, `JMP_DRIVERS_ALLOW`)
	left := device(t, regexp.MustCompile(`left: +(http://\S+)`).FindStringSubmatch(text)[1])
	right := device(t, regexp.MustCompile(`right: +(http://\S+)`).FindStringSubmatch(text)[1])
	get(t, left, "http://api.example/hello?x=1")
	get(t, right, "http://api.example:81/any/thing")
	get(t, right, server.URL+"/strange")
	get(t, right, "http://127.0.0.1:1/nobody")
	garble(t, regexp.MustCompile(`right: +http://(\S+)`).FindStringSubmatch(text)[1])
	colour := `(\x1b\[\d+m)*`
	screen.await(t,
		`(?m)^  left  +`+colour+`\d\d:\d\d:\d\d`+colour+` `+colour+`GET    `+colour+` api\.example/hello\?x=1 +`+colour+`204.*\[mocked\]`,
		`(?m)^  right .* api\.example:81/any/thing .*\[mocked\].*GET /any/\*`,
		`(?m)^  right .* 127\.0\.0\.1:\d+/strange .*404.*`+colour+`\x1b\[33m\x1b\[1m\[unmatched\]`,
		`(?m)^  right .* 127\.0\.0\.1:1/nobody .*502.*\x1b\[31m\x1b\[1m\[unmatched\]`,
		`(?m)^  right .*REFUSED.* Host: got none, want one: /garbled .*\x1b\[31m\[refused\]`)
}

// garble sends a proxy a request that it refuses.
func garble(t *testing.T, addr string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET /garbled HTTP/1.1\r\n\r\n")
	io.Copy(io.Discard, c)
}

// TestRequestLinesOff checks who gets no lines: somebody who wants none, and a
// file.
func TestRequestLinesOff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		terminal bool
		args     []string
	}{
		{"quiet", true, []string{"--quiet"}},
		{"a file", false, nil},
		{"a quiet log", false, []string{"--quiet", "--log-format", "json"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var terminal *os.File
			var screen *buffer
			if test.terminal {
				terminal, screen = pty(t, 100)
			}
			s := serveRun(t, terminal, nil, append([]string{"--exporter-config", two(t, tempDir(t)), "--start", "mock"}, test.args...)...)
			if screen == nil {
				screen = &s.stdout
			}
			text := screen.await(t, `left: +http://\S+`, `JMP_DRIVERS_ALLOW`)
			get(t, device(t, regexp.MustCompile(`left: +(http://\S+)`).FindStringSubmatch(text)[1]), "http://api.example/hello")
			s.cancel()
			s.ended <- <-s.ended // everything is written
			if text := screen.String() + s.stderr.String(); strings.Contains(text, "api.example") {
				t.Errorf("a request is told of:\n%s", text)
			}
		})
	}
}

// TestRequestRecords reads requests in a log of JSON.
func TestRequestRecords(t *testing.T) {
	t.Parallel()
	s := serveRun(t, nil, nil, "--exporter-config", two(t, tempDir(t)), "--start", "mock", "--unmatched", "reject", "--log-format", "json")
	text := s.stdout.await(t, `left: +http://\S+`, `JMP_DRIVERS_ALLOW`)
	left := device(t, regexp.MustCompile(`left: +(http://\S+)`).FindStringSubmatch(text)[1])
	get(t, left, "http://api.example/hello")
	get(t, left, "http://api.example/strange")
	garble(t, regexp.MustCompile(`left: +http://(\S+)`).FindStringSubmatch(text)[1])
	log := s.stderr.await(t, `/hello`, `/strange`, `/garbled`)
	found := map[string]map[string]any{}
	lines := bufio.NewScanner(strings.NewReader(log))
	for lines.Scan() {
		var record map[string]any
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		if record["msg"] == "request" {
			found[record["path"].(string)] = record
		}
	}
	for path, want := range map[string]map[string]any{
		"/hello":   {"level": "INFO", "export": "left", "method": "GET", "host": "api.example", "status": 204.0, "outcome": "mocked", "endpoint": "GET /hello", "unmatched": false},
		"/strange": {"level": "WARN", "export": "left", "status": 501.0, "outcome": "rejected", "unmatched": true},
		"/garbled": {"level": "WARN", "export": "left", "kind": "refused", "method": "GET", "status": 400.0, "outcome": "", "unmatched": false, "error": "Host: got none, want one"},
	} {
		for key, value := range want {
			if got := found[path][key]; got != value {
				t.Errorf("%s: %s: got %v, want %v", path, key, got, value)
			}
		}
	}
}

// countingSink counts what it is told.
type countingSink struct {
	mu         sync.Mutex
	told, left uint64
	last       uint64
	order      int // rows that came out of order
}

func (c *countingSink) request(_ string, r requestRow) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told++; r.Seq <= c.last {
		c.order++
	}
	c.last = r.Seq
}

func (c *countingSink) skipped(_ string, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left += n
}

// TestRequestSinks checks who is told of requests, and how.
func TestRequestSinks(t *testing.T) {
	t.Parallel()
	terminal, _ := pty(t, 80)
	for _, test := range []struct {
		name   string
		stdout io.Writer
		quiet  bool
		log    string
		want   string
		rate   int
	}{
		{"a file", io.Discard, false, "", "<nil>", 0},
		{"a terminal", terminal, false, "", "cli.requestLines", terminalRate},
		{"an outlet of a terminal", newOutlet(terminal, func() {}), false, "", "cli.requestLines", terminalRate},
		{"a quiet terminal", terminal, true, "", "<nil>", 0},
		{"a log", io.Discard, false, "json", "cli.requestRecords", logRate},
		{"a log beside a terminal", terminal, false, "json", "cli.requestRecords", logRate},
		{"a quiet log", terminal, true, "json", "<nil>", 0},
	} {
		w := &observation{observed: observed{sys: &System{Stdout: test.stdout}, format: test.log}, quiet: test.quiet}
		got, rate := "<nil>", 0
		if l := w.requestLog([]string{"proxy"}); l != nil {
			got, rate = fmt.Sprintf("%T", l.sink), l.budget.rate
		}
		if got != test.want || rate != test.rate {
			t.Errorf("%s: got %s, %d a second; want %s, %d", test.name, got, rate, test.want, test.rate)
		}
	}
}

// TestRequestsBounded checks that a burst costs no more than the budget says,
// and that nothing is told twice or lost count of.
func TestRequestsBounded(t *testing.T) {
	t.Parallel()
	s := serveRun(t, nil, nil, "--exporter-config", two(t, tempDir(t)), "--start", "mock")
	text := s.stdout.await(t, `left: +http://\S+`, `JUMPSTARTER_HOST=\S+\n`)
	p := dialed(t, regexp.MustCompile(`JUMPSTARTER_HOST=(\S+)`).FindStringSubmatch(text)[1], "left")
	sink := &countingSink{}
	l := &requestLog{sink: sink, budget: budget{rate: 20}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		l.follow(ctx, "left", p)
		close(ended)
	}()
	left := device(t, regexp.MustCompile(`left: +(http://\S+)`).FindStringSubmatch(text)[1])
	const burst = 500
	for range burst {
		get(t, left, "http://api.example/hello")
	}
	start := time.Now()
	for sum := uint64(0); sum != burst; time.Sleep(5 * time.Millisecond) {
		sink.mu.Lock()
		sum = sink.told + sink.left
		sink.mu.Unlock()
		if time.Since(start) > 10*time.Second {
			t.Fatalf("%d requests told of or counted, want %d", sum, burst)
		}
	}
	cancel()
	<-ended
	sink.mu.Lock()
	defer sink.mu.Unlock()
	if sink.order != 0 || sink.told > 100 {
		t.Errorf("%d told of, %d of them out of order", sink.told, sink.order)
	}
}

// TestRequestsComeBack checks that a proxy that fails and begins anew is
// followed again, from its first request.
func TestRequestsComeBack(t *testing.T) {
	t.Parallel()
	sink := &countingSink{}
	f := &fake{answers: map[string]any{"list_captures": fmt.Errorf("gone")}}
	l := &requestLog{sink: sink, budget: budget{rate: 100}}
	at := place{journal: "old", seq: 7}
	if err := l.resume(t.Context(), "proxy", proxy{f}, &at, true); err == nil || at.seq != 7 {
		t.Errorf("resume of a proxy that is gone: %v, at %d", err, at.seq)
	}
	f.answers["list_captures"] = `{"journal": "new", "last": 9}`
	f.streams = map[string][]string{"watch_captures": {`{"seq": 1, "kind": "http"}`, `{"seq": 1, "update": true}`, `{"kind": "missed", "missed": 3}`, `{"seq": 5}`}}
	if err := l.resume(t.Context(), "proxy", proxy{f}, &at, true); err != nil || at != (place{"new", 0}) {
		t.Errorf("resume: %v, at %v", err, at)
	}
	if err := l.watch(t.Context(), "proxy", proxy{f}, &at); err != errNoStream || at.seq != 5 {
		t.Errorf("watch: %v, at %d", err, at.seq)
	}
	if sink.told != 2 || sink.left != 3 {
		t.Errorf("told of %d, counted %d; want 2 and 3", sink.told, sink.left)
	}
}
