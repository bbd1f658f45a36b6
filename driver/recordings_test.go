package driver

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starproxy/driver/capture"
	"starproxy/driver/flow"
)

// counted is a listener that counts who connects.
type counted struct {
	net.Listener
	n atomic.Int64
}

func (c *counted) Accept() (net.Conn, error) {
	nc, err := c.Listener.Accept()
	if err == nil {
		c.n.Add(1)
	}
	return nc, err
}

// backend is a real server with answers of all kinds, over HTTP and HTTPS.
type backend struct {
	plain, secure *httptest.Server
	conns         [2]*counted
	hits          atomic.Int64
}

func newBackend(t *testing.T) *backend {
	b := &backend{}
	mux := http.NewServeMux()
	mux.HandleFunc("/json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header()["X-Spelt-ODDLY"] = []string{"yes"}
		fmt.Fprintf(w, `{"q":%q, "n": 1}`, r.URL.RawQuery)
	})
	mux.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, b.hits.Add(1)) })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "got %s", body)
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, strings.Repeat("zipped ", 1000))
		z.Close()
	})
	mux.HandleFunc("/binary", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(bytes.Repeat([]byte{0, 1, 0xff, '\n'}, 300_000))
	})
	mux.HandleFunc("/trailer", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprint(w, "with a trailer")
		w.Header().Set("X-Sum", "42")
	})
	mux.HandleFunc("/cookies", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "a=1; Path=/")
		w.Header().Add("Set-Cookie", "b=2; Path=/")
		w.Header().Set("Expires", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, []byte("welcome"))
		for {
			kind, data, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if string(data) == "bye" {
				c.Close(4002, "as you wish")
				return
			}
			c.Write(r.Context(), kind, append([]byte("re:"), data...))
		}
	})
	start := func(i int, https bool) *httptest.Server {
		s := httptest.NewUnstartedServer(mux)
		b.conns[i] = &counted{Listener: s.Listener}
		s.Listener = b.conns[i]
		if https {
			s.EnableHTTP2 = true
			s.StartTLS()
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
		return s
	}
	b.plain, b.secure = start(0, false), start(1, true)
	return b
}

func (b *backend) connections() int64 { return b.conns[0].n.Load() + b.conns[1].n.Load() }

// device is a client behind the proxy that trusts anything.
func device(t *testing.T, proxy *url.URL, h2 bool) *http.Client {
	tr := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true}
	tr.Protocols = new(http.Protocols)
	tr.Protocols.SetHTTP1(!h2)
	tr.Protocols.SetHTTP2(h2)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// tour makes one request of each kind and tells what came.
func tour(t *testing.T, c *http.Client, base string) []string {
	t.Helper()
	var got []string
	for _, p := range []string{"/json?a=1", "/json?a=2", "/count", "/count", "/count", "/gzip", "/binary", "/trailer", "/cookies", "/missing", "POST /echo one", "POST /echo two", "HEAD /json"} {
		method, path, body := "GET", p, ""
		if f := strings.Fields(p); len(f) > 1 {
			method, path, body = f[0], f[1], strings.Join(f[2:], " ")
		}
		req, err := http.NewRequest(method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(p, err)
		}
		data, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(p, err)
		}
		res.Body.Close()
		h := res.Header.Clone()
		h.Del("Date")
		h.Del("Expires")
		if path == "/missing" {
			h.Del("Content-Length")
		}
		got = append(got, fmt.Sprintf("%s %d %d %v %v %d %.20q %x", p, res.StatusCode, res.ContentLength, h, res.Trailer, len(data), data, data[max(0, len(data)-20):]))
	}
	return got
}

// record runs a tour in record mode and gives the file and what came.
func record(t *testing.T, b *bench, real *backend) (file string, tours [3][]string) {
	t.Helper()
	started := b.call("start", "record")
	_, file, ok := strings.Cut(started, " | Recording to: ")
	if !ok {
		t.Fatal(started)
	}
	proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
	tours[0] = tour(t, device(t, proxy, false), real.plain.URL)
	tours[1] = tour(t, device(t, proxy, false), real.secure.URL)
	tours[2] = tour(t, device(t, proxy, true), real.secure.URL)
	return file, tours
}

