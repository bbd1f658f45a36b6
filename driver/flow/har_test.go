package flow

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// each gives flows as readers do.
func each(flows []*Flow) iter.Seq2[*Flow, error] {
	return func(yield func(*Flow, error) bool) {
		for _, f := range flows {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func exported(t testing.TB, flows ...*Flow) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteHAR(&b, each(flows), "test"); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b.Bytes()) {
		t.Fatalf("this is no JSON: %.2000s", b.Bytes())
	}
	return b.Bytes()
}

func imported(t testing.TB, data []byte) []*Flow {
	t.Helper()
	return all(t, readHAR(bytes.NewReader(data), "x.har"))
}

// TestHARRoundTrip imports what was exported. What HAR can't say is left out of
// the comparison.
func TestHARRoundTrip(t *testing.T) {
	t.Parallel()
	flows := every(t)
	data := exported(t, flows...)
	path := saved(t, "x.har", append([]byte("\ufeff"), data...))
	file, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got := all(t, file.Flows())
	if again := imported(t, data); len(got) != len(flows) || len(again) != len(flows) {
		t.Fatalf("%d flows in the file, %d from a stream", len(got), len(again))
	}
	for i, g := range got {
		if again, err := file.FlowAt(g.Offset); err != nil || !reflect.DeepEqual(again, g) {
			t.Errorf("flow %d at %d: %v", i, g.Offset, err)
		}
		f := flows[i]
		g = plain(t, g)
		for _, p := range []*Flow{f, g} {
			p.ID, p.Created, p.Replayed, p.Marked, p.Metadata = "", time.Time{}, "", "", nil
			p.Client, p.Server = Conn{}, Conn{Peer: p.Server.Peer}
			p.Request.Start, p.Request.End = time.Time{}, time.Time{}
			if p.Response != nil {
				p.Response.Start, p.Response.End = time.Time{}, time.Time{}
			}
			if p.Error != nil {
				p.Error.Time = time.Time{}
			}
			if p.WebSocket != nil {
				w := *p.WebSocket
				w.ClosedByClient, w.CloseCode, w.CloseReason, w.End = nil, 0, "", time.Time{}
				for j := range w.Messages {
					w.Messages[j].Dropped, w.Messages[j].Injected = false, false
				}
				p.WebSocket = &w
			}
		}
		f.Request.Header = slices.Clone(f.Request.Header)
		for j := range f.Request.Header {
			f.Request.Header[j].Value = legible(f.Request.Header[j].Value)
		}
		if f.Response != nil {
			f.Response.Reason = legible(f.Response.Reason)
		}
		if f.Request.Path == "*" {
			f.Request.Path = "/*"
		}
		if !reflect.DeepEqual(g, f) {
			t.Errorf("flow %d\ngot      %s\nexpected %s", i, text(g), text(f))
		}
	}
	temp := file.at
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(temp); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the flow file made of it is still there: %v", err)
	}
}

// TestHARSamples exports the samples of mitmproxy and imports them: bodies come
// back as they are when decoded.
func TestHARSamples(t *testing.T) {
	t.Parallel()
	for name := range samples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := Open(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			flows := all(t, file.Flows())
			got := imported(t, exported(t, flows...))
			for i, f := range flows {
				_, want := sums(t, f.Request.Header, f.Request.Body)
				raw, decoded := sums(t, got[i].Request.Header, got[i].Request.Body)
				if raw != want || decoded != want || got[i].Request.Path != f.Request.Path || got[i].Request.Host != f.Request.Host || got[i].Request.Port != f.Request.Port {
					t.Errorf("request %d differs", i)
				}
				if f.Response == nil {
					continue
				}
				_, want = sums(t, f.Response.Header, f.Response.Body)
				if raw, decoded = sums(t, got[i].Response.Header, got[i].Response.Body); raw != want || decoded != want || got[i].Response.Status != f.Response.Status {
					t.Errorf("response %d differs", i)
				}
				if !got[i].Created.Equal(f.Request.Start.Truncate(time.Microsecond)) {
					t.Errorf("flow %d began at %v, expected %v", i, got[i].Created, f.Request.Start)
				}
			}
		})
	}
}

