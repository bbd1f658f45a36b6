package network

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// Write sends b to the device.
func (l *Line) Write(b []byte) (n int, err error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	l.halfs[down].left = 0 // a segment of its own
	l.mu.Unlock()
	for {
		w := l.watch()
		s := l.send(down, b[n:])
		switch {
		case s.err != nil:
			return n, l.fault("write", s.err)
		case s.done:
			return n, nil
		case s.wait:
			w.pause(s.till)
		case s.raw:
			m, err := l.c.Write(b[n:min(len(b), n+rawStep)])
			if n += m; err != nil {
				return n, err
			}
		}
		n += s.n
	}
}

// fault returns an error in the form of package net's.
func (l *Line) fault(op string, err error) error {
	var known *net.OpError
	if err == nil || err == io.EOF || errors.As(err, &known) {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: l.c.LocalAddr(), Addr: l.c.RemoteAddr(), Err: err}
}

// deliver gives the device the bytes that have arrived, until none travels.
func (l *Line) deliver() {
	var buf []byte
	for {
		w := l.watch()
		var s step
		var end bool
		s, buf, end = l.arrived(buf[:0])
		switch {
		case s.done:
			return
		case s.wait:
			w.pause(s.till)
			continue
		case len(buf) > 0:
			if _, err := l.c.Write(buf); err != nil {
				l.fail(err)
				continue
			}
		}
		if end {
			l.endWrites()
		}
	}
}

// arrived appends the bytes that have arrived at the device to buf. End says that our
// end of the connection comes behind them.
func (l *Line) arrived(buf []byte) (s step, out []byte, end bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.refresh(now)
	h := &l.halfs[down]
	if len(h.flight) == 0 || l.broken != nil {
		h.flight, h.size, l.delivering = nil, 0, false
		l.news.Notify()
		if l.broken == nil {
			l.c.SetWriteDeadline(l.writeBy)
		}
		return step{done: true}, buf, false
	}
	no, till := l.blocked(now)
	if !no && h.flight[0].due.After(now) {
		no, till = true, h.flight[0].due
	}
	if no {
		return step{wait: true, till: till}, buf, false
	}
	for len(h.flight) > 0 && !h.flight[0].due.After(now) && len(buf) < 4*maxChunk && !end {
		p := h.flight[0]
		h.flight[0] = piece{} // the list may keep its place for long
		h.flight = h.flight[1:]
		h.size -= len(p.b)
		buf, end = append(buf, p.b...), p.end
	}
	l.news.Notify()
	return step{}, buf, end
}

// fail notes that the connection takes no more.
func (l *Line) fail(err error) {
	l.mu.Lock()
	if l.broken == nil {
		l.broken = err
	}
	l.mu.Unlock()
	l.news.Notify()
}

// Read reads what has come from the device.
func (l *Line) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		w := l.watch()
		s := l.receive(b)
		switch {
		case s.wait:
			w.pause(s.till)
		case !s.raw:
			return s.n, l.fault("read", s.err)
		default:
			n, err := l.c.Read(b)
			if n == 0 || !l.Arrive(b[:n]) {
				return n, err
			}
		}
	}
}

// receive takes what has arrived from the device.
func (l *Line) receive(b []byte) step {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.refresh(now)
	h := &l.halfs[up]
	switch {
	case l.closed:
		return step{err: net.ErrClosed}
	case passed(l.readBy, now):
		return step{err: os.ErrDeadlineExceeded}
	case l.broken != nil && len(h.flight) == 0:
		return step{err: l.broken}
	case len(h.flight) == 0 && !l.pumping && l.rule == nil:
		return step{raw: true}
	case len(h.flight) == 0:
		l.pump(nil)
		return waitBy(time.Time{}, l.readBy)
	}
	if no, till := l.blocked(now); no {
		return waitBy(till, l.readBy)
	}
	p := &h.flight[0]
	if p.due.After(now) {
		return waitBy(p.due, l.readBy)
	}
	if p.err != nil { // it stays
		return step{err: p.err}
	}
	n := copy(b, p.b)
	h.size -= n
	if p.b = p.b[n:]; len(p.b) == 0 {
		*p = piece{}
		h.flight = h.flight[1:]
	}
	l.news.Notify()
	return step{n: n}
}

// Arrive takes bytes that were read from the connection itself, if a profile is in
// force: they are still to travel. Else it reports false.
func (l *Line) Arrive(b []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refresh(time.Now()); l.rule == nil || l.pumping {
		return false
	}
	l.pump(bytes.Clone(b))
	return true
}

// pump begins to read from the device; l.mu is held. First are bytes that were read
// already.
func (l *Line) pump(first []byte) {
	if l.pumping {
		return
	}
	l.pumping = true
	l.c.SetReadDeadline(time.Time{})
	go l.draw(first)
}

// draw reads from the device until it ends, or until no profile is in force.
func (l *Line) draw(b []byte) {
	var buf [segment * 8]byte
	for {
		err := l.pour(b)
		if err != nil && l.settled() {
			err = l.discard(buf[:])
		}
		size, more := l.draws()
		if !more && err == nil {
			return
		}
		n := 0
		if err == nil {
			n, err = l.c.Read(buf[:size])
			b = buf[:n]
		}
		if n == 0 && err != nil && !errors.Is(err, os.ErrDeadlineExceeded) || l.settled() && err != nil {
			l.mu.Lock()
			l.pumping = false
			if due := l.halfs[up].due; l.broken == nil {
				l.push(up, piece{err: err, due: due})
			}
			l.mu.Unlock()
			l.news.Notify()
			return
		}
	}
}

// settled reports whether the Line was closed or has failed.
func (l *Line) settled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed || l.broken != nil
}

// discard reads until the connection ends.
func (l *Line) discard(buf []byte) error {
	for {
		if _, err := l.c.Read(buf); err != nil {
			return err
		}
	}
}

// draws returns how much is to be read next. More is false when no profile is in
// force: then Read itself reads.
func (l *Line) draws() (size int, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refresh(time.Now()); l.rule == nil && !l.closed {
		l.pumping = false
		l.c.SetReadDeadline(l.readBy)
		l.news.Notify()
		return 0, false
	}
	return min(max(l.halfs[up].chunk, segment), 8*segment), true
}

// pour has bytes of the device travel.
func (l *Line) pour(b []byte) error {
	l.mu.Lock()
	l.halfs[up].left = 0
	l.mu.Unlock()
	for {
		w := l.watch()
		s := l.send(up, b)
		switch {
		case s.err != nil:
			return s.err
		case s.done:
			return nil
		case s.wait:
			w.pause(s.till)
		}
		b = b[s.n:]
	}
}
