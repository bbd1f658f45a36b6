package interop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// step is one command of a session with j, after something has been done
// outside of it.
type step struct {
	args  string
	do    func(t *testing.T, b *bench)
	fails bool // Python prints the sentence and exits 0; ours fails with it
}

// session is every command of "j proxy" that ends by itself. {port} is another
// free port, {scenario} a scenario with companion files, {out} a directory.
var session = []step{
	{args: "proxy status"},
	{args: "proxy stop", fails: true},
	{args: "proxy mock list"},
	{args: "proxy mock clear"},
	{args: "proxy capture list"},
	{args: "proxy capture clear"},
	{args: "proxy flow list", do: func(t *testing.T, b *bench) { os.RemoveAll(filepath.Join(b.dir, "flows")) }},
	{args: "proxy mock load {scenario}/nothing-here.yaml", fails: true},
	{args: "proxy mock load {scenario}"},
	{args: "proxy mock load {scenario}/scenario.yaml"},
	{args: "proxy mock list"},
	{args: "proxy start"},
	{args: "proxy start", fails: true},
	{args: "proxy status"},
	{args: "proxy cert {out}/ca.pem"},
	{args: "proxy capture list", do: func(t *testing.T, b *bench) {
		if status, body := get(t, b.port, "http://api.example.com/api/v1/status?from=test"); status != 200 {
			t.Errorf("GET through the proxy: %d %s", status, body)
		}
		if status, body := get(t, b.port, "http://api.example.com/firmware"); body != "firmware\n" {
			t.Errorf("GET through the proxy: %d %q", status, body)
		}
		b.awaitCaptures(t, 2)
	}},
	{args: "proxy capture save {out}/all"},
	{args: "proxy capture save {out}/one -f /api/*"},
	{args: "proxy capture save {out}/none --exclude-mocked"},
	{args: "proxy capture clear"},
	{args: "proxy capture list"},
	{args: "proxy restart"},
	{args: "proxy restart --mode passthrough"},
	{args: "proxy status"},
	{args: "proxy capture list", do: func(t *testing.T, b *bench) {
		real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprint(w, "the real server")
		}))
		defer real.Close()
		if status, body := get(t, b.port, real.URL+"/"+strings.Repeat("long/", 20)); status != http.StatusTeapot {
			t.Errorf("GET through the proxy: %d %s", status, body)
		}
		b.awaitCaptures(t, 1)
	}},
	{args: "proxy mock clear"},
	{args: "proxy mock list"},
	{args: "proxy stop"},
	{args: "proxy status"},
	{args: "proxy flow list", do: func(t *testing.T, b *bench) {
		path := filepath.Join(b.dir, "flows", "kept.bin")
		write(t, path, strings.Repeat("flow", 1000))
		when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}},
	{args: "proxy flow save kept.bin {out}/kept.bin"},
}

// awaitCaptures waits until n requests are in the record: the Python driver
// hears of them from another process.
func (b *bench) awaitCaptures(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		out := b.mustJ(t, b.dir, "proxy", "capture", "list")
		if strings.HasPrefix(out, fmt.Sprintf("%d captured", n)) {
			return
		}
	}
	t.Fatalf("there never were %d captured requests", n)
}

// moreOfOurs matches what our lines of captures have behind those of Python's j: number, host
// and cause.
var moreOfOurs = regexp.MustCompile(`(?m)^(.*?\[\w+\] *?)(?:  #\d+)?  \S+(?:  \[.*\])?$`)

// play runs the session with one j against one exporter. It gives what each
// command printed, with what differs from run to run replaced by its name.
func play(t *testing.T, b *bench, j func(t testing.TB, dir string, args ...string) output, strict bool) []string {
	t.Helper()
	out := t.TempDir()
	scenario := filepath.Join(out, "scenario")
	write(t, filepath.Join(scenario, "scenario.yaml"), scenarioDocument)
	write(t, filepath.Join(scenario, "firmware", "a.txt"), "firmware\n")
	write(t, filepath.Join(out, "secret.txt"), "not to be uploaded\n")

	var transcript []string
	for _, s := range session {
		if s.do != nil {
			s.do(t, b)
		}
		args := strings.NewReplacer("{scenario}", scenario, "{out}", out).Replace(s.args)
		o := j(t, b.dir, strings.Fields(args)...)
		text := o.stdout
		switch {
		case s.fails && strict:
			if o.code == 0 {
				t.Errorf("j %s: exit code 0 for a failure: %s", args, o)
			}
			text += strings.TrimPrefix(o.stderr, "j: ")
		case o.code != 0:
			t.Errorf("j %s: %s", args, o)
		}
		text = moreOfOurs.ReplaceAllString(text, "$1")
		transcript = append(transcript, "$ j "+s.args+"\n"+normal(text, b, out))
	}
	files := []string{"$ find {out}\n"}
	for _, dir := range []string{"all", "one", "none"} {
		filepath.WalkDir(filepath.Join(out, dir), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				rel, _ := filepath.Rel(out, path)
				files = append(files, rel+"\n")
			}
			return nil
		})
	}
	if data, err := os.ReadFile(filepath.Join(out, "kept.bin")); err != nil || len(data) != 4000 {
		t.Errorf("flow save: %d bytes, %v", len(data), err)
	}
	if data, err := os.ReadFile(filepath.Join(out, "ca.pem")); err != nil || !strings.Contains(string(data), "BEGIN CERTIFICATE") {
		t.Errorf("cert: %q, %v", data, err)
	}
	return append(transcript, strings.Join(files, ""))
}

