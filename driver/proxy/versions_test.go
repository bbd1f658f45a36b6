package proxy

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"starproxy/driver/capture"
	"starproxy/driver/hello"
)

// A device is served with the suites that it has, and never gets HTTP/2 with
// one that HTTP/2 forbids.
func TestOldDevices(t *testing.T) {
	t.Parallel()
	old := start(t, echo, func(c *Config) { c.MinTLS = tls.VersionTLS10 })
	usual := start(t, echo)
	for _, c := range []struct {
		name     string
		b        *bench
		version  uint16
		suites   []uint16
		offers   []string
		proto    string
		mustFail bool
	}{
		{name: "RSA key exchange", b: usual, version: tls.VersionTLS12, suites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, offers: []string{"h2", "http/1.1"}, proto: "http/1.1"},
		{name: "RSA with GCM", b: usual, version: tls.VersionTLS12, suites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}, offers: []string{"h2", "http/1.1"}, proto: "http/1.1"},
		{name: "RSA with CBC and SHA-256", b: usual, version: tls.VersionTLS12, suites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA256}, offers: []string{"http/1.1"}, proto: "http/1.1"},
		{name: "ECDHE with CBC and SHA-256", b: usual, version: tls.VersionTLS12, suites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256}, offers: []string{"h2", "http/1.1"}, proto: "http/1.1"},
		{name: "ECDSA with CBC and SHA-256", b: usual, version: tls.VersionTLS12, suites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}, offers: []string{"h2", "http/1.1"}, proto: "http/1.1"},
		{name: "3DES", b: usual, version: tls.VersionTLS12, suites: []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}},
		{name: "only HTTP/2, only CBC", b: usual, version: tls.VersionTLS12, suites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}, offers: []string{"h2"}},
		{name: "ECDSA with CBC, RSA with GCM", b: usual, version: tls.VersionTLS12, suites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, offers: []string{"h2", "http/1.1"}, proto: "h2"},
		{name: "RSA with CBC, ECDSA with GCM", b: usual, version: tls.VersionTLS12, suites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, offers: []string{"h2", "http/1.1"}, proto: "h2"},
		{name: "GCM", b: usual, version: tls.VersionTLS12, offers: []string{"h2", "http/1.1"}, proto: "h2"},
		{name: "TLS 1.3", b: usual, version: tls.VersionTLS13, offers: []string{"http/1.1", "h2"}, proto: "h2"},
		{name: "TLS 1.1 where 1.2 is the oldest", b: usual, version: tls.VersionTLS11, mustFail: true},
		{name: "TLS 1.1", b: old, version: tls.VersionTLS11, offers: []string{"h2", "http/1.1"}, proto: "http/1.1"},
		{name: "TLS 1.0", b: old, version: tls.VersionTLS10, offers: []string{"h2", "http/1.1"}, proto: "http/1.1"},
		{name: "TLS 1.0 with RSA key exchange", b: old, version: tls.VersionTLS10, suites: []uint16{tls.TLS_RSA_WITH_AES_256_CBC_SHA}},
		{name: "TLS 1.3 where 1.0 is the oldest", b: old, version: tls.VersionTLS13, offers: []string{"h2"}, proto: "h2"},
		{name: "RC4", b: old, version: tls.VersionTLS12, suites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}, mustFail: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			nc, br := c.b.tunnel("old.test:443")
			device := tls.Client(buffered{nc, br}, &tls.Config{RootCAs: c.b.roots, ServerName: "old.test", MinVersion: tls.VersionTLS10,
				MaxVersion: c.version, CipherSuites: c.suites, NextProtos: c.offers})
			err := device.Handshake()
			if c.mustFail {
				if err == nil {
					t.Error("the handshake came off")
				}
				return
			}
			s := device.ConnectionState()
			if err != nil || s.NegotiatedProtocol != c.proto || s.Version != c.version {
				t.Fatalf("%s with %q, %v, want %q", tls.VersionName(s.Version), s.NegotiatedProtocol, err, c.proto)
			}
			if c.suites != nil && !slices.Contains(c.suites, s.CipherSuite) {
				t.Errorf("agreed on %s", tls.CipherSuiteName(s.CipherSuite))
			}
			if c.proto == "h2" {
				return
			}
			io.WriteString(device, "GET / HTTP/1.1\r\nHost: old.test\r\n\r\n")
			expectBody(t, bufio.NewReader(device), "GET", "HTTP/1.1 GET https://old.test/ 0\n")
		})
	}
}

