package exporter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"starproxy/driver"
	"starproxy/driver/rpc"
)

// A device reaches none of the exporter's own listeners through a proxy: not
// the web UIs, not the other proxy, not the exporter's TCP listener, which
// begins later than the proxies.
func TestDevicesDoNotReachOwnListeners(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one := func(name string) string {
		return fmt.Sprintf("{type: starproxy.MitmproxyDriver, config: {listen: {host: 127.0.0.1, port: 0}, web: {host: 127.0.0.1, port: %.0f}, directories: {data: %q}}}", taken(t), filepath.Join(dir, name))
	}
	config, err := Parse("bench.yaml", []byte("export:\n  a: "+one("a")+"\n  b: "+one("b")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	e, err := Open(config, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	own := map[string]string{}
	var device *http.Client
	for _, name := range []string{"a", "b"} {
		text := call(t, driverAt(e, name), "start", "passthrough", true)
		_, at, ok := strings.Cut(text, " mode on ")
		at, _, _ = strings.Cut(at, " ")
		_, page, found := strings.Cut(text, "Web UI: http://")
		page, _, _ = strings.Cut(page, "/")
		if !ok || !found {
			t.Fatal(text)
		}
		own["proxy "+name], own["web UI "+name] = at, page
		if device == nil {
			tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: at}), DisableKeepAlives: true}
			device = &http.Client{Transport: tr, Timeout: 30 * time.Second}
		}
	}
	tcp, err := e.ServeTCP("127.0.0.1:0", TCPOptions{Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	own["exporter"] = tcp.String()
	if text := log.String(); !strings.Contains(text, "asks for no passphrase") || !strings.Contains(text, tcp.String()) {
		t.Errorf("no warning about the listener: %s", text)
	}
	for what, at := range own {
		_, port, _ := net.SplitHostPort(at)
		for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"} {
			res, err := device.Get("http://" + host + ":" + port + "/")
			if err != nil {
				t.Errorf("%s at %s: %v", what, host, err)
				continue
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != http.StatusBadGateway || !strings.Contains(string(body), "refused") {
				t.Errorf("%s at %s: got %d %.200s", what, host, res.StatusCode, body)
			}
		}
	}
	// A web UI that is over frees its address for others.
	call(t, driverAt(e, "b"), "stop")
	l, err := net.Listen("tcp", own["web UI b"])
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "somebody else") }))
	res, err := device.Get("http://" + own["web UI b"] + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); string(body) != "somebody else" {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
}

// A client neither reads nor writes the exporter file, which has a token and
// commands in it, when it lies in a directory that clients may reach.
func TestExporterFileIsNobodys(t *testing.T) {
	t.Parallel()
	files := filepath.Join(t.TempDir(), "mock-files")
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(files, "bench.yaml")
	text := fmt.Sprintf("token: needle\nexport: {a: {type: starproxy.MitmproxyDriver, config: {listen: {host: 127.0.0.1, port: 0}, directories: {data: %q}}}}\n", filepath.Dir(files))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, filepath.Join(files, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	config, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(config, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	d := driverAt(e, "a")
	_, at, _ := strings.Cut(call(t, d, "start", "mock"), " mode on ")
	at, _, _ = strings.Cut(at, " ")
	for _, name := range []string{"bench.yaml", "link.yaml"} {
		call(t, d, "set_mock_file", "GET", "/"+name, name)
		res, err := http.Get("http://" + at + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if strings.Contains(string(body), "needle") || res.StatusCode == http.StatusOK {
			t.Errorf("%s is served: %d %s", name, res.StatusCode, body)
		}
		if got := call(t, d, "load_mock_scenario", filepath.Join(files, name)); strings.Contains(got, "needle") || !strings.Contains(got, "not found") {
			t.Errorf("load_mock_scenario %s: %s", name, got)
		}
	}
	if got := call(t, d, "upload_mock_file", "bench.yaml", "aGk="); got != "Invalid file path: bench.yaml" {
		t.Errorf("upload: %s", got)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != text {
		t.Errorf("the exporter file is now %q, %v", now, err)
	}
}

// call calls a method of a driver and returns the text that a stock client gets.
func call(t *testing.T, d *driver.Driver, method string, args ...any) string {
	t.Helper()
	v, err := d.Call(t.Context(), method, args)
	var refusal *rpc.Refusal
	if errors.As(err, &refusal) && refusal.Stock != "" {
		return refusal.Stock
	}
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return fmt.Sprint(v)
}

// lockedBuffer is written by some goroutines while others read it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
