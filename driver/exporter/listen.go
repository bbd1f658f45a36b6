package exporter

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"starproxy/builtins/disk"
	"starproxy/driver/pb"
)

const (
	// maxRequest is how large a message a client may send: an uploaded file
	// comes as one argument.
	maxRequest = 64 << 20
	// maxSocketPath is the size of a path in sockaddr_un, without its final zero.
	maxSocketPath = 107
	// grace is how long running calls may take to finish when the exporter stops.
	grace = time.Second
)

// errClosed is the answer to listening on an exporter that was closed.
var errClosed = errors.New("the exporter is closed")

// listener is one open door: a gRPC server on one address.
type listener struct {
	server *grpc.Server
	done   chan struct{} // closed when Serve has returned
	err    error         // of Serve; valid after done
	dir    *disk.Private // to remove at the end; nil for none
	forget func()        // its address
}

func (l *listener) close() error {
	timer := time.AfterFunc(grace, l.server.Stop)
	l.server.GracefulStop()
	timer.Stop()
	<-l.done
	l.forget()
	if l.dir != nil {
		return errors.Join(l.err, l.dir.Remove())
	}
	return l.err
}

// Serve answers on ln, which asks for no passphrase, until the session closes.
func (s *Session) Serve(ln net.Listener) error { return s.serve(ln, nil) }

// serve answers on ln until the session closes; dir is removed then.
func (s *Session) serve(ln net.Listener, dir *disk.Private, options ...grpc.ServerOption) error {
	options = append(options,
		grpc.MaxRecvMsgSize(maxRequest),
		// Python's TCP channels ping every 20 s, with no call running too.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(s.recoverUnary),
		grpc.ChainStreamInterceptor(s.recoverStream),
	)
	l := &listener{server: grpc.NewServer(options...), done: make(chan struct{}), dir: dir, forget: s.shared.Listening(ln.Addr())}
	answers := &service{Session: s}
	pb.RegisterExporterServiceServer(l.server, answers)
	pb.RegisterRouterServiceServer(l.server, answers)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		ln.Close()
		l.forget()
		return errClosed
	}
	s.listeners = append(s.listeners, l)
	go func() {
		defer close(l.done)
		if err := l.server.Serve(ln); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			l.err = err
			s.log.Error("the exporter stopped listening", "address", ln.Addr().String(), "error", err)
		}
	}()
	return nil
}

// ServeUnix listens on a unix socket and returns its absolute path, the value
// for JUMPSTARTER_HOST. Without a path the socket lies in a fresh folder that
// only this user can enter, under $XDG_RUNTIME_DIR or else the temporary
// folder; the folder goes away with the exporter, or, when that is killed, with
// the next one that starts. A process that can open the
// socket may use the drivers: the socket asks for no passphrase.
func (s *Session) ServeUnix(path string) (string, error) {
	var dir *disk.Private
	var err error
	if path == "" {
		if path, dir, err = freshSocket(os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/tmp"); err != nil {
			return "", err
		}
	} else if path, err = givenSocket(path); err != nil {
		return "", err
	}
	ln, err := listenUnix(path)
	if err == nil {
		err = s.serve(ln, dir)
	}
	if err != nil {
		if dir != nil {
			dir.Remove()
		}
		return "", fmt.Errorf("listen on unix socket %s: %w", path, err)
	}
	return path, nil
}

// freshSocket makes a private folder in the first of bases that allows a path
// short enough for a socket.
func freshSocket(bases ...string) (path string, dir *disk.Private, err error) {
	errs := []error{errors.New("no folder for the unix socket")}
	for _, base := range bases {
		if base == "" {
			continue
		}
		dir, err := disk.MakePrivate(base, "jumpstarter-")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		path := filepath.Join(dir.Path, "socket")
		if err = checkSocket(path); err == nil {
			return path, dir, nil
		}
		dir.Remove()
		errs = append(errs, err)
	}
	return "", nil, errors.New(oneLine(errors.Join(errs...).Error()))
}

// portTail is the end of an address that clients take for host:port.
var portTail = regexp.MustCompile(`:\d+$`)

func checkSocket(path string) error {
	switch {
	case !filepath.IsAbs(path):
		return fmt.Errorf("unix socket %s: the path is not absolute", path)
	case len(path) > maxSocketPath:
		return fmt.Errorf("unix socket %s: the path has %d bytes, a socket's may have %d", path, len(path), maxSocketPath)
	case portTail.MatchString(path):
		return fmt.Errorf("unix socket %s: clients take a path that ends in :digits for host:port", path)
	case strings.ContainsAny(path, "% \t\n"):
		return fmt.Errorf("unix socket %s: clients cannot open a path with spaces or %%", path)
	}
	return nil
}

