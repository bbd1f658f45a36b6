package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starproxy/driver"
)

// mixed is a proxy in this process, so that its goroutines can be counted, with
// a real server behind it.
type mixed struct {
	proxy        string
	plain, https *httptest.Server
	tr           [2]*http.Transport // over HTTP/1.1 and HTTP/2
}

const mixedScenario = `
def handle(req):
    return {"status": 200, "body": {"path": req.path, "n": len(req.body)}}

def fail(req):
    return 1 // 0

endpoints = {
    "GET /mock": {"body": {"ok": True}},
    "POST /script": handle,
    "GET /wrong": fail,
    "GET /limited": {"status": 429, "headers": {"Retry-After": "1"}, "body": "slow down"},
}
`

// TestSoakMixed makes STARPROXY_SOAK_EXCHANGES exchanges (default 200,000) of
// every kind, whole ones and ones that are cut off, mutated or never more than a
// beginning. Then descriptors, goroutines and, once the journal is cleared,
// memory are what they were, and the log has no panic. The seed is fixed.
func TestSoakMixed(t *testing.T) {
	soaking(t)
	total := 200_000
	if n, err := strconv.Atoi(os.Getenv("STARPROXY_SOAK_EXCHANGES")); err == nil && n > 0 {
		total = n
	}
	log := &panicLog{Handler: slog.DiscardHandler}
	config := driver.DefaultConfig()
	config.Listen = driver.Listen{Host: "127.0.0.1"}
	config.Directories.Data = tempDir(t)
	d, err := driver.New(config, driver.Options{Log: slog.New(log)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	call := func(method string, args ...any) string {
		v, err := d.Call(context.Background(), method, args)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		return fmt.Sprint(v)
	}
	if got := call("load_mock_scenario_content", "soak.star", mixedScenario); !strings.HasPrefix(got, "Loaded") {
		t.Fatal(got)
	}
	if got := call("start"); !strings.HasPrefix(got, "Started") {
		t.Fatal(got)
	}
	var status struct {
		Address string `json:"proxy_address"`
	}
	if err := json.Unmarshal([]byte(call("status")), &status); err != nil {
		t.Fatal(err)
	}
	m := newMixed(t, status.Address)
	m.run(2000, 1) // what is made once and kept is made by now
	m.rest()
	call("clear_captured_requests")
	before := settled(usage{})

	began := time.Now()
	m.run(total, 2)
	m.rest()
	call("clear_captured_requests")
	after := settled(before)
	t.Logf("%d exchanges in %s; before: %s; after: %s", total, time.Since(began).Round(time.Second), before, after)
	if after.fds > before.fds+5 {
		t.Errorf("%d descriptors, %d before", after.fds, before.fds)
	}
	if after.goroutines > before.goroutines+10 {
		t.Errorf("%d goroutines, %d before", after.goroutines, before.goroutines)
	}
	if after.heap > before.heap+32<<20 {
		t.Errorf("%.0f MiB of heap, %.0f before", mib(after.heap), mib(before.heap))
	}
	if first := log.first.Load(); first != nil {
		t.Errorf("panic in the log: %s", *first)
	}
}

// usage is what a process holds.
type usage struct {
	fds, goroutines int
	heap            int64
}

func (u usage) String() string {
	return fmt.Sprintf("%d descriptors, %d goroutines, %.1f MiB", u.fds, u.goroutines, mib(u.heap))
}

// settled measures until what there is has come down to want, or does not become
// less for ten seconds: closed connections take a while to go.
func settled(want usage) usage {
	least, patience := usage{fds: 1 << 30, goroutines: 1 << 30}, time.Now().Add(10*time.Second)
	for {
		debug.FreeOSMemory()
		var ms runtime.MemStats
		runtime.ReadMemStats(&ms)
		fds, _ := os.ReadDir("/proc/self/fd")
		now := usage{len(fds), runtime.NumGoroutine(), int64(ms.HeapAlloc)}
		if now.fds < least.fds || now.goroutines < least.goroutines {
			least, patience = now, time.Now().Add(10*time.Second)
		}
		if now.fds <= want.fds && now.goroutines <= want.goroutines || time.Now().After(patience) {
			return now
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// panicLog keeps the first record of a panic.
type panicLog struct {
	slog.Handler
	first atomic.Pointer[string]
}

func (l *panicLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *panicLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *panicLog) WithGroup(string) slog.Handler            { return l }

func (l *panicLog) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	if strings.Contains(text, "panic") || strings.Contains(text, "goroutine ") {
		l.first.CompareAndSwap(nil, &text)
	}
	return nil
}

func newMixed(t *testing.T, proxy string) *mixed {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ws":
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer c.CloseNow()
			for {
				kind, data, err := c.Read(r.Context())
				if err != nil || c.Write(r.Context(), kind, data) != nil {
					return
				}
			}
		case "/cut":
			panic(http.ErrAbortHandler)
		case "/early":
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		default:
			io.Copy(io.Discard, r.Body)
			w.Write(bytes.Repeat([]byte("x"), len(r.URL.Path)*100))
		}
	})
	m := &mixed{proxy: proxy, plain: httptest.NewServer(handler), https: httptest.NewUnstartedServer(handler)}
	m.https.EnableHTTP2 = true
	m.https.StartTLS()
	t.Cleanup(m.plain.Close)
	t.Cleanup(m.https.Close)
	for i := range m.tr {
		m.tr[i] = (&bench{}).transport(i == 1)
		m.tr[i].Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy})
	}
	return m
}

