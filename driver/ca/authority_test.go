package ca

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"starproxy/builtins/exchange"
)

func open(t testing.TB, dir string) *Authority {
	t.Helper()
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOpenMakesSixFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "conf")
	a := open(t, dir)
	for name, mode := range map[string]os.FileMode{caFile: 0o600, caP12File: 0o600, certFile: 0o644,
		certCERFile: 0o644, certP12File: 0o644, ".gitignore": 0o644} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil || fi.Mode() != mode {
			t.Errorf("%s: %v %v, want mode %v", name, fi, err, mode)
		}
	}
	pemCert, _ := os.ReadFile(a.CertPath())
	cer, _ := os.ReadFile(filepath.Join(dir, certCERFile))
	if !bytes.Equal(pemCert, cer) || !bytes.Equal(pemCert, a.CertPEM()) {
		t.Error("pem, cer and CertPEM differ")
	}
	ca, _ := os.ReadFile(filepath.Join(dir, caFile))
	if !bytes.HasPrefix(ca, []byte("-----BEGIN RSA PRIVATE KEY-----")) {
		t.Error("the key is not first in the CA file")
	}
	if s := a.cert.Subject.ToRDNSequence().String(); !strings.Contains(s, "CN=mitmproxy") || !strings.Contains(s, "O=mitmproxy") {
		t.Error("subject", s)
	}
	p12, _ := os.ReadFile(filepath.Join(dir, caP12File))
	if k, c, err := pkcs12.Decode(p12, ""); err != nil || !c.Equal(a.cert) || !a.key.(*rsa.PrivateKey).Equal(k.(*rsa.PrivateKey)) {
		t.Error("ca.p12:", err)
	}
	p12, _ = os.ReadFile(filepath.Join(dir, certP12File))
	if cs, err := pkcs12.DecodeTrustStore(p12, ""); err != nil || len(cs) != 1 || !cs[0].Equal(a.cert) {
		t.Error("ca-cert.p12:", err)
	}
}

func TestOpenKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, dir)
	before, _ := os.ReadFile(filepath.Join(dir, caFile))
	os.Remove(a.CertPath())
	os.WriteFile(filepath.Join(dir, certCERFile), []byte("mine"), 0o644)
	b := open(t, dir)
	after, _ := os.ReadFile(filepath.Join(dir, caFile))
	cer, _ := os.ReadFile(filepath.Join(dir, certCERFile))
	if !bytes.Equal(before, after) || !b.cert.Equal(a.cert) || string(cer) != "mine" {
		t.Error("an existing file was changed")
	}
	if _, err := os.Stat(b.CertPath()); err != nil {
		t.Error("the missing file was not written:", err)
	}
}

func TestOpenTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wg sync.WaitGroup
	var got [4]*Authority
	for i := range got {
		wg.Go(func() { got[i], _ = Open(dir) })
	}
	wg.Wait()
	for _, a := range got {
		if a == nil || !a.cert.Equal(got[0].cert) {
			t.Fatal("two CAs in one directory")
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	good := t.TempDir()
	open(t, good)
	ca, _ := os.ReadFile(filepath.Join(good, caFile))
	i := bytes.Index(ca, []byte("-----BEGIN CERT"))
	other := t.TempDir()
	open(t, other)
	ca2, _ := os.ReadFile(filepath.Join(other, caFile))
	j := bytes.Index(ca2, []byte("-----BEGIN CERT"))
	for want, data := range map[string][]byte{
		"private key: got none":   ca[i:],
		"certificate: got none":   ca[:i],
		"not the certificate's":   append(append([]byte(nil), ca[:i]...), ca2[j:]...),
		"an encrypted one":        []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
		"key: got none, want one": []byte("nonsense"),
	} {
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, caFile), data, 0o600)
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// handshake does TLS with cfg against a and returns the chain that came.
func handshake(t *testing.T, a *Authority, host string, cfg *tls.Config) []*x509.Certificate {
	t.Helper()
	cfg.RootCAs = x509.NewCertPool()
	cfg.RootCAs.AddCert(a.cert)
	c, s := net.Pipe()
	srv := tls.Server(s, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return a.Certificate(h, host, nil) }})
	go srv.Handshake()
	cl := tls.Client(c, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := cl.HandshakeContext(ctx); err != nil {
		t.Fatal(host, err)
	}
	cs := cl.ConnectionState().PeerCertificates
	c.Close()
	s.Close()
	return cs
}

