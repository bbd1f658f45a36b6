package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"starproxy/driver/flow"
)

// origin is a real server, over HTTP and HTTPS, whose answers tell requests apart.
func origin(t testing.TB) (plain, secure *httptest.Server) {
	t.Helper()
	mux := http.NewServeMux()
	var n atomic.Int64
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Date", "Mon, 23 Nov 2026 06:44:02 GMT")
		fmt.Fprintf(w, `{"method":%q,"target":%q,"body":%q}`, r.Method, r.URL.RequestURI(), body)
	})
	mux.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, n.Add(1)) })
	mux.HandleFunc("/binary", func(w http.ResponseWriter, r *http.Request) {
		w.Write(bytes.Repeat([]byte{0xff, 0, '\r', '\n'}, 5000))
	})
	mux.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, data, err := c.Read(r.Context())
			if err != nil {
				return
			}
			c.Write(r.Context(), kind, append([]byte("re:"), data...))
		}
	})
	plain, secure = httptest.NewServer(mux), httptest.NewTLSServer(mux)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	return plain, secure
}

// visit makes the requests that are recorded and tells what came.
func visit(t testing.TB, port int, plain, secure string) []string {
	t.Helper()
	tr := (&bench{port: port}).transport(false)
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr, Timeout: patience}
	var got []string
	for _, base := range []string{plain, secure} {
		for _, what := range []string{"GET /a?x=1&y=%20", "GET /a?x=2", "GET /count", "GET /count", "POST /b", "GET /binary", "PUT /c"} {
			method, path, _ := strings.Cut(what, " ")
			var body io.Reader
			if method != "GET" {
				body = strings.NewReader("body of " + what)
			}
			req, err := http.NewRequest(method, base+path, body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s %d %s %.200q", what, res.StatusCode, res.Header.Get("Content-Type"), data))
		}
	}
	return got
}

// sameAnswers compares what came when it was recorded with what came from the recording.
func sameAnswers(t testing.TB, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d answers, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}

// mitmdump runs mitmproxy on a port of its own until the test ends it.
func mitmdump(t testing.TB, args ...string) (port int, p *process) {
	t.Helper()
	port = freePort(t)
	dir := tempDir(t)
	argv := append([]string{filepath.Join(mitmproxy(t), "mitmdump"), "--listen-host", "127.0.0.1", "--listen-port", fmt.Sprint(port),
		"--set", "confdir=" + filepath.Join(dir, "conf"), "--set", "ssl_insecure=true"}, args...)
	p = start(t, dir, environ([]string{mitmproxy(t)}, "HOME="+dir, "PYTHONUNBUFFERED=1"), []int{0}, argv...)
	p.await(t, "listening at")
	return port, p
}

// A recording made by a real mitmdump replays in ours when its servers are gone.
func TestReplayOfMitmproxysRecording(t *testing.T) {
	t.Parallel()
	plain, secure := origin(t)
	file := filepath.Join(tempDir(t), "golden.bin")
	port, dump := mitmdump(t, "-w", file)
	want := visit(t, port, plain.URL, secure.URL)
	if out := dump.interrupt(t); out.code != 0 {
		t.Fatal(out)
	}
	plain.Close()
	secure.Close()

	b := ours(t, "")
	b.mustJ(t, b.dir, "proxy", "flow", "upload", file)
	if out := b.mustJ(t, b.dir, "proxy", "start", "-m", "replay", "--replay-file", "golden.bin"); !strings.Contains(out, "Started in 'replay' mode") {
		t.Fatal(out)
	}
	sameAnswers(t, visit(t, b.port, plain.URL, secure.URL), want)
	if out := b.mustJ(t, b.dir, "proxy", "status"); !strings.Contains(out, "golden.bin (14 answers)") {
		t.Error(out)
	}
	// The stock client sees the same exporter.
	if out := b.python(t, b.dir, "j", "proxy", "flow", "list"); !strings.Contains(out.stdout, "golden.bin") {
		t.Error(out)
	}
}

