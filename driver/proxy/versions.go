package proxy

import (
	"crypto/tls"
	"slices"
	"strings"
)

// bounded sets which versions and cipher suites of TLS are spoken, with devices
// and with real servers. The weak suites of ten years ago are among them (RSA
// key exchange, CBC with SHA-256, 3DES): crypto/tls prefers the others, so they
// count only where a peer has nothing better. RC4 is left out (RFC 7465).
//
// What else old peers need is set in go.mod: SHA-1 signatures in TLS 1.2,
// negative serial numbers, and RSA keys below 1024 and above 8192 bits.
func (c *Config) bounded(t *tls.Config) *tls.Config {
	t.MinVersion = c.MinTLS
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if !strings.Contains(s.Name, "_RC4_") {
			t.CipherSuites = append(t.CipherSuites, s.ID)
		}
	}
	return t
}

// tooOld adds to the text of a failed handshake which setting allows it, where
// the versions of TLS are the reason.
func tooOld(text string) string {
	for _, sign := range []string{"unsupported protocol version", "protocol version not supported", "only unsupported versions"} {
		if strings.Contains(text, sign) {
			return text + " (tls.min_version of the configuration allows older ones)"
		}
	}
	return text
}