func TestLeaves(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir())
	cs := handshake(t, a, "10.1.2.3", &tls.Config{ServerName: "api.example.test"})
	if _, ok := cs[0].PublicKey.(*ecdsa.PublicKey); !ok || len(cs) != 2 {
		t.Errorf("leaf key %T in a chain of %d", cs[0].PublicKey, len(cs))
	}
	if cs[0].VerifyHostname("10.1.2.3") != nil || cs[0].VerifyHostname("api.example.test") != nil {
		t.Error("names", cs[0].DNSNames, cs[0].IPAddresses)
	}
	handshake(t, a, "::1", &tls.Config{ServerName: "::1"})
	long := strings.Repeat("a", 60) + ".example.test"
	handshake(t, a, long, &tls.Config{ServerName: long})

	cs = handshake(t, a, "old.test", &tls.Config{ServerName: "old.test", MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}})
	if _, ok := cs[0].PublicKey.(*rsa.PublicKey); !ok || len(cs) != 1 {
		t.Errorf("an RSA-only client got %T in a chain of %d", cs[0].PublicKey, len(cs))
	}
	// A client that asks for short records gets one certificate, below 1 KiB.
	hello := &tls.ClientHelloInfo{ServerName: "small.test", SupportedVersions: []uint16{tls.VersionTLS12}, Extensions: []uint16{0, 1},
		SupportedCurves: []tls.CurveID{tls.CurveP256}, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
	small, err := a.Certificate(hello, "192.0.2.1", nil)
	if err != nil || len(small.Certificate) != 1 || len(small.Certificate[0]) > 1000 {
		t.Errorf("a small client gets %+v, %v", small, err)
	} else if leaf, err := x509.ParseCertificate(small.Certificate[0]); err != nil || leaf.CheckSignatureFrom(a.Cert()) != nil {
		t.Errorf("its certificate is not the CA's: %v", err)
	}
	one, _ := a.Certificate(&tls.ClientHelloInfo{ServerName: "x"}, "x", nil)
	two, _ := a.Certificate(&tls.ClientHelloInfo{ServerName: "x"}, "x", nil)
	if one != two {
		t.Error("minted twice")
	}
}

// openECDSA returns an authority whose key is one for ECDSA.
func openECDSA(t *testing.T) *Authority {
	t.Helper()
	dir := t.TempDir()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sn, _ := serial()
	tmpl := &x509.Certificate{SerialNumber: sn, RawSubject: subject("lab", ""), NotAfter: time.Now().Add(day),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kder, _ := x509.MarshalPKCS8PrivateKey(k)
	data := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kder})...)
	os.WriteFile(filepath.Join(dir, caFile), data, 0o600)
	return open(t, dir)
}

func TestECDSAAuthority(t *testing.T) {
	t.Parallel()
	a := openECDSA(t)
	if cs := handshake(t, a, "a.test", &tls.Config{ServerName: "a.test"}); len(cs) != 1 {
		t.Errorf("chain of %d, want the leaf alone", len(cs))
	}
	handshake(t, a, "a.test", &tls.Config{ServerName: "a.test", MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}})
}

func TestLeafCacheIsBounded(t *testing.T) {
	t.Parallel()
	var c leafCache
	mint := func(leafKey, time.Time) (*tls.Certificate, error) { return nil, nil }
	for i := range maxLeaves + 100 {
		c.get(leafKey{sni: fmt.Sprint(i)}, time.Unix(0, 0), mint)
	}
	if len(c.m) != maxLeaves {
		t.Error(len(c.m), "leaves kept")
	}
}

func TestOnboarding(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir())
	for target, want := range map[string]string{"/": "text/html; charset=utf-8", "/cert/pem": "application/x-x509-ca-cert",
		"/cert/cer": "application/x-x509-ca-cert", "/cert/p12": "application/x-pkcs12", "/nope": "text/plain; charset=utf-8"} {
		r, err := a.Respond(t.Context(), &exchange.Exchange{Request: &exchange.Request{Target: target}})
		if err != nil || r.Header.Get("Content-Type") != want || (r.Status == 404) != (target == "/nope") {
			t.Error(target, r, err)
		}
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{syscall.EROFS: true, syscall.EACCES: true, syscall.EPERM: true, syscall.ENOSPC: false, syscall.EIO: false} {
		if got := readOnly(&fs.PathError{Op: "open", Path: "x", Err: err}); got != want {
			t.Errorf("%v: got %v", err, got)
		}
	}
}
