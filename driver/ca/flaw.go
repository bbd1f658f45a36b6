package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"

	"starproxy/builtins/clock"
)

// Flaw is a property of a certificate, or of the chain that is sent with it, for
// which devices refuse it, or should.
type Flaw string

// The flaws.
const (
	Expired             Flaw = "expired"
	NotYetValid         Flaw = "not_yet_valid"
	WrongHost           Flaw = "wrong_host"           // it is for [OtherHost]
	SelfSigned          Flaw = "self_signed"          // no CA has signed it
	UnknownCA           Flaw = "unknown_ca"           // a CA has signed it that no device knows
	MissingIntermediate Flaw = "missing_intermediate" // its signer is an intermediate CA that is not sent
	NoSAN               Flaw = "no_san"               // the name is in the common name alone
	WrongUsage          Flaw = "wrong_usage"          // it is for clients
	WeakKey             Flaw = "weak_key"             // RSA with 1024 bits
	WeakSignature       Flaw = "weak_signature"       // it is signed with SHA-1
	Revoked             Flaw = "revoked"              // so says the OCSP answer that is sent with it
	LongChain           Flaw = "long_chain"           // more than 16 KiB of certificates, which are right
)

// OtherHost is the only name of a certificate for the wrong host. No host has it (RFC
// 6761 section 6.4).
const OtherHost = "wrong-host.invalid"

// Flawed is [Authority.Certificate] for a certificate with a flaw. It is made anew
// for each handshake.
func (a *Authority) Flawed(hello *tls.ClientHelloInfo, host string, flaw Flaw, clock *clock.Clock) (*tls.Certificate, error) {
	k, err := newLeafKey(hello, host)
	if err != nil {
		return nil, err
	}
	now, _ := a.time(clock)
	d, err := a.draft(k, now)
	if err != nil {
		return nil, err
	}
	switch flaw {
	case Expired:
		d.NotBefore, d.NotAfter = now.Add(-60*day), now.Add(-day)
	case NotYetValid:
		d.NotBefore, d.NotAfter = now.Add(day), now.Add(60*day)
	case WrongHost:
		d.name(OtherHost)
	case SelfSigned:
		d.parent, d.signer, d.chain = d.Certificate, d.key, nil
	case UnknownCA:
		err = a.signByStranger(d, k)
	case MissingIntermediate:
		err = a.signByUnsent(d, k)
	case NoSAN:
		d.RawSubject, d.DNSNames, d.IPAddresses = subject(k.names()[0], ""), nil, nil
	case WrongUsage:
		d.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case WeakKey:
		d.parent, d.signer, d.chain = a.cert, a.key, a.chain
		d.key, err = a.other.weak()
	case WeakSignature:
		d.parent, d.signer, d.chain = a.cert, a.key, a.chain
		d.SignatureAlgorithm = x509.SHA1WithRSA
		if _, ok := a.key.(*ecdsa.PrivateKey); ok {
			d.SignatureAlgorithm = x509.ECDSAWithSHA1
		}
	case Revoked:
		return d.revoked(now)
	case LongChain:
		err = a.lengthen(d, k)
	default:
		err = fmt.Errorf("flaw: got %q, want one that is known", flaw)
	}
	if err != nil {
		return nil, err
	}
	return d.sign()
}

// otherKeys are keys that only flawed certificates need. They are made when they
// are first needed.
type otherKeys struct {
	weak   func() (*rsa.PrivateKey, error) // too short
	strong func() (*rsa.PrivateKey, error) // of a CA for devices that take RSA alone
}

func newOtherKeys() otherKeys {
	of := func(bits int) func() (*rsa.PrivateKey, error) {
		return sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, bits) })
	}
	return otherKeys{weak: of(1024), strong: of(2048)}
}

