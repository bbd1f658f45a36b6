package network

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/builtins/follow"
)

// Line is a device's connection to the proxy, which is on the network that a Table
// sets for it. A change of the Table changes an open Line, too.
//
// Bytes wait until the link has time for them, then they travel for as long as the
// latency, and then they are given on. A Write returns when the link has taken its
// bytes; it may be ahead of the link by [ahead], so that the link is never idle while
// there is something to send. Bytes that travel are held in memory, at most maxFlight
// in each direction.
//
// Without a profile a Line reads from the connection and writes to it as it is. The
// methods of net.Conn may be called by any number of goroutines, but Read by one at a
// time.
type Line struct {
	c      net.Conn
	t      *Table
	client netip.Addr
	news   follow.Notice // of all below

	writing sync.Mutex // held while a Write lasts

	mu    sync.Mutex
	host  string
	seen  *snapshot
	stale bool   // the host has changed
	epoch uint64 // counts the rules
	rule  *rule  // nil for no profile
	link  *link
	halfs [2]half

	pumping    bool // a goroutine reads from c
	delivering bool // a goroutine writes to c
	readBy     time.Time
	writeBy    time.Time
	closed     bool  // nothing is to be read or written any more
	broken     error // of c
}

// half is one direction of a Line.
type half struct {
	way
	flight []piece // the bytes that travel
	size   int
	clear  time.Time // when the sender may go on
	room   int       // of flight, in bytes
	chunk  int       // bytes that are sent as one piece
}

// piece are bytes that arrive together.
type piece struct {
	b   []byte
	due time.Time
	end bool  // our end of the connection
	err error // the end of what comes, behind the bytes
}

// The sizes of a Line.
const (
	ahead     = 60 * time.Millisecond
	chunkTime = 20 * time.Millisecond // that a piece takes, within its bounds
	minFlight = 64 << 10
	maxFlight = 4 << 20
	maxChunk  = 16 << 10
	minChunk  = 16
	rawStep   = 256 << 10 // that is written to c at once without a profile
)

// ErrLost is the error of a connection that was reset since a segment was lost again
// and again, see [Profile.Loss].
var ErrLost = errors.New("connection reset: the network profile lost a segment too often")

// Line puts a connection on the network of the table. Read and write are the deadlines
// that have been set for it; zero for none.
func (t *Table) Line(c net.Conn, read, write time.Time) *Line {
	l := &Line{c: c, t: t, readBy: read, writeBy: write, stale: true}
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		l.client = a.AddrPort().Addr().Unmap().WithZone("")
	}
	return l
}

// Host notes the host that the device means, by name or address.
func (l *Line) Host(host string) {
	host, _ = exchange.HostName(host)
	l.mu.Lock()
	changed := l.host != host
	if changed {
		l.host, l.stale = host, true
	}
	l.mu.Unlock()
	if changed {
		l.news.Notify()
	}
}

// Title returns the name of the profile in force, or its values; empty for none.
func (l *Line) Title() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refresh(time.Now()); l.rule == nil {
		return ""
	}
	return l.rule.Profile.Title()
}

// Shaped reports whether bytes must pass through the Line, since a profile is in force
// or bytes are still on their way.
func (l *Line) Shaped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refresh(time.Now())
	return l.rule != nil || l.delivering || l.closed
}

// refresh puts the rule of the table in force; l.mu is held. Bytes that travel need
// not wait longer than they would by the new rule.
func (l *Line) refresh(now time.Time) {
	s := l.t.now.Load()
	if s == l.seen && !l.stale {
		return
	}
	l.seen, l.stale = s, false
	r := s.find(l.client, l.host)
	if r == l.rule {
		return
	}
	l.rule = r
	l.epoch++
	var p Profile
	number := uint64(0)
	if l.link = nil; r != nil {
		p = r.Profile
		l.link, number = r.link(l.client)
	}
	latest := now.Add(p.Latency / 2)
	for i := range l.halfs {
		h := &l.halfs[i]
		h.way, h.clear = way{}, time.Time{}
		for j := range h.flight {
			if h.flight[j].due.After(latest) {
				h.flight[j].due = latest
			}
			h.due = h.flight[j].due
		}
		h.room, h.chunk = rooms(p.rate(i), p.Latency/2+p.Jitter/2+ahead)
		if r != nil {
			h.rng = rand.New(rand.NewPCG(r.seed, number<<1|uint64(i)))
		}
	}
}

// rate returns that of a direction.
func (p *Profile) rate(direction int) Rate {
	if direction == down {
		return p.Down
	}
	return p.Up
}

