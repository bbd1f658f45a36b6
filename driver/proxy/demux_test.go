package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// desk is a proxy of a test's Demux, which answers with its name.
type desk struct {
	*bench
	member *Member
}

// selected makes a Selection of clients and users in one list.
func selected(t testing.TB, who ...string) (s Selection) {
	t.Helper()
	for _, w := range who {
		if user, ok := strings.CutPrefix(w, "user "); ok {
			s.Users = append(s.Users, user)
			continue
		}
		p, err := exchange.ParseClients(w)
		if err != nil {
			t.Fatal(err)
		}
		s.Clients = append(s.Clients, p)
	}
	return s
}

// named answers with a name, the request's URL and the length of its body.
func named(name string) exchange.Handler {
	return exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		res, err := echo(ctx, x)
		if err == nil {
			text, _ := res.Body.(exchange.Bytes)
			res = exchange.Text(200, name+" "+strings.TrimSpace(string(text)))
			res.Origin = exchange.FromMock
		}
		return res, err
	})
}

// open starts a proxy at the member's address.
func open(t testing.TB, m *Member, name string) *desk {
	t.Helper()
	l, err := m.Listen(m.port)
	if err != nil {
		t.Fatal(err)
	}
	return &desk{start(t, named(name), func(c *Config) { c.Listener = l }), m}
}

// device talks to a proxy from an address, and as a user.
type device struct {
	from, user string
	secure     bool // TLS to the proxy
}

// credentials is the header line of the device's user.
func (d device) credentials() string {
	if d.user == "" {
		return ""
	}
	return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(d.user+":geheim")) + "\r\n"
}

// to is the address at which the device reaches a proxy that listens everywhere.
func (d device) to(b *bench) string {
	_, port, _ := net.SplitHostPort(b.addr())
	if strings.Contains(d.from, ":") {
		return "[::1]:" + port
	}
	return "127.0.0.1:" + port
}

func (d device) dial(b *bench) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 20 * time.Second}
	if d.from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(d.from)}
	}
	return dialer.Dial("tcp", d.to(b))
}

func (d device) client(t testing.TB, b *bench, h2 bool) *http.Client {
	proxy := &url.URL{Scheme: "http", Host: d.to(b)}
	if d.secure {
		proxy.Scheme = "https"
	}
	if d.user != "" {
		proxy.User = url.UserPassword(d.user, "geheim")
	}
	tr := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: b.roots}, ForceAttemptHTTP2: h2,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return d.dial(b) }}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

// ask gives the answer to a GET, or the error, in one line.
func (d device) ask(t testing.TB, b *bench, target string, h2 bool) string {
	res, err := d.client(t, b, h2).Get(target)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s %s", res.StatusCode, res.Proto, bytes.TrimSpace(body))
}

// Every device reaches its own proxy, by the address that it has or the user that
// it names, with every protocol, and is captured there alone.
func TestDemuxTellsDevicesApart(t *testing.T) {
	t.Parallel()
	d := NewDemux(nil)
	desks := map[string]*desk{}
	for name, who := range map[string][]string{
		"one": {"127.0.0.2"}, "range": {"127.1.0.0/16", "127.2.0.1"}, "six": {"::1"}, "mapped": {"::ffff:127.3.0.0/112"},
		"ann": {"user ann", "user änn"}, "either": {"user bob", "127.4.0.1"}, "rest": nil,
	} {
		desks[name] = open(t, d.Join("", 0, selected(t, who...), 0), name)
	}
	for _, tt := range []struct {
		device
		want string
	}{
		{device{from: "127.0.0.2"}, "one"},
		{device{from: "127.0.0.2", user: "ann"}, "one"}, // the address comes first
		{device{from: "127.1.2.3"}, "range"},
		{device{from: "127.2.0.1"}, "range"},
		{device{from: "127.2.0.2"}, "rest"},
		{device{from: "127.3.0.9"}, "mapped"},
		{device{from: "127.4.0.1"}, "either"},
		{device{user: "bob"}, "either"},
		{device{user: "ann"}, "ann"},
		{device{user: "änn"}, "ann"},
		{device{user: "Ann"}, "rest"},
		{device{}, "rest"},
		{device{from: "::1"}, "six"},
	} {
		if tt.from == "::1" {
			if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
				t.Log("without IPv6:", err)
				continue
			} else {
				l.Close()
			}
		}
		for _, secure := range []bool{false, true} {
			tt.secure = secure
			b := desks[tt.want].bench
			before := len(b.journal.Entries(nil))
			for _, target := range []string{"http://h.test/a", "https://h.test/a"} {
				for _, h2 := range []bool{false, true} {
					proto := "HTTP/1.1"
					if h2 && strings.HasPrefix(target, "https") {
						proto = "HTTP/2.0"
					}
					want := fmt.Sprintf("200 %s %s %s GET %s 0", proto, tt.want, proto, target)
					if got := tt.ask(t, b, target, h2); got != want {
						t.Errorf("%+v: got %s, want %s", tt.device, got, want)
					}
				}
			}
			if n := len(b.journal.Entries(nil)); n != before+4 {
				t.Errorf("%+v: got %d captures of %s, want %d", tt.device, n, tt.want, before+4)
			}
		}
	}
}

