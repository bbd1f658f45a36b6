package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/tlsfault"
)

// faulty runs a proxy whose handshakes with hosts meet a fault.
func faulty(t *testing.T, host, fault string, change ...func(*Config)) *bench {
	t.Helper()
	f, err := tlsfault.Parse(fault)
	if err != nil {
		t.Fatal(err)
	}
	table := &tlsfault.Table{}
	table.Set(exchange.HostPattern(host), f)
	return start(t, echo, append([]func(*Config){func(c *Config) { c.TLSFaults = table }}, change...)...)
}

// entry waits for the entry of a handshake that met a fault.
func (b *bench) metEntry() *capture.Entry {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	e, err := b.journal.Wait(ctx, func(e *capture.Entry) bool { return e.Kind == capture.TLSError })
	if err != nil {
		b.t.Fatal("no entry of a handshake:", err)
	}
	return e
}

// tally counts and keeps what is read from a connection below TLS.
type tally struct {
	net.Conn
	mu    sync.Mutex
	bytes []byte
	reads int
}

func (c *tally) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes = append(c.bytes, b[:n]...)
	c.reads++
	return n, err
}

// handshakes does a handshake and, if that works, a request in a tunnel. It returns the
// error, or the answer, and all that came below TLS.
func (b *bench) handshakes(cfg *tls.Config) (answer string, came *tally, err error) {
	b.t.Helper()
	c, br := b.tunnel("a.test:443")
	defer c.Close()
	came = &tally{Conn: buffered{c, br}}
	in := tls.Client(came, cfg)
	if err := in.HandshakeContext(b.t.Context()); err != nil {
		return "", came, err
	}
	fmt.Fprintf(in, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	body, err := io.ReadAll(in)
	_, answer, _ = strings.Cut(string(body), "\r\n\r\n")
	return strings.TrimSpace(answer), came, err
}

// Every kind, with a strict Go client of TLS 1.2 and of TLS 1.3: how the handshake ends
// for the client, and what the entry says. An empty error is an answer.
func TestTLSFaults(t *testing.T) {
	t.Parallel()
	const refuses = ": it sent the alert "
	for _, row := range []struct{ fault, err, entry string }{
		{"expired", "expired", refuses + "bad_certificate"},
		{"not_yet_valid", "not yet valid", refuses + "bad_certificate"},
		{"wrong_host", "wrong-host.invalid", refuses + "bad_certificate"},
		{"self_signed", "unknown authority", refuses + "bad_certificate"},
		{"unknown_ca", "unknown authority", refuses + "bad_certificate"},
		{"missing_intermediate", "unknown authority", refuses + "bad_certificate"},
		{"no_san", "legacy Common Name", refuses + "bad_certificate"},
		{"wrong_usage", "incompatible key usage", refuses + "bad_certificate"},
		{"weak_key", "", ": it sent data"},
		{"weak_signature", "insecure algorithm SHA1", refuses + "bad_certificate"},
		{"revoked", "", ": it sent data"},
		{"long_chain", "", ": it sent data"},
		{"max_version", "protocol version", ": it offers no version that the fault allows"},
		{"alpn", "", ": it sent data"},
		{`{"kind":"alpn","protocol":"spdy/9"}`, "unadvertised ALPN", refuses},
		{`{"kind":"alert","alert":"unrecognized_name"}`, "unrecognized name", "the device met TLS fault alert unrecognized_name: the connection was closed"},
		{`{"kind":"alert","alert":"close_notify"}`, "EOF", "the device met TLS fault alert close_notify: the connection was closed"},
		{"abort", "reset by peer", "the device met TLS fault abort: the connection was reset"},
		{`{"kind":"abort","how":"fin"}`, "EOF", "the device met TLS fault abort: the connection was closed"},
		{`{"kind":"abort","after":"server_hello","how":"fin"}`, "EOF", "the device met TLS fault abort after server_hello: the connection was closed"},
		{`{"kind":"abort","after":"certificate","how":"fin"}`, "EOF", "the device met TLS fault abort after certificate: the connection was closed"},
		{"garbage", "does not look like a TLS handshake", "the device met TLS fault garbage: the connection was closed"},
		{"plaintext", "does not look like a TLS handshake", "the device met TLS fault plaintext: the connection was closed"},
		{`{"kind":"slow","bytes":200,"ms":1}`, "", ": it sent data"},
		{"no_close_notify", "", ": it sent data"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(row.fault+" "+tls.VersionName(version), func(t *testing.T) {
				t.Parallel()
				b := faulty(t, "a.test", row.fault)
				answer, _, err := b.handshakes(&tls.Config{RootCAs: b.roots, ServerName: "a.test", NextProtos: []string{"x/1", "http/1.1"},
					MinVersion: version, MaxVersion: version})
				if row.err == "" && (err != nil || answer != "HTTP/1.1 GET https://a.test/ 0") {
					t.Errorf("got %q and %v, want an answer", answer, err)
				}
				if row.err != "" && (err == nil || !strings.Contains(err.Error(), row.err)) {
					t.Errorf("got %v, want %s", err, row.err)
				}
				e := b.metEntry()
				name, _ := tlsfault.Parse(row.fault)
				verb := map[bool]string{true: "accepted", false: "refused"}[row.err == ""]
				if strings.Contains(row.entry, "met") {
					verb = "met"
				}
				if !strings.Contains(e.Error, row.entry) || !strings.HasPrefix(e.Error, "the device "+verb+" TLS fault "+name.Name()+": ") || !slices.Equal(e.Met(), []string{name.Met()}) || e.SNI != "a.test" || e.Host != "a.test" {
					t.Errorf("got the entry %q, %q, %s, %s; want %q in it", e.Error, e.Met(), e.SNI, e.Host, row.entry)
				}
				if row.err == "" {
					got, err := b.journal.Wait(t.Context(), capture.Request("GET", "/"))
					if err != nil || !slices.Equal(got.Met(), []string{name.Met()}) {
						t.Errorf("the request met %q (%v), want %q", got.Met(), err, name.Met())
					}
				}
			})
		}
	}
}

// A client that verifies nothing accepts each flaw of a certificate, over HTTP/2 too.
func TestLaxDeviceAcceptsFlaws(t *testing.T) {
	t.Parallel()
	for _, i := range tlsfault.Kinds() {
		if i.Flaw == "" {
			continue
		}
		for _, h2 := range []bool{false, true} {
			b := faulty(t, "*.test", string(i.Kind))
			c := b.client(h2)
			c.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
			if body, _ := get(t, c, "https://a.test/x"); !strings.HasSuffix(body, "GET https://a.test/x 0\n") {
				t.Errorf("%s: got %q", i.Kind, body)
			}
			if e := b.metEntry(); !strings.HasPrefix(e.Error, "the device accepted TLS fault ") {
				t.Errorf("%s: got the entry %q, want that the device accepted", i.Kind, e.Error)
			}
		}
	}
}

// Where the handshake is broken off, the device has got the messages up to there.
func TestAbortAfterMessage(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for after, want := range map[string][]byte{"server_hello": {22}, "certificate": {22, 22}} {
			if version == tls.VersionTLS13 && after == "certificate" {
				want = []byte{22, 20, 23, 23} // ServerHello, ChangeCipherSpec, EncryptedExtensions, Certificate
			}
			b := faulty(t, "*", `{"kind":"abort","how":"fin","after":"`+after+`"}`)
			_, came, _ := b.handshakes(&tls.Config{RootCAs: b.roots, ServerName: "a.test", MinVersion: version, MaxVersion: version})
			if got := recordKinds(came.bytes); !bytes.Equal(got, want) {
				t.Errorf("%s, %s: got records %d, want %d", tls.VersionName(version), after, got, want)
			}
		}
	}
	// A HelloRetryRequest is no ServerHello. P-521 is the only curve with which this client begins.
	b := faulty(t, "*", `{"kind":"abort","how":"fin","after":"server_hello"}`)
	_, came, _ := b.handshakes(&tls.Config{RootCAs: b.roots, ServerName: "a.test", CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, tls.CurveP521}})
	if got := recordKinds(came.bytes); !bytes.Equal(got, []byte{22, 20, 22}) {
		t.Errorf("with a retry: got records %d, want 22, 20 and 22", got)
	}
}

