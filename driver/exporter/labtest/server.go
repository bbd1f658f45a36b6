package labtest

import (
	"errors"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"starproxy/driver/pb"
	"starproxy/driver/pb/leasing"
)

// server is a gRPC server that can go and come back at its address.
type server struct {
	addr string       // host:port, for life
	grpc *grpc.Server // nil while it is down
}

// start listens and serves; it waits up to 2 s for an address that was left a
// moment ago.
func (s *server) start(l *Lab, register func(*grpc.Server), options ...grpc.ServerOption) error {
	if s.grpc != nil {
		return errors.New("the server runs already")
	}
	addr := s.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, err := listenAgain(addr)
	if err != nil {
		return err
	}
	if s.addr == "" {
		s.addr = ln.Addr().String()
	}
	// Stock clients ping every 20 s, idle or not, which the real servers never
	// mind; gRPC for Go would end their connections.
	pings := keepalive.EnforcementPolicy{MinTime: 1, PermitWithoutStream: true}
	s.grpc = grpc.NewServer(append(options, grpc.KeepaliveEnforcementPolicy(pings),
		grpc.Creds(credentials.NewServerTLSFromCert(&l.cert)))...)
	register(s.grpc)
	go s.grpc.Serve(l.net.listener(ln))
	return nil
}

// listenAgain listens at an address that a server has just left.
func listenAgain(addr string) (ln net.Listener, err error) {
	for range 200 {
		if ln, err = net.Listen("tcp", addr); err == nil {
			return ln, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, err
}

func (s *server) kill() {
	if s != nil && s.grpc != nil {
		s.grpc.Stop()
		s.grpc = nil
	}
}

// Restart starts the controller after Kill.
func (l *Lab) Restart() error {
	l.running.Lock()
	defer l.running.Unlock()
	if l.controller == nil {
		l.controller = &server{}
	}
	l.edit(func() { l.started = time.Now() })
	return l.controller.start(l, func(s *grpc.Server) {
		pb.RegisterControllerServiceServer(s, &controllerService{Lab: l})
		leasing.RegisterClientServiceServer(s, &clientService{Lab: l})
	}, grpc.ChainUnaryInterceptor(l.unary), grpc.ChainStreamInterceptor(l.stream), grpc.MaxConcurrentStreams(250))
}

// Kill ends the controller at once; tunnels live on.
func (l *Lab) Kill() {
	l.running.Lock()
	defer l.running.Unlock()
	l.controller.kill()
}

// RestartRouter starts the router after KillRouter.
func (l *Lab) RestartRouter() error {
	l.running.Lock()
	defer l.running.Unlock()
	if l.router == nil {
		l.router = &server{}
	}
	// The router pings its clients; the controller never does.
	return l.router.start(l, func(s *grpc.Server) { pb.RegisterRouterServiceServer(s, &routerService{Lab: l}) },
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second}))
}

// KillRouter ends the router and all tunnels at once.
func (l *Lab) KillRouter() {
	l.running.Lock()
	defer l.running.Unlock()
	l.router.kill()
}
