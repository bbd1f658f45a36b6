package way

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"starproxy/builtins/exchange"
)

// query makes a question.
func query(name string, kind uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, kind) }

// data returns the code and the data of an answer.
func data(m *dns.Msg) string {
	list := []string{dns.RcodeToString[m.Rcode]}
	for _, rr := range m.Answer {
		list = append(list, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	return strings.Join(list, "; ")
}

// resolverFor starts a resolver that knows the answers of handle.
func resolverFor(t testing.TB, handle dns.HandlerFunc) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Skipf("the port is not free for TCP: %v", err)
	}
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: handle}, {Listener: l, Handler: handle}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return pc.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestResolver(t *testing.T) {
	t.Parallel()
	far := resolverFor(t, func(w dns.ResponseWriter, m *dns.Msg) {
		a := new(dns.Msg).SetReply(m)
		rr, _ := dns.NewRR(m.Question[0].Name + ` 60 IN TXT "far"`)
		a.Answer = append(a.Answer, rr)
		if strings.HasPrefix(m.Question[0].Name, "long.") {
			if _, tcp := w.RemoteAddr().(*net.TCPAddr); !tcp {
				a.Answer, a.Truncated = nil, true
			}
		}
		w.WriteMsg(a)
	})
	client := netip.MustParseAddr("127.0.0.1")
	own := []netip.Addr{netip.MustParseAddr("10.0.7.1"), netip.MustParseAddr("fd00:7::1")}
	names := []exchange.HostPattern{"car.test", "*.vendor.test"}
	for _, c := range []struct {
		name  string
		cfg   ResolverConfig
		asked string
		kind  uint16
		want  string
	}{
		{"own address", ResolverConfig{}, "Any.Test.", dns.TypeA, "NOERROR; Any.Test. 5 IN A 127.0.0.1"},
		{"no IPv6 of a device with IPv4", ResolverConfig{}, "any.test.", dns.TypeAAAA, "NOERROR"},
		{"configured", ResolverConfig{Addresses: own, TTL: time.Minute}, "any.test.", dns.TypeA, "NOERROR; any.test. 60 IN A 10.0.7.1"},
		{"configured IPv6", ResolverConfig{Addresses: own}, "any.test.", dns.TypeAAAA, "NOERROR; any.test. 5 IN AAAA fd00:7::1"},
		{"hints", ResolverConfig{Forward: []netip.AddrPort{far}}, "any.test.", dns.TypeHTTPS, "NOERROR"},
		{"another type", ResolverConfig{}, "any.test.", dns.TypeTXT, "NOERROR"},
		{"another type forwarded", ResolverConfig{Forward: []netip.AddrPort{far}}, "any.test.", dns.TypeTXT, `NOERROR; any.test. 60 IN TXT "far"`},
		{"a name", ResolverConfig{Names: names, Addresses: own}, "CAR.test.", dns.TypeA, "NOERROR; CAR.test. 5 IN A 10.0.7.1"},
		{"below a domain", ResolverConfig{Names: names, Addresses: own}, "a.b.vendor.test.", dns.TypeA, "NOERROR; a.b.vendor.test. 5 IN A 10.0.7.1"},
		{"another name", ResolverConfig{Names: names, Addresses: own}, "other.test.", dns.TypeA, "REFUSED"},
		{"another name forwarded", ResolverConfig{Names: names, Forward: []netip.AddrPort{far}}, "other.test.", dns.TypeA, `NOERROR; other.test. 60 IN TXT "far"`},
		{"localhost", ResolverConfig{Addresses: own}, "app.LOCALHOST.", dns.TypeA, "NOERROR; app.LOCALHOST. 5 IN A 127.0.0.1"},
		{"a reverse name", ResolverConfig{Addresses: own}, "1.7.0.10.in-addr.arpa.", dns.TypePTR, "NOERROR"},
		{"no translation of addresses", ResolverConfig{Addresses: own}, "ipv4only.ARPA.", dns.TypeAAAA, "NOERROR"},
		{"below arpa forwarded", ResolverConfig{Addresses: own, Forward: []netip.AddrPort{far}}, "ipv4only.arpa.", dns.TypeAAAA, `NOERROR; ipv4only.arpa. 60 IN TXT "far"`},
		{"no DNS over HTTPS", ResolverConfig{Addresses: own}, "use-application-DNS.net.", dns.TypeA, "NXDOMAIN"},
		{"a canary that is not ours", ResolverConfig{Names: names, Forward: []netip.AddrPort{far}}, "mask.icloud.com.", dns.TypeA, `NOERROR; mask.icloud.com. 60 IN TXT "far"`},
		{"a zone", ResolverConfig{Forward: []netip.AddrPort{far}}, "test.", dns.TypeAXFR, "REFUSED"},
		{"over TCP", ResolverConfig{Forward: []netip.AddrPort{far}}, "long.test.", dns.TypeTXT, `NOERROR; long.test. 60 IN TXT "far"`},
		{"no way to itself", ResolverConfig{Forward: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}}, "any.test.", dns.TypeTXT, "SERVFAIL"},
	} {
		m := query(c.asked, c.kind)
		a := NewResolver(c.cfg).Answer(t.Context(), m, Query{Client: client, Own: func(a netip.AddrPort) bool { return a.Port() == 9 }})
		if a == nil || data(a) != c.want || a.Id != m.Id || !slices.Equal(a.Question, m.Question) {
			t.Errorf("%s: got %v, want %s", c.name, a, c.want)
		}
	}
	if a := NewResolver(ResolverConfig{}).Answer(t.Context(), new(dns.Msg).SetReply(query("a.test.", dns.TypeA)), Query{}); a != nil {
		t.Errorf("an answer as query: got %v, want no answer", a)
	}
}

