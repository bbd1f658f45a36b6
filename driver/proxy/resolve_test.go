package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// resolver asks a way by datagrams ("udp") or streams ("tcp").
func resolver(w *Way, network string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, w.Addr().String())
	}}
}

// TestResolverWay lets a device that knows no proxy, but asks the resolver for names,
// meet mocks.
func TestResolverWay(t *testing.T) {
	t.Parallel()
	w, front := openWay(t, "dns@1"), openWay(t, "transparent@1")
	b := start(t, sayHost, with(w, front))
	_, port, _ := net.SplitHostPort(front.Addr().String())
	for _, network := range []string{"udp", "tcp"} {
		dialer := &net.Dialer{Resolver: resolver(w, network), Timeout: 10 * time.Second}
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: b.roots}, DialContext: func(ctx context.Context, n, addr string) (net.Conn, error) {
			host, _, _ := net.SplitHostPort(addr)
			return dialer.DialContext(ctx, n, net.JoinHostPort(host, port)) // the bench has no right to ports 80 and 443
		}}
		for _, scheme := range []string{"http", "https"} {
			u := scheme + "://api.car.example/" + network
			want := scheme + "://api.car.example:" + port + "/" + network + " api.car.example"
			if _, text := fetch(t, &http.Client{Transport: tr, Timeout: 20 * time.Second}, u); text != want {
				t.Errorf("GET %s: got %q, want %q", u, text, want)
			}
		}
		tr.CloseIdleConnections()
	}
}

// TestResolverAllow holds that questions of other devices get no answer.
func TestResolverAllow(t *testing.T) {
	t.Parallel()
	w, seen := openWay(t, "dns@1"), make(chan Sighting, 8)
	var s Sightings
	defer s.Watch(func(one Sighting) { seen <- one })()
	start(t, nil, with(w), func(c *Config) {
		c.Allow, c.Sightings = []netip.Prefix{netip.MustParsePrefix("10.0.7.0/24")}, &s
	})
	if _, err := resolver(w, "udp").LookupHost(t.Context(), "own.example"); err != nil {
		t.Errorf("from this machine: %v", err)
	}
	other, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 9)}, w.packets.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Skip("another loopback address can't be had:", err)
	}
	defer other.Close()
	ask, err := new(dns.Msg).SetQuestion("other.example.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Write(ask); err != nil {
		t.Fatal(err)
	}
	want := netip.MustParseAddr("127.0.0.9")
	for one := range seen {
		if one.Client != want {
			continue // this machine's own questions
		}
		if one.Kind != SeenTurnedAway {
			t.Errorf("got %+v, want that the device is turned away", one)
		}
		break
	}
	other.SetReadDeadline(time.Now().Add(time.Millisecond)) // nothing follows the sign
	if n, err := other.Read(make([]byte, 512)); err == nil {
		t.Errorf("got an answer of %d bytes, want none", n)
	}
}

// TestResolverShared holds that the next proxy takes the sockets over, and that a
// closed one leaves none.
func TestResolverShared(t *testing.T) {
	t.Parallel()
	w := openWay(t, "dns@1")
	b := start(t, nil, with(w))
	next, err := w.Share()
	if err != nil {
		t.Fatal(err)
	}
	b.p.Close(t.Context())
	b = start(t, nil, with(next))
	for _, network := range []string{"udp", "tcp"} {
		if got, err := resolver(next, network).LookupHost(t.Context(), "api.example"); err != nil || !slices.Contains(got, "127.0.0.1") {
			t.Errorf("%s: got %v, %v, want 127.0.0.1", network, got, err)
		}
	}
	b.p.Close(t.Context())
	c, err := net.ListenPacket("udp", next.Addr().String())
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	c.Close()
}

// TestResolverGarbage sends what is no question, and asks then.
func TestResolverGarbage(t *testing.T) {
	t.Parallel()
	w := openWay(t, "dns@1")
	start(t, nil, with(w))
	for _, network := range []string{"udp", "tcp"} {
		c, err := net.Dial(network, w.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"x", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("\xff", 1400)} {
			c.Write([]byte(text))
		}
		c.Close()
		if _, err := resolver(w, network).LookupHost(t.Context(), "api.example"); err != nil {
			t.Errorf("%s: %v", network, err)
		}
	}
}
