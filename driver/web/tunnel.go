package web

import (
	"net"
	"sync"
)

// tunnels is a listener for connections from within the process.
type tunnels struct {
	ch   chan net.Conn
	done chan struct{}
	once sync.Once
}

// tunnel is the server's end of such a connection.
type tunnel struct{ net.Conn }

func newTunnels() *tunnels {
	return &tunnels{ch: make(chan net.Conn), done: make(chan struct{})}
}

func (t *tunnels) connect() (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case t.ch <- &tunnel{far}:
		return near, nil
	case <-t.done:
		return nil, net.ErrClosed
	}
}

// Accept waits for the next connection.
func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case c := <-t.ch:
		return c, nil
	case <-t.done:
		return nil, net.ErrClosed
	}
}

// Close ends the listener.
func (t *tunnels) Close() error {
	t.once.Do(func() { close(t.done) })
	return nil
}

// Addr returns an address that cannot be dialled.
func (t *tunnels) Addr() net.Addr { return &net.UnixAddr{Name: "tunnel", Net: "unix"} }