// The JSON is text: Python puts spaces into what it encodes.
const scenarioDocument = `endpoints:
  GET /api/v1/status: {body: '{"ok": true}'}
  GET /firmware: {file: firmware/a.txt, content_type: text/plain}
  GET /missing: {file: firmware/none.txt}
  GET /unsafe: {file: ../secret.txt}
  GET /slow: {body: {}, latency_ms: 50}
  GET /rules:
    rules:
      - {match: {query: {a: "1"}}, file: firmware/a.txt}
      - {status: 404}
  GET /steps:
    sequence: [{status: 202, repeat: 2}, {status: 200}]
  GET /template: {status: 201, body_template: {now: "{{now_iso}}"}}
`

// What differs from run to run.
var (
	pids      = regexp.MustCompile(`PID \d+`)
	clocks    = regexp.MustCompile(`(?m)^  \d\d:\d\d:\d\d `)
	durations = regexp.MustCompile(` {2,}(\d+ms|\d+\.\ds|-)( +\d+(\.\d)? [KMG]?B )`)
	localPort = regexp.MustCompile(`127\.0\.0\.1:\d+`)
)

// normal replaces what differs from run to run by its name.
func normal(text string, b *bench, out string) string {
	text = strings.NewReplacer(out, "{out}", b.dir, "{data}").Replace(text)
	text = pids.ReplaceAllString(text, "PID N")
	text = localPort.ReplaceAllString(text, "{address}")
	text = clocks.ReplaceAllString(text, "  HH:MM:SS ")
	return durations.ReplaceAllString(text, "  {duration}$2")
}

// same compares two transcripts command by command.
func same(t *testing.T, what string, want, got []string) {
	t.Helper()
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Errorf("%s\n--- want\n%s\n--- got\n%s", what, want[i], got[min(i, len(got)-1)])
		}
	}
}

// unspooled makes one of two sentences: Python makes the directory for bodies
// at start, we make it for the first body.
func unspooled(transcript []string) []string {
	var out []string
	for _, s := range transcript {
		out = append(out, strings.ReplaceAll(s, "No spool directory found", "Removed 0 spool file(s)"))
	}
	return out
}

// Python's j and ours are run through the same session against our exporter
// and against the Python one: what they print must be the same.
func TestJ(t *testing.T) {
	t.Parallel()
	pythons := func(b *bench) func(testing.TB, string, ...string) output {
		return func(t testing.TB, dir string, args ...string) output {
			t.Helper()
			return b.python(t, dir, append([]string{"j"}, args...)...)
		}
	}
	python(t)

	var oursByPython, oursByOurs, stockByPython, stockByOurs []string
	t.Run("sessions", func(t *testing.T) {
		t.Run("python j, our exporter", func(t *testing.T) {
			t.Parallel()
			b := ours(t, "")
			oursByPython = play(t, b, pythons(b), false)
		})
		t.Run("our j, our exporter", func(t *testing.T) {
			t.Parallel()
			b := ours(t, "")
			oursByOurs = play(t, b, b.j, true)
		})
		t.Run("python j, python exporter", func(t *testing.T) {
			t.Parallel()
			b := stock(t)
			stockByPython = play(t, b, pythons(b), false)
		})
		t.Run("our j, python exporter", func(t *testing.T) {
			t.Parallel()
			b := stock(t)
			stockByOurs = play(t, b, b.j, true)
		})
	})
	if t.Failed() {
		return
	}
	same(t, "our j against Python's, on our exporter", oursByPython, oursByOurs)
	same(t, "our j against Python's, on the Python exporter", stockByPython, stockByOurs)
	same(t, "our exporter against Python's, seen by Python's j", unspooled(stockByPython), unspooled(oursByPython))
}

