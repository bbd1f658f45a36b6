package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"starproxy/builtins/exchange"
)

func TestListenersReach(t *testing.T) {
	t.Parallel()
	local := ""
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			local = n.IP.String()
		}
	}
	for own, dests := range map[string]map[string]bool{
		"0.0.0.0:80":      {"127.0.0.1:80": true, "127.9.9.9:80": true, "0.0.0.0:80": true, "[::]:80": true, "[::ffff:127.0.0.1]:80": true, "[::ffff:0.0.0.0]:80": true, "127.0.0.1:81": false, "192.0.2.1:80": false},
		"[::]:80":         {"127.0.0.1:80": true, "[::1]:80": true, "[::1%lo]:80": true, "[::]:80": true, "[2001:db8::1]:80": false, "[::1]:8": false},
		"127.0.0.1:80":    {"127.0.0.1:80": true, "[::ffff:7f00:1]:80": true, "0.0.0.0:80": true, "127.0.0.2:80": false, "192.0.2.1:80": false},
		"[::1]:80":        {"[::1]:80": true, "[::1%1]:80": true, "[::]:80": true, "127.0.0.1:80": false},
		"192.0.2.7:80":    {"192.0.2.7:80": true, "[::ffff:192.0.2.7]:80": true, "127.0.0.1:80": false, "0.0.0.0:80": false},
		"[fe80::1%e0]:80": {"[fe80::1%e0]:80": true, "[fe80::1]:80": true, "[fe80::2%e0]:80": false},
	} {
		var l Listeners
		tcp := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(own))
		forget := l.Add(tcp)
		if local != "" && tcp.IP.IsUnspecified() {
			dests[local+":80"] = true
		}
		for to, want := range dests {
			if got := l.Reaches(netip.MustParseAddrPort(to)); got != want {
				t.Errorf("listener %s, destination %s: got %v, want %v", own, to, got, want)
			}
		}
		again := l.Add(tcp)
		forget()
		forget()
		if !l.Reaches(netip.MustParseAddrPort(own)) {
			t.Errorf("%s: forgotten twice for one", own)
		}
		again()
		if l.Reaches(netip.MustParseAddrPort(own)) {
			t.Errorf("%s: not forgotten", own)
		}
	}
	var l Listeners
	l.Add(&net.UnixAddr{Name: "/x", Net: "unix"})()
}

// guarded is a listener of our own that counts the connections which reach it.
type guarded struct {
	net.Listener
	port    string
	reached atomic.Int64
}

func newGuarded(t *testing.T, own *Listeners, addr string) *guarded {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skipf("no listener at %s: %v", addr, err)
	}
	g := &guarded{Listener: l}
	_, g.port, _ = net.SplitHostPort(l.Addr().String())
	if own != nil {
		own.Add(l.Addr())
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.reached.Add(1)
			io.WriteString(c, "SSH-2.0-control\r\n")
			c.Close()
		}
	}()
	return g
}

// spellings are ways to write an address of this machine.
func spellings(t *testing.T) []string {
	t.Helper()
	all := []string{"127.0.0.1", "localhost", "localhost.", "LOCALHOST", "0.0.0.0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]",
		"127.1", "127.0.1", "0177.0.0.1", "2130706433", "127.0.0.1.", "127.5.6.7"}
	if hex := "0x7f.1"; resolves(hex) { // some systems ask the name servers, which may not answer
		all = append(all, hex)
	}
	if name, err := os.Hostname(); err == nil {
		all = append(all, name)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if host := n.IP.String(); n.IP.To4() == nil {
				all = append(all, "["+host+"]")
			} else {
				all = append(all, host)
			}
		}
	}
	return all
}

// resolves reports whether the system finds the addresses of host at once.
func resolves(host string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := net.DefaultResolver.LookupHost(ctx, host)
	return err == nil
}

