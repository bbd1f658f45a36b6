package network

import (
	"math/rand/v2"
	"sync"
	"time"
)

// The directions of a connection.
const (
	down = 0 // to the device
	up   = 1 // from it
)

// link is what the connections of a client under one setting share.
type link struct {
	opened uint64 // connections so far; the rule's lock guards it

	mu   sync.Mutex
	free [2]time.Time // when the bytes that were taken will have been sent
}

// take takes the link for n bytes that are there now, and returns when the last of
// them will have been sent.
func (k *link) take(way, n int, rate Rate, now time.Time) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.free[way].Before(now) {
		k.free[way] = now
	}
	k.free[way] = k.free[way].Add(rate.lasts(n))
	return k.free[way]
}

// segment is the number of bytes in a segment of TCP over Ethernet.
const segment = 1460

// The times of retransmissions. TCP waits at least minRTO (Linux; RFC 6298 allows 1 s)
// and doubles the time with each retransmission that is lost as well.
const (
	minRTO     = 200 * time.Millisecond
	maxRepeats = 6 // retransmissions of one segment, until the connection is given up
)

// way is one direction of a connection: it draws what the bytes meet.
type way struct {
	rng  *rand.Rand
	due  time.Time     // of the last bytes: none overtakes another
	left int           // bytes of the segment that still belong to it
	late time.Duration // of the segment
}

// arrival returns when bytes arrive that have been sent at a time, and whether they
// do. Jitter and loss are drawn for each segment that begins among them.
func (w *way) arrival(p *Profile, n int, sent time.Time) (due time.Time, ok bool) {
	ok = true
	for {
		if w.left <= 0 {
			w.left, w.late = segment, p.Latency/2
			if p.Jitter > 0 {
				w.late += time.Duration((w.rng.Float64() - 0.5) * float64(p.Jitter))
			}
			if p.Loss > 0 && ok {
				var more time.Duration
				more, ok = w.stall(p)
				w.late += more
			}
		}
		if at := sent.Add(w.late); at.After(w.due) {
			w.due = at
		}
		k := min(n, w.left)
		w.left -= k
		if n -= k; n == 0 {
			return w.due, ok
		}
	}
}

// stall draws how long a segment and all behind it stall, since TCP delivers in order,
// and whether it arrives at all. A segment is lost with the probability of the
// profile. Then it is sent again after a time-out, and may be lost again: the time-out
// doubles. After maxRepeats the connection is reset.
//
// The time-out is that of RFC 6298 for a steady round trip: at least minRTO. A fast
// retransmission, which TCP makes when many segments follow, is not modelled, and no
// slower sending after a loss: the stall stands for both.
func (w *way) stall(p *Profile) (d time.Duration, ok bool) {
	rto := max(minRTO, p.Latency+2*p.Jitter)
	for range maxRepeats + 1 {
		if w.rng.Float64()*100 >= p.Loss {
			return d, true
		}
		d += rto
		rto *= 2
	}
	return d, false
}
