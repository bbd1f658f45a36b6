package network

import (
	"io"
	"net"
	"time"
)

// drainTime bounds how long the end of a Line waits for bytes that travel.
const drainTime = 30 * time.Second

// CloseWrite ends our half of the connection behind the bytes that travel.
func (l *Line) CloseWrite() error {
	l.mu.Lock()
	if l.delivering {
		l.push(down, piece{end: true, due: l.halfs[down].due})
		l.mu.Unlock()
		return nil
	}
	l.mu.Unlock()
	return l.endWrites()
}

// endWrites ends our half of the connection, or the whole of one that has no halfs.
func (l *Line) endWrites() error {
	if c, ok := l.c.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return l.c.Close()
}

// Close ends reads and writes at once, and the connection behind the bytes that
// travel.
func (l *Line) Close() error { return l.finish(l.c.Close) }

// Reset is Close by a TCP reset.
func (l *Line) Reset() error {
	return l.finish(func() error {
		setLinger(l.c)
		return l.c.Close()
	})
}

// CloseBehind is Close for a device that is to get all that was sent: our half is
// ended, and the connection when the device has ended its half, too, or when that
// takes longer than linger.
func (l *Line) CloseBehind(linger time.Duration) error {
	return l.finish(func() error {
		err := l.endWrites()
		l.mu.Lock()
		pumping := l.pumping
		l.c.SetReadDeadline(time.Now().Add(linger))
		l.mu.Unlock()
		go func() {
			if pumping {
				l.await(linger, func() bool { return !l.pumping })
			} else {
				io.Copy(io.Discard, struct{ io.Reader }{l.c})
			}
			l.c.Close()
		}()
		return err
	})
}

// Cut ends the connection at once. It may follow a Close.
func (l *Line) Cut() error {
	l.mu.Lock()
	l.closed = true
	if l.broken == nil {
		l.broken = net.ErrClosed
	}
	l.mu.Unlock()
	l.news.Notify()
	return l.c.Close()
}

// finish closes the Line, and calls shut when no bytes travel.
func (l *Line) finish(shut func() error) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return net.ErrClosed
	}
	l.closed = true
	travel := l.delivering
	l.mu.Unlock()
	l.news.Notify()
	if !travel {
		return shut()
	}
	go func() {
		l.await(drainTime, func() bool { return !l.delivering })
		shut()
	}()
	return nil
}

// await waits until something is so, at most for a time. The lock is held while so is
// called.
func (l *Line) await(most time.Duration, so func() bool) {
	for till := time.Now().Add(most); ; {
		w := l.watch()
		l.mu.Lock()
		yes := so()
		l.mu.Unlock()
		if yes || !time.Now().Before(till) {
			return
		}
		w.pause(till)
	}
}

// SetDeadline sets both deadlines.
func (l *Line) SetDeadline(t time.Time) error {
	l.SetReadDeadline(t)
	return l.SetWriteDeadline(t)
}

// SetReadDeadline sets the time at which a Read fails.
func (l *Line) SetReadDeadline(t time.Time) error {
	l.mu.Lock()
	l.readBy = t
	var err error
	if !l.pumping {
		err = l.c.SetReadDeadline(t)
	}
	l.mu.Unlock()
	l.news.Notify()
	return err
}

// SetWriteDeadline sets the time at which a Write fails. Bytes that the link has taken
// arrive all the same.
func (l *Line) SetWriteDeadline(t time.Time) error {
	l.mu.Lock()
	l.writeBy = t
	var err error
	if !l.delivering {
		err = l.c.SetWriteDeadline(t)
	}
	l.mu.Unlock()
	l.news.Notify()
	return err
}

// LocalAddr returns that of the connection.
func (l *Line) LocalAddr() net.Addr { return l.c.LocalAddr() }

// RemoteAddr returns that of the connection.
func (l *Line) RemoteAddr() net.Addr { return l.c.RemoteAddr() }

var _ net.Conn = (*Line)(nil)
