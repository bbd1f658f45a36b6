package labtest

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// claims are the part of a token (RFC 7519) that the controller looks at.
type claims struct {
	Issuer   string   `json:"iss"`
	Audience []string `json:"aud"`
	Subject  string   `json:"sub"`
	Issued   int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	ID       int64    `json:"jti,string"` // counts the tokens of a lab
}

var encoding = base64.RawURLEncoding

// What is in the tokens of objects, and in those of tunnels.
const (
	objectIssuer, objectAudience = "https://localhost:8085", "jumpstarter"
	tunnelIssuer, tunnelAudience = "https://jumpstarter.dev/stream", "https://jumpstarter.dev/router"
)

// tunnelLife is how long a tunnel can be opened with its token.
const tunnelLife = 30 * time.Minute

// Reasons to refuse a token.
var (
	errForeign   = errors.New("failed to authenticate token")
	errSignature = errors.New("oidc: verify token: failed to verify signature: failed to verify id token signature")
)

// expiry is an end of tokens before their time.
type expiry struct {
	at   time.Time
	last int64 // the ID of the last token that it is for
}

// sign makes a token of a subject for an audience, by ES256.
func (l *Lab) sign(issuer, audience, subject string, life time.Duration) (string, error) {
	now := time.Now()
	payload, err := json.Marshal(claims{issuer, []string{audience}, subject, now.Unix(), now.Add(life).Unix(), l.signed.Add(1)})
	if err != nil {
		return "", err
	}
	text := encoding.EncodeToString([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + encoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, l.key, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + encoding.EncodeToString(signature), nil
}

// verify returns the subject of a token; the text of an error is the
// controller's.
func (l *Lab) verify(token, issuer, audience string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errForeign
	}
	payload, perr := encoding.DecodeString(parts[1])
	signature, serr := encoding.DecodeString(parts[2])
	var c claims
	if perr != nil || json.Unmarshal(payload, &c) != nil || c.Issuer != issuer || !slices.Contains(c.Audience, audience) {
		return "", errForeign
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if serr != nil || len(signature) != 64 ||
		!ecdsa.Verify(&l.key.PublicKey, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return "", errSignature
	}
	end := time.Unix(c.Expires, 0)
	l.mu.Lock()
	if e := l.expired[c.Subject]; c.ID <= e.last && e.at.Before(end) {
		end = e.at
	}
	l.mu.Unlock()
	if time.Now().After(end) {
		return "", fmt.Errorf("oidc: verify token: oidc: token is expired (Token Expiry: %s)", end)
	}
	return c.Subject, nil
}
