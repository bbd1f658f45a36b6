package proxy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"starproxy/driver/capture"
	"starproxy/driver/proxy/way"
)

// through makes a parent of a URL that no host goes past but those of noProxy, and the
// machine itself is not among those: its address is written in another way.
func through(t testing.TB, mode string, noProxy ...string) func(*Config) {
	t.Helper()
	m, err := way.ParseMode(mode)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *Config) { c.Parent = way.NewParent(m.URL, noProxy) }
}

// TestParent asks servers through another proxy of ours, which answers in their place:
// their names exist nowhere.
func TestParent(t *testing.T) {
	t.Parallel()
	socks := openWay(t, "socks5@1")
	parent := start(t, sayHost, with(socks), func(c *Config) { c.Logins = logins(t, "me:tiger") })
	secure := httptest.NewUnstartedServer(nil) // for its certificate
	secure.StartTLS()
	secure.Close()
	for _, c := range []struct{ name, mode, proto string }{
		{"http", "upstream:http://me:tiger@" + parent.addr(), "HTTP/1.1"},
		{"https", "upstream:https://me:tiger@" + parent.addr(), "HTTP/1.1"},
		{"socks5", "upstream:socks5://me:tiger@" + socks.Addr().String(), "HTTP/1.1"},
	} {
		b := start(t, nil, through(t, c.mode))
		for _, u := range []string{"http://api.example/a?b", "https://api.example/b", "https://api.example/c"} {
			if status, text := fetch(t, b.client(false), u); status != 200 || text != u+" api.example" {
				t.Errorf("%s: GET %s: got %d %q", c.name, u, status, text)
			}
		}
		if status, text := fetch(t, b.client(true), "https://api.example/h2"); status != 200 || text != "https://api.example/h2 api.example" {
			t.Errorf("%s: HTTP/2: got %d %q", c.name, status, text)
		}
		if status, text := fetch(t, b.client(false), "http://"+strings.Replace(b.addr(), "127.0.0.1", "127.1.1.1", 1)+"/"); status != 502 {
			t.Errorf("%s: a request to the machine itself: got %d %q, want 502", c.name, status, text)
		}
	}
	for e := range parent.journal.All(nil) {
		if e.Kind == capture.Refused {
			t.Errorf("the upstream proxy refused %s %s: %s", e.Method, e.Target, e.Error)
		}
		if e.RequestHeader.Has("Proxy-Authorization") && e.RequestHeader.Get("Proxy-Authorization") != "Basic hidden" {
			t.Errorf("got credentials in an entry")
		}
	}
}

func TestParentRefuses(t *testing.T) {
	t.Parallel()
	socks := openWay(t, "socks5@1")
	parent := start(t, sayHost, with(socks), func(c *Config) { c.Logins = logins(t, "me:tiger") })
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	for _, c := range []struct{ mode, want string }{
		{"upstream:http://me:lion@" + parent.addr(), "407"},
		{"upstream:http://" + parent.addr(), "407"},
		{"upstream:socks5://me:lion@" + socks.Addr().String(), "authentication"},
		{"upstream:http://" + dead.Addr().String(), "refused"},
		{"upstream:http://" + socks.Addr().String(), "upstream proxy"},
	} {
		b := start(t, nil, through(t, c.mode))
		for _, u := range []string{"http://api.example/", "https://api.example/"} {
			if c.want == "upstream proxy" && strings.HasPrefix(u, "http:") {
				continue // it gets the request itself, as any server
			}
			status, text := fetch(t, b.client(false), u)
			if status != 502 || !strings.Contains(text, c.want) || !strings.Contains(text, "through the upstream proxy") || strings.Contains(text, "lion") {
				t.Errorf("%s: GET %s: got %d %q, want 502 with %q", c.mode, u, status, text, c.want)
			}
		}
	}
}

// TestParentUnused has a host of no_proxy asked directly, and has WebSockets go through
// a CONNECT.
func TestParentUnused(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.IsAbs() && r.Header.Get("Upgrade") != "" {
			if c, err := websocket.Accept(w, r, nil); err == nil {
				c.Close(websocket.StatusNormalClosure, "bye")
			}
			return
		}
		io.WriteString(w, "direct")
	}))
	defer server.Close()
	asked := make(chan *http.Request, 10)
	parent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		if r.Method != http.MethodConnect {
			io.WriteString(w, "through")
			return
		}
		to, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		c, _, _ := w.(http.Hijacker).Hijack()
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		go io.Copy(to, c)
		io.Copy(c, to)
		c.Close()
	}))
	defer parent.Close()
	b := start(t, nil, through(t, "upstream:"+parent.URL, "plain.example", "*.lab", "10.0.0.0/8"))
	if _, text := fetch(t, b.client(false), server.URL); text != "direct" {
		t.Errorf("the machine itself: got %q, want it asked directly", text)
	}
	if _, text := fetch(t, b.client(false), "http://other.example:81/x"); text != "through" {
		t.Errorf("another host: got %q, want it asked through the proxy", text)
	}
	if r := <-asked; r.Method != "GET" || r.URL.String() != "http://other.example:81/x" || r.Host != "other.example:81" {
		t.Errorf("got %s %s, want an absolute target", r.Method, r.URL)
	}
	through, _ := url.Parse("http://" + b.addr())
	tr := &http.Transport{Proxy: http.ProxyURL(through)}
	defer tr.CloseIdleConnections()
	c, _, err := websocket.Dial(t.Context(), "ws://socket.example/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("got %v, want the server's close", err)
	}
	if r := <-asked; r.Method != http.MethodConnect || r.Host != "socket.example:80" {
		t.Errorf("got %s %s, want a CONNECT for a WebSocket", r.Method, r.Host)
	}
	p := b.p.cfg.Parent
	for addr, want := range map[string]bool{"plain.example:80": false, "www.plain.example:443": false, "a.lab:1": false, "lab:1": true,
		"10.1.2.3:80": false, "11.1.2.3:80": true, "[::1]:80": false, "localhost:80": false} {
		if got := p.Uses(addr); got != want {
			t.Errorf("Uses(%s): got %v, want %v", addr, got, want)
		}
	}
}

// TestParentConnectionsAreKept has requests to a server use one connection to the upstream
// proxy.
func TestParentConnectionsAreKept(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "https"} {
		parent := start(t, sayHost)
		b := start(t, nil, through(t, "upstream:"+scheme+"://"+parent.addr()))
		for _, u := range []string{"http://plain.example/", "https://secure.example/"} {
			for range 3 {
				if status, text := fetch(t, b.client(false), u); status != 200 {
					t.Fatalf("%s: GET %s: got %d %q", scheme, u, status, text)
				}
			}
		}
		conns := map[netip.AddrPort]bool{}
		for _, e := range parent.entries(6) {
			conns[e.Client] = true
		}
		if len(conns) != 2 {
			t.Errorf("%s: got %d connections to the upstream proxy, want one for each server", scheme, len(conns))
		}
	}
}
