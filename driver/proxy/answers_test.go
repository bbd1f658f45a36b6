package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/mock"
	"starproxy/script"
)

// The ways in which a device may speak to the proxy.
var ways = []struct {
	name, scheme string
	h2           bool
}{
	{"http1", "http", false},
	{"https1", "https", false},
	{"http2", "https", true},
}

// newTable compiles the globals of a script that are named in keys.
func newTable(t testing.TB, src string, keys map[string]string) *mock.Table {
	t.Helper()
	host := script.New(script.Options{Merge: mock.Merge})
	s, err := host.LoadText("test.star", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	table := mock.NewTable()
	for key, name := range keys {
		m, err := mock.ParseKey(key)
		if err != nil {
			t.Fatal(err)
		}
		make := host.Handler
		if strings.HasPrefix(key, "WEBSOCKET") {
			make = host.Socket
		}
		h, err := make(s.Globals[name])
		if err != nil {
			t.Fatal(key, err)
		}
		table.Set(&mock.Endpoint{Name: key, Match: m, Handler: h})
	}
	return table
}

const answersScript = `
def stream(req):
    def write(out):
        out.write("one\n")
        for msg in range(2):
            while state.get("go", 0) <= msg:
                sleep("1ms")
            out.write(b"more\n")
    return response(stream = write, content_type = "text/event-stream", headers = {"X-A": "b"})

def endless(req):
    def write(out):
        state.incr("open")
        out.write("tick\n")
        while True:
            sleep("5ms")
            if req.path != "/silent":
                out.write("tick\n")
    return response(stream = write)

def broken(req):
    def write(out):
        out.write("some\n")
        fail("broke off")
    return response(stream = write)

def bump(req):
    state.incr("go")
    return response(body = "ok")

def faulty(req):
    return fault(req.query["kind"], after = int(req.query.get("after", "0")))

def edited(req):
    res = forward(req, headers = {"X-Extra": "1"}, url = "/other?x=1")
    res.status = 202
    res.headers["X-Via"] = "script"
    res.body = merge(res.json(), {"patched": True})
    return res

def passed(req):
    return forward(req)

def dropped(req):
    forward(req)
    return {"status": 203, "body": {"method": req.method}}
`

func answersBench(t testing.TB) (*bench, *mock.Table) {
	table := newTable(t, answersScript, map[string]string{
		"GET /stream": "stream", "GET /endless": "endless", "GET /silent": "endless", "GET /broken": "broken",
		"GET /bump": "bump", "GET /fault": "faulty", "GET /edited": "edited", "* /passed": "passed", "* /dropped": "dropped",
	})
	return start(t, table.Handler(mock.Forward)), table
}

// each runs a test in every way a device may speak.
func each(t *testing.T, f func(t *testing.T, b *bench, table *mock.Table, c *http.Client, base string)) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			b, table := answersBench(t)
			f(t, b, table, b.client(w.h2), w.scheme+"://api.test")
		})
	}
}

// TestScriptStream checks that every write arrives before the next is made.
func TestScriptStream(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bench, _ *mock.Table, c *http.Client, base string) {
		res, err := c.Get(base + "/stream")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("X-A") != "b" {
			t.Error("header:", res.Header)
		}
		br := bufio.NewReader(res.Body)
		for _, want := range []string{"one\n", "more\n", "more\n"} {
			if line, err := br.ReadString('\n'); line != want || err != nil {
				t.Fatalf("line %q, %v; want %q", line, err, want)
			}
			get(t, c, base+"/bump")
		}
		if _, err := br.ReadByte(); err != io.EOF {
			t.Error("at the end:", err)
		}
	})
}

// TestScriptStreamEnds checks that a stream ends soon after the device has
// left, the mock was removed or the proxy was closed, also while it is silent.
func TestScriptStreamEnds(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/endless", "/silent"} {
		for name, end := range map[string]func(b *bench, table *mock.Table, leave func()){
			"client leaves": func(_ *bench, _ *mock.Table, leave func()) { leave() },
			"mock removed":  func(_ *bench, table *mock.Table, _ func()) { table.Remove("GET " + path) },
			"mock replaced": func(_ *bench, table *mock.Table, _ func()) {
				table.Set(&mock.Endpoint{Name: "GET " + path, Match: table.Get("GET " + path).Match, Handler: mock.NewStatic(200, nil, nil, 0)})
			},
			"proxy stops": func(b *bench, _ *mock.Table, _ func()) { b.p.Close(context.Background()) },
		} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				each(t, func(t *testing.T, b *bench, table *mock.Table, c *http.Client, base string) {
					ctx, leave := context.WithCancel(t.Context())
					defer leave()
					req, _ := http.NewRequestWithContext(ctx, "GET", base+path, nil)
					res, err := c.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					defer res.Body.Close()
					if line, err := bufio.NewReader(res.Body).ReadString('\n'); line != "tick\n" {
						t.Fatal(line, err)
					}
					wait, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					defer cancel()
					end(b, table, leave)
					e, err := b.journal.Wait(wait, func(e *capture.Entry) bool { return e.Path() == path })
					if err != nil {
						t.Fatal("the stream goes on:", err)
					}
					if e.Error == "" {
						t.Error("the record does not say that it was broken off")
					}
				})
			})
		}
	}
}