// document is an export, taken apart.
type document struct {
	Log struct {
		Version string
		Creator map[string]string
		Entries []map[string]any
	}
}

func TestHARExport(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(strings.Repeat("text ", 100)))
	z.Close()
	f := &Flow{
		Created: at(0), Comment: "note",
		Request: Request{Method: "POST", Scheme: "https", Host: "10.0.0.1", Port: 8443, Path: "/p?a=1&b=x%20y&c", Proto: "HTTP/1.1", Start: at(100), End: at(110),
			Header: exchange.HeaderOf("Host", "api.example.test:8443", "Cookie", `a=1; b={"x":1}`, "Content-Type", "application/x-www-form-urlencoded"), Body: memory("q=1&r=a+b")},
		Response: &Response{Status: 302, Reason: "Found", Proto: "HTTP/1.1", Start: at(150), End: at(175),
			Header: exchange.HeaderOf("Content-Encoding", "gzip", "Set-Cookie", "s=1; Path=/; HttpOnly; Secure; SameSite=Lax", "Set-Cookie", `t={"x":"é"}; Domain=example.test`, "Location", "/next", "Content-Type", "text/plain"),
			Body:   memory(zipped.String())},
		Server: Conn{ID: "s", Peer: "[::1]:8443", Start: at(10), Connected: at(30), TLSSetup: at(70)},
	}
	second := *f
	second.Response = &Response{Status: 200, Header: exchange.HeaderOf("content-encoding", "gzip"), Body: memory("this is no gzip\x00")}
	var doc document
	if err := json.Unmarshal(exported(t, f, &second), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Log.Version != "1.2" || doc.Log.Creator["name"] != "starproxy" || doc.Log.Creator["version"] != "test" {
		t.Errorf("got %v", doc.Log.Creator)
	}
	for path, want := range map[string]string{
		"startedDateTime": `"2026-11-23T06:44:02.100000Z"`, "time": "135", "comment": `"note"`, "serverIPAddress": `"::1"`,
		"timings":     `{"blocked":-1,"connect":20,"dns":-1,"receive":25,"send":10,"ssl":40,"wait":40}`,
		"request.url": `"https://api.example.test:8443/p?a=1\u0026b=x%20y\u0026c"`, "request.httpVersion": `"HTTP/1.1"`, "request.bodySize": "9",
		"request.queryString": `[{"name":"a","value":"1"},{"name":"b","value":"x y"},{"name":"c","value":""}]`,
		"request.cookies":     `[{"httpOnly":false,"name":"a","secure":false,"value":"1"},{"httpOnly":false,"name":"b","secure":false,"value":"{\"x\":1}"}]`,
		"request.postData":    `{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"q","value":"1"},{"name":"r","value":"a b"}],"text":"q=1\u0026r=a+b"}`,
		"response.cookies": `[{"httpOnly":true,"name":"s","path":"/","sameSite":"Lax","secure":true,"value":"1"},` +
			`{"domain":"example.test","httpOnly":false,"name":"t","secure":false,"value":"{\"x\":\"é\"}"}]`,
		"response.redirectURL": `"/next"`, "response.content.size": "500", "response.content.compression": fmt.Sprint(500 - zipped.Len()),
		"response.bodySize": fmt.Sprint(zipped.Len()), "response.content.mimeType": `"text/plain"`,
	} {
		if got := dig(doc.Log.Entries[0], path); got != want {
			t.Errorf("%s is %s, expected %s", path, got, want)
		}
	}
	for path, want := range map[string]string{
		"timings.connect": "-1", "response.content.encoding": `"base64"`, "response.content.text": `"dGhpcyBpcyBubyBnemlwAA=="`,
		"response.content.comment": `"still in its content encoding: gzip: invalid header"`,
	} {
		if got := dig(doc.Log.Entries[1], path); got != want {
			t.Errorf("%s is %s, expected %s", path, got, want)
		}
	}
	// What could not be decoded comes back as it was.
	got := imported(t, exported(t, &second))[0].Response
	if string(got.Body.Data) != "this is no gzip\x00" || got.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("got %+v", got)
	}
}

