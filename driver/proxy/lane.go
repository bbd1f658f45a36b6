package proxy

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"starproxy/driver/network"
)

// lane is the way of the bytes of a device's connection, below TLS and HTTP. It is the
// socket, or, once a network profile was in force for anyone, a [network.Line] on it.
// All connections that are one inside the other have the lane of their socket.
//
// Without a profile it costs a load of two pointers for each call.
type lane struct {
	tcp   *net.TCPConn
	table *network.Table
	line  atomic.Pointer[network.Line] // nil for the socket
	host  atomic.Pointer[string]       // that the device means; nil while it is not known

	mu          sync.Mutex
	read, write time.Time // deadlines, for the line that is to come
}

func (p *Proxy) newLane(tcp *net.TCPConn) *lane { return &lane{tcp: tcp, table: p.cfg.Network} }

// joined returns the line, nil while no profile was in force.
func (l *lane) joined() *network.Line {
	if line := l.line.Load(); line != nil || !l.table.Active() {
		return line
	}
	return l.join()
}

// join makes the line.
func (l *lane) join() *network.Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	if line := l.line.Load(); line != nil {
		return line
	}
	line := l.table.Line(l.tcp, l.read, l.write)
	if host := l.host.Load(); host != nil {
		line.Host(*host)
	}
	l.line.Store(line)
	return line
}

// aim notes the host that the device means from now on.
func (l *lane) aim(host string) {
	if now := l.host.Load(); host == "" || now != nil && *now == host {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	next := host // the parameter itself would be allocated in each call
	l.host.Store(&next)
	if line := l.line.Load(); line != nil {
		line.Host(host)
	}
}

// shaped reports whether bytes must not go past the line.
func (l *lane) shaped() bool {
	line := l.joined()
	return line != nil && line.Shaped()
}

// meets returns how captures name the profile in force, "" for none.
func (l *lane) meets() string {
	if line := l.joined(); line != nil {
		if title := line.Title(); title != "" {
			return "network " + title
		}
	}
	return ""
}

// arrive has bytes travel that were read from the socket already. It reports false when
// no profile is in force.
func (l *lane) arrive(b []byte) bool {
	line := l.joined()
	return line != nil && len(b) > 0 && line.Arrive(b)
}

func (l *lane) Read(b []byte) (int, error) {
	if line := l.joined(); line != nil {
		return line.Read(b)
	}
	n, err := l.tcp.Read(b)
	if n > 0 && l.arrive(b[:n]) { // the profile was set meanwhile
		return l.line.Load().Read(b)
	}
	return n, err
}

func (l *lane) Write(b []byte) (int, error) {
	if line := l.joined(); line != nil {
		return line.Write(b)
	}
	return l.tcp.Write(b)
}

// end returns the connection whose end is that of the lane.
func (l *lane) end() net.Conn {
	if line := l.line.Load(); line != nil {
		return line
	}
	return l.tcp
}

// Close closes the connection, behind bytes that travel.
func (l *lane) Close() error { return l.end().Close() }

// CloseWrite tells the device that nothing more will come.
func (l *lane) CloseWrite() error { return closeWrite(l.end()) }

// cut closes the socket at once.
func (l *lane) cut() error {
	if line := l.line.Load(); line != nil {
		return line.Cut()
	}
	return l.tcp.Close()
}

// reset closes the socket with a TCP reset, behind bytes that travel.
func (l *lane) reset() error {
	if line := l.line.Load(); line != nil {
		return line.Reset()
	}
	l.tcp.SetLinger(0)
	return l.tcp.Close()
}

func (l *lane) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read, l.write = t, t
	return l.end().SetDeadline(t)
}

func (l *lane) SetReadDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read = t
	return l.end().SetReadDeadline(t)
}

func (l *lane) SetWriteDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write = t
	return l.end().SetWriteDeadline(t)
}

func (l *lane) LocalAddr() net.Addr { return l.tcp.LocalAddr() }

func (l *lane) RemoteAddr() net.Addr { return l.tcp.RemoteAddr() }

var _ net.Conn = (*lane)(nil)