func TestScriptStreamFails(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bench, _ *mock.Table, c *http.Client, base string) {
		res, err := c.Get(base + "/broken")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		data, err := io.ReadAll(res.Body)
		if string(data) != "some\n" || err == nil {
			t.Errorf("got %q, %v; want what was written, then an error", data, err)
		}
		e, err := b.journal.Wait(t.Context(), func(e *capture.Entry) bool { return e.Path() == "/broken" })
		if err != nil || !strings.Contains(e.Error, "test.star:24:13: fail: broke off") || len(e.Notes) == 0 {
			t.Errorf("entry: %v %v %v", err, e.Error, e.Notes)
		}
	})
}

func TestScriptFaults(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bench, table *mock.Table, c *http.Client, base string) {
		for _, query := range []string{"kind=reset", "kind=close", "kind=garbage", "kind=truncate", "kind=truncate&after=100", "kind=reset&after=10", "kind=close&after=70000", "kind=garbage&after=3"} {
			res, err := c.Get(base + "/fault?" + query)
			after := 0
			fmt.Sscanf(query[strings.LastIndex(query, "=")+1:], "%d", &after)
			if err == nil {
				data, e := io.ReadAll(res.Body)
				res.Body.Close()
				if err = e; len(data) < after && !strings.Contains(query, "reset") && !strings.Contains(query, "garbage") {
					t.Errorf("%s: %d bytes came", query, len(data))
				}
				if after == 0 && !strings.Contains(query, "truncate") {
					t.Errorf("%s: answered with %d", query, res.StatusCode)
				}
			} else if after > 0 && !strings.Contains(query, "reset") && !strings.Contains(query, "garbage") {
				t.Errorf("%s: no header: %v", query, err)
			}
			if err == nil {
				t.Errorf("%s: no error", query)
			}
			if strings.HasPrefix(query, "kind=reset") && !strings.Contains(base, "https") && err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("%s: %v", query, err)
			}
		}
		res, err := c.Get(base + "/fault?kind=stall&after=3")
		if err != nil {
			t.Fatal(err)
		}
		table.Set(&mock.Endpoint{Name: "GET /fault", Match: table.Get("GET /fault").Match, Handler: table.Get("GET /fault").Handler})
		if data, err := io.ReadAll(res.Body); string(data) != "..." || err == nil || os.IsTimeout(err) {
			t.Errorf("stalled, then replaced: %q, %v", data, err)
		}
		res.Body.Close()
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, leave)
		for _, query := range []string{"kind=stall", "kind=stall&after=5"} {
			ctx := ctx
			req, _ := http.NewRequestWithContext(ctx, "GET", base+"/fault?"+query, nil)
			if res, err := c.Do(req); err == nil {
				if _, err = io.ReadAll(res.Body); err == nil {
					t.Errorf("%s: answered with %d", query, res.StatusCode)
				}
				res.Body.Close()
			}
		}
		if _, err := b.journal.Wait(t.Context(), func(e *capture.Entry) bool { return strings.Contains(e.Target, "kind=stall") }); err != nil {
			t.Error(err)
		}
		if _, res := get(t, c, base+"/bump"); res.StatusCode != 200 {
			t.Error("afterwards:", res.Status)
		}
		for _, e := range b.journal.Entries(func(e *capture.Entry) bool { return e.Path() == "/fault" }) {
			if !strings.Contains(e.Error, "fault: ") {
				t.Errorf("%s: error is %q", e.Target, e.Error)
			}
		}
	})
}

func TestScriptForward(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"target":%q,"extra":%q}`, r.RequestURI, r.Header.Get("X-Extra"))
	})
	plain := httptest.NewServer(handler)
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(handler)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			b, _ := answersBench(t)
			c, base := b.client(w.h2), plain.URL
			if w.scheme == "https" {
				base = secure.URL
			}
			body, res := get(t, c, base+"/edited")
			if body != `{"target":"/other?x=1","extra":"1","patched":true}` || res.StatusCode != 202 || res.Header.Get("X-Via") != "script" || res.Header.Get("Etag") != "" {
				t.Errorf("edited: %s %d %v", body, res.StatusCode, res.Header)
			}
			for range 3 { // the connection to the server is used again, or given up
				if body, res = get(t, c, base+"/passed"); body != `{"target":"/passed","extra":""}` || res.Header.Get("Etag") != `"1"` {
					t.Errorf("passed: %s %v", body, res.Header)
				}
				if body, res = get(t, c, base+"/dropped"); body != `{"method":"GET"}` || res.StatusCode != 203 {
					t.Errorf("dropped: %s %d", body, res.StatusCode)
				}
			}
			origins := map[string]exchange.Origin{"/edited": exchange.FromPatch, "/passed": exchange.FromServer, "/dropped": exchange.FromMock}
			for _, e := range b.journal.Entries(nil) {
				if e.Origin != origins[e.Path()] {
					t.Errorf("%s is %s", e.Path(), e.Origin)
				}
			}
		})
	}
	t.Run("out of reach", func(t *testing.T) {
		t.Parallel()
		b, _ := answersBench(t)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if body, res := get(t, b.client(false), "http://"+l.Addr().String()+"/passed"); res.StatusCode != 502 {
			t.Error(res.StatusCode, body)
		}
	})
}
