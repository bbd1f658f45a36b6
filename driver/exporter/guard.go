package exporter

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// passphraseKey is the metadata that carries the passphrase on every call.
const passphraseKey = "x-jumpstarter-passphrase"

// guard lets calls with the right passphrase pass. It keeps only a digest, so
// that comparing takes the same time whatever is presented.
type guard struct{ want [sha256.Size]byte }

func newGuard(passphrase string) *guard {
	return &guard{want: sha256.Sum256([]byte(passphrase))}
}

// check never mentions what was presented.
func (g *guard) check(ctx context.Context) error {
	var presented string
	md, _ := metadata.FromIncomingContext(ctx)
	values := md.Get(passphraseKey)
	if len(values) == 1 {
		presented = values[0]
	}
	got := sha256.Sum256([]byte(presented))
	if subtle.ConstantTimeCompare(got[:], g.want[:]) != 1 {
		return status.Error(codes.Unauthenticated, "invalid or missing passphrase")
	}
	return nil
}

func (g *guard) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := g.check(ctx); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (g *guard) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := g.check(stream.Context()); err != nil {
		return err
	}
	return handler(srv, stream)
}

// recoverUnary turns a panic of a driver into an error of that one call.
func (e *Exporter) recoverUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (_ any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = e.panicked(info.FullMethod, p)
		}
	}()
	return handler(ctx, req)
}

func (e *Exporter) recoverStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = e.panicked(info.FullMethod, p)
		}
	}()
	return handler(srv, stream)
}

func (e *Exporter) panicked(method string, p any) error {
	e.log.Error("a driver panicked", "method", method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return status.Errorf(codes.Internal, "internal error: %s", oneLine(fmt.Sprint(p)))
}
