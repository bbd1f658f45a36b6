package labtest

import (
	"context"
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

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
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

// caller is the object that a call comes from.
type caller struct{ kind, name string }

type callerKey struct{}

// authenticate finds who calls, and refuses as the controller does.
func (l *Lab) authenticate(ctx context.Context) (context.Context, error) {
	l.mu.Lock()
	fault, cold := l.fault, time.Since(l.started) < l.options.WarmUp
	l.mu.Unlock()
	if fault != nil {
		return nil, fault
	}
	md, _ := metadata.FromIncomingContext(ctx)
	auth := md.Get("authorization")
	if len(auth) != 1 {
		return nil, status.Error(codes.Unauthenticated, "missing authorization header")
	}
	token, ok := strings.CutPrefix(auth[0], "Bearer ")
	if !ok {
		return nil, status.Error(codes.InvalidArgument, "malformed authorization header")
	}
	if cold {
		return nil, status.Error(codes.Unknown, "oidc: authenticator not initialized")
	}
	subject, err := l.verify(token, objectIssuer, objectAudience)
	if err != nil {
		return nil, status.Error(codes.Unknown, err.Error())
	}
	kind := md.Get("jumpstarter-kind")
	switch {
	case len(kind) == 0:
		return nil, status.Error(codes.InvalidArgument, "missing metadata: jumpstarter-kind")
	case len(kind) > 1:
		return nil, status.Error(codes.InvalidArgument, "multiple metadata: jumpstarter-kind")
	}
	name, namespace := md.Get("jumpstarter-name"), md.Get("jumpstarter-namespace")
	if len(name) != 1 || len(namespace) != 1 {
		return nil, status.Error(codes.InvalidArgument, "resource name required for pre-existing authentication")
	}
	who := caller{strings.ToLower(kind[0]), name[0]}
	if err := l.authorize(who, namespace[0], subject); err != nil {
		return nil, err
	}
	return context.WithValue(ctx, callerKey{}, who), nil
}

// authorize compares a caller with the subject of its token.
func (l *Lab) authorize(who caller, namespace, subject string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	uid := ""
	if who.kind == "exporter" {
		e := l.exporters[who.name]
		if e == nil || namespace != Namespace {
			return status.Errorf(codes.Unknown, "exporter %s/%s: exporters.jumpstarter.dev %q not found", namespace, who.name, who.name)
		}
		uid = e.uid
	}
	if subject != subjectOf(who.kind, who.name, uid) {
		return status.Errorf(codes.PermissionDenied, "permission denied for %s %s/%s", who.kind, namespace, who.name)
	}
	return nil
}

func subjectOf(kind, name, uid string) string {
	return fmt.Sprintf("%s:%s:%s:%s", kind, Namespace, name, uid)
}

// callerOf is who makes a call, if it is of that kind.
func callerOf(ctx context.Context, kind string) (string, error) {
	who, _ := ctx.Value(callerKey{}).(caller)
	if who.kind != kind {
		return "", status.Error(codes.InvalidArgument, "object kind mismatch")
	}
	return who.name, nil
}

func (l *Lab) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, err := l.authenticate(ctx)
	if err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (l *Lab) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, err := l.authenticate(stream.Context())
	if err != nil {
		return err
	}
	return handler(srv, &authenticated{stream, ctx})
}

// authenticated is a stream whose caller is known.
type authenticated struct {
	grpc.ServerStream
	ctx context.Context
}

func (a *authenticated) Context() context.Context { return a.ctx }