// A handshake that fails for its version tells which setting would help.
func TestOldVersionIsExplained(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	nc, br := b.tunnel("old.test:443")
	tls.Client(buffered{nc, br}, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Handshake()
	e, err := b.journal.Wait(t.Context(), func(e *capture.Entry) bool { return e.Kind == capture.TLSError })
	if err != nil || !strings.Contains(e.Error, "tls.min_version") {
		t.Errorf("%+v %v", e, err)
	}
	old := serverTLS(t)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	addr := peer(t, old, "", nil)
	if body, res := get(t, b.client(false), "https://"+addr+"/"); res.StatusCode != 502 || !strings.Contains(body, "tls.min_version") {
		t.Errorf("%s %q", res.Status, body)
	}
}

// oddCert makes a self-signed certificate with what ten years ago was usual.
func oddCert(t *testing.T, bits int, serial *big.Int) tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(0x7a), Subject: pkix.Name{CommonName: "old"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0),
		SignatureAlgorithm: x509.SHA256WithRSA}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if serial.Sign() < 0 { // CreateCertificate refuses it; nobody checks the signature
		good, _ := asn1.Marshal(tmpl.SerialNumber)
		bad, _ := asn1.Marshal(serial)
		der = []byte(strings.Replace(string(der), "\xa0\x03\x02\x01\x02"+string(good), "\xa0\x03\x02\x01\x02"+string(bad), 1))
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Servers of ten years ago are reached.
func TestOldServers(t *testing.T) {
	t.Parallel()
	b := start(t, nil, func(c *Config) { c.MinTLS = tls.VersionTLS10 })
	plain := oddCert(t, 1024, big.NewInt(1))
	for _, c := range []struct {
		name string
		cfg  *tls.Config
		cert tls.Certificate
	}{
		{"TLS 1.0", &tls.Config{MaxVersion: tls.VersionTLS10}, plain},
		{"TLS 1.1", &tls.Config{MaxVersion: tls.VersionTLS11}, plain},
		{"RSA key exchange", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}, plain},
		{"CBC with SHA-256", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA256}}, plain},
		{"3DES", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}}, plain},
		{"RSA of 768 bits", &tls.Config{}, oddCert(t, 768, big.NewInt(1))},
		{"RSA of 768 bits, key exchange", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}, oddCert(t, 768, big.NewInt(1))},
		{"negative serial number", &tls.Config{}, oddCert(t, 1024, big.NewInt(-3))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.cfg.MinVersion, c.cfg.Certificates = tls.VersionTLS10, []tls.Certificate{c.cert}
			l, err := tls.Listen("tcp", "127.0.0.1:0", c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "real") })}
			go server.Serve(l)
			defer server.Close()
			for _, h2 := range []bool{false, true} {
				if body, res := get(t, b.client(h2), "https://"+l.Addr().String()+"/"); res.StatusCode != 200 || body != "real" {
					t.Errorf("%s: %s %q", res.Proto, res.Status, body)
				}
			}
		})
	}
}

// recordsOf notes the lengths of the TLS records that are read.
type recordsOf struct {
	net.Conn
	mu   sync.Mutex
	rest []byte
	max  map[byte]int // by type
}

func (c *recordsOf) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest = append(c.rest, p[:n]...)
	for len(c.rest) >= recordHeader {
		size := int(c.rest[3])<<8 + int(c.rest[4])
		if len(c.rest) < recordHeader+size {
			break
		}
		c.max[c.rest[0]] = max(c.max[c.rest[0]], size)
		c.rest = c.rest[recordHeader+size:]
	}
	return n, err
}

// asking adds an extension to the first ClientHello that is written, as small
// devices send it. The handshake then can't come off, for the transcripts differ.
type asking struct {
	*recordsOf
	ext  []byte
	done bool
}

func (c *asking) Write(b []byte) (int, error) {
	if c.done {
		return c.Conn.Write(b)
	}
	c.done = true
	n := len(c.ext)
	grow := func(b []byte, at, size int) {
		for i := size - 1; i >= 0; i-- {
			v := int(b[at+i]) + n>>(8*(size-1-i))&0xff
			b[at+i] = byte(v)
			if v > 0xff && i > 0 {
				b[at+i-1]++
			}
		}
	}
	out := slices.Concat(b, c.ext)
	grow(out, 3, 2) // record
	grow(out, 6, 3) // message
	at := recordHeader + 4 + 2 + 32
	at += 1 + int(out[at])
	at += 2 + int(out[at])<<8 + int(out[at+1])
	at += 1 + int(out[at])
	grow(out, at, 2) // extensions
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// The records of our part of a handshake are as short as the device wants them.
func TestHandshakeRecords(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	for _, c := range []struct {
		name  string
		ext   []byte
		limit int
	}{
		{"max_fragment_length 512", []byte{0, 1, 0, 1, 1}, 512},
		{"max_fragment_length 1024", []byte{0, 1, 0, 1, 2}, 1024},
		{"record_size_limit 256", []byte{0, 28, 0, 2, 1, 0}, 256},
		{"both", []byte{0, 28, 0, 2, 2, 1, 0, 1, 0, 1, 1}, 512},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			nc, br := b.tunnel("small.test:443")
			seen := &recordsOf{Conn: buffered{nc, br}, max: map[byte]int{}}
			tls.Client(&asking{recordsOf: seen, ext: c.ext}, &tls.Config{RootCAs: b.roots, ServerName: "small.test", NextProtos: []string{"h2", "http/1.1"}}).Handshake()
			if got := seen.max[recordHandshake]; got > c.limit || got < c.limit/2 {
				t.Errorf("records of up to %d bytes, want at most %d", got, c.limit)
			}
		})
	}
}

// And so are those of what comes after it.
func TestShortRecords(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	seen := &recordsOf{Conn: far, max: map[byte]int{}}
	secure := serverTLS(t)
	secure.MaxVersion = tls.VersionTLS12
	server := tls.Server(near, secure)
	text := strings.Repeat("0123456789", 1000)
	go func() {
		if server.Handshake() == nil {
			io.WriteString(&clearConn{Conn: server, limit: 512}, text)
		}
		server.Close()
	}()
	device := tls.Client(seen, &tls.Config{InsecureSkipVerify: true})
	got, err := io.ReadAll(device)
	if string(got) != text || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if n := seen.max[23]; n < 512 || n > 512+64 {
		t.Errorf("records of up to %d bytes", n)
	}
}

// Whatever records are split, the bytes of the messages stay.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{22, 3, 1, 0, 4, 1, 0, 0, 0}, 1)
	f.Add([]byte{22, 3, 3, 0, 5, 2, 0, 0, 1, 9, 20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 3, 1, 2, 3}, 2)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		if limit < 1 || limit > 1<<14 {
			return
		}
		plain := true
		out := splitRecords(b, limit, &plain)
		if got, want := hello.Message(out), hello.Message(b); string(got) != string(want) {
			t.Fatalf("%x became %x", want, got)
		}
	})
}