// What we record mitmdump replays, and mitmproxy's own reader opens.
func TestMitmproxyReplaysOurRecording(t *testing.T) {
	t.Parallel()
	plain, secure := origin(t)
	b := ours(t, "")
	b.mustJ(t, b.dir, "proxy", "start", "-m", "record")
	want := visit(t, b.port, plain.URL, secure.URL)
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(plain.URL, "http", "ws", 1)+"/socket", &websocket.DialOptions{HTTPClient: &http.Client{Transport: b.transport(false)}})
	if err != nil {
		t.Fatal(err)
	}
	ws.Write(t.Context(), websocket.MessageText, []byte("hello"))
	ws.Read(t.Context())
	ws.Close(websocket.StatusNormalClosure, "done")
	out := b.mustJ(t, b.dir, "proxy", "stop")
	_, file, ok := strings.Cut(strings.TrimSpace(out), "Flow saved to: ")
	if !ok {
		t.Fatal(out)
	}
	plain.Close()
	secure.Close()

	script := filepath.Join(tempDir(t), "list.py")
	write(t, script, `import sys
from mitmproxy import io
for f in io.FlowReader(open(sys.argv[1], "rb")).stream():
    ws = [(m.from_client, m.content.decode()) for m in f.websocket.messages] if f.websocket else ""
    print(f.request.method, f.request.pretty_url, f.response.status_code, len(f.response.raw_content or b""), ws)
`)
	// The oldest release that opens our format, whose mitmdump does not start on
	// the Pythons of today, and the newest.
	for _, programs := range []string{venv(t, ".venv-mitmproxy-8", "mitmdump"), mitmproxy(t)} {
		listed := run(t, b.dir, environ([]string{programs}), "python", script, file)
		if n := strings.Count(listed.stdout, "\n"); listed.code != 0 || n != len(want)+1 || !strings.Contains(listed.stdout, "[(True, 'hello'), (False, 're:hello')]") {
			t.Error(programs, listed)
		}
	}

	port, dump := mitmdump(t, "--server-replay", file, "--set", "connection_strategy=lazy", "--set", "server_replay_extra=404", "--set", "keepserving=true")
	sameAnswers(t, visit(t, port, plain.URL, secure.URL), want)
	dump.interrupt(t)
}