// What goes wrong has one line on standard error and an exit code that is not 0.
func TestJFailures(t *testing.T) {
	t.Parallel()
	b := ours(t, "")
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"proxy stop", 1, "Not running"},
		{"proxy flow save ../x", 1, "Invalid flow file name"},
		{"proxy flow save nothing.bin", 1, "Flow file not found"},
		{"proxy start --mode sideways", 80, "sideways"},
		{"proxy start -m replay", 1, "replay"},
		{"proxy bogus", 80, "bogus"},
		{"nothing status", 1, "nothing"},
	} {
		t.Run(c.args, func(t *testing.T) {
			out := b.j(t, b.dir, strings.Fields(c.args)...)
			if out.code != c.code || out.stdout != "" || strings.Count(out.stderr, "\n") != 1 || !strings.Contains(out.stderr, c.says) {
				t.Errorf("want exit code %d and one line that says %q: %s", c.code, c.says, out)
			}
		})
	}
	t.Run("no exporter", func(t *testing.T) {
		out := run(t, b.dir, environ([]string{bin}, "JUMPSTARTER_HOST="+filepath.Join(b.dir, "none")), "j", "proxy", "status")
		if out.code != 1 || strings.Count(out.stderr, "\n") != 1 {
			t.Errorf("want exit code 1 and one line: %s", out)
		}
	})
	t.Run("no session", func(t *testing.T) {
		out := run(t, b.dir, environ([]string{bin}), "j", "proxy", "status")
		if out.code != 1 || !strings.Contains(out.stderr, "JUMPSTARTER_HOST") {
			t.Errorf("want exit code 1 and a hint: %s", out)
		}
	})
}

// watch prints requests as they come, until it is interrupted.
func TestJWatch(t *testing.T) {
	t.Parallel()
	b := ours(t, "")
	b.mustJ(t, b.dir, "proxy", "start")
	for _, c := range []struct {
		name string
		env  []string
		argv []string
	}{
		{"ours", environ([]string{bin}, b.environ...), []string{"j", "proxy", "capture", "watch", "-f", "/seen/*"}},
		{"ours, short", environ([]string{bin}, b.environ...), []string{"j", "proxy", "capture", "-f", "/seen/*"}},
		{"python's", nil, []string{"j", "proxy", "capture", "watch", "-f", "/seen/*"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := c.env
			if env == nil {
				env = environ([]string{python(t)}, append(b.environ, "PYTHONUNBUFFERED=1")...)
			}
			p := start(t, b.dir, env, []int{-1, 0, 1, 2, 130}, c.argv...)
			p.await(t, "Watching captured requests")
			unseen, seen := "/hidden/"+filepath.Base(t.TempDir()), "/seen/"+fmt.Sprint(time.Now().UnixNano())
			for _, path := range []string{unseen, seen} {
				b.mustSetMock(t, path)
				if status, _ := get(t, b.port, "http://api.example.com"+path); status != 200 {
					t.Errorf("GET %s: %d", path, status)
				}
			}
			rest := p.await(t, seen)
			if !strings.Contains(rest, "200") || !strings.Contains(rest, "[mocked]") {
				t.Errorf("line ends in %q", rest)
			}
			if c.env == nil { // interrupted, it now and then waits for a request that never comes
				p.cmd.Process.Kill()
				<-p.done
			} else {
				p.interrupt(t)
			}
			if out := p.said(); strings.Contains(out, "/hidden/") {
				t.Errorf("the filter let through: %s", out)
			}
		})
	}
}

// mustSetMock loads a scenario of one endpoint.
func (b *bench) mustSetMock(t *testing.T, path string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "one.json")
	data, err := json.Marshal(map[string]any{"endpoints": map[string]any{"GET " + path: map[string]any{"body": map[string]any{}}}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(data))
	b.mustJ(t, b.dir, "proxy", "mock", "load", file)
}

// j proxy web forwards a local port to the web UI of whatever exporter there is.
func TestJWebOfPython(t *testing.T) {
	t.Parallel()
	b := stock(t)
	b.mustJ(t, b.dir, "proxy", "start", "--web-ui")
	p := start(t, b.dir, environ([]string{bin}, b.environ...), []int{0, 1, 130}, "j", "proxy", "web", "--port", fmt.Sprint(freePort(t)))
	address := p.await(t, "mitmweb UI available at: ")
	// The stock driver does not wait until mitmweb listens.
	var resp *http.Response
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		var err error
		if resp, err = http.Get(address); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	resp.Body.Close()
	if resp.StatusCode >= 500 {
		t.Errorf("GET %s: %s", address, resp.Status)
	}
	b.mustJ(t, b.dir, "proxy", "stop")
}