func TestRecordAndReplay(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Replay.Refresh = false })
	real := newBackend(t)
	file, tours := record(t, b, real)
	s := b.status()
	if s["flow_file"] != file || s["mode"] != "record" || s["recording"].(map[string]any)["flows"] != 39.0 {
		t.Error(s)
	}
	if got := b.call("stop"); !strings.HasSuffix(got, " | Flow saved to: "+file) {
		t.Error(got)
	}
	var list []struct {
		Name string
		Size int64 `json:"size_bytes"`
	}
	json.Unmarshal([]byte(b.call("list_flow_files")), &list)
	if len(list) != 1 || list[0].Name != filepath.Base(file) || list[0].Size < 3_600_000 {
		t.Error(list)
	}

	// Replay, with the real servers there to see that nobody comes.
	before := real.connections()
	for _, name := range []string{filepath.Base(file), file} {
		if got := b.call("start", "replay", false, name); !strings.HasPrefix(got, "Started in 'replay' mode") {
			t.Fatal(got)
		}
		proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
		for i, c := range []*http.Client{device(t, proxy, false), device(t, proxy, false), device(t, proxy, true)} {
			base := real.plain.URL
			if i > 0 {
				base = real.secure.URL
			}
			if i == 2 {
				continue // see below: the same requests once more
			}
			for n, got := range tour(t, c, base) {
				if want := tours[i][n]; got != want {
					t.Errorf("tour %d: got\n%s\nwant\n%s", i, got, want)
				}
			}
		}
		if s := b.status(); s["mode"] != "replay" || s["replay"].(map[string]any)["answers"] != 39.0 || s["flow_file"] != nil {
			t.Error(s)
		}
		for _, e := range []string{`"origin":"replayed"`, `"was_mocked":true`, `"source":"` + filepath.Base(file) + `:`} {
			if all := b.call("get_captured_requests"); !strings.Contains(all, e) {
				t.Errorf("no capture has %s", e)
			}
		}
		// What was not recorded is refused, with reasons; no name is looked up.
		body := b.get(proxy, "http://nowhere.invalid/json?a=3")
		for _, want := range []string{"501 ", "nothing was recorded for this request", `query is \"a=3\", recorded was \"a=1\"`, `host is \"nowhere.invalid\"`} {
			if !strings.Contains(body, want) {
				t.Errorf("no %s in %s", want, body)
			}
		}
		if got := b.call("restart"); !strings.HasPrefix(got, "Started in 'replay' mode") {
			t.Error(got)
		}
		b.call("stop")
	}
	if n := real.connections() - before; n != 0 {
		t.Errorf("replay made %d connections", n)
	}
}

func TestReplayOverHTTP2(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Replay.Refresh = false })
	real := newBackend(t)
	b.call("start", "record")
	proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
	want := tour(t, device(t, proxy, true), real.secure.URL)
	b.call("stop")
	real.plain.Close()
	real.secure.Close()
	var files []struct{ Name string }
	json.Unmarshal([]byte(b.call("list_flow_files")), &files)
	b.call("start", "replay", false, files[0].Name)
	for _, h2 := range []bool{true, false} {
		b.call("restart")
		proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
		for i, got := range tour(t, device(t, proxy, h2), real.secure.URL) {
			if h2 && got != want[i] {
				t.Errorf("got\n%s\nwant\n%s", got, want[i])
			}
			if f, g := strings.Fields(got), strings.Fields(want[i]); f[1] != g[1] || f[len(f)-1] != g[len(g)-1] {
				t.Errorf("over HTTP/1.1: got\n%s\nwant\n%s", got, want[i])
			}
		}
	}
}

