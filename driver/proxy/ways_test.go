package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	xproxy "golang.org/x/net/proxy"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/proxy/splice"
	"starproxy/driver/proxy/way"
)

// openWay opens a way at a free port of the loopback address. The mode is read with
// port 1.
func openWay(t testing.TB, mode string) *Way {
	t.Helper()
	m, err := way.ParseMode(mode)
	if err != nil {
		t.Fatal(err)
	}
	w := &Way{mode: m, name: m.String()}
	if m.Kind == way.DNS {
		err = w.bind("127.0.0.1:0")
	} else {
		w.listener, err = Listen("127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// with adds ways to a configuration.
func with(ways ...*Way) func(*Config) { return func(c *Config) { c.Ways = ways } }

func logins(t testing.TB, pairs ...string) *way.Logins {
	t.Helper()
	l, err := way.NewLogins(pairs)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// entries returns the first n entries, once they are there.
func (b *bench) entries(n int) (list []*capture.Entry) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	for e, err := range b.journal.Follow(ctx, nil, 0) {
		if err != nil {
			b.t.Fatalf("got %d entries, want %d: %v", len(list), n, err)
		}
		if list = append(list, e); len(list) == n {
			return list
		}
	}
	b.t.Fatalf("got %d entries, want %d", len(list), n)
	return nil
}

// last returns the latest of the first n entries.
func (b *bench) last(n int) *capture.Entry { return b.entries(n)[n-1] }

// sayHost answers with the request's URL and the Host that came.
var sayHost = exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	return exchange.Text(200, x.Request.URL()+" "+x.Request.Authority), nil
})

// socksClient is a client behind a SOCKS5 proxy.
func (b *bench) socksClient(w *Way, auth *xproxy.Auth) *http.Client {
	b.t.Helper()
	d, err := xproxy.SOCKS5("tcp", w.Addr().String(), auth, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	tr := &http.Transport{DialContext: d.(xproxy.ContextDialer).DialContext, TLSClientConfig: &tls.Config{RootCAs: b.roots}, ForceAttemptHTTP2: true}
	b.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

func fetch(t testing.TB, c *http.Client, url string) (int, string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(text))
}

func TestSOCKSWay(t *testing.T) {
	t.Parallel()
	w := openWay(t, "socks5@1")
	b := start(t, sayHost, with(w), func(c *Config) { c.Logins = logins(t, "bench:tiger") })
	c := b.socksClient(w, &xproxy.Auth{User: "bench", Password: "tiger"})
	for i, u := range []string{"http://api.example/a", "https://api.example/b"} {
		if _, text := fetch(t, c, u); text != u+" api.example" {
			t.Errorf("GET %s: got %q", u, text)
		}
		if e := b.last(i + 1); e.Way != "socks5@1" {
			t.Errorf("GET %s: got way %q in its entry, want socks5@1", u, e.Way)
		}
	}
	if e := b.last(2); e.Proto != "HTTP/2.0" {
		t.Errorf("got %s, want HTTP/2.0 inside the tunnel", e.Proto)
	}
	_, err := b.socksClient(w, &xproxy.Auth{User: "bench", Password: "lion"}).Get("http://api.example/")
	if err == nil || !strings.Contains(err.Error(), "authentication") {
		t.Errorf("with a wrong password: got %v, want a failed authentication", err)
	}
}

// TestSOCKSWayElse has the server speak first.
func TestSOCKSWayElse(t *testing.T) {
	t.Parallel()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		if c, err := server.Accept(); err == nil {
			io.WriteString(c, "220 ready\r\n")
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	w := openWay(t, "socks5@1")
	b := start(t, nil, with(w))
	d, _ := xproxy.SOCKS5("tcp", w.Addr().String(), nil, nil)
	c, err := d.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "\x00binary")
	line := make([]byte, 11)
	if _, err := io.ReadFull(c, line); err != nil || string(line) != "220 ready\r\n" {
		t.Errorf("got %q, %v, want the server's greeting", line, err)
	}
	if e := b.last(1); e.Kind != capture.TCP || e.Way != "socks5@1" {
		t.Errorf("got an entry of kind %v by %q, want a stream by socks5@1", e.Kind, e.Way)
	}
}

func TestReverseWay(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Host+" "+r.TLS.ServerName)
	}))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))
	defer plain.Close()
	_, securePort, _ := net.SplitHostPort(secure.Listener.Addr().String())
	for _, c := range []struct {
		name, mode string
		scheme     string // of the device
		keep       bool
		want       string
	}{
		{"https to https", "reverse:https://localhost:" + securePort, "https", false, "localhost:" + securePort + " localhost"},
		{"http to https", "reverse:https://localhost:" + securePort, "http", false, "localhost:" + securePort + " localhost"},
		{"https to http", "reverse:" + plain.URL, "https", false, strings.TrimPrefix(plain.URL, "http://")},
		{"http to http", "reverse:" + plain.URL, "http", false, strings.TrimPrefix(plain.URL, "http://")},
		{"kept", "reverse:https://localhost:" + securePort, "https", true, "device.example device.example"},
		{"kept, http", "reverse:" + plain.URL, "http", true, "device.example"},
	} {
		w := openWay(t, c.mode+"@1")
		b := start(t, nil, with(w), func(cfg *Config) { cfg.KeepHost = c.keep })
		for _, h2 := range []bool{false, true} {
			tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: b.roots}, ForceAttemptHTTP2: h2,
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, "tcp", w.Addr().String())
				}}
			if !h2 {
				tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
			}
			status, text := fetch(t, &http.Client{Transport: tr, Timeout: 20 * time.Second}, c.scheme+"://device.example/path")
			if status != 200 || text != c.want {
				t.Errorf("%s, HTTP/2 %v: got %d %q, want %q", c.name, h2, status, text, c.want)
			}
			tr.CloseIdleConnections()
		}
		if e := b.last(2); !strings.HasPrefix(c.mode, "reverse:"+e.Scheme+"://") || e.Way != c.mode+"@1" {
			t.Errorf("%s: got scheme %s by %q in its entry, want those of %s", c.name, e.Scheme, e.Way, c.mode)
		}
	}
}