// rooms returns how many bytes may travel at a rate for a time, and how many are sent
// as one piece.
func rooms(r Rate, travel time.Duration) (room, chunk int) {
	if r == 0 {
		return maxFlight / 4, maxChunk
	}
	return min(max(2*r.carries(travel), minFlight), maxFlight), min(max(r.carries(chunkTime), minChunk), maxChunk)
}

// step is the outcome of an attempt.
type step struct {
	n    int
	done bool      // there is nothing more to do
	raw  bool      // the connection itself is to be used
	wait bool      // until something changes
	till time.Time // or until then, unless it is zero
	err  error
}

// waitBy is a step that waits, at most until a deadline.
func waitBy(till, deadline time.Time) step {
	if !deadline.IsZero() && (till.IsZero() || deadline.Before(till)) {
		till = deadline
	}
	return step{wait: true, till: till}
}

func passed(deadline, now time.Time) bool { return !deadline.IsZero() && !now.Before(deadline) }

// blocked reports whether nothing passes, and until when at the latest; l.mu is held.
func (l *Line) blocked(now time.Time) (bool, time.Time) {
	if l.rule == nil {
		return false, time.Time{}
	}
	no, left := l.rule.blocked(l.t.o.Progress())
	if left == 0 {
		return no, time.Time{}
	}
	return no, now.Add(max(left, time.Millisecond))
}

// send sends the begin of b in a direction.
func (l *Line) send(direction int, b []byte) step {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.refresh(now)
	h := &l.halfs[direction]
	deadline := l.writeBy
	if direction == up {
		deadline = time.Time{}
	}
	switch {
	case l.closed:
		return step{err: net.ErrClosed}
	case l.broken != nil:
		return step{err: l.broken}
	case passed(deadline, now):
		return step{err: os.ErrDeadlineExceeded}
	case now.Before(h.clear):
		return waitBy(h.clear, deadline)
	case len(b) == 0:
		return step{done: true}
	case l.rule == nil && direction == down:
		if l.delivering {
			return waitBy(time.Time{}, deadline)
		}
		return step{raw: true}
	case h.size > 0 && h.size+min(h.chunk, len(b)) > h.room:
		return waitBy(time.Time{}, deadline)
	}
	if no, till := l.blocked(now); no {
		return waitBy(till, deadline)
	}
	b = b[:min(len(b), h.chunk)]
	due := now
	if l.rule != nil {
		p := &l.rule.Profile
		sent := l.link.take(direction, len(b), p.rate(direction), now)
		h.clear = sent.Add(-ahead)
		var ok bool
		if due, ok = h.arrival(p, len(b), sent); !ok {
			epoch := l.epoch
			time.AfterFunc(time.Until(due), func() { l.lose(epoch) })
			h.due = due.Add(drainTime) // nothing arrives before, unless the rule changes
			due = h.due
		}
	}
	l.push(direction, piece{b: bytes.Clone(b), due: due})
	return step{n: len(b)}
}

// push has a piece travel; l.mu is held.
func (l *Line) push(direction int, p piece) {
	h := &l.halfs[direction]
	h.flight = append(h.flight, p)
	h.size += len(p.b)
	if direction == down && !l.delivering {
		l.delivering = true
		l.c.SetWriteDeadline(time.Time{})
		go l.deliver()
	}
	l.news.Notify()
}

// lose resets the connection, unless the rule has changed since.
func (l *Line) lose(epoch uint64) {
	l.mu.Lock()
	lost := l.epoch == epoch && !l.closed && l.broken == nil
	if lost {
		l.broken = ErrLost
		for i := range l.halfs {
			l.halfs[i].flight, l.halfs[i].size = nil, 0
		}
	}
	l.mu.Unlock()
	if lost {
		setLinger(l.c)
		l.c.Close()
		l.news.Notify()
	}
}

// setLinger has the next Close reset the connection.
func setLinger(c net.Conn) {
	if t, ok := c.(interface{ SetLinger(int) error }); ok {
		t.SetLinger(0)
	}
}

// watch are the channels that tell of changes. They are taken before a look.
type watch struct{ news, table, turned <-chan struct{} }

func (l *Line) watch() watch {
	return watch{l.news.Changed(), l.t.changed.Changed(), l.t.o.Turned()}
}

// pause waits for a change or a time, which is zero for none.
func (w watch) pause(till time.Time) {
	var late <-chan time.Time
	if !till.IsZero() {
		timer := time.NewTimer(time.Until(till))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-w.news:
	case <-w.table:
	case <-w.turned:
	case <-late:
	}
}
