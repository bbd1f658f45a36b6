package driver

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starproxy/driver/flow"
)

// breaking is a server whose answers break off in all the ways there are.
func breaking(t *testing.T) *httptest.Server {
	t.Helper()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	for n := range 5000 {
		fmt.Fprintf(z, "line %d\n", n)
	}
	z.Close()
	half := zipped.Bytes()[:zipped.Len()/2]
	heads := map[string]string{
		"/length":  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\n" + strings.Repeat("x", 3000),
		"/large":   "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 5000000\r\n\r\n" + strings.Repeat("x", 3000000),
		"/nothing": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
		"/chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n",
		"/inchunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nffff\r\nworld",
		"/gzip":    fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", zipped.Len(), half),
		"/gzchunk": fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(half), half),
		"/error":   "HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nbroken",
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, reset := strings.CutSuffix(r.URL.Path, "/reset")
		nc, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer nc.Close()
		io.WriteString(nc, heads[path])
		if reset {
			// The rest of the request makes the kernel reset on Close, after the
			// proxy has had what was sent.
			nc.(*net.TCPConn).CloseWrite()
			nc.(*net.TCPConn).SetLinger(0)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// borrow copies a recording to where b may replay it from, and gives its name.
func (b *bench) borrow(path string) string {
	b.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = os.MkdirAll(b.d.cfg.Directories.Flows, 0o755)
	}
	name := filepath.Base(path)
	if err == nil {
		err = os.WriteFile(filepath.Join(b.d.cfg.Directories.Flows, name), data, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	return name
}

// read makes a request and tells the bytes that came and whether that was all.
func read(t *testing.T, c *http.Client, target string) (string, bool) {
	t.Helper()
	res, err := c.Get(target)
	if err != nil {
		t.Errorf("%s: %v", target, err)
		return "", false
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(err.Error(), "stream error") {
		t.Errorf("%s: %v", target, err)
	}
	return fmt.Sprintf("%d %s %d %s", res.StatusCode, res.Header.Get("Content-Encoding"), res.ContentLength, body), err == nil
}

// An answer that broke off breaks off at the same place when it is replayed,
// from all formats, and is in no exported scenario.
func TestBrokenAnswers(t *testing.T) {
	t.Parallel()
	real := breaking(t)
	paths := []string{"/length", "/large", "/nothing", "/chunked", "/inchunk", "/gzip", "/gzchunk", "/error", "/chunked/reset", "/length/reset"}
	b := newBench(t, nil)
	_, file, _ := strings.Cut(b.call("start", "record"), " | Recording to: ")
	proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
	want := map[string]string{}
	for _, path := range paths {
		got, whole := read(t, device(t, proxy, false), real.URL+path)
		if whole {
			t.Errorf("%s: it came whole", path)
		}
		want[path] = got
	}
	var exported struct {
		YAML    string
		LeftOut []string `json:"left_out"`
	}
	if err := json.Unmarshal([]byte(b.call("export_captured_scenario", "", false, false)), &exported); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(exported.YAML, "the answer broke off after "); n != len(paths) || len(exported.LeftOut) != n || !strings.Contains(exported.YAML, "endpoints: {}") {
		t.Errorf("%d of %d are named in %s", n, len(paths), exported.YAML)
	}
	if n := strings.Count(b.call("list_captured_requests", ""), `"response_broke_off":true`); n != len(paths) {
		t.Errorf("%d captures say that they broke off", n)
	}
	b.call("stop")
	har, back := file+".har", file+".back.bin"
	for _, c := range [][2]string{{file, har}, {har, back}} {
		if n, _, err := flow.Convert(c[0], c[1]); n != len(paths) || err != nil {
			t.Fatalf("%d flows, %v", n, err)
		}
	}
	for _, file := range []string{file, har, back} {
		r := newBench(t, nil)
		r.call("start", "replay", false, r.borrow(file))
		proxy := &url.URL{Scheme: "http", Host: r.status()["proxy_address"].(string)}
		for _, path := range paths {
			got, whole := read(t, device(t, proxy, false), real.URL+path)
			if whole || got != want[path] {
				t.Errorf("%s: %s: whole: %v, got %.80q, want %.80q", filepath.Ext(file), path, whole, got, want[path])
			}
		}
	}
}

// Over HTTP/2 the stream is reset, and the connection stays.
func TestBrokenAnswersOverHTTP2(t *testing.T) {
	t.Parallel()
	real := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/whole" {
			io.WriteString(w, "whole")
			return
		}
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "begin")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	real.EnableHTTP2 = true
	real.StartTLS()
	defer real.Close()
	b := newBench(t, func(c *Config) { c.SSLInsecure = true })
	_, file, _ := strings.Cut(b.call("start", "record"), " | Recording to: ")
	for mode := range 2 {
		proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
		c := device(t, proxy, true)
		for _, path := range []string{"/broken", "/whole"} {
			if got, whole := read(t, c, real.URL+path); whole != (path == "/whole") || !strings.Contains(got, path[1:2]) {
				t.Errorf("mode %d: %s: whole: %v, got %q", mode, path, whole, got)
			}
		}
		if mode == 0 {
			b.call("restart", "replay", false, file)
		}
	}
}

// An answer that the device had whole, but that was not kept, is not replayed as
// one that is empty or broken.
func TestUnstoredAnswersAreNotReplayed(t *testing.T) {
	t.Parallel()
	real := newBackend(t)
	b := newBench(t, func(c *Config) { c.Capture.MaxSpoolBytes = 1000 })
	b.call("start", "passthrough")
	proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
	for _, path := range []string{"/binary", "/json"} {
		if _, whole := read(t, device(t, proxy, false), real.plain.URL+path); !whole {
			t.Error(path)
		}
	}
	for _, ext := range []string{"flow", "har"} {
		name := b.write("x."+ext, b.collect("export_captures", ext))
		b.call("restart", "replay", false, b.borrow(name))
		proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
		if got, _ := read(t, device(t, proxy, false), real.plain.URL+"/binary"); !strings.HasPrefix(got, "501 ") {
			t.Errorf("%s: %.100s", ext, got)
		}
		if got, _ := read(t, device(t, proxy, false), real.plain.URL+"/json"); !strings.HasPrefix(got, "200 ") {
			t.Errorf("%s: %.100s", ext, got)
		}
		if w := fmt.Sprint(b.status()["replay"]); !strings.Contains(w, "1 answer(s) whose body was not stored") {
			t.Error(w)
		}
	}
}

// Range decides where parts were recorded, and nobody who asks for the whole
// gets a part: in replay and in an exported scenario.
func TestRecordedRanges(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789", 100)
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if r.URL.Path == "/ignores" {
			io.WriteString(w, content)
			return
		}
		var from, to int
		if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n == 2 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(content)))
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, content[from:to+1])
			return
		}
		io.WriteString(w, content)
	}))
	defer real.Close()
	b := newBench(t, nil)
	_, file, _ := strings.Cut(b.call("start", "record"), " | Recording to: ")
	get := func(b *bench, path, ranges string) string {
		c := device(t, &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}, false)
		req, _ := http.NewRequest("GET", real.URL+path, nil)
		if ranges != "" {
			req.Header.Set("Range", ranges)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return fmt.Sprintf("%d %s %s", res.StatusCode, res.Header.Get("Content-Range"), body)
	}
	tries := []struct{ path, ranges string }{
		{"/file", "bytes=0-4"}, {"/file", "bytes=5-9"}, {"/file", ""}, {"/parts", "bytes=10-12"}, {"/parts", "bytes=20-22"}, {"/ignores", "bytes=1-2"},
	}
	want := map[struct{ path, ranges string }]string{}
	for _, try := range tries {
		want[try] = get(b, try.path, try.ranges)
	}
	var scenario struct{ YAML string }
	if err := json.Unmarshal([]byte(b.call("export_captured_scenario", "", false, false)), &scenario); err != nil {
		t.Fatal(err)
	}
	b.call("stop")
	check := func(name string, r *bench) {
		for range 2 {
			for at := range tries { // in another order than they were recorded in
				try := tries[len(tries)-1-at]
				if name == "scenario" && try.path == "/ignores" {
					continue // a mock of a file has ranges
				}
				if got := get(r, try.path, try.ranges); got != want[try] {
					t.Errorf("%s: %v: got %.60q, want %.60q", name, try, got, want[try])
				}
			}
		}
		if got := get(r, "/parts", ""); strings.HasPrefix(got, "206 ") || strings.HasPrefix(got, "200 ") {
			t.Errorf("%s: a plain GET got %s", name, got)
		}
		if got := get(r, "/ignores", ""); got != "200  "+content {
			t.Errorf("%s: %.60q", name, got)
		}
		if got := get(r, "/file", "bytes=3-7"); !strings.HasPrefix(got, "20") || name == "replay" && got != "200  "+content {
			t.Errorf("%s: %.60q", name, got)
		}
		if got := get(r, "/file", "Bytes = 0-4"); name == "replay" && got != want[tries[0]] {
			t.Errorf("%s: %.60q", name, got)
		}
	}
	r := newBench(t, nil)
	r.call("start", "replay", false, r.borrow(file))
	check("replay", r)
	if got := get(r, "/parts", "bytes=1-2"); !strings.Contains(got, "range is \\\"bytes=1-2\\\", recorded was \\\"bytes=10-12\\\"") {
		t.Error(got)
	}
	m := newBench(t, func(c *Config) { c.Unmatched = Reject; c.Directories.Files = b.d.cfg.Directories.Files })
	m.write("mock-responses/x.yaml", scenario.YAML)
	m.call("start", "mock")
	if text := m.call("load_mock_scenario", "x.yaml"); !strings.HasPrefix(text, "Loaded") {
		t.Fatal(text)
	}
	check("scenario", m)
}

