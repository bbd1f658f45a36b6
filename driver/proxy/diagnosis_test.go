package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/handshake"
	"starproxy/driver/hello"
	"starproxy/driver/tlsfault"

	"github.com/google/go-cmp/cmp"
)

// diagnosing runs a proxy that keeps handshakes.
func diagnosing(t testing.TB, change ...func(*Config)) (*bench, *handshake.Log) {
	t.Helper()
	l := handshake.NewLog()
	return start(t, echo, append(change, func(c *Config) { c.Handshakes = l })...), l
}

// endedAfter waits for the handshake that ends next after a number.
func endedAfter(t testing.TB, l *handshake.Log, after uint64) *handshake.Handshake {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for h := range l.Follow(ctx, after) {
		return h
	}
	t.Fatal("no handshake has ended")
	return nil
}

// spoiling is a connection on which a record comes that can't be decrypted, once it is
// told to.
type spoiling struct {
	net.Conn
	now atomic.Bool
}

func (c *spoiling) Read(b []byte) (int, error) {
	if c.now.Load() {
		return copy(b, "\x17\x03\x03\x00\x14"+strings.Repeat("x", 20)), nil
	}
	return c.Conn.Read(b)
}

// Each device ends its handshake in its own way.
func TestHandshakeEndings(t *testing.T) {
	t.Parallel()
	type device func(b *bench, c net.Conn)
	secure := func(b *bench, c net.Conn, change func(*tls.Config)) *tls.Conn {
		cfg := &tls.Config{RootCAs: b.roots, ServerName: "a.test"}
		if change != nil {
			change(cfg)
		}
		tc := tls.Client(c, cfg)
		tc.Handshake() //nolint:errcheck // some fail
		return tc
	}
	asks := func(version uint16) device {
		return func(b *bench, c net.Conn) {
			io.WriteString(secure(b, c, func(cfg *tls.Config) { cfg.MaxVersion = version }), "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		}
	}
	distrusts := func(version uint16) device {
		return func(b *bench, c net.Conn) {
			secure(b, c, func(cfg *tls.Config) { cfg.RootCAs, cfg.MaxVersion = nil, version })
		}
	}
	type found struct {
		Ending        handshake.Ending
		Alert, Reason string
		Version       uint16
		Shown         bool
	}
	for name, tt := range map[string]struct {
		do   device
		want found
	}{
		"request with TLS 1.3":    {asks(tls.VersionTLS13), found{handshake.Trusted, "", "", tls.VersionTLS13, true}},
		"request with TLS 1.2":    {asks(tls.VersionTLS12), found{handshake.Trusted, "", "", tls.VersionTLS12, true}},
		"does not trust, TLS 1.3": {distrusts(tls.VersionTLS13), found{handshake.Rejected, "bad_certificate", "the device finds our certificate corrupt or its signature wrong", 0, true}},
		"does not trust, TLS 1.2": {distrusts(tls.VersionTLS12), found{handshake.Rejected, "bad_certificate", "the device finds our certificate corrupt or its signature wrong", 0, true}},
		"old version": {
			func(b *bench, c net.Conn) {
				secure(b, c, func(cfg *tls.Config) { cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
			},
			found{handshake.Rejected, "", "no common version", 0, false},
		},
		"no common suite": {
			func(b *bench, c net.Conn) {
				secure(b, c, func(cfg *tls.Config) {
					cfg.MaxVersion, cfg.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}
				})
			},
			found{handshake.Rejected, "", "no common cipher suite", 0, false},
		},
		"leaves when it has the certificate": {
			func(b *bench, c net.Conn) {
				secure(b, c, func(cfg *tls.Config) {
					cfg.VerifyConnection = func(tls.ConnectionState) error { c.Close(); return errors.New("pinned") }
				})
			},
			found{handshake.Rejected, "", "it left without a word", 0, true},
		},
		"leaves after the handshake": {
			func(b *bench, c net.Conn) { secure(b, c, nil).Close() },
			found{handshake.Left, "", "it left without a word after the handshake: a program that pins its host does so, and so does one " +
				"that connects in advance", tls.VersionTLS13, true},
		},
		"alert after the handshake": {
			func(b *bench, c net.Conn) {
				s := &spoiling{Conn: c}
				tc := secure(b, s, nil)
				s.now.Store(true)
				tc.Read(make([]byte, 1))
			},
			found{handshake.Rejected, "bad_record_mac", "the device could not decrypt a record: the two sides have different keys",
				tls.VersionTLS13, true},
		},
		"leaves in the ClientHello": {
			func(_ *bench, c net.Conn) { io.WriteString(c, "\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03") },
			found{handshake.Left, "", "it left before it had our certificate", 0, false},
		},
		"says nothing": {func(*bench, net.Conn) {}, found{handshake.NeverOffered, "", "it sent nothing in its tunnel", 0, false}},
		"HTTP": {
			func(_ *bench, c net.Conn) { io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n") },
			found{handshake.NeverOffered, "", "it speaks HTTP without TLS", 0, false},
		},
		"SSH": {
			func(_ *bench, c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.6\r\n") },
			found{handshake.NeverOffered, "", "it speaks no TLS", 0, false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, l := diagnosing(t, func(c *Config) { c.Isolated = true })
			c, _ := b.tunnel("a.test:443")
			tt.do(b, c)
			c.Close()
			h := endedAfter(t, l, 0)
			v, number := h.Verdict()
			got := found{v.Ending, "", v.Reason, h.Agreed.Version, h.Shown}
			if v.Alerted {
				got.Alert = v.Alert.String()
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if h.Host != "a.test" || h.Port != 443 || number != 1 || h.Client.String() != c.LocalAddr().String() {
				t.Errorf("got handshake %d of %s with %s:%d, want 1 of %s with a.test:443", number, h.Client, h.Host, h.Port, c.LocalAddr())
			}
			if n := len(l.List(0)); n != 1 {
				t.Errorf("got %d handshakes in the log, want 1", n)
			}
		})
	}
}

// A handshake is open until the device sends its first byte, and then is known whole.
func TestHandshakeOpen(t *testing.T) {
	t.Parallel()
	b, l := diagnosing(t)
	nc, br := b.tunnel("a.test:443")
	defer nc.Close()
	cfg := &tls.Config{RootCAs: b.roots, ServerName: "sni.test", NextProtos: []string{"h2", "http/1.1"}}
	tc := tls.Client(buffered{nc, br}, cfg)
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the open handshake is not in the log", func() bool { return len(l.List(0)) == 1 })
	h := l.List(0)[0]
	if v, number := h.Verdict(); v.Ending != handshake.Open || number != 0 {
		t.Errorf("got %s with the number %d, want an open handshake", v.Ending, number)
	}
	io.WriteString(tc, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	if again := endedAfter(t, l, 0); again != h {
		t.Errorf("got %v, want the handshake that was open", again)
	}
	w := h.View(handshake.Trust{})
	if w.Ended != handshake.Trusted || w.SNI != "sni.test" || w.Host != "a.test" || w.JA4[:10] == "" || w.Offered.ALPN[0] != "h2" {
		t.Errorf("got %+v", w)
	}
	if d := cmp.Diff(&handshake.Agreed{Version: "TLS 1.3", Cipher: tls.CipherSuiteName(tc.ConnectionState().CipherSuite), Group: "x25519",
		ALPN: "h2"}, w.Agreed); d != "" {
		t.Errorf("agreed (-want +got):\n%s", d)
	}
}

// A device that resumes a session is noted so, and one that meets a fault, too.
func TestHandshakeResumed(t *testing.T) {
	t.Parallel()
	b, l := diagnosing(t)
	cfg := &tls.Config{RootCAs: b.roots, ServerName: "a.test", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for i, resumed := range []bool{false, true} {
		nc, br := b.tunnel("a.test:443")
		tc := tls.Client(buffered{nc, br}, cfg)
		io.WriteString(tc, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
		io.Copy(io.Discard, tc)
		tc.Close()
		h := endedAfter(t, l, uint64(i))
		if v, _ := h.Verdict(); h.Resumed != resumed || h.Offered().Resumes != resumed || h.Shown == resumed || v.Ending != handshake.Trusted {
			t.Errorf("connection %d: got resumed %v, offered %v, certificate shown %v, %s", i+1, h.Resumed, h.Offered().Resumes, h.Shown, v.Ending)
		}
	}
}

func TestHandshakeMet(t *testing.T) {
	t.Parallel()
	table := &tlsfault.Table{}
	for host, fault := range map[exchange.HostPattern]string{"expired.test": "expired", "abort.test": "abort"} {
		f, err := tlsfault.Parse(fault)
		if err != nil {
			t.Fatal(err)
		}
		table.Set(host, f)
	}
	b, l := diagnosing(t, func(c *Config) { c.TLSFaults = table })
	for i, tt := range []struct {
		host   string
		ending handshake.Ending
		reason string
	}{
		{"expired.test", handshake.Rejected, "the device finds our certificate corrupt or its signature wrong"},
		{"abort.test", handshake.Left, "the TLS fault ended the handshake"},
	} {
		nc, br := b.tunnel(tt.host + ":443")
		tls.Client(buffered{nc, br}, &tls.Config{RootCAs: b.roots, ServerName: tt.host}).Handshake() //nolint:errcheck // it fails
		nc.Close()
		h := endedAfter(t, l, uint64(i))
		if v, _ := h.Verdict(); v.Ending != tt.ending || v.Reason != tt.reason || h.Met == "" {
			t.Errorf("%s: got %s (%s), fault %q", tt.host, v.Ending, v.Reason, h.Met)
		}
	}
}

// Plain HTTP is worth a note only where TLS was to be expected.
func TestPlainIsExpected(t *testing.T) {
	t.Parallel()
	socks := openWay(t, "socks5@1")
	b, l := diagnosing(t, with(socks))
	bySOCKS := b.socksClient(socks, nil)
	connects := func(target string) {
		c, br := b.tunnel(target)
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
		io.Copy(io.Discard, br)
	}
	fetch(t, bySOCKS, "http://socks.test/")
	fetch(t, bySOCKS, "http://socks.test:8080/")
	connects("connect.test:80")
	fetch(t, bySOCKS, "http://socks.test:443/")
	connects("connect.test:8080")
	fetch(t, bySOCKS, "https://socks.test:8443/")
	var got []string
	for i := range 3 {
		h := endedAfter(t, l, uint64(i))
		v, _ := h.Verdict()
		got = append(got, fmt.Sprint(h.Host, " ", h.Port, " ", v.Ending))
	}
	want := []string{"socks.test 443 never_offered", "connect.test 8080 never_offered", "socks.test 8443 trusted"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// OpenSSL sends its alert without encryption, also in TLS 1.3. Its name is known all the
// same, and to an audit, too.
func TestPlainAlert(t *testing.T) {
	t.Parallel()
	f, err := tlsfault.Parse("expired")
	if err != nil {
		t.Fatal(err)
	}
	table := &tlsfault.Table{}
	table.Set("expired.test", f)
	b, l := diagnosing(t, func(c *Config) { c.TLSFaults = table })
	for i, host := range []string{"a.test", "expired.test"} {
		c, _ := b.tunnel(host + ":443")
		tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: host, VerifyConnection: func(tls.ConnectionState) error {
			io.WriteString(c, "\x15\x03\x03\x00\x02\x02\x30")
			c.Close() // crypto/tls would send one of its own
			return errors.New("refused")
		}}).Handshake() //nolint:errcheck // it fails
		if v, _ := endedAfter(t, l, uint64(i)).Verdict(); v.Ending != handshake.Rejected || v.Alert != hello.UnknownCA {
			t.Errorf("%s: got %s, %s (%s), want rejected, unknown_ca", host, v.Ending, v.Alert, v.Reason)
		}
	}
	expired, err := b.journal.Wait(t.Context(), func(e *capture.Entry) bool { return e.Host == "expired.test" })
	if err != nil || expired.Error != "the device refused TLS fault expired: it sent the alert unknown_ca" {
		t.Errorf("got the entry %q, %v", expired.Error, err)
	}
}

// A proxy without a log serves as it does with one.
func TestNoHandshakeLog(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	nc, br := b.tunnel("a.test:443")
	defer nc.Close()
	tc := tls.Client(buffered{nc, br}, &tls.Config{RootCAs: b.roots, ServerName: "a.test"})
	io.WriteString(tc, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	if answer, err := io.ReadAll(tc); len(answer) == 0 || err != nil {
		t.Errorf("got %q, %v", answer, err)
	}
}