func TestRecordAndReplaySockets(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	real := newBackend(t)
	talk := func(base string, say string) string {
		t.Helper()
		proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
		ws, _, err := websocket.Dial(t.Context(), strings.Replace(base, "http", "ws", 1)+"/socket", &websocket.DialOptions{HTTPClient: device(t, proxy, false)})
		if err != nil {
			t.Fatal(err)
		}
		defer ws.CloseNow()
		var heard []string
		read := func() bool {
			_, m, err := ws.Read(t.Context())
			if err != nil {
				heard = append(heard, fmt.Sprint(websocket.CloseStatus(err)))
			} else {
				heard = append(heard, string(m))
			}
			return err == nil
		}
		read()
		for _, m := range []string{say, "two", "bye"} {
			ws.Write(t.Context(), websocket.MessageText, []byte(m))
			if !read() {
				break
			}
		}
		return strings.Join(heard, "|")
	}
	for _, base := range []string{real.plain.URL, real.secure.URL} {
		_, file, _ := strings.Cut(b.call("start", "record"), " | Recording to: ")
		if got := talk(base, "one"); got != "welcome|re:one|re:two|StatusCode(4002)" {
			t.Fatal(got)
		}
		b.call("stop")
		before := real.connections()
		b.call("start", "replay", false, file)
		if got := talk(base, "whatever"); got != "welcome|re:one|re:two|StatusCode(4002)" {
			t.Error(got)
		}
		b.call("stop")
		if n := real.connections() - before; n != 0 {
			t.Errorf("replay made %d connections", n)
		}
	}
}

// A recording goes on while somebody else uses it, and keeps every flow whose
// answer a device has.
func TestRecordingIsWholeAtAnyTime(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	real := newBackend(t)
	_, file, _ := strings.Cut(b.call("start", "record"), " | Recording to: ")
	proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
	var wg sync.WaitGroup
	var answered atomic.Int64
	for range 8 {
		wg.Go(func() {
			c := device(t, proxy, false)
			for range 25 {
				res, err := c.Get(real.plain.URL + "/count")
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				have := answered.Add(1)
				if have%20 == 0 {
					f, err := flow.Open(file)
					if err != nil {
						t.Error(err)
						return
					}
					n := int64(0)
					for _, err := range f.Flows() {
						if err != nil {
							break // the one that is being written
						}
						n++
					}
					f.Close()
					if n < have {
						t.Errorf("%d flows in the file, %d answers", n, have)
					}
				}
			}
		})
	}
	wg.Wait()
}

// Bodies are recorded whatever the budget of the captures is, and all at once.
func TestRecordingDoesNotDependOnTheSpool(t *testing.T) {
	t.Parallel()
	const size, devices = 3 << 20, 6
	b := newBench(t, func(c *Config) { c.Capture.MaxSpoolBytes = 1 << 20; c.Capture.MaxBytes = 1 << 20 })
	var arrived sync.WaitGroup
	arrived.Add(devices)
	body := func(path string) []byte { return bytes.Repeat([]byte(path), size/len(path)) }
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		data := body(r.URL.Path)
		w.Header().Set("Content-Type", "application/octet-stream")
		if r.URL.Path < "/d3" {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		}
		w.Write(data[:len(data)/2])
		w.(http.Flusher).Flush()
		arrived.Done()
		arrived.Wait() // all are under way at once
		w.Write(data[len(data)/2:])
	}))
	defer real.Close()
	_, file, _ := strings.Cut(b.call("start", "record"), " | Recording to: ")
	proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
	var wg sync.WaitGroup
	for n := range devices {
		wg.Go(func() {
			path := fmt.Sprintf("/d%d", n)
			res, err := device(t, proxy, false).Post(real.URL+path, "application/octet-stream", bytes.NewReader(body("up"+path)))
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if data, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(data, body(path)) {
				t.Errorf("%s: %d bytes, %v", path, len(data), err)
			}
			b.call("clear_captured_requests")
			b.call("clean_capture_spool")
		})
	}
	wg.Wait()
	if s := b.status()["recording"].(map[string]any); s["lost"] != 0.0 || s["flows"] != float64(devices) {
		t.Error(s)
	}
	if text := b.call("stop"); !strings.HasSuffix(text, " | Flow saved to: "+file) || strings.Contains(text, "Not recorded") {
		t.Error(text)
	}
	f, err := flow.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for fl, err := range f.Flows() {
		if err != nil {
			t.Fatal(err)
		}
		n++
		for want, blob := range map[string]flow.Body{fl.Request.Path: fl.Response.Body, "up" + fl.Request.Path: fl.Request.Body} {
			r, err := capture.OpenBody(blob.Blob)
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			r.Close()
			if err != nil || !bytes.Equal(data, body(want)) {
				t.Errorf("%s: %d bytes recorded, %v", want, len(data), err)
			}
		}
	}
	if n != devices {
		t.Errorf("%d flows", n)
	}
	if stats := b.d.journal.Stats(); stats.SpoolBytes > 1<<20 {
		t.Errorf("the spool has %d bytes after the recording", stats.SpoolBytes)
	}
}

