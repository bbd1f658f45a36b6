package driver

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// metrics gives get_metrics.
func (b *bench) metrics() Metrics {
	b.Helper()
	var m Metrics
	if err := json.Unmarshal([]byte(b.call("get_metrics")), &m); err != nil {
		b.Fatal(err)
	}
	return m
}

// TestMetrics counts requests of every outcome that a mock mode has, dials and
// handshakes.
func TestMetrics(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "{}")
	}))
	defer server.Close()
	if m := b.metrics(); m.Mode != "stopped" || m.Requests["mocked"] != 0 || m.Journal.MaxBytes == 0 {
		t.Errorf("before the start: %+v", m)
	}
	proxy := b.start()
	b.call("set_mock", "GET", "/mock", 200, "{}")
	b.call("set_mock_template", "GET", "/broken", `{"a": "{{ fail('no') }}"}`)
	b.call("set_mock_patch", "GET", "/patch", `{"a": 1}`)
	device := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	t.Cleanup(device.CloseIdleConnections)
	for _, url := range []string{
		"http://any.example/mock", "http://any.example/mock", "http://any.example/broken", server.URL + "/patch", server.URL + "/other",
		"http://127.0.0.1:1/nobody", proxy.String() + "/itself",
	} {
		res, err := device.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	c, err := net.Dial("tcp", proxy.Host)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET /api HTTP/1.1\r\n\r\n") // no Host
	io.Copy(io.Discard, c)
	c.Close()
	distrustful := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	if _, err := distrustful.Get("https://any.example/"); err == nil {
		t.Error("a device trusts an unknown CA")
	}
	var m Metrics
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if m = b.metrics(); len(m.TLSFailures["device"]) > 0 {
			break
		}
	}
	for outcome, want := range map[string]uint64{"mocked": 2, "failed": 3, "patched": 1, "forwarded": 1, "rejected": 0} {
		if got := m.Requests[outcome]; got != want {
			t.Errorf("%s requests: got %d, want %d", outcome, got, want)
		}
	}
	if m.Refused != 1 {
		t.Errorf("refused: got %d, want 1", m.Refused)
	}
	if m.Unmatched != 3 || m.ScriptErrors != 1 || m.Mode != "mock" || m.Mocks != 3 {
		t.Errorf("unmatched %d, script errors %d, mode %s, mocks %d; want 3, 1, mock, 3", m.Unmatched, m.ScriptErrors, m.Mode, m.Mocks)
	}
	for result, want := range map[string]uint64{"connected": 1, "failed": 1, "refused": 1} {
		if got := m.Dials[result]; got != want {
			t.Errorf("dials %s: got %d, want %d", result, got, want)
		}
	}
	if m.TLSFailures["device"]["alert_bad_certificate"] != 1 {
		t.Errorf("handshakes that failed: %v", m.TLSFailures)
	}
}

// TestMetricsServerTLS counts handshakes that a real server's certificate
// spoils, over a stop and a start.
func TestMetricsServerTLS(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.SSLInsecure = false })
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	proxy := b.start()
	device := &http.Client{Transport: &http.Transport{
		Proxy:           func(*http.Request) (*url.URL, error) { return proxy, nil }, // httptest's address is local
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	t.Cleanup(device.CloseIdleConnections)
	res, err := device.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	b.call("stop")
	if m := b.metrics(); m.TLSFailures["server"]["certificate"] == 0 || m.Requests["failed"] != 1 {
		t.Errorf("handshakes that failed: %v, requests: %v", m.TLSFailures, m.Requests)
	}
}
