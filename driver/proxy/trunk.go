package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"starproxy/driver/proxy/h1"
)

// trunk is a listening socket that several proxies share.
type trunk struct {
	demux    *Demux
	listener net.Listener
	address  address
	branches map[*Member]*branch // under demux.mu
	seating  atomic.Pointer[seating]

	mu   sync.Mutex
	new  map[*net.TCPConn]struct{} // of which a header is being read
	shut bool
}

func newTrunk(d *Demux, l net.Listener, a address) *trunk {
	t := &trunk{demux: d, listener: l, address: a, branches: map[*Member]*branch{}, new: map[*net.TCPConn]struct{}{}}
	t.seating.Store(newSeating())
	return t
}

// serve accepts connections until the last proxy has closed its listener.
func (t *trunk) serve() {
	for {
		c, err := accept(t.listener, t.demux.log)
		if err != nil {
			return
		}
		go t.receive(c.(*net.TCPConn))
	}
}

// receive gives a connection to its proxy. It reads the first request where the
// proxy depends on it, and before a refusal: a device reads no answer before it has
// sent a request.
func (t *trunk) receive(c *net.TCPConn) {
	from := plainAddr(peerOf(c).Addr).Addr()
	var head []byte
	for {
		s := t.seating.Load()
		if head == nil && s.asks(from) {
			if head = t.read(c); head == nil {
				return
			}
			continue // the seating may have changed
		}
		to, no := s.judgeHead(from, head)
		switch {
		case no == nil:
			if to.deliver(&arrival{Conn: c, tcp: c, pre: head}) {
				return
			}
		case head == nil:
			if head = t.read(c); head == nil {
				return
			}
		default:
			t.refuse(c, head, no)
			return
		}
	}
}

// judgeHead is judge by the first bytes of a connection.
func (t *seating) judgeHead(from netip.Addr, head []byte) (*branch, *refusal) {
	if isOpaque(head) {
		return t.judgeOpaque(from)
	}
	return t.judge(from, headCredentials(head))
}

// isOpaque reports whether a connection begins with TLS or with the preface of
// HTTP/2.
func isOpaque(head []byte) bool {
	return isRecord(head) || isPreface(head)
}

// headCredentials returns the Proxy-Authorization of a raw header block.
func headCredentials(head []byte) string {
	if len(head) == 0 {
		return ""
	}
	var q h1.Request
	_ = h1.NewReader(bufio.NewReader(bytes.NewReader(head))).Request(&q) // the proxy refuses a malformed one
	return q.Header.Get("Proxy-Authorization")
}

// read returns the first bytes of a connection, at least the whole header block
// of its first request, or the begin of a TLS handshake. It returns nil, and the
// connection is closed, when none comes.
func (t *trunk) read(c *net.TCPConn) []byte {
	if !t.hold(c) {
		return nil
	}
	head, err := readFirst(c, time.Now().Add(t.seating.Load().idle))
	if c.SetReadDeadline(time.Time{}); !t.release(c) || err != nil {
		c.Close()
		return nil
	}
	return head
}

func readFirst(c *net.TCPConn, until time.Time) ([]byte, error) {
	c.SetReadDeadline(until)
	var state headState
	var head []byte
	for len(head) < maxHead {
		head = slices.Grow(head, 2<<10)
		n, err := c.Read(head[len(head):cap(head)])
		if n == 0 {
			return nil, err
		}
		fresh := head[len(head) : len(head)+n]
		if head = head[:len(head)+n]; isRecord(head) || state.ends(fresh) {
			return head, nil
		}
	}
	return nil, errors.New("request header too large")
}

// hold notes a connection that nobody has yet; false when the socket is closed.
func (t *trunk) hold(c *net.TCPConn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shut {
		c.Close()
		return false
	}
	t.new[c] = struct{}{}
	return true
}

func (t *trunk) release(c *net.TCPConn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.new, c)
	return !t.shut
}

// refuse answers a request that no proxy is meant for, and closes the connection
// behind the answer.
func (t *trunk) refuse(c *net.TCPConn, head []byte, no *refusal) {
	no.log(t.demux.log, c.RemoteAddr().String())
	answer := no.response()
	if isRecord(head) {
		answer = accessDenied
	}
	c.SetDeadline(time.Now().Add(lingerTime))
	io.WriteString(c, answer)
	c.CloseWrite()
	io.Copy(io.Discard, struct{ io.Reader }{c}) // see closeBehind
	c.Close()
}

// accessDenied is a fatal TLS alert of that name (RFC 8446 section 6.2).
const accessDenied = "\x15\x03\x01\x00\x02\x02\x31"

// close ends the socket; demux.mu is held.
func (t *trunk) close() error {
	d := t.demux
	d.trunks = slices.DeleteFunc(d.trunks, func(o *trunk) bool { return o == t })
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shut = true
	for c := range t.new {
		c.Close()
	}
	return t.listener.Close()
}

// branch is the way from a trunk to one proxy. It is open while one of its
// listeners is; the proxy that takes the place of another shares it.
type branch struct {
	trunk *trunk
	conns chan *arrival
	gone  chan struct{} // closed with the last listener
	open  int           // listeners, under demux.mu
}

func newBranch(t *trunk) *branch {
	return &branch{trunk: t, conns: make(chan *arrival), gone: make(chan struct{})}
}

// arrival is a connection on its way to a proxy.
type arrival struct {
	net.Conn              // the socket, its lane, or the TLS that carries the connection
	tcp      *net.TCPConn // the socket, if no proxy has had it yet
	lane     *lane        // else the lane of it, with the network of the first proxy
	pre      []byte       // read already
	moved    bool         // it was another proxy's
}

// deliver waits until a proxy takes the connection; false when there is none.
func (b *branch) deliver(a *arrival) bool {
	select {
	case b.conns <- a:
		return true
	case <-b.gone:
		return false
	}
}

// listen makes another listener; demux.mu is held.
func (b *branch) listen() *branchListener {
	b.open++
	return &branchListener{branch: b, done: make(chan struct{})}
}

// branchListener accepts the connections of a branch. They are [*arrival]s.
type branchListener struct {
	branch *branch
	once   sync.Once
	done   chan struct{}
}

func (l *branchListener) Accept() (net.Conn, error) {
	select {
	case a := <-l.branch.conns:
		select {
		case <-l.done: // it is for the next one
			go func() {
				if !l.branch.deliver(a) {
					a.Close()
				}
			}()
			return nil, net.ErrClosed
		default:
			return a, nil
		}
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close closes the branch with its last listener, and the socket with its last
// branch.
func (l *branchListener) Close() (err error) {
	err = net.ErrClosed
	l.once.Do(func() {
		err = nil
		b, t := l.branch, l.branch.trunk
		d := t.demux
		d.mu.Lock()
		defer d.mu.Unlock()
		close(l.done)
		if b.open--; b.open > 0 {
			return
		}
		for m, o := range t.branches {
			if o == b {
				delete(t.branches, m)
			}
		}
		d.seat()
		close(b.gone)
		if len(t.branches) == 0 {
			err = t.close()
		}
	})
	return err
}

func (l *branchListener) Addr() net.Addr { return l.branch.trunk.listener.Addr() }

// share returns another listener on the same branch.
func (l *branchListener) share() (net.Listener, error) {
	d := l.branch.trunk.demux
	d.mu.Lock()
	defer d.mu.Unlock()
	if l.branch.open == 0 {
		return nil, net.ErrClosed
	}
	return l.branch.listen(), nil
}

// Interface guards.
var _ net.Listener = (*branchListener)(nil)
