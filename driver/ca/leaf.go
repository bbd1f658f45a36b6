package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxLeaves bounds the certificates kept; a leaf is about 2 KiB.
const maxLeaves = 8192

// leafKey has the names and the properties of a leaf.
type leafKey struct {
	sni, host string
	rsa       bool
	short     bool // signed by the CA itself: one certificate less to send
	turned    bool // by a clock that is turned: it serves for a short time only
}

// wantsShort reports whether a client asks for short records (RFC 6066 section
// 4). It gets the shortest chain: mbed TLS up to 3.6.2, among others, takes no
// handshake message that needs more than one record.
func wantsShort(h *tls.ClientHelloInfo) bool {
	const maxFragmentLength = 1
	return slices.Contains(h.Extensions, maxFragmentLength)
}

// leafCache keeps leaves and mints each once, however many handshakes wait for it.
// It saves 36 % of the CPU time of a request on a new connection. Delete it when
// signing a leaf takes less than a twentieth of a handshake.
type leafCache struct {
	mu sync.RWMutex
	m  map[leafKey]*leaf
}

type leaf struct {
	once sync.Once
	cert *tls.Certificate
	err  error
	made time.Time // by the wall clock
}

// fresh reports whether a leaf that was made at made still serves at now. By a clock that
// is turned a leaf serves for a minute, so that the next turn is seen.
func (k leafKey) fresh(made, now time.Time) bool {
	if k.turned {
		return now.Sub(made).Abs() < time.Minute
	}
	return fresh(made, now)
}

// get returns the leaf of k, which mint makes unless there is one that serves at
// now.
func (c *leafCache) get(k leafKey, now time.Time, mint func(leafKey, time.Time) (*tls.Certificate, error)) (*tls.Certificate, error) {
	c.mu.RLock()
	l := c.m[k]
	c.mu.RUnlock()
	if l == nil || !k.fresh(l.made, now) {
		l = c.put(k, now)
	}
	l.once.Do(func() { l.cert, l.err = mint(k, l.made) })
	return l.cert, l.err
}

// put makes room for a new leaf; when the cache is full any other goes.
func (c *leafCache) put(k leafKey, now time.Time) *leaf {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.m[k]; l != nil && k.fresh(l.made, now) {
		return l
	}
	if c.m == nil {
		c.m = map[leafKey]*leaf{}
	}
	for old := range c.m {
		if len(c.m) < maxLeaves {
			break
		}
		delete(c.m, old)
	}
	l := &leaf{made: now}
	c.m[k] = l
	return l
}

// issuerCache keeps the issuer in use.
type issuerCache struct {
	mu  sync.Mutex
	now *issuer
}

// get returns an issuer for a leaf that is valid in the time of leaf; renew
// makes it unless there is one that is valid all that time.
func (c *issuerCache) get(leaf span, renew func() (*issuer, error)) (*issuer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != nil && c.now.valid.holds(leaf) {
		return c.now, nil
	}
	is, err := renew()
	if err == nil {
		c.now = is
	}
	return is, err
}

// issuer signs the ECDSA leaves.
type issuer struct {
	cert  *x509.Certificate
	valid span // the time in which it can issue leaves
	key   crypto.Signer
	chain [][]byte          // sent after the leaf
	leaf  *ecdsa.PrivateKey // the key of all leaves
}