// A body that can't be recorded is told of.
func TestLostBodiesAreTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	real := newBackend(t)
	// A file is in the way of the directory.
	if err := os.WriteFile(filepath.Join(b.d.cfg.Directories.Data, "capture-spool"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.call("start", "record")
	proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
	res, err := device(t, proxy, false).Get(real.plain.URL + "/binary")
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if s := b.status()["recording"].(map[string]any); s["lost"] != 1.0 || s["flows"] != 1.0 || !strings.Contains(fmt.Sprint(s["error"]), "GET /binary: the body of the response was not kept whole") {
		t.Error(s)
	}
	if text := b.call("stop"); !strings.Contains(text, " | Not recorded, or not whole: 1 | Flow saved to: ") {
		t.Error(text)
	}
}

func TestReplayOptions(t *testing.T) {
	t.Parallel()
	real := newBackend(t)
	rec := newBench(t, nil)
	_, file, _ := strings.Cut(rec.call("start", "record"), " | Recording to: ")
	proxy := &url.URL{Scheme: "http", Host: rec.status()["proxy_address"].(string)}
	tour(t, device(t, proxy, false), real.plain.URL)
	rec.call("stop")
	u, _ := url.Parse(real.plain.URL)
	for name, c := range map[string]struct {
		change func(*Replay)
		paths  string // asked one after the other
		want   string // what comes
	}{
		"order":       {nil, "/count /count /count /count", "200 1|200 2|200 3|200 3"},
		"first":       {func(r *Replay) { r.Repeat = flow.First }, "/count /count", "200 1|200 1"},
		"last":        {func(r *Replay) { r.Repeat = flow.Last }, "/count /count", "200 3|200 3"},
		"query":       {func(r *Replay) { r.Ignore.Query = []string{"t"} }, "/count?t=5", "200 1"},
		"status":      {func(r *Replay) { r.Misses = "404" }, "/nothing", "404 "},
		"passthrough": {func(r *Replay) { r.Misses = "passthrough" }, "/json?z=1", `200 {"q":"z=1", "n": 1}`},
		"server away": {func(r *Replay) { r.Misses = "passthrough" }, "http://127.0.0.1:1/count", "~nothing was recorded for this request; nearest: GET " + real.plain.URL + "/count (port is \"1\", recorded"},
		"port":        {func(r *Replay) { r.Ignore.Port = true }, "http://" + u.Hostname() + ":1/count", "200 1"},
		"host":        {func(r *Replay) { r.Ignore.Host = true }, "http://elsewhere.invalid:" + u.Port() + "/count", "200 1"},
		"headers":     {func(r *Replay) { r.MatchHeaders = []string{"User-Agent", "X-None"} }, "/count", "200 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(cfg *Config) {
				cfg.Named = []string{file}
				if c.change != nil {
					c.change(&cfg.Replay)
				}
			})
			if got := b.call("start", "replay", false, file); !strings.HasPrefix(got, "Started") {
				t.Fatal(got)
			}
			proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
			var got []string
			for path := range strings.FieldsSeq(c.paths) {
				if strings.HasPrefix(path, "/") {
					path = real.plain.URL + path
				}
				got = append(got, b.get(proxy, path))
			}
			all := strings.Join(got, "|")
			if part, some := strings.CutPrefix(c.want, "~"); some && strings.Contains(all, part) {
				return
			}
			if all != c.want {
				t.Errorf("got %s, want %s", all, c.want)
			}
		})
	}
	for _, bad := range []func(*Config){
		func(c *Config) { c.Replay.Repeat = "twice" }, func(c *Config) { c.Replay.Misses = "99" }, func(c *Config) { c.Replay.Timing = "slow" },
	} {
		cfg := DefaultConfig()
		cfg.Directories.Data = t.TempDir()
		bad(&cfg)
		if _, err := New(cfg, Options{}); err == nil || !strings.HasPrefix(err.Error(), "replay.") {
			t.Error(err)
		}
	}
}

