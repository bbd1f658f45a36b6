package labtest

import (
	"net"
	"sync"
)

// network holds the bytes of all connections while it is stalled.
type network struct {
	mu   sync.Mutex
	wait chan struct{} // closed when bytes pass again; nil while they pass
}

func newNetwork() *network { return &network{} }

func (n *network) stall() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wait == nil {
		n.wait = make(chan struct{})
	}
}

func (n *network) resume() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wait != nil {
		close(n.wait)
		n.wait = nil
	}
}

// pass waits while the network is stalled, unless the connection closes.
func (n *network) pass(closed <-chan struct{}) {
	n.mu.Lock()
	wait := n.wait
	n.mu.Unlock()
	if wait == nil {
		return
	}
	select {
	case <-wait:
	case <-closed:
	}
}

func (n *network) listener(ln net.Listener) net.Listener { return &stallable{ln, n} }

type stallable struct {
	net.Listener
	network *network
}

func (s *stallable) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &stallableConn{Conn: c, network: s.network, closed: make(chan struct{})}, nil
}

type stallableConn struct {
	net.Conn
	network *network
	once    sync.Once
	closed  chan struct{}
}

func (c *stallableConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.network.pass(c.closed)
	return n, err
}

func (c *stallableConn) Write(p []byte) (int, error) {
	c.network.pass(c.closed)
	return c.Conn.Write(p)
}

func (c *stallableConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
