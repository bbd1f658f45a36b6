package capture

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"starproxy/builtins/exchange"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// readPath reads a body by the path that an event has for it.
func readPath(j *Journal, path string) ([]byte, error) {
	r, err := j.OpenPath(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func blob(s string) Blob { return Blob{Size: int64(len(s)), Data: []byte(s)} }

func decodeEvent(t testing.TB, b []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%v in %.200s", err, b)
	}
	return m
}

func TestEventHasTheStockKeys(t *testing.T) {
	t.Parallel()
	j := New(Options{})
	e := sample()
	e.RequestBody = Blob{Size: 5, Data: []byte("hello")}
	e.Target = "/api/v1/status?page=2&page=3&flag"
	j.Add(e)
	got := decodeEvent(t, j.Event(e))
	want := map[string]any{
		"timestamp": 1700000000.124956, "method": "GET", "url": "https://api.example.com/api/v1/status?page=2&page=3&flag",
		"path": "/api/v1/status?page=2&page=3&flag", "body": "hello",
		"headers":         map[string]any{"Host": "api.example.com", "User-Agent": "curl/8.5.0", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"},
		"query":           map[string]any{"page": []any{"2", "3"}, "flag": []any{""}},
		"response_status": 200.0, "was_mocked": true, "was_patched": false, "duration_ms": 2.0, "response_size": 17.0,
		"response_body": `{"status": "okay"`, "response_body_file": nil, "response_content_type": "application/json",
		"response_headers": map[string]any{"Content-Type": "application/json", "Content-Length": "17",
			"Date": "Tue, 14 Nov 2023 22:13:20 GMT", "Set-Cookie": "a=1, b=2"},
		"response_is_binary": false,
		"seq":                1.0, "kind": "http", "origin": "mocked", "endpoint": "GET /api/v1/status", "source": "happy.yaml:3",
	}
	for k, v := range want {
		if !reflect.DeepEqual(got[k], v) {
			t.Errorf("%s is %v, want %v", k, got[k], v)
		}
	}
	cookies := 0
	for _, pair := range got["response_headers_list"].([]any) {
		if pair.([]any)[0] == "Set-Cookie" {
			cookies++
		}
	}
	if cookies != 2 {
		t.Errorf("header list %v", got["response_headers_list"])
	}
}

func TestEventKinds(t *testing.T) {
	t.Parallel()
	j := New(Options{})
	for name, c := range map[string]struct {
		change func(*Entry)
		want   map[string]any
	}{
		"patched": {func(e *Entry) { e.Origin = exchange.FromPatch }, map[string]any{"was_mocked": true, "was_patched": true}},
		"server":  {func(e *Entry) { e.Origin = exchange.FromServer }, map[string]any{"was_mocked": false, "was_patched": false, "origin": "passthrough"}},
		"unreachable": {func(e *Entry) { e.Origin, e.Status, e.Error = exchange.FromProxy, 502, "refused" },
			map[string]any{"response_status": 0.0, "sent_status": 502.0, "failure": "refused", "response_body": nil, "response_content_type": nil}},
		"rejected": {func(e *Entry) { e.Origin, e.Status = exchange.FromProxy, 501 }, map[string]any{"response_status": 501.0, "was_mocked": false}},
		"tls error": {func(e *Entry) {
			*e = Entry{Kind: TLSError, Host: "a.example", Port: 443, SNI: "a.example", Error: "remote error: tls: unknown certificate authority"}
		}, map[string]any{"kind": "tls_error", "sni": "a.example", "alert": "remote error: tls: unknown certificate authority",
			"method": "CONNECT", "path": "a.example:443", "url": "https://a.example", "response_status": 0.0, "body": "", "query": map[string]any{}}},
		"refused": {func(e *Entry) {
			*e = Entry{Kind: Refused, Origin: exchange.FromProxy, Method: "GET", Scheme: "http", Host: "a.example", Port: 80, Target: "/x", Proto: "HTTP/1.1", Authority: "a.example",
				Status: 431, Error: "header: too long", RequestBody: Blob{Size: 5000, Data: []byte("GET /x HTTP/1.1\r\nA"), Truncated: true}}
		}, map[string]any{"kind": "refused", "failure": "header: too long", "method": "REFUSED", "path": "/x", "url": "http://a.example/x", "response_status": 0.0, "sent_status": 431.0,
			"body": "GET /x HTTP/1.1\r\nA", "body_size": 5000.0, "body_truncated": true, "body_is_binary": nil, "headers_list": []any{}, "response_body": nil, "origin": "proxy", "was_mocked": false}},
		"refused bytes": {func(e *Entry) {
			*e = Entry{Kind: Refused, Error: "no HTTP", RequestBody: blob("\x16\x03\x01\x00\xff")}
		}, map[string]any{"kind": "refused", "method": "REFUSED", "path": "", "url": "", "sent_status": nil,
			"body": "\x16\x03\x01\x00ÿ", "body_encoding": "latin-1", "body_is_binary": true, "body_size": 5.0, "body_truncated": nil}},
		"refused target": {func(e *Entry) {
			*e = Entry{Kind: Refused, Method: "CONNECT", Scheme: "http", Host: "a", Port: 443, Target: "a:443", Error: "no"}
		}, map[string]any{"path": "a:443", "url": "a:443"}},
		"refused over HTTP/2": {func(e *Entry) {
			*e = Entry{Kind: Refused, Target: "/", Authority: "a", RequestHeader: exchange.HeaderOf("te", "x"), Error: "no"}
		}, map[string]any{"headers_list": []any{[]any{"Host", "a"}, []any{"te", "x"}}}},
		"trailers": {func(e *Entry) { e.ResponseTrailer = exchange.HeaderOf("Grpc-Status", "0") },
			map[string]any{"response_trailers": map[string]any{"Grpc-Status": "0"}}},
		"met": {func(e *Entry) { e.Notes = []exchange.Note{{Level: exchange.Met, Text: "network edge"}} },
			map[string]any{"met": []any{"network edge"}}},
		"notes": {func(e *Entry) { e.Notes = []exchange.Note{{Level: "warning", Text: "w"}} },
			map[string]any{"notes": []any{map[string]any{"level": "warning", "text": "w"}}}},
		"truncated": {func(e *Entry) { e.ResponseBody.Truncated = true }, map[string]any{"response_truncated": true}},
		"no body":   {func(e *Entry) { e.ResponseBody = Blob{} }, map[string]any{"response_body": "", "response_size": 0.0}},
		"port":      {func(e *Entry) { e.Host, e.Port = "::1", 8443 }, map[string]any{"url": "https://[::1]:8443/api/v1/status?page=2"}},
		"latin-1 body": {func(e *Entry) { e.ResponseBody = Blob{Size: 4, Data: []byte("caf\xe9")} },
			map[string]any{"response_body": "café", "response_body_encoding": "latin-1"}},
		"binary request": {func(e *Entry) { e.RequestBody = Blob{Size: 2, Data: []byte{0xff, 0}} },
			map[string]any{"body": "", "body_is_binary": true, "body_size": 2.0}},
	} {
		e := sample()
		c.change(e)
		j.Add(e)
		got := decodeEvent(t, j.Event(e))
		for k, v := range c.want {
			if !reflect.DeepEqual(got[k], v) {
				t.Errorf("%s: %s is %v, want %v", name, k, got[k], v)
			}
		}
	}
}

func compress(t testing.TB, name string, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	switch name {
	case "gzip":
		w = gzip.NewWriter(&buf)
	case "deflate":
		w = zlib.NewWriter(&buf)
	case "raw deflate":
		w, _ = flate.NewWriter(&buf, 6)
	case "br":
		w = brotli.NewWriter(&buf)
	case "zstd":
		w, _ = zstd.NewWriter(&buf)
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestEventUndoesContentEncodings(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("hello, ", 1000)
	for _, name := range []string{"gzip", "deflate", "raw deflate", "br", "zstd"} {
		j := New(Options{SpoolDir: t.TempDir()})
		e := sample()
		data := compress(t, name, []byte(text))
		e.ResponseHeader.Set("Content-Encoding", strings.TrimPrefix(name, "raw "))
		e.ResponseBody = Blob{Size: int64(len(data)), Data: data}
		j.Add(e)
		got := decodeEvent(t, j.Event(e))
		if got["response_body"] != text || got["response_size"] != float64(len(text)) {
			t.Errorf("%s: size %v", name, got["response_size"])
		}
		if h := got["response_headers"].(map[string]any); h["Content-Encoding"] != nil {
			t.Errorf("%s: %v", name, h)
		}
		// Cut short it shows what there is.
		e.ResponseBody = Blob{Size: int64(len(data)) - 6, Data: data[:len(data)-6]}
		got = decodeEvent(t, j.Event(e))
		if body, ok := got["response_body"].(string); ok && !strings.HasPrefix(text, body) {
			t.Errorf("%s, cut: %.40q", name, body)
		}
		// A large one is named, decoded.
		big := bytes.Repeat([]byte(text), 200)
		data = compress(t, name, big)
		e = sample()
		e.ResponseHeader.Set("Content-Encoding", strings.TrimPrefix(name, "raw "))
		e.ResponseBody = Blob{Size: int64(len(data)), Data: data}
		j.Add(e)
		for range 2 {
			got = decodeEvent(t, j.Event(e))
			path, _ := got["response_body_file"].(string)
			if stored, err := readPath(j, path); err != nil || !bytes.Equal(stored, big) || got["response_size"] != float64(len(big)) {
				t.Errorf("%s, large: %v, %v bytes", name, err, got["response_size"])
			}
		}
		if s := j.Stats(); s.SpoolFiles > 0 {
			t.Errorf("%s: %d spool files, want none", name, s.SpoolFiles)
		}
	}
}

func TestEventReadsCharsets(t *testing.T) {
	t.Parallel()
	j := New(Options{})
	for _, c := range []struct{ typ, data, want, encoding string }{
		{"text/html; charset=ISO-8859-1", "caf\xe9", "café", "iso-8859-1"},
		{"application/json; charset=utf-16", "\xff\xfe{\x00}\x00", "{}", "utf-16le"},
		{"text/plain; charset=shift_jis", "\x82\xa0", "あ", "shift_jis"},
		{"application/json", "\xef\xbb\xbf{}", "{}", ""},
		{"text/plain", "caf\xe9", "café", "latin-1"},
		{"text/plain; charset=utf-8", "café", "café", ""},
	} {
		e := sample()
		e.RequestHeader = exchange.HeaderOf("Content-Type", c.typ)
		e.ResponseHeader = exchange.HeaderOf("Content-Type", c.typ)
		e.RequestBody, e.ResponseBody = blob(c.data), blob(c.data)
		j.Add(e)
		got := decodeEvent(t, j.Event(e))
		encoding := func(key string) string { s, _ := got[key].(string); return s }
		if got["body"] != c.want || got["response_body"] != c.want || encoding("body_encoding") != c.encoding || encoding("response_body_encoding") != c.encoding {
			t.Errorf("%s: got %q in %v and %q in %v, want %q in %q", c.typ, got["body"], got["body_encoding"], got["response_body"], got["response_body_encoding"], c.want, c.encoding)
		}
		if got["response_size"] != float64(len(c.data)) {
			t.Errorf("%s: response_size: got %v, want %d, as sent", c.typ, got["response_size"], len(c.data))
		}
	}
	e := sample()
	e.RequestHeader, e.RequestBody = nil, blob("\xff\xfe\xfb\x90\x00\x00\x00\xd8")
	j.Add(e)
	if got := decodeEvent(t, j.Event(e)); got["body"] != "" || got["body_is_binary"] != true {
		t.Errorf("bytes that only begin like UTF-16: got %q, want a file", got["body"])
	}
}

func TestEventSurvivesABomb(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	zeros := make([]byte, 1<<20)
	for range 8 {
		z.Write(zeros)
	}
	z.Close()
	j := New(Options{SpoolDir: t.TempDir()})
	j.unfold = 4 << 20
	e := sample()
	e.ResponseHeader.Set("Content-Encoding", "gzip")
	e.ResponseBody = Blob{Size: int64(buf.Len()), Data: buf.Bytes()}
	j.Add(e)
	got := decodeEvent(t, j.Event(e))
	if got["response_body"] != nil || got["response_body_encoding"] != "gzip" || got["response_size"] != float64(buf.Len()) {
		t.Errorf("%v %v", got["response_body_encoding"], got["response_size"])
	}
	path, _ := got["response_body_file"].(string)
	if stored, err := readPath(j, path); err != nil || len(stored) != buf.Len() {
		t.Errorf("%d bytes, %v, want %d as they came", len(stored), err, buf.Len())
	}
}

func TestEventNamesBinaryBodies(t *testing.T) {
	t.Parallel()
	j := New(Options{SpoolDir: t.TempDir()})
	add := func(data []byte) map[string]any {
		e := sample()
		e.ResponseHeader.Set("Content-Type", "image/png")
		e.ResponseBody = Blob{Size: int64(len(data)), Data: data}
		j.Add(e)
		return decodeEvent(t, j.Event(e))
	}
	png := []byte("\x89PNG\r\n\x1a\n")
	event := add(png)
	path, _ := event["response_body_file"].(string)
	if data, err := readPath(j, path); err != nil || !bytes.Equal(data, png) {
		t.Fatalf("%s: %q, %v, want %q", path, data, err, png)
	}
	if event["response_body"] != nil || event["response_is_binary"] != true {
		t.Errorf("body %v, binary %v, want none and true", event["response_body"], event["response_is_binary"])
	}
	j.CleanSpool()
	if data, err := readPath(j, path); err != nil || !bytes.Equal(data, png) {
		t.Errorf("after cleaning: %q, %v, want %q", data, err, png)
	}
	j.Clear()
	if _, err := readPath(j, path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the entry: %v, want %v", err, fs.ErrNotExist)
	}
	// A file of the user's is named, not copied.
	own := filepath.Join(t.TempDir(), "own.bin")
	if err := os.WriteFile(own, png, 0o600); err != nil {
		t.Fatal(err)
	}
	e := sample()
	e.ResponseHeader.Set("Content-Type", "image/png")
	e.ResponseBody = Blob{Size: 4, Path: own, Off: 2}
	j.Add(e)
	got := decodeEvent(t, j.Event(e))
	if got["response_body_file"] != own || got["response_body_offset"] != 2.0 {
		t.Errorf("%v", got)
	}
	j.Close()
	if _, err := os.Stat(own); err != nil {
		t.Error("the user's own file was removed")
	}
}

func TestEventsStayBelowTheLimit(t *testing.T) {
	t.Parallel()
	j := New(Options{SpoolDir: t.TempDir()})
	add := func(size int) {
		e := sample()
		e.ResponseBody = Blob{Size: int64(size), Data: bytes.Repeat([]byte("x"), size)}
		j.Add(e)
	}
	for i := range 20 {
		add(1000 * (i + 1))
	}
	parse := func(b []byte) (list []map[string]any) {
		t.Helper()
		if err := json.Unmarshal(b, &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if all := parse(j.Events(nil, 0)); len(all) != 20 || all[19]["response_body"] == nil || all[0]["seq"] != 1.0 {
		t.Fatalf("%d events", len(all))
	}
	b := j.Events(nil, 100<<10)
	list := parse(b)
	if len(b) > 100<<10 || len(list) != 20 {
		t.Fatalf("%d bytes, %d events", len(b), len(list))
	}
	for i, e := range list {
		left := e["response_body"] == nil
		if left != (e["response_body_omitted"] == true) {
			t.Errorf("event %d: %v", i, e["response_body_omitted"])
		}
		if i > 0 && left != (list[i-1]["response_body"] == nil) && !left {
			t.Errorf("event %d has its body, a shorter one has not", i)
		}
		if left {
			if data, err := readPath(j, e["response_body_file"].(string)); err != nil || len(data) != 1000*(i+1) {
				t.Errorf("event %d: %d bytes, %v", i, len(data), err)
			}
		}
	}
	for i := range 300 {
		add(i)
	}
	for _, f := range []Filter{nil, func(*Entry) bool { return true }} {
		b = j.Events(f, 100<<10)
		list = parse(b)
		if len(b) > 100<<10 || list[0]["earlier_events_omitted"] != float64(320-len(list)) || list[len(list)-1]["seq"] != 320.0 {
			t.Errorf("%d bytes, %d events, %v omitted", len(b), len(list), list[0]["earlier_events_omitted"])
		}
	}
	if got := string(j.Events(func(*Entry) bool { return false }, 0)); got != "[]" {
		t.Errorf("nothing is %s", got)
	}
	if got := parse(j.Events(Request("GET", "*"), 64<<20)); len(got) != 320 {
		t.Errorf("%d events", len(got))
	}
}

func TestHostileEntriesGiveSmallEvents(t *testing.T) {
	t.Parallel()
	nasty := strings.Repeat("\x01\xff", 50<<10)
	h := exchange.HeaderOf("Content-Type", "text/plain")
	for i := range 3 {
		h.Add(fmt.Sprint("X-", i), nasty)
	}
	j := New(Options{SpoolDir: t.TempDir()})
	for range 2 {
		e := sample()
		e.RequestHeader, e.ResponseHeader, e.Target, e.Error = h, h, "/"+nasty, nasty
		e.RequestBody = Blob{Size: 256 << 10, Data: bytes.Repeat([]byte{1}, 256<<10)}
		e.ResponseBody = e.RequestBody
		j.Add(e)
		b := j.Event(e)
		if len(b) > MaxEvent || !utf8.Valid(b) {
			t.Fatalf("%d bytes", len(b))
		}
		if got := decodeEvent(t, b); got["headers_omitted"] != true {
			t.Error("nothing says that headers are missing")
		}
	}
	if b := j.Events(nil, 0); len(b) > MaxEvent || !json.Valid(b) {
		t.Errorf("%d bytes", len(b))
	}
}

func FuzzEvent(f *testing.F) {
	f.Add("GET", "/a?b=c&d", "X-A", "v", "text/plain", "gzip", []byte("body"), uint8(0), 200)
	f.Add("\xff", "\xff?%zz", "\x00", "\xfe", "image/png", "br, gzip", []byte{0xff}, uint8(3), 502)
	f.Add("POST", "/", "Content-Type", "", "application/json", "zstd", compress(f, "zstd", []byte("{}")), uint8(1), 0)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, method, target, name, value, ct, ce string, body []byte, origin uint8, status int) {
		j := New(Options{SpoolDir: dir})
		defer j.Close()
		e := &Entry{Method: method, Scheme: value, Host: name, Target: target, Status: status, Error: value,
			RequestHeader:  exchange.HeaderOf(name, value, name, value, "Content-Type", ct, "Content-Encoding", ce),
			ResponseHeader: exchange.HeaderOf(name, value, "Content-Type", ct, "Content-Encoding", ce),
			RequestBody:    Blob{Size: int64(len(body)), Data: body}, ResponseBody: Blob{Size: int64(len(body)), Data: body},
			Origin: exchange.Origin(origin), ResponseTrailer: exchange.HeaderOf(value, name)}
		j.Add(e)
		kept := j.Entries(nil)
		if len(kept) != 1 || !reflect.DeepEqual(kept[0].ResponseHeader, e.ResponseHeader) || kept[0].Target != target {
			t.Fatalf("%+v", kept)
		}
		b := j.Event(kept[0])
		m := decodeEvent(t, b)
		if len(b) > MaxEvent || !utf8.Valid(b) || m["seq"] != 1.0 || m["method"] == nil {
			t.Fatalf("%d bytes: %.300s", len(b), b)
		}
		if list := j.Events(nil, 0); !json.Valid(list) {
			t.Fatalf("%.300s", list)
		}
	})
}