// recordKinds returns the types of the records in b.
func recordKinds(b []byte) (kinds []byte) {
	for len(b) >= recordHeader {
		kinds = append(kinds, b[0])
		b = b[min(len(b), recordHeader+int(b[3])<<8+int(b[4])):]
	}
	return kinds
}

// The connection ends without close_notify, which is a record of its own in TLS 1.2.
func TestNoCloseNotify(t *testing.T) {
	t.Parallel()
	const alert = 21
	for fault, want := range map[string]bool{"no_close_notify": false, "slow": true} {
		b := faulty(t, "*", fault)
		if fault == "slow" {
			b = start(t, echo)
		}
		_, came, err := b.handshakes(&tls.Config{RootCAs: b.roots, ServerName: "a.test", MaxVersion: tls.VersionTLS12})
		if got := slices.Contains(recordKinds(came.bytes), alert); got != want || err != nil {
			t.Errorf("%s: got an alert: %t (%v), want %t", fault, got, err, want)
		}
	}
}

func TestSlowHandshake(t *testing.T) {
	t.Parallel()
	b := faulty(t, "*", `{"kind":"slow","bytes":100,"ms":4}`)
	begin := time.Now()
	_, came, err := b.handshakes(&tls.Config{RootCAs: b.roots, ServerName: "a.test"})
	took := time.Since(begin)
	if pieces := len(came.bytes) / 100; err != nil || took < time.Duration(pieces-5)*4*time.Millisecond || pieces < 10 {
		t.Errorf("%d bytes in pieces of 100 bytes took %s (%v), want %d pieces, 4ms apart", len(came.bytes), took, err, pieces)
	}
}

