package ca

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// verdict verifies a certificate as a strict device does whose trust anchor is a, and
// returns the error, "" for none.
func verdict(t *testing.T, a *Authority, c *tls.Certificate) string {
	t.Helper()
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(a.cert)
	var chain []*x509.Certificate
	size := 0
	for _, der := range c.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, cert)
		between.AddCert(cert)
		size += len(der)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: "h.test", Roots: roots, Intermediates: between})
	if err != nil {
		return err.Error()
	}
	if key, ok := chain[0].PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		return "short key"
	}
	if c.OCSPStaple != nil {
		parent := a.cert
		if len(chain) > 1 {
			parent = chain[1]
		}
		res, err := ocsp.ParseResponseForCert(c.OCSPStaple, chain[0], parent)
		if err != nil {
			t.Fatal(err)
		}
		if res.Status == ocsp.Revoked && res.NextUpdate.After(time.Now()) {
			return "revoked"
		}
	}
	if size > 16<<10 {
		return "long"
	}
	return ""
}

// Each flaw is the reason for which a strict device refuses the certificate, whatever
// the keys that it takes and those of the CA are.
func TestFlaws(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir())
	short := *a.cert
	short.MaxPathLen, short.MaxPathLenZero = 0, true
	other := openECDSA(t)
	pathless := &Authority{cert: &short, key: a.key, now: a.now, rsaKey: a.rsaKey, other: a.other}
	for flaw, want := range map[Flaw]string{
		Expired: "expired", NotYetValid: "not yet valid", WrongHost: OtherHost, SelfSigned: "unknown authority", UnknownCA: "unknown authority",
		MissingIntermediate: "unknown authority", NoSAN: "legacy Common Name", WrongUsage: "incompatible key usage", WeakKey: "short key", WeakSignature: "insecure algorithm ",
		Revoked: "revoked", LongChain: "long",
	} {
		for name, hello := range hellos() {
			for which, a := range map[string]*Authority{"": a, ", no intermediates": pathless, ", ECDSA": other} {
				c, err := a.Flawed(hello, "h.test", flaw, nil)
				if err != nil {
					t.Errorf("%s, %s%s: %v", flaw, name, which, err)
				} else if got := verdict(t, a, c); !strings.Contains(got, want) {
					t.Errorf("%s, %s%s: got %q, want %q", flaw, name, which, got, want)
				}
			}
		}
	}
	for name, hello := range hellos() { // without a flaw
		if c, err := a.Certificate(hello, "h.test", nil); err != nil || verdict(t, a, c) != "" {
			t.Errorf("%s: got %v for a certificate without a flaw", name, err)
		}
	}
	if _, err := a.Flawed(hellos()["RSA"], "h.test", "crooked", nil); err == nil {
		t.Error("got no error for a flaw that is not known")
	}
}
