package exporter

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// passphraseKey is the metadata that carries the passphrase on every call.
const passphraseKey = "x-jumpstarter-passphrase"

// guard lets calls with the right passphrase pass. It keeps only a digest, so
// that comparing takes the same time whatever is presented. A call with a wrong
// one is logged and answered late, the later the more of them its peer makes;
// one with the right passphrase never waits.
type guard struct {
	want  [sha256.Size]byte
	log   *slog.Logger
	sleep func(context.Context, time.Duration)

	mu      sync.Mutex
	waiting int
	peers   map[netip.Addr]*suspect
}

// suspect is a peer that presented wrong passphrases.
type suspect struct {
	wrong  int       // how many
	last   time.Time // when it did last
	logged time.Time // when the log heard of it last
	unsaid int       // wrong ones since then
}

const (
	// wrongStep is how much longer each wrong passphrase of a peer makes it
	// wait, and wrongMost the longest wait.
	wrongStep = 200 * time.Millisecond
	wrongMost = 5 * time.Second
	// wrongForget is after how long without a wrong passphrase a peer begins anew.
	wrongForget = time.Minute
	// maxSuspects bounds the peers that are remembered, and maxWaiting the calls
	// that wait: further ones are refused at once.
	maxSuspects = 1024
	maxWaiting  = 1024
)

func newGuard(passphrase string, log *slog.Logger) *guard {
	return &guard{want: sha256.Sum256([]byte(passphrase)), log: log, peers: map[netip.Addr]*suspect{},
		sleep: func(ctx context.Context, d time.Duration) {
			t := time.NewTimer(d)
			defer t.Stop()
			select {
			case <-t.C:
			case <-ctx.Done():
			}
		}}
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
	if subtle.ConstantTimeCompare(got[:], g.want[:]) == 1 {
		return nil
	}
	if d := g.suspect(ctx, len(values) > 0); d > 0 {
		g.sleep(ctx, d)
		g.mu.Lock()
		g.waiting--
		g.mu.Unlock()
	}
	return status.Error(codes.Unauthenticated, "invalid or missing passphrase")
}

// suspect notes and logs a wrong passphrase, or none, and gives how long its
// answer has to wait; 0 when too many wait already.
func (g *guard) suspect(ctx context.Context, given bool) time.Duration {
	var from netip.Addr
	if p, ok := peer.FromContext(ctx); ok {
		if at, ok := p.Addr.(*net.TCPAddr); ok {
			from = at.AddrPort().Addr().Unmap()
		}
	}
	now := time.Now()
	g.mu.Lock()
	s := g.peers[from]
	if s == nil || now.Sub(s.last) > wrongForget {
		g.makeRoom(now)
		s = &suspect{}
		g.peers[from] = s
	}
	s.wrong++
	s.last = now
	s.unsaid++
	tell := now.Sub(s.logged) >= time.Second
	count := s.unsaid
	if tell {
		s.logged, s.unsaid = now, 0
	}
	d := min(time.Duration(s.wrong)*wrongStep, wrongMost)
	if g.waiting == maxWaiting {
		d = 0
	} else {
		g.waiting++
	}
	g.mu.Unlock()
	if tell {
		why := "wrong passphrase"
		if !given {
			why = "no passphrase"
		}
		g.log.Warn("a client was refused: "+why, "peer", from.String(), "times", count)
	}
	return d
}

// makeRoom forgets peers that were quiet, and the one that was quiet for
// longest when there are too many; mu is held.
func (g *guard) makeRoom(now time.Time) {
	if len(g.peers) < maxSuspects {
		return
	}
	var oldest netip.Addr
	for at, s := range g.peers {
		if now.Sub(s.last) > wrongForget {
			delete(g.peers, at)
		} else if o := g.peers[oldest]; o == nil || s.last.Before(o.last) {
			oldest = at
		}
	}
	if len(g.peers) >= maxSuspects {
		delete(g.peers, oldest)
	}
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
func (s *Session) recoverUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (_ any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(info.FullMethod, p)
		}
	}()
	return handler(ctx, req)
}

func (s *Session) recoverStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(info.FullMethod, p)
		}
	}()
	return handler(srv, stream)
}

func (s *Session) panicked(method string, p any) error {
	s.log.Error("a driver panicked", "method", method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return status.Errorf(codes.Internal, "internal error: %s", oneLine(fmt.Sprint(p)))
}
