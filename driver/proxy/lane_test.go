package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/network"
)

// onNetwork puts the devices of a proxy on a network.
func onNetwork(t testing.TB, profile string) (*network.Table, func(*Config)) {
	t.Helper()
	table := network.New(network.Options{})
	if profile != "" {
		setNetwork(t, table, profile, "", "")
	}
	return table, func(c *Config) { c.Network = table }
}

func setNetwork(t testing.TB, table *network.Table, profile, host, client string) {
	t.Helper()
	p, err := network.Parse(profile)
	if err != nil {
		t.Fatal(err)
	}
	k, _, err := network.ParseKey(host, client)
	if err != nil {
		t.Fatal(err)
	}
	table.Set(k, p)
}

// inTime reports a transfer that took less than a time, or far more: the machine may be
// busy. How exact the rate is is measured where there is an idle machine.
func inTime(t *testing.T, what string, took, want time.Duration) {
	t.Helper()
	if took < want-want/20 || took > want+3*time.Second {
		t.Errorf("%s took %s, want %s", what, took, want)
	}
}

// bulky answers a POST with its size, and every other request with 150000 bytes.
func bulky(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		n, _ := io.Copy(io.Discard, r.Body)
		w.Write(bytes.Repeat([]byte("x"), int(n%7)+1))
		return
	}
	w.Header().Set("Content-Length", "150000")
	w.Write(make([]byte, 150_000))
}

// Real servers' answers, from 128 KiB on without a copy, and mocks are paced, over each
// protocol, and the entry tells the profile.
func TestPacedAnswers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, make([]byte, 150_000), 0o600); err != nil {
		t.Fatal(err)
	}
	const rate = `{"down": "4Mbit", "up": "4Mbit"}` // 150 kB take 300 ms
	for _, tt := range []struct {
		name       string
		secure, h2 bool
		mock       exchange.Handler
	}{
		{name: "HTTP/1.1"}, {name: "HTTPS", secure: true}, {name: "HTTP/2", secure: true, h2: true},
		{name: "mock", mock: answerWith(func() exchange.Body { return exchange.Bytes(make([]byte, 150_000)) })},
		{name: "mock over HTTP/2", secure: true, h2: true, mock: answerWith(func() exchange.Body { return exchange.Bytes(make([]byte, 150_000)) })},
		{name: "file", mock: answerWith(func() exchange.Body {
			f, _ := os.Open(file)
			return &fileBody{f}
		})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			table, on := onNetwork(t, rate)
			b := start(t, tt.mock, on)
			c, url := b.client(tt.h2), origin(t, tt.h2, tt.secure, bulky).URL
			get(t, c, url) // the handshake, too
			began := time.Now()
			if body, _ := get(t, c, url); len(body) != 150_000 {
				t.Fatalf("got %d bytes", len(body))
			}
			inTime(t, "150 kB at 4 Mbit/s", time.Since(began), 300*time.Millisecond)
			if tt.mock == nil {
				began = time.Now()
				res, err := c.Post(url, "text/plain", bytes.NewReader(make([]byte, 150_000)))
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				inTime(t, "an upload of 150 kB at 4 Mbit/s", time.Since(began), 300*time.Millisecond)
			}
			table.Clear(nil)
			began = time.Now()
			get(t, c, url)
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("without a profile: 150 kB took %s", took)
			}
			entries := b.journal.Entries(nil)
			if first, last := entries[0].Met(), entries[len(entries)-1].Met(); !slices.Equal(first, []string{"network down 4Mbit, up 4Mbit"}) || len(last) > 0 {
				t.Errorf("met: got %q at first and %q at last, want the profile and none", first, last)
			}
		})
	}
}

func answerWith(body func() exchange.Body) exchange.Handler {
	return exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
		return &exchange.Response{Status: 200, Body: body(), Origin: exchange.FromMock}, nil
	})
}

// fileBody is a body in a file.
type fileBody struct{ f *os.File }

func (b *fileBody) Size() int64 { return 150_000 }

func (b *fileBody) SendTo(_ context.Context, c exchange.Conn) error {
	defer b.f.Close()
	_, err := io.Copy(c, io.LimitReader(b.f, 150_000))
	return err
}

// A profile that is set in the middle of a large answer slows the rest of it, and a
// change or a clear frees it, for a body that the kernel moves, too.
func TestNetworkChangesMeanwhile(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	table, on := onNetwork(t, "")
	b := start(t, nil, on)
	server := origin(t, false, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "67108864")
		w.Write(make([]byte, size))
	})
	c, br := b.dial()
	c.(*net.TCPConn).SetReadBuffer(64 << 10)
	io.WriteString(c, "GET "+server.URL+"/ HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := io.CopyN(io.Discard, br, 1<<20); err != nil {
		t.Fatal(err)
	}
	setNetwork(t, table, `{"down": "40Mbit"}`, "127.0.0.1", "")
	// Buffers and pipes hold some of it already.
	slow := 0
	for range 32 {
		began := time.Now()
		io.CopyN(io.Discard, br, 1<<20)
		if time.Since(began) < 195*time.Millisecond {
			slow = 0
		} else if slow++; slow == 3 {
			break
		}
	}
	if slow < 3 {
		t.Error("the rest of the answer is not paced")
	}
	table.Clear(nil)
	began := time.Now()
	if n, err := io.CopyN(io.Discard, br, 30<<20); err != nil {
		t.Errorf("the rest: got %d bytes, %v", n, err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the rest took %s without a profile", took)
	}
}