// A device that speaks EDNS gets an answer with it, and no more bytes than networks pass
// in one piece.
func TestEDNS(t *testing.T) {
	t.Parallel()
	r := NewResolver(ResolverConfig{Addresses: []netip.Addr{netip.MustParseAddr("10.0.7.1")}})
	for version, want := range map[uint8]string{0: "NOERROR; a.test. 5 IN A 10.0.7.1", 1: dns.RcodeToString[dns.RcodeBadVers]} {
		m := query("a.test.", dns.TypeA).SetEdns0(4096, false)
		m.IsEdns0().SetVersion(version)
		a := r.Answer(t.Context(), m, Query{})
		Fit(a, m, false)
		b, err := a.Pack()
		if err != nil || a.Unpack(b) != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		if data(a) != want || a.IsEdns0() == nil || a.IsEdns0().UDPSize() != maxDatagram {
			t.Errorf("version %d: got %v, want %s and EDNS", version, a, want)
		}
	}
	m := query("a.test.", dns.TypeA).SetEdns0(65535, false)
	a := new(dns.Msg).SetReply(m)
	for range 100 {
		rr, _ := dns.NewRR("a.test. 5 IN A 10.0.7.1")
		a.Answer = append(a.Answer, rr)
	}
	if Fit(a, m, false); a.Len() > maxDatagram || !a.Truncated {
		t.Errorf("got %d bytes, truncated %t, want %d at most", a.Len(), a.Truncated, maxDatagram)
	}
}

// The address that a device has asked is the answer.
func TestAskedAddress(t *testing.T) {
	t.Parallel()
	q := Query{Client: netip.MustParseAddr("127.0.0.1"), Local: netip.MustParseAddr("127.0.0.9")}
	if got := data(NewResolver(ResolverConfig{}).Answer(t.Context(), query("a.test.", dns.TypeA), q)); got != "NOERROR; a.test. 5 IN A 127.0.0.9" {
		t.Errorf("got %s, want 127.0.0.9", got)
	}
}

func TestParseResolver(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"9.9.9.9": "9.9.9.9:53", "9.9.9.9:5353": "9.9.9.9:5353", "2620:fe::fe": "[2620:fe::fe]:53", "[2620:fe::fe]:54": "[2620:fe::fe]:54"} {
		if got, err := ParseResolver(text); err != nil || got.String() != want {
			t.Errorf("ParseResolver(%q): got %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "dns.test", "9.9.9.9:0", "9.9.9.9:x"} {
		if got, err := ParseResolver(text); err == nil {
			t.Errorf("ParseResolver(%q): got %s, want an error", text, got)
		}
	}
}

// FuzzAnswer holds that each query that can be read gets an answer to itself that can be
// written and fits.
func FuzzAnswer(f *testing.F) {
	for _, m := range []*dns.Msg{query("car.test.", dns.TypeA), query("x.test.", dns.TypeHTTPS), query(".", dns.TypeNS), query("a\\.b.test.", dns.TypeAAAA).SetEdns0(1232, true)} {
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	r := NewResolver(ResolverConfig{Names: []exchange.HostPattern{"car.test", "*.test"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.7.1"), netip.MustParseAddr("fd00:7::1")}})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(dns.Msg)
		if m.Unpack(b) != nil {
			return
		}
		Asks(m)
		a := r.Answer(context.Background(), m, Query{})
		if a == nil {
			if !m.Response && len(m.Question) == 1 {
				t.Fatalf("%v: got no answer", m)
			}
			return
		}
		Fit(a, m, false)
		if !a.Response || a.Id != m.Id || len(a.Question) != 1 || a.Question[0] != m.Question[0] {
			t.Fatalf("%v: got %v, want an answer to it", m, a)
		}
		if out, err := a.Pack(); err != nil && len(b) < 512 {
			t.Fatalf("%v: %v can't be written: %v", m, a, err)
		} else if len(out) > maxDatagram {
			t.Fatalf("%v: got %d bytes", m, len(out))
		}
	})
}
