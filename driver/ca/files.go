package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"starproxy/builtins/disk"
)

// ignoreAll is the .gitignore of a directory of which nothing is committed.
const ignoreAll = "# The certificate authority of a proxy and its private key.\n*\n"

// create makes a CA with mitmproxy's parameters and writes it to path, unless another
// process has written one meanwhile. It returns the content of the file. The key of a
// CA is RSA, which every device can verify; hosts get ECDSA leaves all the same.
func create(dir, path string, now time.Time) ([]byte, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	valid := caSpan(now)
	tmpl := &x509.Certificate{
		RawSubject: subject("mitmproxy", "mitmproxy"),
		NotBefore:  valid.from, NotAfter: valid.until,
		BasicConstraintsValid: true, IsCA: true,
		KeyUsage:     x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		SubjectKeyId: keyID(&key.PublicKey),
	}
	if tmpl.SerialNumber, err = serial(); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	// The key may lie in the checkout of somebody's tests.
	if err := disk.CreateNew(filepath.Join(dir, ".gitignore"), 0o644, []byte(ignoreAll)); err != nil {
		return nil, err
	}
	if err := disk.CreateNew(path, 0o600, data); err != nil {
		return nil, err
	}
	return disk.Read(path, disk.MaxDocument)
}

// writeFiles writes the files that are missing beside the CA's own file.
func (a *Authority) writeFiles() error {
	for _, f := range []struct {
		name string
		mode fs.FileMode
		make func() ([]byte, error)
	}{
		{caP12File, 0o600, func() ([]byte, error) { return pkcs12.Modern2023.Encode(a.key, a.cert, nil, "") }},
		{certFile, 0o644, func() ([]byte, error) { return a.CertPEM(), nil }},
		{certCERFile, 0o644, func() ([]byte, error) { return a.CertPEM(), nil }},
		{certP12File, 0o644, a.certP12},
	} {
		path := filepath.Join(a.dir, f.name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		data, err := f.make()
		if err == nil {
			err = disk.CreateNew(path, f.mode, data)
		}
		// A CA in a directory that we may only read does without the other files.
		if err != nil && !(readOnly(err) && f.name != certFile) {
			return err
		}
	}
	return nil
}

// readOnly reports whether a file could not be made because its directory or
// its file system may only be read.
func readOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

func (a *Authority) certP12() ([]byte, error) {
	return pkcs12.Modern2023.EncodeTrustStore([]*x509.Certificate{a.cert}, "")
}

// subject encodes CN before O, as mitmproxy does (pkix.Name would turn them round).
func subject(cn, o string) []byte {
	name := pkix.RDNSequence{}
	if cn != "" {
		name = append(name, pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: cn}})
	}
	if o != "" {
		name = append(name, pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: o}})
	}
	b, err := asn1.Marshal(name)
	if err != nil {
		return nil
	}
	return b
}

func serial() (*big.Int, error) { return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 159)) }

// keyID returns the subject key identifier of RFC 5280 section 4.2.1.2, method
// 1.
func keyID(pub crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &spki); err != nil {
		return nil
	}
	h := sha1.Sum(spki.Key.RightAlign())
	return h[:]
}