// newIssuer makes the key that signs the leaves. Under an RSA CA that is an
// intermediate P-256 CA, which lives as long as the process and the clock allow:
// an RSA signature costs twenty times an ECDSA one and would be due for every new
// host name.
func (a *Authority) newIssuer(now time.Time) (*issuer, error) {
	lk, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	is := &issuer{cert: a.cert, key: a.key, chain: a.chain, leaf: lk, valid: issuerSpan(spanOf(a.cert), now)}
	if _, slow := a.key.(*rsa.PrivateKey); !slow || a.cert.MaxPathLenZero {
		return is, nil
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	id := keyID(&k.PublicKey)
	tmpl := &x509.Certificate{
		RawSubject: subject("mitmproxy hosts "+hex.EncodeToString(id[:4]), "mitmproxy"),
		NotBefore:  is.valid.from, NotAfter: is.valid.until,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		KeyUsage:     x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		SubjectKeyId: id,
	}
	if tmpl.SerialNumber, err = serial(); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &k.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	if is.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	is.key, is.chain = k, append([][]byte{der}, a.chain...)
	return is, nil
}

// newRSAKey returns the key of the RSA leaves: the CA's own, as in mitmproxy, or
// a new one under an ECDSA CA.
func (a *Authority) newRSAKey() (*rsa.PrivateKey, error) {
	if k, ok := a.key.(*rsa.PrivateKey); ok {
		return k, nil
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

// mint signs a leaf for the names of k that is made at now.
func (a *Authority) mint(k leafKey, now time.Time) (*tls.Certificate, error) {
	d, err := a.draft(k, now)
	if err != nil {
		return nil, err
	}
	return d.sign()
}

// draft is a leaf that is not signed yet.
type draft struct {
	*x509.Certificate                   // what is to be signed
	parent            *x509.Certificate // of the signer
	signer            crypto.Signer
	key               crypto.Signer // of the leaf
	chain             [][]byte      // sent after the leaf
}

// draft returns a leaf for the names of k that is to be made at now.
func (a *Authority) draft(k leafKey, now time.Time) (*draft, error) {
	sn, err := serial()
	if err != nil {
		return nil, err
	}
	valid := leafSpan(now)
	d := &draft{
		Certificate: &x509.Certificate{
			SerialNumber: sn,
			NotBefore:    valid.from, NotAfter: valid.until,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		},
		parent: a.cert, signer: a.key, chain: a.chain,
	}
	d.name(k.names()...)
	if k.rsa {
		d.key, err = a.rsaKey()
		return d, err
	}
	is, err := a.issuer.get(valid, func() (*issuer, error) { return a.newIssuer(now) })
	if err != nil {
		return nil, err
	}
	if d.key = is.leaf; !k.short {
		d.parent, d.signer, d.chain = is.cert, is.key, is.chain
	}
	return d, nil
}

// names returns the names of a leaf, each once.
func (k leafKey) names() []string {
	names := []string{k.sni, k.host}
	return slices.DeleteFunc(slices.Compact(names), func(s string) bool { return s == "" })
}

// name has the leaf be for these names and addresses.
func (d *draft) name(names ...string) {
	d.DNSNames, d.IPAddresses = nil, nil
	cn := ""
	for _, n := range names {
		if ip, err := netip.ParseAddr(n); err == nil {
			d.IPAddresses = append(d.IPAddresses, ip.WithZone("").AsSlice())
		} else {
			d.DNSNames = append(d.DNSNames, n)
		}
		if cn == "" && len(n) < 64 {
			cn = n
		}
	}
	d.RawSubject = subject(cn, "")
}

// sign signs the leaf.
func (d *draft) sign() (*tls.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, d.Certificate, d.parent, d.key.Public(), d.signer)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: append([][]byte{der}, d.chain...), PrivateKey: d.key}, nil
}

// TakesECDSA reports whether a client gets a P-256 certificate and not one for
// RSA: by the signature schemes in TLS 1.3 (RFC 8446 section 4.2.3), in TLS 1.2
// also by the cipher suites and curves (RFC 8422 section 5.1). There a client
// whose only strong suites are those for RSA gets RSA.
func TakesECDSA(h *tls.ClientHelloInfo) bool {
	scheme := slices.Contains(h.SignatureSchemes, tls.ECDSAWithP256AndSHA256)
	if slices.Contains(h.SupportedVersions, tls.VersionTLS13) {
		return scheme
	}
	if !scheme && len(h.SignatureSchemes) > 0 || !slices.Contains(h.SupportedCurves, tls.CurveP256) {
		return false
	}
	if slices.ContainsFunc(h.CipherSuites, StrongECDSA) {
		return true
	}
	return !slices.ContainsFunc(h.CipherSuites, StrongRSA) && slices.ContainsFunc(h.CipherSuites, func(suite uint16) bool {
		switch suite {
		case tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256:
			return true
		}
		return false
	})
}

// StrongECDSA reports whether a cipher suite of TLS 1.2 is one for ECDSA with an
// ephemeral key exchange and AEAD.
func StrongECDSA(suite uint16) bool {
	switch suite {
	case tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
		return true
	}
	return false
}

// StrongRSA reports the same of a cipher suite for RSA.
func StrongRSA(suite uint16) bool {
	switch suite {
	case tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:
		return true
	}
	return false
}