func TestSecondRegularWay(t *testing.T) {
	t.Parallel()
	w := openWay(t, "regular@1")
	b := start(t, sayHost, with(w))
	tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: w.Addr().String()}), TLSClientConfig: &tls.Config{RootCAs: b.roots}}
	defer tr.CloseIdleConnections()
	for i, u := range []string{"http://api.example/a", "https://api.example/b"} {
		if _, text := fetch(t, &http.Client{Transport: tr}, u); text != u+" api.example" {
			t.Errorf("GET %s: got %q", u, text)
		}
		if e := b.last(i + 1); e.Way != "regular@1" {
			t.Errorf("GET %s: got way %q, want regular@1", u, e.Way)
		}
	}
	// A request to the way itself goes nowhere.
	res, err := b.client(false).Get("http://" + w.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	b2 := start(t, nil, func(c *Config) { c.Listeners = b.p.cfg.Listeners })
	if res, err = b2.client(false).Get("http://" + w.Addr().String() + "/"); err != nil || res.StatusCode != http.StatusBadGateway {
		t.Errorf("a request to a way: got %v, %v, want 502", res, err)
	}
}

func TestProxyLogin(t *testing.T) {
	t.Parallel()
	b := start(t, sayHost, func(c *Config) { c.Logins = logins(t, "bench:tiger") })
	client := func(user *url.Userinfo) *http.Client {
		tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: b.addr(), User: user}), TLSClientConfig: &tls.Config{RootCAs: b.roots}}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr, Timeout: 20 * time.Second}
	}
	good := client(url.UserPassword("bench", "tiger"))
	for _, u := range []string{"http://api.example/a", "https://api.example/b"} {
		if status, text := fetch(t, good, u); status != 200 || text != u+" api.example" {
			t.Errorf("GET %s: got %d %q", u, status, text)
		}
	}
	for name, c := range map[string]*http.Client{"none": client(nil), "wrong": client(url.UserPassword("bench", "lion"))} {
		if status, text := fetch(t, c, "http://api.example/a"); status != 407 || !strings.Contains(text, "listen.auth") || strings.Contains(text, "lion") {
			t.Errorf("%s: got %d %q, want 407", name, status, text)
		}
		if _, err := c.Get("https://api.example/b"); err == nil || !strings.Contains(err.Error(), "Proxy Authentication Required") {
			t.Errorf("%s: CONNECT: got %v, want 407", name, err)
		}
	}
	for _, e := range b.entries(6) {
		if v := e.RequestHeader.Get("Proxy-Authorization"); v != "" && v != "Basic hidden" || strings.Contains(string(e.RequestBody.Data), "Basic Ym") {
			t.Errorf("got credentials %q in an entry, want them hidden", v)
		}
	}
}

func TestAllowedClients(t *testing.T) {
	t.Parallel()
	// A connection from another address of this machine than the one that it reaches.
	w := openWay(t, "reverse:http://api.example@1")
	b := start(t, sayHost, with(w), func(c *Config) { c.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.8/32")} })
	for _, c := range []struct {
		from string
		want bool
	}{{"127.0.0.8", true}, {"127.0.0.9", false}, {"127.0.0.1", true}} {
		for _, to := range []string{b.addr(), w.Addr().String()} {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}}
			nc, err := d.Dial("tcp", to)
			if err != nil {
				t.Skipf("no other loopback addresses here: %v", err)
			}
			io.WriteString(nc, "GET / HTTP/1.0\r\nHost: api.example\r\n\r\n")
			answer, _ := io.ReadAll(nc)
			if got := strings.HasPrefix(string(answer), "HTTP/1."); got != c.want {
				t.Errorf("from %s: got answer %q, want one: %v", c.from, answer, c.want)
			}
			nc.Close()
		}
	}
}

