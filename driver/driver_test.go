package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"starproxy/driver/ca"
	"starproxy/driver/rpc"
)

// bench is a driver with its directories, and a device behind its proxy.
type bench struct {
	*testing.T
	d    *Driver
	dir  string
	logs chan string // messages of the log, for tests that wait for one
}

func newBench(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	b := &bench{T: t, dir: t.TempDir(), logs: make(chan string, 1000)}
	cfg := DefaultConfig()
	cfg.Listen = Listen{Host: "127.0.0.1", Port: 0}
	cfg.Web = Web{Host: "127.0.0.1", Port: 0}
	cfg.Directories.Data = b.dir
	if change != nil {
		change(&cfg)
	}
	if cfg.Directories.Data == b.dir && cfg.Directories.Conf == "" {
		keepCA(t, filepath.Join(b.dir, "conf"))
	}
	d, err := New(cfg, Options{Log: slog.New(logHandler{slog.DiscardHandler, b.logs})})
	if err != nil {
		t.Fatal(err)
	}
	b.d = d
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// keptCA returns the file of a CA that all benches have: making a key takes long.
var keptCA = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "starproxy-ca-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if _, err := ca.Open(dir); err != nil {
		return nil, err
	}
	return os.ReadFile(ca.KeyPaths(dir)[0])
})

// keepCA puts the CA of all benches into dir, unless there is something.
func keepCA(t *testing.T, dir string) {
	t.Helper()
	data, err := keptCA()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return // the test has one of its own
	}
	if err := os.WriteFile(ca.KeyPaths(dir)[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// logHandler passes messages to a channel.
type logHandler struct {
	slog.Handler
	to chan string
}

func (h logHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	select {
	case h.to <- text:
	default:
	}
	return nil
}
func (h logHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h logHandler) WithGroup(string) slog.Handler      { return h }

// awaitLog waits for a message that begins so.
func (b *bench) awaitLog(prefix string) string {
	b.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case text := <-b.logs:
			if strings.HasPrefix(text, prefix) {
				return text
			}
		case <-timeout:
			b.Fatalf("no log message %q", prefix)
		}
	}
}

// call calls a method and returns the text that a stock client gets, or
// "CODE message" for an error.
func (b *bench) call(method string, args ...any) string {
	b.Helper()
	v, err := b.d.Call(context.Background(), method, args)
	if r, ok := err.(*rpc.Refusal); ok {
		if r.Stock != "" {
			return r.Stock
		}
		return r.Code.String() + " " + r.Text
	}
	if err != nil {
		b.Fatalf("%s: %v", method, err)
	}
	return fmt.Sprint(v)
}

func (b *bench) want(want, method string, args ...any) {
	b.Helper()
	if got := b.call(method, args...); got != want {
		b.Errorf("%s%v\n got %s\nwant %s", method, args, got, want)
	}
}

// status is the JSON of status.
func (b *bench) status() map[string]any {
	b.Helper()
	var s map[string]any
	if err := json.Unmarshal([]byte(b.call("status")), &s); err != nil {
		b.Fatal(err)
	}
	return s
}

// start starts in mock mode and returns the proxy's URL.
func (b *bench) start() *url.URL {
	b.Helper()
	if text := b.call("start"); !strings.HasPrefix(text, "Started in 'mock' mode on ") {
		b.Fatal(text)
	}
	return &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
}

// get asks through the proxy and gives status and body.
func (b *bench) get(proxy *url.URL, target string) string {
	b.Helper()
	return b.do(proxy, "GET", target, nil)
}

func (b *bench) do(proxy *url.URL, method, target string, h http.Header) string {
	b.Helper()
	req, err := http.NewRequest(method, target, nil)
	if err != nil {
		b.Fatal(err)
	}
	for k, v := range h {
		req.Header[k] = v
	}
	c := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}, Timeout: 20 * time.Second}
	res, err := c.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, body)
}

func (b *bench) write(name, text string) string {
	b.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	// In one step: a reader that follows the file never sees a part of it.
	part := filepath.Join(filepath.Dir(path), ".writing-"+filepath.Base(path))
	if err := os.WriteFile(part, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	if err := os.Rename(part, path); err != nil {
		b.Fatal(err)
	}
	return path
}

// server is a real server that answers with its request's path.
func server(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "real %s %q", r.URL.Path, r.Header.Get("If-None-Match"))
	}))
	t.Cleanup(s.Close)
	return s
}