// A request that nobody is meant for is told why, with all that a device may send
// before it reads, and captured nowhere.
func TestDemuxRefuses(t *testing.T) {
	t.Parallel()
	var log lockedLog
	d := NewDemux(slog.New(slog.NewTextHandler(&log, nil)))
	byAddr := open(t, d.Join("127.0.0.1", 0, selected(t, "127.0.0.2"), 0), "a")
	e := NewDemux(slog.New(slog.NewTextHandler(&log, nil)))
	byUser := open(t, e.Join("127.0.0.1", 0, selected(t, "user ann", "127.0.0.2"), 0), "a")
	stopped := e.Join("127.0.0.1", 0, selected(t, "user bob", "127.0.0.3"), 0)
	post := "POST http://h.test/ HTTP/1.1\r\nHost: h.test\r\nContent-Length: 600000\r\n\r\n" + strings.Repeat("x", 600000)
	for _, tt := range []struct {
		name string
		device
		b      *bench
		send   string
		status int
		want   string
	}{
		{"address", device{}, byAddr.bench, "GET http://h.test/ HTTP/1.1\r\nHost: h.test\r\n", 403, "client: got 127.0.0.1, want an address that"},
		{"address, CONNECT", device{user: "ann"}, byAddr.bench, "CONNECT h.test:443 HTTP/1.1\r\nHost: h.test\r\n", 403, "client: got 127.0.0.1"},
		{"address, body", device{}, byAddr.bench, post, 403, "client: got 127.0.0.1"},
		{"no user", device{}, byUser.bench, "GET http://h.test/ HTTP/1.1\r\nHost: h.test\r\n", 407, "proxy user: got none, want one that"},
		{"no user, CONNECT", device{}, byUser.bench, "CONNECT h.test:443 HTTP/1.1\r\nHost: h.test\r\n", 407, "proxy user: got none"},
		{"no user, body", device{}, byUser.bench, post, 407, "proxy user: got none"},
		{"wrong user", device{user: "eve"}, byUser.bench, "CONNECT h.test:443 HTTP/1.1\r\nHost: h.test\r\n", 407, `proxy user: got "eve", want one that`},
		{"other scheme", device{}, byUser.bench, "GET http://h.test/ HTTP/1.1\r\nHost: h.test\r\nProxy-Authorization: Bearer YW5uOng=\r\n", 407, "proxy user: got none"},
		{"stopped, by user", device{user: "bob"}, byUser.bench, "GET http://h.test/ HTTP/1.1\r\nHost: h.test\r\n", 503, "is not started"},
		{"stopped, by address", device{from: "127.0.0.3"}, byUser.bench, "GET http://h.test/ HTTP/1.1\r\nHost: h.test\r\n", 503, "is not started"},
	} {
		c, err := tt.dial(tt.b)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		go io.WriteString(c, strings.Replace(tt.send, "\r\n", "\r\n"+tt.credentials(), 1)+"\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != tt.status || !strings.HasPrefix(string(body), strings.SplitN(tt.want, "is not", 2)[0]) || !strings.Contains(string(body), tt.want) {
			t.Errorf("%s: got %d %s %v, want %d %s", tt.name, res.StatusCode, body, err, tt.status, tt.want)
		}
		if got := res.Header.Get("Proxy-Authenticate"); (got == challenge) != (tt.status == 407) {
			t.Errorf("%s: Proxy-Authenticate: got %q", tt.name, got)
		}
		c.Close()
		if !strings.Contains(log.String(), "request refused") {
			t.Errorf("%s: nothing in the log", tt.name)
		}
	}
	if _, err := (device{secure: true}).client(t, byAddr.bench, false).Get("http://h.test/"); err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("TLS from a stranger: got %v, want access denied", err)
	}
	// Inside TLS there is no other that could have told the user.
	if got := (device{secure: true, user: "eve"}).ask(t, byUser.bench, "http://h.test/", false); !strings.HasPrefix(got, `407 HTTP/1.1 proxy user: got "eve"`) {
		t.Errorf("wrong user over TLS: got %s", got)
	}
	if strings.Contains(log.String(), "geheim") || strings.Contains(log.String(), base64.StdEncoding.EncodeToString([]byte("eve:geheim"))) {
		t.Errorf("the log has a password: %s", log.String())
	}
	for _, b := range []*desk{byAddr, byUser} {
		for _, e := range b.journal.Entries(nil) {
			if e.Kind != capture.Refused {
				t.Errorf("a refused request was captured as an exchange: %s %s", e.Method, e.URL())
			}
			if strings.Contains(string(e.RequestBody.Data), base64.StdEncoding.EncodeToString([]byte("eve:geheim"))) {
				t.Errorf("a capture has a password: %s", e.RequestBody.Data)
			}
		}
	}
	open(t, stopped, "b")
	if got := (device{user: "bob"}).ask(t, byUser.bench, "http://h.test/", false); got != "200 HTTP/1.1 b HTTP/1.1 GET http://h.test/ 0" {
		t.Errorf("after its start: got %s", got)
	}
}

