package exporter

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// controller checks what the file says of the controller.
func (c *checker) controller() {
	endpoint, token := at(&c.root, "endpoint"), at(&c.root, "token")
	if err := checkEndpoint(c.config.Endpoint); err != nil {
		c.wrong(endpoint, "endpoint: %v", err)
	}
	switch {
	case c.config.Endpoint == "" && c.config.Token == "":
		return // an exporter that serves locally
	case c.config.Endpoint == "":
		c.doubtful(token, "endpoint: got none, want host:port of the controller that the token is for")
	case c.config.Token == "":
		c.wrong(endpoint, "token: got none, want the one that the controller gave this exporter")
	}
	for _, name := range []struct{ key, value string }{{"name", c.config.Metadata.Name}, {"namespace", c.config.Metadata.Namespace}} {
		if name.value == "" {
			c.wrong(at(&c.root, "metadata"), "metadata.%s: got none, want that of the exporter at the controller", name.key)
		}
	}
	c.authorities()
	if c.config.Token != "" {
		c.token()
	}
}

// checkEndpoint returns what is wrong with an address, which is host:port or empty.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	if strings.Contains(endpoint, "://") {
		return fmt.Errorf("got the URL %q, want host:port", endpoint)
	}
	host, port, err := net.SplitHostPort(endpoint)
	n, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil || n == 0 || host == "" || strings.ContainsAny(host, " /@") {
		return fmt.Errorf("got %q, want host:port", endpoint)
	}
	return nil
}

// authorities checks tls.ca.
func (c *checker) authorities() {
	n := at(&c.root, "tls", "ca")
	if c.config.TLS.CA == "" {
		return
	}
	if c.config.TLS.Insecure {
		c.know(n, "tls.ca: not used, for tls.insecure accepts any certificate")
	}
	certs, err := decodeAuthorities(c.config.TLS.CA)
	if err != nil {
		c.wrong(n, "tls.ca: %v", err)
		return
	}
	for _, cert := range certs {
		if c.now.After(cert.NotAfter) {
			c.wrong(n, "tls.ca: the certificate of %s expired on %s", cert.Subject, cert.NotAfter.UTC().Format(time.DateOnly))
		}
	}
}

// decodeAuthorities reads certificates in PEM in base64.
func decodeAuthorities(text string) ([]*x509.Certificate, error) {
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, fmt.Errorf("got what is no base64, want certificates in PEM in base64: %w", err)
	}
	var certs []*x509.Certificate
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("got no certificate in PEM, want one or more in base64")
	}
	return certs, nil
}

// TokenClaims are the claims of a token.
type TokenClaims struct {
	// Subject is exporter:NAMESPACE:NAME:UID.
	Subject string
	// Expires is when the token ends; zero for never.
	Expires time.Time
}

// ReadToken reads the claims of a JSON Web Token (RFC 7519), without verifying
// it: whether it is valid is for the controller to say. Errors hold nothing of
// it.
func ReadToken(token string) (TokenClaims, error) {
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 {
		return TokenClaims{}, fmt.Errorf("got a text of %d part(s), want a JSON Web Token, which has 3", len(parts))
	}
	var claims struct {
		Sub string  `json:"sub"`
		Exp float64 `json:"exp"` // seconds since 1970
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return TokenClaims{}, errors.New("got what can't be decoded, want a JSON Web Token")
	}
	// Seconds that are out of range would overflow a time.
	if claims.Exp <= 0 || claims.Exp > 1e11 {
		return TokenClaims{Subject: claims.Sub}, nil
	}
	return TokenClaims{claims.Sub, time.Unix(int64(claims.Exp), 0)}, nil
}

// token checks when the token expires and for whom it is.
func (c *checker) token() {
	n := at(&c.root, "token")
	claims, err := ReadToken(c.config.Token)
	if err != nil {
		c.wrong(n, "token: %v", err)
		return
	}
	expires := claims.Expires.UTC()
	switch days := int(expires.Sub(c.now).Hours() / 24); {
	case claims.Expires.IsZero():
		c.know(n, "token: it does not expire")
	case !expires.After(c.now):
		c.wrong(n, "token: it expired on %s", expires.Format(time.DateTime+" MST"))
	default:
		c.know(n, "token: it expires on %s, in %d day(s)", expires.Format(time.DateTime+" MST"), days)
	}
	kind, rest, _ := strings.Cut(claims.Subject, ":")
	if want := c.config.Metadata.Namespace + ":" + c.config.Metadata.Name + ":"; claims.Subject != "" &&
		(kind != "exporter" || !strings.HasPrefix(rest, want)) {
		c.doubtful(n, "token: got that of %q, want that of exporter:%s…", claims.Subject, want)
	}
}
