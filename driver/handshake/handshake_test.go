package handshake

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/hello"

	"github.com/google/go-cmp/cmp"
)

// said returns the ClientHello that crypto/tls sends.
func said(t testing.TB, cfg *tls.Config) []byte {
	t.Helper()
	c, s := net.Pipe()
	defer s.Close()
	go tls.Client(c, cfg).Handshake() //nolint:errcheck // nobody answers
	head := make([]byte, 5)
	if _, err := io.ReadFull(s, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(s, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

// of returns a handshake of a client with a host, and its ClientHello.
func of(t testing.TB, client, host string) *Handshake {
	t.Helper()
	return &Handshake{
		Start: time.Unix(1, 0), Client: netip.MustParseAddrPort(client), Host: host, Port: 443, Shown: true,
		Hello: said(t, &tls.Config{ServerName: host, NextProtos: []string{"h2"}}),
	}
}

var (
	trusted = Verdict{Ending: Trusted}
	refused = Verdict{Ending: Rejected, Alert: hello.UnknownCA, Alerted: true, Reason: hello.UnknownCA.Meaning()}
)

// gone is the verdict on a device that left in the middle.
func gone(shown bool) Verdict { return (&Failure{Err: io.EOF, Shown: shown}).Verdict() }

func TestLog(t *testing.T) {
	t.Parallel()
	l := NewLog()
	first, second, third := &Handshake{Host: "a"}, &Handshake{Host: "b"}, &Handshake{Host: "c"}
	l.Add(first)
	l.Add(second)
	l.Settle(second, refused)
	l.Settle(second, trusted) // too late
	l.Settle(third, Unasked("it speaks no TLS"))
	if d := cmp.Diff([]string{"b 1 rejected", "c 2 never_offered", "a 0 open"}, listed(l.List(0))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	l.Settle(first, trusted)
	if d := cmp.Diff([]string{"c 2 never_offered", "a 3 trusted"}, listed(l.List(1))); d != "" {
		t.Errorf("after 1 (-want +got):\n%s", d)
	}
	want := map[Ending]uint64{Trusted: 1, Rejected: 1, Left: 0, NeverOffered: 1}
	if d := cmp.Diff(want, l.Counts()); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
	if n := l.Clear(); n != 3 || len(l.List(0)) != 0 {
		t.Errorf("cleared %d handshakes and %d are left, want 3 and none", n, len(l.List(0)))
	}
	l.Settle(&Handshake{Host: "d"}, trusted)
	if d := cmp.Diff([]string{"d 4 trusted"}, listed(l.List(0))); d != "" {
		t.Errorf("after it was cleared (-want +got):\n%s", d)
	}
	if n := l.Clear(); n != 1 {
		t.Errorf("cleared %d handshakes again, want 1", n)
	}
}

func listed(list []*Handshake) (texts []string) {
	for _, h := range list {
		v, number := h.Verdict()
		texts = append(texts, fmt.Sprintf("%s %d %s", h.Host, number, v.Ending))
	}
	return texts
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	l := NewLog()
	for range Kept + 10 {
		l.Settle(&Handshake{Hello: make([]byte, 60<<10)}, trusted)
	}
	list := l.List(0)
	if len(list) != Kept || len(list[0].Hello) != maxHello || cap(list[0].Hello) > 2*maxHello {
		t.Errorf("got %d handshakes with messages of %d bytes (%d), want %d with %d", len(list), len(list[0].Hello), cap(list[0].Hello),
			Kept, maxHello)
	}
	if _, number := list[0].Verdict(); number != 11 {
		t.Errorf("the oldest one has the number %d, want 11", number)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLog()
		l.Settle(&Handshake{Host: "a"}, trusted)
		l.Settle(&Handshake{Host: "b"}, trusted)
		ctx, cancel := context.WithCancel(t.Context())
		var got []*Handshake
		go func() {
			for h := range l.Follow(ctx, 1) {
				got = append(got, h)
			}
		}()
		synctest.Wait()
		l.Settle(&Handshake{Host: "c"}, refused)
		synctest.Wait()
		cancel()
		synctest.Wait()
		if d := cmp.Diff([]string{"b 2 trusted", "c 3 rejected"}, listed(got)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

func TestNilLog(t *testing.T) {
	t.Parallel()
	var l *Log
	l.Add(&Handshake{})
	l.Settle(&Handshake{}, trusted)
	if list := l.List(0); list != nil {
		t.Errorf("got %v", list)
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	l := NewLog()
	client := netip.MustParseAddrPort("10.0.0.1:1000")
	for _, at := range []int64{10, 30, 20} {
		l.Settle(&Handshake{Client: client, Start: time.Unix(at, 0)}, trusted)
	}
	for before, want := range map[int64]int64{9: 0, 10: 10, 25: 20, 99: 30} {
		got := int64(0)
		if h := l.Of(client, time.Unix(before, 0)); h != nil {
			got = h.Start.Unix()
		}
		if got != want {
			t.Errorf("before %d: got the handshake of %d, want that of %d", before, got, want)
		}
	}
	if h := l.Of(netip.MustParseAddrPort("10.0.0.1:1001"), time.Unix(99, 0)); h != nil {
		t.Errorf("got %v for another connection", h)
	}
}

// The same refusal means another thing when the client accepts us for other hosts.
func TestReasons(t *testing.T) {
	t.Parallel()
	const a, b = "10.0.0.1:1000", "10.0.0.2:1000"
	settled := func(client, host string, v Verdict, change ...func(*Handshake)) *Handshake {
		h := of(t, client, host)
		for _, f := range change {
			f(h)
		}
		NewLog().Settle(h, v)
		return h
	}
	other := func(h *Handshake) {
		h.Hello = said(t, &tls.Config{ServerName: h.Host, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}})
	}
	met := func(h *Handshake) { h.Met = "tls fault expired" }
	expired := Verdict{Ending: Rejected, Alert: hello.CertificateExpired, Alerted: true, Reason: hello.CertificateExpired.Meaning()}
	left, _ := Came(0, io.EOF)
	for name, tt := range map[string]struct {
		before []*Handshake
		of     *Handshake
		want   string
		pinned bool
	}{
		"nothing else":         {nil, settled(a, "x.test", refused), "the device does not trust the CA", false},
		"trusts another host":  {[]*Handshake{settled(a, "y.test", trusted)}, settled(a, "x.test", refused), pinsHost, true},
		"trusted this one":     {[]*Handshake{settled(a, "y.test", trusted), settled(a, "x.test", trusted)}, settled(a, "x.test", refused), "the device does not trust the CA", false},
		"another client":       {[]*Handshake{settled(b, "y.test", trusted)}, settled(a, "x.test", refused), "the device does not trust the CA", false},
		"another stack":        {[]*Handshake{settled(a, "y.test", trusted, other)}, settled(a, "x.test", refused), "the device does not trust the CA", false},
		"trusted a fault":      {[]*Handshake{settled(a, "y.test", trusted, met)}, settled(a, "x.test", refused), "the device does not trust the CA", false},
		"refused a fault":      {[]*Handshake{settled(a, "y.test", trusted)}, settled(a, "x.test", refused, met), "the device does not trust the CA", false},
		"finds it expired":     {[]*Handshake{settled(a, "y.test", trusted)}, settled(a, "x.test", expired), hello.CertificateExpired.Meaning(), false},
		"left in the middle":   {[]*Handshake{settled(a, "y.test", trusted)}, settled(a, "x.test", gone(true)), pinsHost, true},
		"left after it":        {[]*Handshake{settled(a, "y.test", trusted)}, settled(a, "x.test", left), mayPin, false},
		"left after it, alone": {nil, settled(a, "x.test", left), leftAfter, false},
	} {
		reason, pinned := TrustOf(append(tt.before, tt.of)).Reason(tt.of)
		if reason != tt.want || pinned != tt.pinned {
			t.Errorf("%s: got %q, pinned %v, want %q, %v", name, reason, pinned, tt.want, tt.pinned)
		}
	}
}

func TestFailed(t *testing.T) {
	t.Parallel()
	alert := func(n uint8) error { return &net.OpError{Op: "remote error", Err: tls.AlertError(n)} }
	const problem = "the CA has expired"
	for _, tt := range []struct {
		err     error
		shown   bool
		problem string
		last    string
		want    Verdict
	}{
		{alert(48), true, "", "", refused},
		{alert(48), true, problem, "", Verdict{Ending: Rejected, Alert: 48, Alerted: true, Reason: problem}},
		{alert(70), false, problem, "", Verdict{Ending: Rejected, Alert: 70, Alerted: true, Reason: "no common version"}},
		{errors.New("local error: tls: bad record MAC"), true, "", "", Verdict{Ending: Rejected, Reason: unreadable}},
		{errors.New("local error: tls: bad record MAC"), true, "", "\x15\x03\x03\x00\x02\x02\x30", refused},
		{io.EOF, true, "", "", Verdict{Ending: Rejected, Reason: wordless}},
		{io.EOF, true, problem, "", Verdict{Ending: Rejected, Reason: problem}},
		{io.EOF, false, problem, "", Verdict{Ending: Left, Reason: leftBefore}},
		{context.DeadlineExceeded, true, "", "", Verdict{Ending: Left, Reason: fellSilent}},
		{os.ErrDeadlineExceeded, true, "", "", Verdict{Ending: Left, Reason: fellSilent}},
		{net.ErrClosed, true, "", "", Verdict{Ending: Left, Reason: closedByProxy}},
		{errors.New("tls: client offered only unsupported versions: [302]"), false, "", "", Verdict{Ending: Rejected, Reason: "no common version", Early: true}},
		{errors.New("tls: client requested unsupported application protocols ([\"x\"])"), true, "", "", Verdict{Ending: Rejected, Reason: "no common protocol in ALPN", Early: true}},
		{errors.New("tls: something new"), true, "", "", Verdict{Ending: Rejected, Reason: "the handshake failed: something new"}},
	} {
		if d := cmp.Diff(tt.want, (&Failure{tt.err, []byte(tt.last), tt.shown, tt.problem}).Verdict()); d != "" {
			t.Errorf("%v, shown %v, %q (-want +got):\n%s", tt.err, tt.shown, tt.problem, d)
		}
	}
}

func TestCame(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n    int
		err  error
		want Ending
	}{
		{1, nil, Trusted}, {1, io.EOF, Trusted}, {0, nil, ""}, {0, os.ErrDeadlineExceeded, ""}, {0, io.EOF, Left}, {0, net.ErrClosed, Left},
		{0, &net.OpError{Op: "remote error", Err: tls.AlertError(42)}, Rejected},
	} {
		v, ok := Came(tt.n, tt.err)
		if v.Ending != tt.want || ok != (tt.want != "") {
			t.Errorf("%d bytes and %v: got %q %v, want %q", tt.n, tt.err, v.Ending, ok, tt.want)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	l := NewLog()
	add := func(client, host string, v Verdict, change func(*Handshake)) {
		h := of(t, client, host)
		if change != nil {
			change(h)
		}
		l.Settle(h, v)
	}
	agreed := func(h *Handshake) { h.Agreed = exchange.TLS{Version: tls.VersionTLS13, ALPN: "h2"} }
	add("10.0.0.1:1", "b.test", refused, nil)
	add("10.0.0.1:2", "a.test", trusted, agreed)
	add("10.0.0.1:3", "a.test", trusted, func(h *Handshake) { agreed(h); h.Resumed = true })
	add("10.0.0.1:4", "a.test", refused, func(h *Handshake) { h.Met = "tls fault expired" })
	add("10.0.0.2:5", "a.test", Unasked("it speaks HTTP without TLS"), func(h *Handshake) { h.Hello = nil })
	add("10.0.0.1:6", "192.0.2.1", gone(false), func(h *Handshake) { h.Hello = said(t, &tls.Config{ServerName: "c.test"}) })
	add("10.0.0.1:6", "192.0.2.2", gone(false), func(h *Handshake) {
		h.Hello = bytes.Replace(said(t, &tls.Config{ServerName: "d.test"}), []byte("d.test"), []byte("\x1b[31m!"), 1)
	})
	l.Add(of(t, "10.0.0.1:7", "a.test"))
	var got []string
	for _, r := range Report(l.List(0), TrustOf(l.List(0))) {
		got = append(got, fmt.Sprintf("%s %s: %d = %d trusted %d rejected %d left %d never %d open %d faults, %d resumed; %s %q %s %v; %v %v %v %d", r.Host, r.Client,
			r.Handshakes, r.Trusted, r.Rejected, r.Left, r.NeverOffered, r.Open, r.Faults, r.Resumed,
			r.Ended, r.Reason, r.Alert, r.Pinned, r.Versions, r.Offered, r.ALPN, len(r.JA4)))
	}
	want := []string{
		`192.0.2.2 10.0.0.1: 1 = 0 trusted 0 rejected 1 left 0 never 0 open 0 faults, 0 resumed; left "it left before it had our certificate"  false; [] [TLS 1.3] [] 1`,
		`a.test 10.0.0.1: 4 = 2 trusted 0 rejected 0 left 0 never 1 open 1 faults, 1 resumed; open ""  false; [TLS 1.3] [TLS 1.3] [h2] 1`,
		`a.test 10.0.0.2: 1 = 0 trusted 0 rejected 0 left 1 never 0 open 0 faults, 0 resumed; never_offered "it speaks HTTP without TLS"  false; [] [] [] 0`,
		`b.test 10.0.0.1: 1 = 0 trusted 1 rejected 0 left 0 never 0 open 0 faults, 0 resumed; rejected "it pins this host: it accepts our certificate for others" unknown_ca true; [] [TLS 1.3] [] 1`,
		`c.test 10.0.0.1: 1 = 0 trusted 0 rejected 1 left 0 never 0 open 0 faults, 0 resumed; left "it left before it had our certificate"  false; [] [TLS 1.3] [] 1`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestFalls(t *testing.T) {
	t.Parallel()
	h := of(t, "10.0.0.1:1", "api.a.test")
	byAddress := of(t, "10.0.0.1:1", "192.0.2.1")
	byAddress.Hello = said(t, &tls.Config{ServerName: "api.a.test"})
	for _, tt := range []struct {
		hosts  exchange.HostPattern
		client netip.Addr
		want   bool
	}{
		{"", netip.Addr{}, true},
		{"api.a.test", netip.Addr{}, true},
		{"*.a.test", netip.Addr{}, true},
		{"a.test", netip.Addr{}, false},
		{"", netip.MustParseAddr("10.0.0.1"), true},
		{"", netip.MustParseAddr("10.0.0.2"), false},
	} {
		for _, h := range []*Handshake{h, byAddress} {
			if got := h.Falls(tt.hosts, tt.client); got != tt.want {
				t.Errorf("%s of %s: hosts %q, client %s: got %v, want %v", h.Host, h.Client, tt.hosts, tt.client, got, tt.want)
			}
		}
	}
}

func TestView(t *testing.T) {
	t.Parallel()
	h := of(t, "10.0.0.1:1", "a.test")
	h.Agreed, h.Group, h.Duration = exchange.TLS{Version: tls.VersionTLS13, Cipher: tls.TLS_AES_128_GCM_SHA256, ALPN: "h2"}, 29, 2*time.Millisecond
	NewLog().Settle(h, trusted)
	w := h.View(Trust{})
	if d := cmp.Diff(&Agreed{"TLS 1.3", "TLS_AES_128_GCM_SHA256", "x25519", "h2", false}, w.Agreed); d != "" {
		t.Errorf("agreed (-want +got):\n%s", d)
	}
	if w.Number != 1 || w.Client != "10.0.0.1:1" || w.SNI != "a.test" || w.DurationMS != 2 || w.Ended != Trusted ||
		!slices.Contains(w.Offered.Ciphers, "TLS_AES_128_GCM_SHA256") || !slices.Contains(w.Offered.Extensions, "server_name") {
		t.Errorf("got %+v, offered %+v", w, w.Offered)
	}
	h.Agreed.ALPN = "h2\x1b[31m\xff"
	if w := h.View(Trust{}); w.Agreed.ALPN != "h2\ufffd[31m\ufffd" {
		t.Errorf("got the protocol %q of a device that tries to colour it", w.Agreed.ALPN)
	}
	if w := new(Handshake).View(Trust{}); w.Offered != nil || w.Agreed != nil || w.Ended != Open {
		t.Errorf("got %+v of a handshake without anything", w)
	}
}

// A report of a full log takes a few hundredths of a second.
func BenchmarkReport(b *testing.B) {
	l := NewLog()
	for i := range Kept {
		v := trusted
		if i%2 == 0 {
			v = refused
		}
		l.Settle(of(b, "10.0.0.1:1", fmt.Sprintf("h%d.test", i%50)), v)
	}
	for b.Loop() {
		Report(l.List(0), TrustOf(l.List(0)))
	}
}

// A connection costs two entries in the log.
func BenchmarkLog(b *testing.B) {
	l, read := NewLog(), of(b, "10.0.0.1:1", "a.test").Hello
	b.ReportAllocs()
	for b.Loop() {
		h := &Handshake{Hello: read}
		l.Add(h)
		l.Settle(h, trusted)
	}
}