// rest closes the connections that clients and servers keep.
func (m *mixed) rest() {
	for _, tr := range m.tr {
		tr.CloseIdleConnections()
	}
	m.plain.CloseClientConnections()
	m.https.CloseClientConnections()
}

// run makes n exchanges, eight at a time. Each is a function of the seed and its
// number.
func (m *mixed) run(n int, seed uint64) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				m.exchange(rand.New(rand.NewPCG(seed, uint64(i))))
			}
		})
	}
	wg.Wait()
}

// exchange makes one of any kind.
func (m *mixed) exchange(r *rand.Rand) {
	hosts := []string{"http://api.example.com", m.plain.URL, m.https.URL}
	switch k := r.IntN(20); {
	case k < 12: // by a client that behaves
		target := hosts[r.IntN(3)]
		path := []string{"/mock", "/script", "/wrong", "/limited", "/real", "/cut", "/early"}[r.IntN(7)]
		if target == hosts[0] && r.IntN(50) > 0 { // nobody of that name: once is enough
			path = []string{"/mock", "/wrong", "/limited"}[r.IntN(3)]
		}
		m.request(r, target+path)
	case k == 12:
		m.socket(r)
	default:
		m.raw(r)
	}
}

// request is one of an HTTP client, which may lose patience.
func (m *mixed) request(r *rand.Rand, target string) {
	patience := 10 * time.Second
	if r.IntN(10) == 0 {
		patience = time.Duration(r.IntN(3000)) * time.Microsecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	method, body := http.MethodGet, io.Reader(nil)
	if r.IntN(3) == 0 || strings.HasSuffix(target, "/script") {
		method, body = http.MethodPost, bytes.NewReader(make([]byte, r.IntN(64<<10)))
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return
	}
	res, err := m.tr[r.IntN(2)].RoundTrip(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	if r.IntN(10) > 0 { // else it leaves in the middle
		io.Copy(io.Discard, res.Body)
	}
}

// socket is a WebSocket with some messages, and an end of any kind.
func (m *mixed) socket(r *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, m.https.URL+"/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: m.tr[0]}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for range r.IntN(5) {
		if c.Write(ctx, websocket.MessageText, []byte("hello")) != nil {
			return
		}
		if r.IntN(4) > 0 {
			c.Read(ctx)
		}
	}
	if r.IntN(2) == 0 {
		c.Close(websocket.StatusNormalClosure, "")
	}
}

// raw speaks by hand: what it sends is cut at any place, mutated, or sent slowly.
func (m *mixed) raw(r *rand.Rand) {
	c, err := net.DialTimeout("tcp", m.proxy, 10*time.Second)
	if err != nil {
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(200 * time.Millisecond))
	at := strings.TrimPrefix(m.https.URL, "https://")
	inside := io.ReadWriter(c)
	if r.IntN(2) == 0 {
		fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", at, at)
		if _, err := bufio.NewReaderSize(c, 16).ReadString('\n'); err != nil || r.IntN(6) == 0 {
			return
		}
		if r.IntN(2) == 0 {
			t := tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "h.test"})
			if t.Handshake() == nil {
				inside = t
			}
		}
	}
	text := []byte([]string{
		"GET http://api.example.com/mock HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
		"POST /script HTTP/1.1\r\nHost: h.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"CONNECT " + at + " HTTP/1.1\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"\x16\x03\x01\x00\x80\x01\x00\x00\x7c\x03\x03",
		"GET /ws HTTP/1.1\r\nHost: h.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\x81\x05hello",
		"SSH-2.0-garbage\r\n",
	}[r.IntN(7)])
	for range r.IntN(4) {
		text[r.IntN(len(text))] = byte(r.IntN(256))
	}
	text = text[:r.IntN(len(text)+1)]
	half := r.IntN(len(text) + 1)
	inside.Write(text[:half])
	if r.IntN(20) == 0 {
		time.Sleep(time.Duration(r.IntN(50)) * time.Millisecond)
	}
	inside.Write(text[half:])
	if tcp, ok := c.(*net.TCPConn); ok && r.IntN(3) == 0 {
		tcp.SetLinger(0) // ends with a reset
		return
	}
	io.CopyN(io.Discard, inside, int64(r.IntN(500)))
}

// Interface guard.
var _ slog.Handler = (*panicLog)(nil)