// A setting for one host or client leaves the others alone.
func TestNetworkOfHosts(t *testing.T) {
	t.Parallel()
	table, on := onNetwork(t, "")
	b := start(t, answerWith(func() exchange.Body { return exchange.Bytes("ok") }), on)
	setNetwork(t, table, `{"latency": 300}`, "slow.test", "")
	setNetwork(t, table, "offline", "", "192.0.2.0/24")
	c := b.client(false)
	for _, url := range []string{"http://fast.test/", "https://fast.test/"} {
		began := time.Now()
		get(t, c, url)
		if met := b.journal.Entries(nil)[len(b.journal.Entries(nil))-1].Met(); len(met) > 0 || time.Since(began) > 3*time.Second {
			t.Errorf("%s took %s and met %q, want it at once and nothing", url, time.Since(began), met)
		}
	}
	for url, want := range map[string]time.Duration{
		"http://slow.test/":  150 * time.Millisecond, // the host is known from the request on
		"https://slow.test/": 600 * time.Millisecond, // and from the CONNECT on: TLS, the request
	} {
		began := time.Now()
		get(t, c, url)
		inTime(t, url, time.Since(began), want)
	}
}

// Offline lets nothing pass, and a clear everything that waits. The end of the proxy
// does not wait for it.
func TestOffline(t *testing.T) {
	t.Parallel()
	table, on := onNetwork(t, "offline")
	b := start(t, answerWith(func() exchange.Body { return exchange.Bytes("ok") }), on)
	c, br := b.dial()
	io.WriteString(c, "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := br.Peek(1); !isTimeout(err) {
		t.Fatalf("offline: got %v, want silence", err)
	}
	if n := len(b.journal.Entries(nil)); n != 0 {
		t.Errorf("offline: %d requests came, want none", n)
	}
	table.Clear(nil)
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if line, err := br.ReadString('\n'); !strings.Contains(line, "200") {
		t.Errorf("after the clear: got %q, %v, want 200", line, err)
	}
	setNetwork(t, table, "offline", "", "")
	io.WriteString(c, "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
	began := time.Now()
	b.p.Close(context.Background())
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the proxy took %s to stop", took)
	}
}

// Messages of a WebSocket are paced, and late.
func TestPacedWebSocket(t *testing.T) {
	t.Parallel()
	_, on := onNetwork(t, `{"down": "4Mbit", "latency": 200}`)
	b := start(t, nil, on)
	server := origin(t, false, false, func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		for {
			_, m, err := ws.Read(r.Context())
			if err != nil {
				return
			}
			if ws.Write(r.Context(), websocket.MessageBinary, bytes.Repeat(m, 15_000)) != nil {
				return
			}
		}
	})
	ws, _, err := websocket.Dial(t.Context(), server.URL, &websocket.DialOptions{HTTPClient: b.client(false)})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	ws.SetReadLimit(1 << 20)
	began := time.Now()
	if err := ws.Write(t.Context(), websocket.MessageText, []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	if _, m, err := ws.Read(t.Context()); err != nil || len(m) != 150_000 {
		t.Fatal(len(m), err)
	}
	inTime(t, "150 kB at 4 Mbit/s and 200 ms", time.Since(began), 500*time.Millisecond)
	if e := b.journal.Entries(nil)[0]; e.Kind != capture.HTTP || !slices.Equal(e.Met(), []string{"network down 4Mbit, latency 200ms"}) {
		t.Errorf("met: got %q", e.Met())
	}
}

// A handshake that fails on a network, and a request that is refused, tell the profile.
func TestNetworkOfFailures(t *testing.T) {
	t.Parallel()
	_, on := onNetwork(t, `{"latency": 4}`)
	b := start(t, nil, on)
	doubting := b.client(false)
	doubting.Transport.(*http.Transport).TLSClientConfig = nil
	if _, err := doubting.Get("https://a.test/"); err == nil {
		t.Fatal("a device without our CA trusts us")
	}
	c, br := b.dial()
	io.WriteString(c, "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: x\r\n\r\n")
	if line, err := br.ReadString('\n'); !strings.Contains(line, "400") {
		t.Fatalf("a malformed header: got %q, %v, want 400", line, err)
	}
	entries := b.journal.Entries(nil)
	for _, e := range entries {
		if !slices.Equal(e.Met(), []string{"network latency 4ms"}) {
			t.Errorf("%v %s: met %q, want the network", e.Kind, e.Error, e.Met())
		}
	}
	if len(entries) != 2 {
		t.Errorf("got %d entries, want 2", len(entries))
	}
}

// A tunnel whose bytes are not HTTP is paced in both directions, and its entry tells the
// profile.
func TestPacedTunnel(t *testing.T) {
	t.Parallel()
	_, on := onNetwork(t, `{"down": "4Mbit", "up": "2Mbit"}`)
	b := start(t, nil, on)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		io.Copy(c, c) // as it comes
	}()
	c, br := b.tunnel(l.Addr().String())
	began := time.Now()
	go func() {
		c.Write(append([]byte("SSH-2.0-x\r\n"), make([]byte, 100_000)...))
		c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(br)
	if err != nil || len(got) != 100_011 {
		t.Fatal(len(got), err)
	}
	inTime(t, "100 kB at 2 Mbit/s and back", time.Since(began), 400*time.Millisecond)
	if e := b.journal.Entries(nil)[0]; e.Kind != capture.TCP || !slices.Equal(e.Met(), []string{"network down 4Mbit, up 2Mbit"}) {
		t.Errorf("%v met %q, want the stream and the profile", e.Kind, e.Met())
	}
}