// A proxy that is killed while it records under load leaves a file that opens
// and has every flow whose answer a device got, and every message of a WebSocket
// whose echo a device got, for mitmproxy's reader too.
func TestRecordingSurvivesAKill(t *testing.T) {
	t.Parallel()
	plain, _ := origin(t)
	dir := tempDir(t)
	port := freePort(t)
	config := filepath.Join(dir, "exporter.yaml")
	write(t, config, exporterYAML(filepath.Join(dir, "data"), port, freePort(t), ""))
	p := start(t, dir, environ(nil, "HOME="+dir), []int{-1}, filepath.Join(bin, "starproxy"), "run",
		"--exporter-config", config, "--socket", filepath.Join(dir, "s"), "--start", "record")
	p.await(t, "JUMPSTARTER_HOST=")
	var mu sync.Mutex
	answered := map[string]bool{}
	count := func(what string) {
		mu.Lock()
		answered[what] = true
		enough := len(answered) == 1000
		mu.Unlock()
		if enough {
			p.cmd.Process.Kill()
		}
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			tr := (&bench{port: port}).transport(false)
			defer tr.CloseIdleConnections()
			for n := 0; ; n++ {
				target := fmt.Sprintf("/a?worker=%d&n=%d", worker, n)
				res, err := (&http.Client{Transport: tr}).Get(plain.URL + target)
				if err != nil {
					return // killed
				}
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if err != nil {
					return
				}
				count(target)
			}
		})
		wg.Go(func() {
			client := &http.Client{Transport: (&bench{port: port}).transport(false)}
			ws, _, err := websocket.Dial(t.Context(), strings.Replace(plain.URL, "http", "ws", 1)+"/socket", &websocket.DialOptions{HTTPClient: client})
			if err != nil {
				return
			}
			defer ws.CloseNow()
			for n := 0; ; n++ {
				text := fmt.Sprintf("socket %d %d", worker, n)
				if ws.Write(t.Context(), websocket.MessageText, []byte(text)) != nil {
					return
				}
				if _, echo, err := ws.Read(t.Context()); err != nil || string(echo) != "re:"+text {
					return
				}
				count(text)
				count("re:" + text)
			}
		})
	}
	wg.Wait()
	files, _ := filepath.Glob(filepath.Join(dir, "data", "flows", "capture_*.bin"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	f, err := flow.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	torn := 0
	left := maps.Clone(answered)
	for fl, err := range f.Flows() {
		if err != nil {
			torn++
			continue
		}
		delete(left, fl.Request.Path)
		if fl.WebSocket != nil {
			for _, m := range fl.WebSocket.Messages {
				delete(left, string(m.Data))
			}
		}
	}
	if torn > 1 || len(left) > 0 {
		t.Errorf("%d records are torn, %d flows or messages of %d are missing", torn, len(left), len(answered))
	}
	left = maps.Clone(answered)
	out := run(t, dir, environ([]string{mitmproxy(t)}), "python", "-c", `
import json, sys
from mitmproxy.io import FlowReader
seen = []
try:
    for f in FlowReader(open(sys.argv[1], "rb")).stream():
        seen.append(f.request.path)
        if f.websocket:
            seen += [m.content.decode() for m in f.websocket.messages]
except Exception:
    pass # the last record may be torn
print(json.dumps(seen))`, files[0])
	var seen []string
	if err := json.Unmarshal([]byte(out.stdout), &seen); err != nil {
		t.Fatal(out)
	}
	for _, what := range seen {
		delete(left, what)
	}
	if len(left) > 0 {
		t.Errorf("mitmproxy misses %d of %d", len(left), len(answered))
	}
}

// Captures become a HAR document, a flow file and a scenario, with the commands
// that the help names.
func TestCarryingTraffic(t *testing.T) {
	t.Parallel()
	plain, secure := origin(t)
	b := ours(t, "", "--start", "passthrough")
	want := visit(t, b.port, plain.URL, secure.URL)
	dir := tempDir(t)
	out := b.mustJ(t, dir, "proxy", "capture", "save", "recorded", "--har", "a.har", "--flow", "a.bin")
	for _, line := range []string{"HAR document written to: ", "Flow file written to: ", "Scenario written to: "} {
		if !strings.Contains(out, line) {
			t.Errorf("no %q in %s", line, out)
		}
	}
	var har struct {
		Log struct {
			Version string
			Entries []struct{ Request struct{ URL string } }
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "a.har"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &har); err != nil || har.Log.Version != "1.2" || len(har.Log.Entries) != len(want) {
		t.Fatalf("%v, %d entries", err, len(har.Log.Entries))
	}
	// Conversion needs no exporter.
	conv := run(t, dir, environ([]string{bin}), "j", "proxy", "flow", "convert", "a.har", "b.bin")
	if conv.code != 0 || !strings.Contains(conv.stdout, fmt.Sprintf("Converted %d flow(s) to: ", len(want))) {
		t.Fatal(conv)
	}
	plain.Close()
	secure.Close()
	for _, name := range []string{"a.har", "a.bin", "b.bin"} {
		b.mustJ(t, dir, "proxy", "flow", "upload", name)
		b.mustJ(t, dir, "proxy", "restart", "-m", "replay", "--replay-file", name)
		sameAnswers(t, visit(t, b.port, plain.URL, secure.URL), want)
	}
	b.mustJ(t, dir, "proxy", "restart", "-m", "mock")
	b.mustJ(t, dir, "proxy", "mock", "load", "recorded")
	sameAnswers(t, visit(t, b.port, plain.URL, secure.URL), want)
}