// lockedLog is what was logged.
type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Proxies that do not share have sockets of their own; those that would exclude
// each other do not listen.
func TestDemuxAddresses(t *testing.T) {
	t.Parallel()
	d := NewDemux(nil)
	listen := func(m *Member, port int) (net.Listener, error) {
		l, err := m.Listen(port)
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return l, err
	}
	plain, err := listen(d.Join("127.0.0.1", 0, Selection{}, 0), 0)
	if _, ok := plain.(*net.TCPListener); !ok || err != nil {
		t.Errorf("alone: got a %T, %v, want a *net.TCPListener", plain, err)
	}
	port := plain.Addr().(*net.TCPAddr).Port
	for name, host := range map[string]string{"same": "127.0.0.1", "mapped": "::ffff:127.0.0.1"} {
		late := d.Join(host, port, Selection{}, 0)
		if _, err := listen(late, port); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s address, both without a selection: got %v, want that it is in use", name, err)
		}
		late.Leave()
	}
	one := d.Join("127.0.0.1", 0, selected(t, "127.0.0.0/30"), 0)
	first, err := listen(one, 0)
	if err != nil {
		t.Fatal(err)
	}
	if first.Addr().String() == plain.Addr().String() {
		t.Error("a free port is one that is taken")
	}
	if _, err := listen(one, 0); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("twice: got %v, want that it is in use", err)
	}
	at := first.Addr().(*net.TCPAddr).Port
	moved := d.Join("127.0.0.1", 1, selected(t, "127.0.0.3", "user x"), 0)
	if _, err := listen(moved, at); err == nil || !strings.Contains(err.Error(), "listen.clients") || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("overlapping clients: got %v", err)
	}
	third := d.Join("127.0.0.1", 1, selected(t, "127.0.0.4"), 0)
	l, err := listen(third, at)
	if err != nil || l.Addr().String() != first.Addr().String() {
		t.Errorf("moved to it: got %v, %v, want %s", l, err, first.Addr())
	}
	third.Settle(at)
	if got := len(first.(*branchListener).branch.trunk.seating.Load().exact); got != 1 {
		t.Errorf("got %d addresses at the socket, want 1", got)
	}
}