func dig(v any, path string) string {
	for key := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// TestHARLarge exports bodies that are not held in memory, with characters cut
// by every buffer's end.
func TestHARLarge(t *testing.T) {
	t.Parallel()
	f := every(t)[0]
	for _, test := range []struct {
		name, body, encoding string
	}{
		{"text", "x" + strings.Repeat("grüße \"€\" 😀\n", 120_000), "null"},
		{"late bytes", strings.Repeat("text", 400_000) + "\xff", `"base64"`},
		{"cut character", strings.Repeat("text", 400_000) + "\xf0\x9f\x98", `"base64"`},
		{"binary", strings.Repeat("\x00\x01\x02", 500_000), `"base64"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := *f
			g.Request.Body = onFile(t, test.body)
			g.Response = &Response{Status: 200, Body: onFile(t, test.body)}
			data := exported(t, &g)
			var doc document
			if err := json.Unmarshal(data, &doc); err != nil {
				t.Fatal(err)
			}
			if got := dig(doc.Log.Entries[0], "response.content.encoding"); got != test.encoding {
				t.Errorf("encoding %s, expected %s", got, test.encoding)
			}
			got := imported(t, data)[0]
			if string(got.Response.Body.Data) != test.body || string(got.Request.Body.Data) != test.body {
				t.Error("not what was exported")
			}
		})
	}
}

// entry is a small entry of a HAR document.
const entry = `{"startedDateTime":"2024-01-02T03:04:05.678+02:00","time":12.5,"request":{"method":"GET","url":"https://u:p@example.test:8443/a?b=%41#c","httpVersion":"h2",
"headers":[["accept","*/*"],{"name":":authority","value":"example.test:8443"}]},"response":{"status":200,"httpVersion":"http/2.0","headers":[{"name":"Content-Encoding","value":"br"},{"name":"content-length","value":"3"}],
"content":{"mimeType":"text/plain","text":"grün","other":[1,{}]}},"serverIPAddress":"[::1]","unknown":{"a":[]}}`

func TestHARImport(t *testing.T) {
	t.Parallel()
	f := imported(t, []byte(`{"extra":[{"a":{}}],"log":{"version":"1.2","pages":[],"entries":[`+entry+`]}}`))[0]
	start := time.Date(2024, 1, 2, 1, 4, 5, 678e6, time.UTC)
	if !f.Request.Start.Equal(start) || !f.Response.Start.Equal(start) || f.Response.End.Sub(start) != 12500*time.Microsecond {
		t.Errorf("times %v, %v, %v", f.Request.Start, f.Response.Start, f.Response.End)
	}
	f.ID, f.Created, f.Client, f.Server.ID, f.Server.TLSSetup = "", time.Time{}, Conn{}, "", time.Time{}
	f.Request.Start, f.Request.End, f.Response.Start, f.Response.End = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	want := &Flow{
		Request:  Request{Method: "GET", Scheme: "https", Host: "example.test", Port: 8443, Path: "/a?b=%41", Authority: "example.test:8443", Proto: "HTTP/2.0", Header: exchange.HeaderOf("accept", "*/*")},
		Response: &Response{Status: 200, Proto: "HTTP/2.0", Header: exchange.HeaderOf("content-length", "5"), Body: memory("grün")},
		Server:   Conn{Address: "example.test:8443", Peer: "[::1]:8443", TLS: true, SNI: "example.test"},
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("got %s\nexpected %s", text(f), text(want))
	}
}

// TestHARBad has entries that can't be used, and documents.
func TestHARBad(t *testing.T) {
	t.Parallel()
	swap := func(old, new string) string {
		if !strings.Contains(entry, old) {
			t.Fatalf("no %q in the entry", old)
		}
		return strings.Replace(entry, old, new, 1)
	}
	for _, test := range []struct{ name, entry, want string }{
		{"no object", `7`, "entry 1: got a JSON number, want an object"},
		{"no request", `{"startedDateTime":"2024-01-02T03:04:05Z"}`, "entry 1: it has no request"},
		{"no method", swap(`"GET"`, `""`), "entry 1: request: it has no method"},
		{"url", swap(`https://`, `about:`), "entry 1: request: url "},
		{"port", swap(`:8443`, `:x`), "entry 1: request: url "},
		{"open bracket", swap(`https://`, `https://[::1/`), "entry 1: request: url "},
		{"open bracket with a port", swap(`https://`, `https://[::1:80/`), "entry 1: request: url "},
		{"no opening bracket", swap(`https://`, `https://::1]/`), "entry 1: request: url "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			doc := `{"log":{"entries":[` + entry + "," + test.entry + "," + entry + "]}}"
			file, err := Open(saved(t, "x.har", []byte(doc)))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			var got []string
			for f, err := range file.Flows() {
				var bad *RecordError
				switch {
				case err == nil:
					got = append(got, f.Request.Host)
				case errors.As(err, &bad) && bad.HAR && bad.Index == 1:
					got = append(got, err.Error())
				default:
					t.Error(err)
				}
			}
			if len(got) != 3 || !strings.Contains(got[1], test.want) {
				t.Errorf("got %q, expected %q in the middle", got, test.want)
			}
		})
	}
	for _, test := range []struct{ name, doc, want string }{
		{"no entries", `{"log":{}}`, "it has no log.entries"},
		{"no log", `{}`, "it has no log.entries"},
		{"a list", "{\"log\":\n[]}", `line 2:2: expected an object, got a list`},
		{"null", "{\"log\":{\"entries\":null}}", `expected a list, got null`},
		{"text", "{\"log\":\"x\"}", `expected an object, got the text "x"`},
		{"number", "{\"log\":{\"entries\":12}}", `expected a list, got the number 12`},
		{"false", "{\"log\":false}", `expected an object, got false`},
		{"syntax", "{\"log\":\n{\"entries\":[\n" + entry + ",\n {\"a\": nope}]}}", "line 6:9: entry 1: invalid character 'o'"},
		{"cut", "{\"log\":\n{\"entries\":[\n" + entry + ",\n {\"a\":", "line 6:7: entry 1: unexpected EOF"},
		{"cut early", `{"log"`, "unexpected EOF"},
		{"deep", `{"a":` + strings.Repeat("[", 20000), "nested more than 10000 deep"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var last error
			for _, err := range readHAR(strings.NewReader(test.doc), "x.har") {
				last = err
			}
			if last == nil || !strings.Contains(last.Error(), test.want) {
				t.Errorf("got %v, expected %q", last, test.want)
			}
		})
	}
}

