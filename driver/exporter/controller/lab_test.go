package controller

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"starproxy/builtins/follow"
	"starproxy/driver/pb"
)

// lab is a controller with a router that say what a test wants, in whatever
// order, as far as one exporter sees them; labtest behaves as real ones. What it
// knows outlives a restart.
type lab struct {
	pb.UnimplementedControllerServiceServer
	t     testing.TB
	cert  tls.Certificate
	caPEM string // in base64

	addr, routerAddr string
	server, router   *grpc.Server

	mu         sync.Mutex
	changed    follow.Signal
	token      string
	fault      error // of every call, while set
	listenErr  error
	slowStatus time.Duration
	registers  int
	left       bool
	statuses   []string
	lease      *pb.StatusResponse
	streams    int // open Status streams
	listens    int // of all times
	listeners  map[string]*queue
	released   []string
	noRelease  bool
	halves     map[string]*half
	waiting    int
}

// queue is one Listen.
type queue struct {
	tokens chan *pb.ListenResponse
	ended  chan struct{}
}

func newLab(t testing.TB) *lab {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spec := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, spec, spec, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{
		t: t, cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		caPEM: base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		token: "good", listeners: map[string]*queue{}, halves: map[string]*half{},
		lease: &pb.StatusResponse{},
	}
	l.start()
	l.startRouter()
	t.Cleanup(func() { l.server.Stop(); l.router.Stop() })
	return l
}

func (l *lab) listen(addr *string) net.Listener {
	at := *addr
	if at == "" {
		at = "127.0.0.1:0"
	}
	for range 100 {
		ln, err := net.Listen("tcp", at)
		if err == nil {
			*addr = ln.Addr().String()
			return ln
		}
		time.Sleep(10 * time.Millisecond)
	}
	l.t.Fatal("no listener at", at)
	return nil
}

func (l *lab) start() {
	ln := l.listen(&l.addr)
	l.server = grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&l.cert)), grpc.ChainUnaryInterceptor(l.unary), grpc.ChainStreamInterceptor(l.stream))
	pb.RegisterControllerServiceServer(l.server, l)
	go l.server.Serve(ln)
}

func (l *lab) kill() { l.server.Stop() }

func (l *lab) startRouter() {
	ln := l.listen(&l.routerAddr)
	l.router = grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&l.cert)))
	pb.RegisterRouterServiceServer(l.router, &router{lab: l})
	go l.router.Serve(ln)
}

// edit changes what the lab knows.
func (l *lab) edit(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.changed.Notify()
}

// await waits until what the lab knows fulfils a condition.
func (l *lab) await(what string, cond func() bool) {
	l.t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		l.mu.Lock()
		ok, changed := cond(), l.changed.Changed()
		l.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			l.mu.Lock()
			defer l.mu.Unlock()
			l.t.Fatalf("waited in vain for %s; statuses:\n%s", what, strings.Join(l.statuses, "\n"))
		}
	}
}

// awaitStatus waits until the newest status begins with text.
func (l *lab) awaitStatus(text string) {
	l.t.Helper()
	l.await("status "+text, func() bool {
		return len(l.statuses) > 0 && strings.HasPrefix(l.statuses[len(l.statuses)-1], text)
	})
}

// setLease begins a lease, or ends it with an empty name.
func (l *lab) setLease(name string) {
	l.edit(func() {
		l.lease = &pb.StatusResponse{}
		if name != "" {
			client := "alice"
			l.lease = &pb.StatusResponse{Leased: true, LeaseName: &name, ClientName: &client}
		}
	})
}

func (l *lab) check(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fault != nil {
		return l.fault
	}
	md, _ := metadata.FromIncomingContext(ctx)
	for key, want := range map[string]string{"jumpstarter-kind": "Exporter", "jumpstarter-namespace": "default", "jumpstarter-name": "bench"} {
		if got := md.Get(key); !slices.Equal(got, []string{want}) {
			return status.Errorf(codes.InvalidArgument, "missing metadata: %s", key)
		}
	}
	if got := md.Get("authorization"); !slices.Equal(got, []string{"Bearer " + l.token}) {
		return status.Error(codes.PermissionDenied, "permission denied for exporter default/bench")
	}
	return nil
}

func (l *lab) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := l.check(ctx); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (l *lab) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := l.check(stream.Context()); err != nil {
		return err
	}
	return handler(srv, stream)
}

func (l *lab) Register(_ context.Context, r *pb.RegisterRequest) (*pb.RegisterResponse, error) {
	l.edit(func() { l.registers++ })
	return &pb.RegisterResponse{Uuid: uuid.NewString()}, nil
}

func (l *lab) Unregister(context.Context, *pb.UnregisterRequest) (*pb.UnregisterResponse, error) {
	l.edit(func() {
		l.left = true
		l.statuses = append(l.statuses, fmt.Sprintf("UNREGISTERED with %d streams", l.streams))
	})
	return &pb.UnregisterResponse{}, nil
}

func (l *lab) ReportStatus(_ context.Context, r *pb.ReportStatusRequest) (*pb.ReportStatusResponse, error) {
	l.edit(func() {
		text := strings.TrimPrefix(r.GetStatus().String(), "EXPORTER_STATUS_") + " " + r.GetMessage()
		if r.GetReleaseLease() {
			l.released = append(l.released, "by status "+text)
			l.lease = &pb.StatusResponse{}
			return
		}
		l.statuses = append(l.statuses, text)
	})
	return &pb.ReportStatusResponse{}, nil
}

func (l *lab) ReleaseLease(_ context.Context, r *pb.ReleaseLeaseRequest) (*pb.ReleaseLeaseResponse, error) {
	l.mu.Lock()
	old := l.noRelease
	l.mu.Unlock()
	if old {
		return nil, status.Error(codes.InvalidArgument, "object kind mismatch")
	}
	l.edit(func() { l.released = append(l.released, r.GetName()); l.lease = &pb.StatusResponse{} })
	return &pb.ReleaseLeaseResponse{}, nil
}

func (l *lab) Status(_ *pb.StatusRequest, stream grpc.ServerStreamingServer[pb.StatusResponse]) error {
	l.mu.Lock()
	slow := l.slowStatus
	l.mu.Unlock()
	time.Sleep(slow)
	l.edit(func() { l.streams++ })
	defer l.edit(func() { l.streams-- })
	var sent *pb.StatusResponse
	for {
		l.mu.Lock()
		now, changed, fault := l.lease, l.changed.Changed(), l.fault
		l.mu.Unlock()
		if fault != nil && strings.Contains(fault.Error(), "watch channel") {
			return fault
		}
		if now != sent {
			if err := stream.Send(now); err != nil {
				return err
			}
			sent = now
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func (l *lab) Listen(r *pb.ListenRequest, stream grpc.ServerStreamingServer[pb.ListenResponse]) error {
	q := &queue{tokens: make(chan *pb.ListenResponse, 8), ended: make(chan struct{})}
	l.mu.Lock()
	err := l.listenErr
	l.mu.Unlock()
	if err != nil {
		return err
	}
	l.edit(func() {
		if old := l.listeners[r.GetLeaseName()]; old != nil {
			close(old.ended)
		}
		l.listeners[r.GetLeaseName()] = q
		l.listens++
	})
	defer l.edit(func() {
		if l.listeners[r.GetLeaseName()] == q {
			delete(l.listeners, r.GetLeaseName())
		}
	})
	for {
		select {
		case t := <-q.tokens:
			if err := stream.Send(t); err != nil {
				return err
			}
		case <-q.ended:
			return nil
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}