// No way in and no spelling leads a device to a listener of ours.
func TestOwnListenersAreRefused(t *testing.T) {
	t.Parallel()
	var own Listeners
	b := start(t, nil, func(c *Config) { c.Listeners = &own })
	scripted := start(t, exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		host, port := exchange.SplitAuthority(x.Request.Header.Get("X-To"), 80) // as forward(url=) does
		x.Request.Host, x.Request.Port, x.Request.Authority, x.Request.DialAddr = host, port, x.Request.Header.Get("X-To"), ""
		return x.Forward(ctx)
	}), func(c *Config) { c.Listeners = &own })
	late := make([]*guarded, 0, 3) // made after the proxies
	for _, addr := range []string{"0.0.0.0:0", "127.0.0.1:0", "[::]:0"} {
		late = append(late, newGuarded(t, &own, addr))
	}
	t.Run("spellings", func(t *testing.T) {
		for _, host := range spellings(t) {
			t.Run(host, func(t *testing.T) {
				t.Parallel()
				for _, g := range late {
					to := host + ":" + g.port
					for _, send := range []string{
						"GET http://" + to + "/ HTTP/1.1\r\nHost: " + to + "\r\nConnection: close\r\n\r\n",
						"GET / HTTP/1.1\r\nHost: " + to + "\r\nConnection: close\r\n\r\n",
						"GET http://" + to + "/ HTTP/1.1\r\nHost: " + to + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
						"POST http://" + to + "/ HTTP/1.1\r\nHost: " + to + "\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
					} {
						if got := talk(t, b.addr(), send); !strings.Contains(got, " 502 ") && !strings.Contains(got, " 400 ") {
							t.Errorf("%.40q: got %.200q", send, got)
						}
					}
					got := talk(t, scripted.addr(), "GET http://any.invalid/ HTTP/1.1\r\nHost: any.invalid\r\nX-To: "+to+"\r\nConnection: close\r\n\r\n")
					if !strings.Contains(got, " 502 ") {
						t.Errorf("forward to %s: got %.200q", to, got)
					}
					// Bytes that are neither TLS nor HTTP, and HTTP inside of a tunnel.
					for _, inside := range []string{"\x00\x01raw\r\n", "GET / HTTP/1.1\r\nHost: " + to + "\r\nConnection: close\r\n\r\n"} {
						got := talk(t, b.addr(), "CONNECT "+to+" HTTP/1.1\r\nHost: "+to+"\r\n\r\n"+inside)
						if strings.Contains(got, "control") {
							t.Errorf("CONNECT %s %.20q: got %.200q", to, inside, got)
						}
					}
					overTLS(t, b, to)
				}
			})
		}
	})
	// A tunnel in which the server is to speak first.
	silent := talkSilent(t, b.addr(), "127.0.0.1:"+late[0].port)
	if strings.Contains(silent, "control") {
		t.Errorf("silent tunnel: got %q", silent)
	}
	for _, g := range late {
		if n := g.reached.Load(); n > 0 {
			t.Errorf("%s was reached %d times", g.Addr(), n)
		}
	}
	// The proxy's own port, and that of another proxy.
	for _, to := range []string{b.addr(), scripted.addr(), strings.Replace(b.addr(), "127.0.0.1", "localhost", 1)} {
		got := talk(t, b.addr(), "GET http://"+to+"/ HTTP/1.1\r\nHost: "+to+"\r\nConnection: close\r\n\r\n")
		if !strings.Contains(got, " 502 ") || !strings.Contains(got, errOwn.Error()) {
			t.Errorf("%s: got %.300q", to, got)
		}
	}
	// What is not ours is reached as before, at the same addresses.
	other := newGuarded(t, nil, "127.0.0.1:0")
	talk(t, b.addr(), "GET http://127.0.0.1:"+other.port+"/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if other.reached.Load() == 0 {
		t.Error("a server of somebody else on this machine was not reached")
	}
	told := false
	for e := range b.journal.All(nil) {
		told = told || strings.Contains(e.Error, errOwn.Error())
	}
	if !told {
		t.Error("no capture tells of a refusal")
	}
}

// talk sends bytes to the proxy and gives the answer; after a CONNECT, all that comes.
func talk(t *testing.T, addr, send string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(c, send)
	if !strings.HasPrefix(send, "CONNECT") {
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return ""
		}
		body, _ := io.ReadAll(res.Body)
		return " " + res.Status + " " + string(body)
	}
	got, err := io.ReadAll(c)
	if err != nil && len(got) == 0 {
		t.Logf("%.40q: %v", send, err)
	}
	return string(got)
}

// talkSilent opens a tunnel, says nothing until the server has had its turn, and
// gives what comes.
func talkSilent(t *testing.T, addr, to string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "CONNECT "+to+" HTTP/1.1\r\nHost: "+to+"\r\n\r\n")
	c.SetReadDeadline(time.Now().Add(speakFirst + time.Second))
	got, _ := io.ReadAll(c)
	return string(got)
}

// overTLS asks to over TLS in a tunnel, by HTTP/1.1 and HTTP/2.
func overTLS(t *testing.T, b *bench, to string) {
	t.Helper()
	for _, proto := range []string{"h2", "http/1.1"} {
		c, err := net.Dial("tcp", b.addr())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", to, to)
		r := bufio.NewReader(c)
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != 200 {
			c.Close()
			continue
		}
		inside := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{proto}})
		if err := inside.Handshake(); err == nil {
			tr := &http.Transport{ForceAttemptHTTP2: proto == "h2", DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return inside, nil }}
			req, err := http.NewRequest("GET", "https://device.invalid/", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = to
			if res, err := tr.RoundTrip(req); err == nil {
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if res.StatusCode != http.StatusBadGateway && res.StatusCode != http.StatusBadRequest {
					t.Errorf("%s over %s: got %d %.200q", to, proto, res.StatusCode, body)
				}
			}
			tr.CloseIdleConnections()
		}
		c.Close()
	}
}