func TestReplayTiming(t *testing.T) {
	t.Parallel()
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "late")
	}))
	defer slow.Close()
	b := newBench(t, func(c *Config) { c.Replay.Timing = Recorded })
	_, file, _ := strings.Cut(b.call("start", "record"), " | Recording to: ")
	b.get(&url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}, slow.URL)
	b.call("stop")
	b.call("start", "replay", false, file)
	begin := time.Now()
	if got := b.get(&url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}, slow.URL); got != "200 late" {
		t.Error(got)
	}
	if took := time.Since(begin); took < 290*time.Millisecond {
		t.Errorf("answered after %s", took)
	}
}

func TestBadRecordings(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for name, c := range map[string]struct{ content, want string }{
		"empty.bin":  {"", "it has no HTTP answers"},
		"text.bin":   {"hello", "record at byte 0"},
		"broken.har": {`{"log": `, "broken.har"},
	} {
		path := b.write("flows/"+name, c.content)
		if got := b.call("start", "replay", false, path); !strings.HasPrefix(got, "Failed to start: ") || !strings.Contains(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %s", name, got)
		}
	}
	// A flows directory that can't be written.
	c := newBench(t, nil)
	c.write("flows", "a file")
	if got := c.call("start", "record"); !strings.HasPrefix(got, "Failed to start: recording: ") {
		t.Error(got)
	}
	if c.call("is_running") != "false" {
		t.Error("it runs")
	}
}

// join puts the pieces of a stream together.
func join(t *testing.T, b *bench, method string, args ...any) []byte {
	t.Helper()
	seq, err := b.d.Stream(context.Background(), method, args)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for item, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		part, err := base64.StdEncoding.DecodeString(item.(string))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, part...)
	}
	return all
}

// Captures of any mode become recordings, and those are replayed after an upload.
func TestExportUploadReplay(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	real := newBackend(t)
	b.call("start", "passthrough")
	proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
	want := tour(t, device(t, proxy, false), real.plain.URL)
	har, file := join(t, b, "export_captures", "har"), join(t, b, "export_captures", "flow", "/json*", true)
	b.call("stop")
	if _, err := b.d.Stream(context.Background(), "export_captures", []any{"pdf"}); err == nil {
		t.Error("a format that does not exist is accepted")
	}
	before := real.connections()
	for name, data := range map[string][]byte{"a.har": har, "b.bin": file} {
		for at := 0; at < len(data); at += 1 << 20 {
			end := min(at+1<<20, len(data))
			if got := b.call("upload_flow_file_part", name, "id", float64(at), base64.StdEncoding.EncodeToString(data[at:end]), end == len(data)); strings.Contains(got, "ARGUMENT") {
				t.Fatal(got)
			}
		}
		if got := b.call("start", "replay", false, name); !strings.HasPrefix(got, "Started") {
			t.Fatal(got)
		}
		proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
		if name == "a.har" {
			for i, got := range tour(t, device(t, proxy, false), real.plain.URL) {
				f, g := strings.Fields(got), strings.Fields(want[i])
				if strings.Contains(got, "/gzip") {
					continue // a HAR document has the body without its encoding
				}
				if f[1] != g[1] || f[len(f)-1] != g[len(g)-1] {
					t.Errorf("got\n%s\nwant\n%s", got, want[i])
				}
			}
		} else {
			if got := b.get(proxy, real.plain.URL+"/json?a=2"); got != `200 {"q":"a=2", "n": 1}` {
				t.Error(got)
			}
			if got := b.get(proxy, real.plain.URL+"/count"); !strings.HasPrefix(got, "501") {
				t.Error(got)
			}
		}
		b.call("stop")
	}
	if n := real.connections() - before; n != 0 {
		t.Errorf("replay made %d connections", n)
	}
	for _, name := range []string{"../x.bin", "a/b.bin", ".hidden.bin", "x.txt", ""} {
		if got := b.call("upload_flow_file_part", name, "id2", 0.0, "", true); !strings.HasPrefix(got, "INVALID_ARGUMENT Invalid flow file name") {
			t.Errorf("%q: %s", name, got)
		}
	}
	if _, err := os.Stat(filepath.Join(b.dir, "x.bin")); err == nil {
		t.Error("a file outside of the flows directory")
	}
}
