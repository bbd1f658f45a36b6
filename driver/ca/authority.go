// Package ca is the certificate authority that devices trust: the files that
// mitmproxy keeps of it, and the leaf certificates that it signs for each host.
//
// An Authority is for any number of goroutines.
//
// driver opens it, proxy asks it for certificates and lets it serve mitm.it.
package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"starproxy/builtins/clock"
	"starproxy/builtins/disk"
	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// The files that mitmproxy keeps in its configuration directory.
const (
	caFile      = "mitmproxy-ca.pem"      // 0600: private key, then certificate
	caP12File   = "mitmproxy-ca.p12"      // 0600: the same as PKCS #12, empty password
	certFile    = "mitmproxy-ca-cert.pem" // 0644
	certCERFile = "mitmproxy-ca-cert.cer" // 0644: the same bytes, for Android
	certP12File = "mitmproxy-ca-cert.p12" // 0644: certificate only, empty password
)

// CertPath returns where the certificate of a CA kept in dir is: the file to
// give to devices.
func CertPath(dir string) string { return filepath.Join(dir, certFile) }

// KeyPaths returns the files of a CA kept in dir that hold its private key.
func KeyPaths(dir string) []string {
	return []string{filepath.Join(dir, caFile), filepath.Join(dir, caP12File)}
}

// Authority signs leaf certificates with a CA that devices trust.
type Authority struct {
	dir   string
	cert  *x509.Certificate
	key   crypto.Signer
	chain [][]byte // certificates above cert that the CA file holds

	now    func() time.Time // the wall clock
	issuer issuerCache      // signs ECDSA leaves
	rsaKey func() (*rsa.PrivateKey, error)
	other  otherKeys // of flawed certificates
	leaves leafCache
}

// Open loads the CA in dir, or makes one when there is no mitmproxy-ca.pem. An
// existing CA is never changed; of the other four files those that are missing
// are written. Two programs that open the same empty directory at once end up
// with the same CA.
func Open(dir string) (*Authority, error) { return openAt(dir, wall) }

// openAt is Open with a wall clock.
func openAt(dir string, now func() time.Time) (*Authority, error) {
	path := filepath.Join(dir, caFile)
	data, err := disk.Read(path, disk.MaxDocument)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = create(dir, path, now())
	}
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	a, err := parse(data)
	if err != nil {
		return nil, exchange.Naming(fmt.Errorf("certificate authority %s: %w", path, err), path)
	}
	a.dir, a.now = dir, now
	if err := a.writeFiles(); err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	return a, nil
}

// parse reads a CA file: the first private key and the first certificate are
// the CA, further certificates are the chain above it.
func parse(data []byte) (*Authority, error) {
	a := new(Authority)
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		switch b.Type {
		case "CERTIFICATE":
			if a.cert != nil {
				a.chain = append(a.chain, b.Bytes)
				continue
			}
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				return nil, err
			}
			a.cert = c
		case "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY":
			if a.key != nil {
				continue
			}
			k, err := parseKey(b)
			if err != nil {
				return nil, err
			}
			a.key = k
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("private key: got an encrypted one, want one that is not")
		}
	}
	switch {
	case a.key == nil:
		return nil, errors.New("private key: got none, want one")
	case a.cert == nil:
		return nil, errors.New("certificate: got none, want one")
	case !a.cert.IsCA:
		return nil, errors.New("certificate: got one that is not a CA's, want a CA's")
	}
	if pub, ok := a.key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(a.cert.PublicKey) {
		return nil, errors.New("private key: got one that is not the certificate's, want the certificate's")
	}
	a.rsaKey, a.other = sync.OnceValues(a.newRSAKey), newOtherKeys()
	return a, nil
}

func parseKey(b *pem.Block) (crypto.Signer, error) {
	switch b.Type {
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(b.Bytes)
	}
	k, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return nil, err
	}
	switch k := k.(type) {
	case *rsa.PrivateKey:
		return k, nil
	case *ecdsa.PrivateKey:
		return k, nil
	}
	return nil, fmt.Errorf("private key: got one of type %T, want RSA or ECDSA", k)
}

// Cert returns the CA's certificate.
func (a *Authority) Cert() *x509.Certificate { return a.cert }

// CertPEM returns the CA's certificate in PEM form.
func (a *Authority) CertPEM() []byte {
	var b bytes.Buffer
	pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	return b.Bytes()
}

// CertPath returns the file that holds the certificate for devices.
func (a *Authority) CertPath() string { return CertPath(a.dir) }

// Certificate returns the certificate for a TLS handshake: for the name that the
// client asks for (SNI) and for host, the destination of its connection. A text that
// can't be the name of a host is left out; it is an error when none is left. Clients
// that can use ECDSA get an ECDSA certificate, others an RSA one. It is valid by the
// wall clock of this moment, also when the clock was set since the last one. While clock
// is turned, its time counts instead. clock may be nil.
func (a *Authority) Certificate(hello *tls.ClientHelloInfo, host string, clock *clock.Clock) (*tls.Certificate, error) {
	k, err := newLeafKey(hello, host)
	if err != nil {
		return nil, err
	}
	now, turned := a.time(clock)
	k.turned = turned
	return a.leaves.get(k, now, a.mint)
}

// time returns the time that a certificate is made for, and whether it is that of a clock
// that is turned.
func (a *Authority) time(clock *clock.Clock) (now time.Time, turned bool) {
	if clock.Name() == "" {
		return a.now(), false
	}
	return clock.Now().Round(0), true
}

// newLeafKey returns the names and the properties of the leaf for a handshake.
func newLeafKey(hello *tls.ClientHelloInfo, host string) (leafKey, error) {
	k := leafKey{rsa: !TakesECDSA(hello), short: wantsShort(hello)}
	k.sni, _ = exchange.HostName(hello.ServerName)
	k.host, _ = exchange.HostName(host)
	if k.sni == "" && k.host == "" {
		return k, fmt.Errorf("no certificate: got server name %s and host %s, want a name or an address",
			excerpt.Quote(hello.ServerName), excerpt.Quote(host))
	}
	return k, nil
}
