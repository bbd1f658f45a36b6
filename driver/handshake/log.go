package handshake

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"starproxy/builtins/follow"
)

// Kept is the number of handshakes that have ended that a log keeps.
const Kept = 2000

// Log keeps the handshakes that have ended last, and those that are open. It may be used
// by any number of goroutines. A nil Log keeps nothing.
type Log struct {
	mu     sync.Mutex
	open   map[*Handshake]struct{}
	from   uint64 // the numbers up to this one are cleared
	counts map[Ending]uint64
	change follow.Signal           // mu guards it
	ended  *follow.Log[*Handshake] // the number of a handshake is one higher here
}

// NewLog returns an empty log.
func NewLog() *Log {
	return &Log{open: map[*Handshake]struct{}{}, counts: map[Ending]uint64{}, ended: follow.NewLog[*Handshake](Kept)}
}

// Add puts a handshake in the log, which is open until [Log.Settle].
func (l *Log) Add(h *Handshake) {
	if l == nil {
		return
	}
	h.clip()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[h] = struct{}{}
}

// Settle notes how a handshake ended. The first verdict counts.
func (l *Log) Settle(h *Handshake, v Verdict) {
	if l == nil {
		return
	}
	h.clip() // for one that was not added before
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.end.Load() != nil {
		return
	}
	delete(l.open, h)
	h.end.Store(&end{v, l.ended.Next() + 1})
	l.ended.Add(h)
	l.counts[v.Ending]++
	l.change.Notify()
}

// List returns the handshakes that the log keeps in the order in which they ended. Those
// that are open come last, by their start. It leaves out those with a number of at most
// after.
func (l *Log) List(after uint64) []*Handshake {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	list, _ := l.ended.Since(max(after, l.from))
	return append(list, slices.SortedFunc(maps.Keys(l.open), func(a, b *Handshake) int {
		return cmp.Or(a.Start.Compare(b.Start), a.Client.Compare(b.Client))
	})...)
}

// Follow yields the handshakes with a number above after as they end, until ctx does.
func (l *Log) Follow(ctx context.Context, after uint64) iter.Seq[*Handshake] {
	l.mu.Lock()
	from := max(after, l.from)
	l.mu.Unlock()
	return l.ended.Follow(ctx, from)
}

// Last returns the number of the handshake that ended last, 0 for none.
func (l *Log) Last() uint64 { return l.ended.Next() }

// Changed returns a channel that is closed when the next handshake ends.
func (l *Log) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.change.Changed()
}

// Counts returns how many handshakes have ended in which way since the log was made.
func (l *Log) Counts() map[Ending]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := map[Ending]uint64{Trusted: 0, Rejected: 0, Left: 0, NeverOffered: 0}
	maps.Copy(n, l.counts)
	return n
}

// Clear forgets the handshakes that have ended and returns their number.
func (l *Log) Clear() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone, next := l.ended.Since(l.from)
	l.from = next
	return len(gone)
}

// Of returns the last handshake of a client that began before a time, nil for none.
func (l *Log) Of(client netip.AddrPort, before time.Time) (found *Handshake) {
	for _, h := range l.List(0) {
		if h.Client == client && !h.Start.After(before) && (found == nil || h.Start.After(found.Start)) {
			found = h
		}
	}
	return found
}