// A device with a small buffer gets short records from a slow handshake, too.
func TestSlowHandshakeKeepsRecordLimit(t *testing.T) {
	t.Parallel()
	p := start(t, echo).p
	near, far := net.Pipe()
	defer near.Close()
	c := &conn{Conn: far, p: p, limit: 64, plain: true}
	s := newShaper(c, &tlsfault.Fault{Kind: tlsfault.Slow, Bytes: 50, Millis: 1})
	go func() {
		s.write(append([]byte{recordHandshake, 3, 3, 1, 0}, make([]byte, 256)...))
		far.Close()
	}()
	got, err := io.ReadAll(near)
	if kinds := recordKinds(got); len(kinds) != 4 || len(got) != 4*(recordHeader+64) || err != nil {
		t.Errorf("got %d records in %d bytes (%v), want 4 of 64 bytes", len(kinds), len(got), err)
	}
}

// A device that waits for a handshake that does not go on gives up. The entry says when.
func TestStall(t *testing.T) {
	t.Parallel()
	for _, after := range []string{"client_hello", "server_hello", "certificate"} {
		b := faulty(t, "*", `{"kind":"stall","after":"`+after+`"}`)
		c, br := b.tunnel("a.test:443")
		c.SetDeadline(time.Now().Add(500 * time.Millisecond))
		err := tls.Client(buffered{c, br}, &tls.Config{RootCAs: b.roots, ServerName: "a.test"}).Handshake()
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
			t.Errorf("%s: got %v, want the client's own timeout", after, err)
		}
		c.Close()
		if e := b.metEntry(); !strings.Contains(e.Error, ": it left after ") || e.Duration < 30*time.Millisecond {
			t.Errorf("%s: got %q after %s", after, e.Error, e.Duration)
		}
	}
	// The proxy does not wait for it when it ends.
	b := faulty(t, "*", "stall")
	c, _ := b.tunnel("a.test:443")
	go tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake()
	eventually(t, "a connection", func() bool { return b.open() == 1 })
	begin := time.Now()
	b.p.Close(t.Context())
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("Close took %s", took)
	}
}

// A session of an earlier handshake is not resumed: the device would see no certificate.
// When the fault is gone, sessions are resumed again.
func TestFaultsAreNotEscapedByResumption(t *testing.T) {
	t.Parallel()
	table := &tlsfault.Table{}
	b := start(t, echo, func(c *Config) { c.TLSFaults = table })
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cfg := &tls.Config{RootCAs: b.roots, ServerName: "a.test", ClientSessionCache: tls.NewLRUClientSessionCache(8), MinVersion: version, MaxVersion: version}
		resumes := func() bool {
			c, br := b.tunnel("a.test:443")
			defer c.Close()
			in := tls.Client(buffered{c, br}, cfg)
			fmt.Fprintf(in, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
			io.Copy(io.Discard, in)
			return in.ConnectionState().DidResume
		}
		if resumes(); !resumes() {
			t.Fatal("sessions are not resumed at all")
		}
		table.Set("a.test", tlsfault.Fault{Kind: tlsfault.Revoked})
		if resumes() {
			t.Errorf("%s: a session was resumed in spite of the fault", tls.VersionName(version))
		}
		table.Clear("")
		if !resumes() {
			t.Errorf("%s: no session is resumed after the fault", tls.VersionName(version))
		}
	}
}