// caKey returns a key of a CA whose signatures a device can verify.
func (o *otherKeys) caKey(isRSA bool) (crypto.Signer, error) {
	if isRSA {
		return o.strong()
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// newCA returns a draft of a CA with that name and a key of its own, which is to be
// signed by the CA of devices.
func (a *Authority) newCA(name string, k leafKey) (*draft, error) {
	key, err := a.other.caKey(k.rsa)
	if err != nil {
		return nil, err
	}
	sn, err := serial()
	if err != nil {
		return nil, err
	}
	valid := issuerSpan(spanOf(a.cert), a.now())
	return &draft{
		Certificate: &x509.Certificate{
			SerialNumber: sn, RawSubject: subject(name, "starproxy"),
			NotBefore: valid.from, NotAfter: valid.until,
			BasicConstraintsValid: true, IsCA: true,
			KeyUsage:     x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
			ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			SubjectKeyId: keyID(key.Public()),
		},
		parent: a.cert, signer: a.key, chain: a.chain, key: key,
	}, nil
}

// issue has ca sign d. ca is signed, and sent with d.
func (d *draft) issue(ca *draft) error {
	signed, err := ca.sign()
	if err != nil {
		return err
	}
	if d.parent, err = x509.ParseCertificate(signed.Certificate[0]); err != nil {
		return err
	}
	d.signer, d.chain = ca.key, signed.Certificate
	return nil
}

// signByStranger has d signed by a CA that no device trusts, which is sent with it.
func (a *Authority) signByStranger(d *draft, k leafKey) error {
	ca, err := a.newCA("starproxy: a CA that nobody trusts", k)
	if err != nil {
		return err
	}
	ca.parent, ca.signer, ca.chain = ca.Certificate, ca.key, nil
	return d.issue(ca)
}

// signByUnsent has d signed by an intermediate CA that is not sent with it.
func (a *Authority) signByUnsent(d *draft, k leafKey) error {
	ca, err := a.newCA("starproxy: an intermediate CA that is not sent", k)
	if err != nil {
		return err
	}
	if err := d.issue(ca); err != nil {
		return err
	}
	d.chain = a.chain
	return nil
}

// The certificates of a long chain, in bytes and in number without the leaf.
const (
	longChain     = 17 << 10
	intermediates = 3
)

// lengthen has d signed by the last of several intermediate CAs, and all of them
// carry a long comment. There are fewer where the CA of devices allows no more.
func (a *Authority) lengthen(d *draft, k leafKey) error {
	n := intermediates
	if a.cert.MaxPathLenZero || a.cert.MaxPathLen > 0 {
		n = min(n, a.cert.MaxPathLen)
	}
	comment, err := longComment(longChain / (n + 1))
	if err != nil {
		return err
	}
	d.ExtraExtensions = comment
	d.parent, d.signer, d.chain = a.cert, a.key, a.chain
	for i := range n {
		ca, err := a.newCA(fmt.Sprintf("starproxy: intermediate CA %d of a long chain", i+1), k)
		if err != nil {
			return err
		}
		ca.ExtraExtensions = comment
		ca.parent, ca.signer, ca.chain = d.parent, d.signer, d.chain
		if err := d.issue(ca); err != nil {
			return err
		}
	}
	return nil
}

// longComment returns the extension netscape-comment with a text of so many bytes.
// No program gives it a meaning.
func longComment(size int) ([]pkix.Extension, error) {
	text, err := asn1.MarshalWithParams(strings.Repeat(".", size), "ia5")
	if err != nil {
		return nil, err
	}
	return []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 13}, Value: text}}, nil
}

// revoked signs the leaf and an OCSP answer that calls it revoked (RFC 6960). Only
// a device that asks for such an answer gets it (RFC 6066 section 8).
func (d *draft) revoked(now time.Time) (*tls.Certificate, error) {
	c, err := d.sign()
	if err != nil {
		return nil, err
	}
	c.OCSPStaple, err = ocsp.CreateResponse(d.parent, d.parent, ocsp.Response{
		Status: ocsp.Revoked, SerialNumber: d.SerialNumber, RevocationReason: ocsp.KeyCompromise,
		ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(7 * day), RevokedAt: now.Add(-day),
	}, d.signer)
	return c, err
}
