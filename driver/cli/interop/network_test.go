package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// meter counts the bytes of a device's connection.
type meter struct {
	net.Conn
	mu          sync.Mutex
	first, last time.Time
	bytes       int // after the first read
}

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.first.IsZero() {
		m.first = time.Now()
	} else {
		m.bytes += n
	}
	if n > 0 {
		m.last = time.Now()
	}
	return n, err
}

// again begins a measurement.
func (m *meter) again() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.first, m.bytes = time.Time{}, 0
}

// rate returns the rate of a measurement in bits in a second.
func (m *meter) rate() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return float64(m.bytes) * 8 / m.last.Sub(m.first).Seconds()
}

// bulk answers with as many bytes as it is asked for.
func bulk(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.URL.Query().Get("n"))
	if r.Header.Get("Upgrade") == "" {
		w.Header().Set("Content-Length", strconv.Itoa(n))
		w.Write(make([]byte, n))
		return
	}
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow()
	for {
		_, text, err := ws.Read(r.Context())
		if err != nil {
			return
		}
		for n, _ := strconv.Atoi(string(text)); n > 0; n -= 4096 {
			if ws.Write(r.Context(), websocket.MessageBinary, make([]byte, min(n, 4096))) != nil {
				return
			}
		}
	}
}

// Rates are within 5 % of those that are asked for, over HTTP/1.1, HTTP/2 and a
// WebSocket. Each connection is open when its profile is set, and a transfer without
// one comes before.
func TestRates(t *testing.T) {
	forMakeTest(t)
	b := ours(t, "")
	b.mustJ(t, b.dir, "proxy", "start", "-m", "passthrough")
	plain, secure := httptest.NewServer(http.HandlerFunc(bulk)), httptest.NewUnstartedServer(http.HandlerFunc(bulk))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0", "WebSocket"} {
		t.Run(protocol, func(t *testing.T) {
			m := &meter{}
			transport := &http.Transport{
				Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", b.port)}),
				TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, DisableCompression: true,
				DialContext: func(ctx context.Context, network, address string) (c net.Conn, err error) {
					m.Conn, err = new(net.Dialer).DialContext(ctx, network, address)
					return m, err
				},
			}
			t.Cleanup(transport.CloseIdleConnections)
			send := asker(t, protocol, &http.Client{Transport: transport}, plain.URL, secure.URL)
			for _, rate := range []float64{0, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000} {
				n := max(int(rate/8*3), 1<<11)
				if rate == 0 {
					b.mustJ(t, b.dir, "proxy", "network", "clear")
					n = 64 << 20
				} else {
					b.mustJ(t, b.dir, "proxy", "network", "set", "--down", fmt.Sprintf("%.0fbit", rate))
				}
				m.again()
				send(n)
				got := m.rate()
				if rate == 0 {
					t.Logf("without a profile: %.0f bit/s", got)
					continue
				}
				t.Logf("asked for %.0f bit/s, got %.0f (%+.1f %%)", rate, got, (got/rate-1)*100)
				if got < rate*0.95 || got > rate*1.05 {
					t.Errorf("want within 5 %% of %.0f bit/s", rate)
				}
			}
		})
	}
	b.mustJ(t, b.dir, "proxy", "network", "clear")
}

// asker returns a function that has a number of bytes sent by a server.
func asker(t *testing.T, protocol string, c *http.Client, plain, secure string) func(n int) {
	t.Helper()
	if protocol != "WebSocket" {
		base := plain
		if protocol == "HTTP/2.0" {
			base = secure
		}
		return func(n int) {
			t.Helper()
			res, err := c.Get(fmt.Sprintf("%s/?n=%d", base, n))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got, err := io.Copy(io.Discard, res.Body); err != nil || got != int64(n) || res.Proto != protocol {
				t.Fatalf("got %d bytes over %s, %v, want %d over %s", got, res.Proto, err, n, protocol)
			}
		}
	}
	ws, _, err := websocket.Dial(t.Context(), plain, &websocket.DialOptions{HTTPClient: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	return func(n int) {
		t.Helper()
		if err := ws.Write(t.Context(), websocket.MessageText, []byte(strconv.Itoa(n))); err != nil {
			t.Fatal(err)
		}
		for left := n; left > 0; {
			_, m, err := ws.Read(t.Context())
			if err != nil || !bytes.Equal(m, make([]byte, len(m))) {
				t.Fatal(err)
			}
			left -= len(m)
		}
	}
}