func TestConvert(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	har, back := filepath.Join(dir, "x.HAR"), filepath.Join(dir, "back")
	n, warnings, err := Convert("testdata/mixed-mitmproxy-8.1.1-v17.bin", har)
	if err != nil || n != 10 || len(warnings) != 1 || !strings.Contains(warnings[0], "1 flows of type tcp are left out") {
		t.Errorf("%d flows, warnings %q, %v", n, warnings, err)
	}
	if n, warnings, err = Convert(har, back); err != nil || n != 10 || warnings != nil {
		t.Errorf("%d flows, warnings %q, %v", n, warnings, err)
	}
	for _, name := range []string{har, back} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	before, err := os.ReadFile(back)
	if err != nil {
		t.Fatal(err)
	}
	if n, _, err = Convert(back, back); err != nil || n != 10 {
		t.Errorf("onto itself: %d flows, %v", n, err)
	}
	if after, err := os.ReadFile(back); err != nil || !bytes.Equal(before, after) {
		t.Errorf("onto itself it is another file now: %v", err)
	}
	if _, _, err = Convert(filepath.Join(dir, "none"), back); err == nil {
		t.Error("a file that isn't there was converted")
	}
	// A body that can't be read breaks it off and leaves nothing.
	broken := &Flow{Request: Request{Body: Body{Blob: capture.Blob{Size: 1, Path: filepath.Join(dir, "none")}}}}
	if err := WriteHAR(&bytes.Buffer{}, each([]*Flow{broken}), "test"); err == nil {
		t.Error("a body that isn't there was exported")
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 2 {
		t.Errorf("got %v, expected two files", list)
	}
}