// A WebSocket that the server left without a close frame ends so when it is
// replayed; one that the device left, or that was open to the end, waits for
// the device.
func TestBrokenSockets(t *testing.T) {
	t.Parallel()
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, []byte("hello"))
		_, _, err = c.Read(r.Context())
		switch {
		case r.URL.Path == "/nothing":
			c.Close(websocket.StatusNoStatusRcvd, "")
		case r.URL.Path != "/server":
			for err == nil {
				_, _, err = c.Read(r.Context())
			}
		}
	}))
	defer real.Close()
	b := newBench(t, nil)
	_, file, _ := strings.Cut(b.call("start", "record"), " | Recording to: ")
	dial := func(b *bench, path string) *websocket.Conn {
		proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
		c, _, err := websocket.Dial(t.Context(), strings.Replace(real.URL, "http", "ws", 1)+path, &websocket.DialOptions{HTTPClient: device(t, proxy, false)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		if _, m, err := c.Read(t.Context()); string(m) != "hello" {
			t.Fatalf("%s: %q, %v", path, m, err)
		}
		if err := c.Write(t.Context(), websocket.MessageText, []byte("hi")); err != nil {
			t.Fatal(err)
		}
		return c
	}
	ending := func(c *websocket.Conn) string {
		_, _, err := c.Read(t.Context())
		if code := websocket.CloseStatus(err); code != -1 || err == nil {
			return code.String()
		}
		return "broke off"
	}
	want := map[string]string{"/server": "broke off", "/nothing": "StatusNoStatusRcvd"}
	for path, end := range want {
		if got := ending(dial(b, path)); got != end {
			t.Errorf("%s: %s", path, got)
		}
	}
	dial(b, "/device").CloseNow()
	dial(b, "/open")
	b.call("stop")
	r := newBench(t, nil)
	r.call("start", "replay", false, r.borrow(file))
	for path, end := range want {
		if got := ending(dial(r, path)); got != end {
			t.Errorf("%s: replayed: %s", path, got)
		}
	}
	for _, path := range []string{"/device", "/open"} {
		c := dial(r, path)
		ping, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		go c.Read(ping)
		if err := c.Ping(ping); err != nil { // it is there still, and answers
			t.Errorf("%s: replayed: %v", path, err)
		}
		cancel()
	}
}
