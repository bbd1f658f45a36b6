package driver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"starproxy/builtins/clock"
	"starproxy/builtins/disk"
	"starproxy/builtins/exchange"
	"starproxy/driver/ca"
	"starproxy/driver/proxy"
)

// authority is the CA of one driver or several. To make a CA takes almost a second.
// Meanwhile a proxy already answers requests that need no certificate. Requests
// that need one wait, and so does the answer to a start.
type authority struct {
	dir string
	log *slog.Logger
	// shown reports that callers may see the certificate: it was there before
	// us, or a start has asked for it.
	shown  atomic.Bool
	making chan struct{} // of authorities
	users  int           // drivers, under authorities.mu

	mu  sync.Mutex
	now *opening
}

// opening is one attempt to load or make the CA.
type opening struct {
	done chan struct{} // closed when ca and err are set
	ca   *ca.Authority
	err  error
}

// authorities are the CAs of one process. Drivers with the same directory share a
// CA and its certificates of hosts. The zero value is empty.
type authorities struct {
	mu    sync.Mutex
	byDir map[string]*authority
	// making has a value for each CA that is being made. There is at most one for
	// two processors, so that proxies that start meanwhile get the others.
	making chan struct{}
}

// open begins to load the CA in dir, or to make it, unless a driver has done so.
func (s *authorities) open(dir string, log *slog.Logger) *authority {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byDir == nil {
		s.byDir, s.making = map[string]*authority{}, make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
	}
	a := s.byDir[dir]
	if a == nil {
		a = &authority{dir: dir, log: log, making: s.making}
		_, err := os.Stat(ca.CertPath(dir))
		a.shown.Store(err == nil)
		a.now = a.open()
		s.byDir[dir] = a
	}
	a.users++
	return a
}

// close forgets a CA that no driver uses any more. The next open reads its files
// again.
func (s *authorities) close(a *authority) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.users--; a.users == 0 {
		delete(s.byDir, a.dir)
	}
}

func (a *authority) open() *opening {
	o := &opening{done: make(chan struct{})}
	go func() {
		defer close(o.done)
		if a.absent() {
			a.making <- struct{}{}
			defer func() { <-a.making }()
		}
		if o.ca, o.err = ca.Open(a.dir); o.err != nil {
			a.log.Error("no certificates for devices", "error", o.err)
		}
	}()
	return o
}

// wait waits until nothing is under way.
func (a *authority) wait() { <-a.current().done }

func (a *authority) current() *opening {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

// prepare readies the CA for a start. It waits while a CA is loaded, which is
// quick, but not while one is made; it only checks then that the directory can hold
// one. A CA that failed before, or was deleted since, is opened again.
func (a *authority) prepare() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.now.done:
		if _, err := os.Stat(ca.CertPath(a.dir)); err != nil || a.now.err != nil {
			a.now = a.open()
		}
	default:
	}
	if a.absent() {
		if err := writable(a.dir); err != nil {
			return fmt.Errorf("certificate authority: %w", err)
		}
	} else if <-a.now.done; a.now.err != nil {
		return a.now.err
	}
	a.shown.Store(true)
	return nil
}

// absent reports whether the CA has to be made. A symbolic link to nothing counts as
// a file, which then can't be read.
func (a *authority) absent() bool {
	_, err := os.Lstat(filepath.Join(a.dir, "mitmproxy-ca.pem"))
	return errors.Is(err, fs.ErrNotExist)
}

// caSize is an upper bound of the size of the files of a new CA, in bytes.
const caSize = 32 << 10

// writable returns the reason why the files of a CA can't be made in dir: missing
// permissions, or a full disk. It makes dir if there is none.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	probe, err := disk.CreatePart(filepath.Join(dir, "mitmproxy-ca.pem"), 0o600)
	if err != nil {
		return err
	}
	defer probe.Discard()
	_, err = probe.Write(make([]byte, caSize))
	return err
}

// Problem returns the reason why devices refuse the certificates of the CA: all
// devices, or those that check dates. It is empty when there is none, and while a
// CA is being made.
func (a *authority) Problem() string {
	o := a.current()
	select {
	case <-o.done:
	default:
		return ""
	}
	if o.err != nil {
		return o.err.Error()
	}
	text := o.ca.Problem()
	if text == "" {
		return ""
	}
	return text + ": " + ca.Remedy
}

// opened returns a channel that is closed when the CA that is being opened can be
// used, or has failed; nil when nothing is under way.
func (a *authority) opened() <-chan struct{} {
	done := a.current().done
	select {
	case <-done:
		return nil
	default:
		return done
	}
}

// get waits for the CA.
func (a *authority) get(ctx context.Context) (*ca.Authority, error) {
	o := a.current()
	select {
	case <-o.done:
		return o.ca, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// patience bounds how long the answer to a start waits for a CA that is being made.
const patience = 5 * time.Second

// ready waits until nothing is under way and reports whether that is so.
func (a *authority) ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-a.current().done:
		return true
	case <-ctx.Done():
		return false
	}
}

// Certificate returns the certificate for a device's TLS handshake.
func (a *authority) Certificate(hello *tls.ClientHelloInfo, host string, clock *clock.Clock) (*tls.Certificate, error) {
	c, err := a.get(hello.Context())
	if err != nil {
		return nil, err
	}
	return c.Certificate(hello, host, clock)
}

// Flawed returns a certificate with a flaw for a device's TLS handshake.
func (a *authority) Flawed(hello *tls.ClientHelloInfo, host string, flaw ca.Flaw, clock *clock.Clock) (*tls.Certificate, error) {
	c, err := a.get(hello.Context())
	if err != nil {
		return nil, err
	}
	return c.Flawed(hello, host, flaw, clock)
}

// Respond answers with the CA's own certificate.
func (a *authority) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	c, err := a.get(ctx)
	if err != nil {
		return nil, err
	}
	return c.Respond(ctx, x)
}

// Interface guards.
var _ proxy.Authority = (*authority)(nil)