func TestLeftAlone(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the server itself") }))
	defer server.Close()
	alone, err := way.NewLeftAlone([]string{`^pinned\.example:`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := openWay(t, "socks5@1")
	b := start(t, sayHost, with(w), func(c *Config) { c.LeftAlone, c.Isolated = alone, true })
	d, _ := xproxy.SOCKS5("tcp", w.Addr().String(), nil, nil)
	for i, c := range []struct{ sni, want string }{{"pinned.example", "the server itself"}, {"open.example", "open.example"}} {
		// The tunnel is for an address: the name is that of the handshake.
		nc, err := d.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		tc := tls.Client(nc, &tls.Config{ServerName: c.sni, InsecureSkipVerify: true})
		io.WriteString(tc, "GET / HTTP/1.0\r\nHost: "+c.sni+"\r\n\r\n")
		answer, _ := io.ReadAll(tc)
		tc.Close()
		if !strings.Contains(string(answer), c.want) {
			t.Errorf("%s: got %q, want %q", c.sni, answer, c.want)
		}
		untouched := tc.ConnectionState().PeerCertificates[0].Equal(server.Certificate())
		if untouched != (i == 0) {
			t.Errorf("%s: got the server's own certificate: %v, want %v", c.sni, untouched, i == 0)
		}
	}
	kinds := []capture.Kind{}
	for _, e := range b.entries(2) {
		kinds = append(kinds, e.Kind)
	}
	if kinds[0] != capture.TCP || kinds[1] == capture.TCP {
		t.Errorf("got entries of kinds %v, want a stream and an exchange", kinds)
	}
}

// TestTransparentWayDirect has devices connect to a transparent way itself, as they do
// that were told the proxy's address for a name.
func TestTransparentWayDirect(t *testing.T) {
	t.Parallel()
	if !splice.Transparent {
		t.Skip("the system does not tell the address that a connection was for")
	}
	w := openWay(t, "transparent@1")
	b := start(t, sayHost, with(w))
	_, port, _ := net.SplitHostPort(w.Addr().String())
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: b.roots}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", w.Addr().String())
		}}
	defer tr.CloseIdleConnections()
	for _, u := range []string{"http://api.example:" + port + "/a", "https://api.example:" + port + "/b"} {
		if _, text := fetch(t, &http.Client{Transport: tr}, u); text != u+" api.example:"+port {
			t.Errorf("GET %s: got %q", u, text)
		}
	}
	if e := b.last(2); e.Proto != "HTTP/2.0" || e.Way != "transparent@1" {
		t.Errorf("got %s by %q, want HTTP/2.0 by transparent@1", e.Proto, e.Way)
	}
	for _, text := range []string{"GET / HTTP/1.0\r\n\r\n", "\x00binary", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"} {
		c, err := net.Dial("tcp", w.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, text)
		if answer, err := io.ReadAll(c); len(answer) > 0 {
			t.Errorf("%q: got %q, %v, want the connection closed", text, answer, err)
		}
		c.Close()
	}
}

func TestSightings(t *testing.T) {
	t.Parallel()
	var s Sightings
	seen := make(chan Sighting, 10)
	end := s.Watch(func(one Sighting) { seen <- one })
	w := openWay(t, "regular@1")
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	quic := &Way{mode: way.Mode{Kind: way.Transparent, Port: 1}, name: "transparent@1", listener: openWay(t, "regular@2").listener, packets: udp}
	b := start(t, sayHost, with(w, quic), func(c *Config) { c.Sightings = &s })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: w.Addr().String()})}}
	fetch(t, client, "http://api.example/")
	if one := <-seen; one.Kind != SeenConnection || one.Way != "regular@1" || one.Client != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("got %+v, want a connection by regular@1", one)
	}
	c, err := net.Dial("udp", udp.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "\xc0\x00\x00\x00\x01")
	if one := <-seen; one.Kind != SeenQUIC || one.Way != "transparent@1" {
		t.Errorf("got %+v, want QUIC by transparent@1", one)
	}
	end()
	fetch(t, client, "http://api.example/")
	b.entries(2)
	if len(seen) > 0 {
		t.Errorf("got %+v after the end", <-seen)
	}
}

func TestDNSWay(t *testing.T) {
	t.Parallel()
	w := openWay(t, "dns@1")
	var s Sightings
	seen := make(chan Sighting, 10)
	defer s.Watch(func(one Sighting) { seen <- one })()
	start(t, sayHost, with(w), func(c *Config) { c.Sightings = &s })
	for _, network := range []string{"udp", "tcp"} {
		c := dns.Client{Net: network}
		a, _, err := c.Exchange(new(dns.Msg).SetQuestion("api.example.", dns.TypeA), w.Addr().String())
		if err != nil || len(a.Answer) != 1 || !strings.HasSuffix(a.Answer[0].String(), "A\t127.0.0.1") {
			t.Errorf("%s: got %v, %v, want the proxy's address", network, a, err)
		}
		if one := <-seen; one.Kind != SeenQuery || one.Name != "api.example" || one.Way != "dns@1" {
			t.Errorf("%s: got %+v, want the query", network, one)
		}
	}
}
