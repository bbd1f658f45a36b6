// Package proxy accepts the devices' connections and makes an Exchange of each
// request on them.
//
// gomitmproxy accepts a connection and reads its first request or CONNECT; then
// the connection is handed over to our server (front.go). The first bytes in a
// tunnel tell its protocol (tunnel.go). Each request becomes an Exchange, which the
// Handler answers (serve.go, send.go). The real server is asked only through
// Exchange.Forward (upstream.go).
//
// A Proxy is started once and closed once; its methods are for any goroutine.
//
// driver makes one at every start.
package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Times after which a silent peer is given up.
const (
	headerTimeout = 30 * time.Second // for a TLS handshake
	idleTimeout   = 3 * time.Minute  // for the next request's whole header to arrive
	tunnelIdle    = time.Hour        // without a byte while an exchange or a tunnel lasts
	idleCheck     = 30 * time.Second // at most
	closeGrace    = 100 * time.Millisecond
	takenGrace    = 2 * time.Second // for sockets to note their end
)

// keepAlive finds out about peers that are gone without a word, in two minutes.
func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}
}

// Proxy is a running interception proxy.
type Proxy struct {
	cfg      Config
	log      *slog.Logger
	listener net.Listener
	branch   *branch // of the listener that other proxies share; nil for a socket of its own
	forget   func()  // the listeners' addresses
	tls      *tls.Config
	upstream *upstream
	ids      atomic.Uint64 // of exchanges
	conned   atomic.Uint64 // and of connections

	began time.Time // shortly before New

	ctx      context.Context // ends with the proxy
	sessions sync.WaitGroup  // connections that carry HTTP
	ending   atomic.Bool     // Close has begun

	mu    sync.Mutex
	conns map[io.Closer]struct{} // every open client connection, in front or handed over
	h2    map[*h2Session]struct{}
	shut  bool
	taken sync.WaitGroup // connections that bodies have for themselves
	stop  context.CancelFunc
}

// New makes a Proxy; it does nothing before Start.
func New(cfg Config) *Proxy {
	cfg = cfg.complete()
	p := &Proxy{cfg: cfg, log: cfg.Log, conns: map[io.Closer]struct{}{}, h2: map[*h2Session]struct{}{}, began: time.Now().Add(-time.Second)}
	p.upstream = newUpstream(cfg)
	p.tls = p.deviceTLS()
	return p
}

// Start binds the address, unless the configuration has a listener, and serves.
// After an error nothing is left behind; a bind error is returned as net.Listen
// makes it.
func (p *Proxy) Start() error {
	l := p.cfg.Listener
	if l == nil {
		var err error
		if l, err = Listen(p.cfg.Addr); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancelCause(context.Background())
	p.ctx = ctx
	p.listener, p.stop, p.forget = l, func() { stop(errStopped) }, p.protect(l)
	if b, ok := l.(*branchListener); ok {
		p.branch = b.branch
	}
	go p.serveFront(l, nil)
	for _, w := range p.cfg.Ways {
		go p.serveWay(w)
	}
	go p.closeIdle(ctx)
	return nil
}

// Addr returns the address that the proxy listens at.
func (p *Proxy) Addr() net.Addr { return p.listener.Addr() }

// Close stops listening, gives exchanges under way a tenth of a second (less
// when ctx ends) and closes every connection.
func (p *Proxy) Close(ctx context.Context) error {
	err := p.listener.Close()
	for _, w := range p.cfg.Ways {
		w.Close()
	}
	p.forget()
	p.mu.Lock()
	if p.shut {
		p.mu.Unlock()
		return nil
	}
	p.shut = true
	p.ending.Store(true)
	var idle []*conn
	for c := range p.conns {
		if c, ok := c.(*conn); ok && c.idleSince.Load() != 0 {
			idle = append(idle, c)
		}
	}
	p.mu.Unlock()
	for _, c := range idle { // they wait for a request
		c.cut()
	}
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	p.goAway(ctx)
	served := make(chan struct{})
	go func() {
		p.sessions.Wait()
		close(served)
	}()
	select {
	case <-served:
	case <-ctx.Done():
	}
	p.stop()
	p.mu.Lock()
	rest := make([]io.Closer, 0, len(p.conns))
	for c := range p.conns {
		rest = append(rest, c)
	}
	p.mu.Unlock()
	for _, c := range rest { // still in front, being told apart, or hijacked
		cut(c)
	}
	p.upstream.close()
	gone := make(chan struct{})
	go func() {
		p.taken.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-time.After(takenGrace):
	}
	return err
}

// take notes that a body has a connection for itself; false when the proxy is
// being closed. taken.Done must follow.
func (p *Proxy) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return false
	}
	p.taken.Add(1)
	return true
}

// track remembers an open connection, or closes it when the proxy has stopped.
func (p *Proxy) track(c io.Closer) bool {
	p.mu.Lock()
	ok := !p.shut
	if ok {
		p.conns[c] = struct{}{}
	}
	p.mu.Unlock()
	if !ok {
		c.Close()
	}
	return ok
}

func (p *Proxy) untrack(c io.Closer) {
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// errorLog turns net/http's complaints into log records. Panics are bugs and
// stand out; the rest is what devices do.
type errorLog struct{ *slog.Logger }

func (l errorLog) Write(b []byte) (int, error) {
	s := strings.TrimSpace(string(b))
	if strings.Contains(s, "panic serving") {
		l.Error(s)
	} else {
		l.Debug(s)
	}
	return len(b), nil
}