// TLS to the proxy port itself goes by the server name, and so does a CONNECT to an
// address.
func TestFaultsByServerName(t *testing.T) {
	t.Parallel()
	b := faulty(t, "a.test", "wrong_host")
	for name, dial := range map[string]func() (net.Conn, *bufio.Reader){
		"proxy port": b.dial,
		"address":    func() (net.Conn, *bufio.Reader) { return b.tunnel("10.0.0.7:443") },
	} {
		for sni, want := range map[string]bool{"a.test": true, "b.test": false} {
			c, br := dial()
			err := tls.Client(buffered{c, br}, &tls.Config{RootCAs: b.roots, ServerName: sni}).Handshake()
			if got := err != nil && strings.Contains(err.Error(), "wrong-host.invalid"); got != want || err != nil && !want {
				t.Errorf("%s, %s: got %v, want a fault: %t", name, sni, err, want)
			}
		}
	}
}

// A device that finishes the handshake and then leaves, as Node does, has refused. One
// that is silent until the proxy ends the connection has said nothing.
func TestVerdictAfterHandshake(t *testing.T) {
	t.Parallel()
	for _, leaves := range []bool{true, false} {
		b := faulty(t, "a.test", "expired", func(c *Config) { c.Idle = 200 * time.Millisecond })
		c, br := b.tunnel("a.test:443")
		in := tls.Client(buffered{c, br}, &tls.Config{InsecureSkipVerify: true, ServerName: "a.test"})
		if err := in.Handshake(); err != nil {
			t.Fatal(err)
		}
		want := "the device met TLS fault expired: it finished the handshake and sent nothing"
		if leaves {
			want = "the device refused TLS fault expired: it closed the connection after the handshake"
			c.Close()
		}
		if e := b.metEntry(); !strings.Contains(e.Error, want) {
			t.Errorf("got %q, want %q", e.Error, want)
		}
	}
}

// A control handshake of an audit that fails has the entry of any that fails. One that does
// not has none, and the request on it met nothing.
func TestControlHandshake(t *testing.T) {
	t.Parallel()
	table := &tlsfault.Table{}
	audit, _ := table.Audit("a.test")
	defer audit.End()
	outcomes := make(chan tlsfault.Outcome, 2)
	audit.Next(tlsfault.Fault{}, func(o tlsfault.Outcome) { outcomes <- o })
	b := start(t, echo, func(c *Config) { c.TLSFaults = table })
	if _, _, err := b.handshakes(&tls.Config{RootCAs: b.roots, ServerName: "a.test"}); err != nil {
		t.Error(err)
	}
	if o := <-outcomes; o.Verdict != tlsfault.Accepted || !o.Client.IsValid() {
		t.Errorf("got %+v, want that the device accepts", o)
	}
	e, err := b.journal.Wait(t.Context(), capture.Request("GET", "/"))
	if err != nil || e.Met() != nil || b.journal.Stats().Total != 1 {
		t.Errorf("got %v, met %q, %d entries; want a request that met nothing, alone", err, e.Met(), b.journal.Stats().Total)
	}
	if _, _, err := b.handshakes(&tls.Config{ServerName: "a.test"}); err == nil {
		t.Error("a device without the CA accepts its certificate")
	}
	if o := <-outcomes; o.Verdict != tlsfault.Refused || o.Detail != "it sent the alert bad_certificate" {
		t.Errorf("got %+v, want that the device refuses", o)
	}
	if e := b.metEntry(); e.Met() != nil || !strings.HasPrefix(e.Error, "device does not trust the CA") {
		t.Errorf("got the entry %q, %q, want that of a device that does not trust the CA", e.Error, e.Met())
	}
}