// givenSocket checks a path that the user chose, makes its folder if it is
// missing and removes a socket there that nobody listens on any more.
func givenSocket(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := checkSocket(path); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("unix socket %s: %w", path, err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return path, nil // whatever is wrong, listening will tell
	}
	if info.Mode().Type() != os.ModeSocket {
		return "", fmt.Errorf("unix socket %s: a file that is no socket is in the way", path)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return "", fmt.Errorf("unix socket %s: another process listens on it", path)
	}
	return path, os.Remove(path)
}

// TCPOptions say who may use a TCP listener. Exactly one of Insecure and the
// pair CertFile and KeyFile has to be chosen.
type TCPOptions struct {
	// PEM files of the server's certificate chain and key.
	CertFile, KeyFile string
	// Insecure serves without TLS.
	Insecure bool
	// Passphrase, if not empty, is asked of every call.
	Passphrase string
	// PassphraseFile holds it instead, in one line.
	PassphraseFile string
}

// passphrase returns the passphrase that clients have to present, empty for none.
func (o *TCPOptions) passphrase() (string, error) {
	if o.PassphraseFile == "" {
		return o.Passphrase, nil
	}
	if o.Passphrase != "" {
		return "", errors.New("choose either a passphrase or a file with it, not both")
	}
	data, err := disk.ReadInput(o.PassphraseFile, maxPassphrase)
	if err != nil {
		return "", fmt.Errorf("passphrase: %w", err)
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case line == "":
		return "", fmt.Errorf("passphrase: %s: got an empty file, want one line", o.PassphraseFile)
	case strings.ContainsAny(line, "\r\n\x00"):
		return "", fmt.Errorf("passphrase: %s: got more than one line, want one", o.PassphraseFile)
	}
	return line, nil
}

// maxPassphrase bounds a passphrase file, in bytes.
const maxPassphrase = 4 << 10

// ServeTCP listens on addr ([HOST:]PORT, by default on all addresses) and
// returns the address it got.
func (s *Session) ServeTCP(addr string, o TCPOptions) (net.Addr, error) {
	var options []grpc.ServerOption
	switch {
	case o.Insecure && (o.CertFile != "" || o.KeyFile != ""):
		return nil, errors.New("listen on tcp: choose either insecure or a certificate with its key, not both")
	case !o.Insecure && (o.CertFile == "" || o.KeyFile == ""):
		return nil, errors.New("listen on tcp: a certificate and its key are needed, or insecure has to be chosen")
	case !o.Insecure:
		pair, err := keyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("listen on tcp: certificate %s with key %s: %w", o.CertFile, o.KeyFile, err)
		}
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
		s.shared.Protect(o.KeyFile)
	}
	secret, err := o.passphrase()
	if err != nil {
		return nil, fmt.Errorf("listen on tcp: %w", err)
	}
	if o.PassphraseFile != "" {
		s.shared.Protect(o.PassphraseFile)
	}
	if secret != "" {
		g := newGuard(secret, s.log)
		options = append(options, grpc.ChainUnaryInterceptor(g.unary), grpc.ChainStreamInterceptor(g.stream))
	}
	if !strings.Contains(addr, ":") {
		addr = ":" + addr
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on tcp: %w", err)
	}
	if err := s.serve(ln, nil, options...); err != nil {
		return nil, fmt.Errorf("listen on tcp %s: %w", addr, err)
	}
	s.warn(ln.Addr().(*net.TCPAddr), o)
	return ln.Addr(), nil
}

// keyPair reads a certificate chain and its key from PEM files.
func keyPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := disk.ReadInput(certFile, disk.MaxDocument)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := disk.ReadInput(keyFile, disk.MaxDocument)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// warn logs what is insecure about a TCP listener.
func (s *Session) warn(at *net.TCPAddr, o TCPOptions) {
	if o.Passphrase == "" && o.PassphraseFile == "" {
		s.log.Warn("a TCP listener asks for no passphrase: everybody who reaches it controls the proxies", "address", at.String())
	}
	if o.Insecure && !at.IP.IsLoopback() {
		s.log.Warn("a TCP listener has no TLS: what clients send, a passphrase too, can be read on the network", "address", at.String())
	}
}
