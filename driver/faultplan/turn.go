package faultplan

import (
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxClients bounds how many clients a plan counts by themselves. Further ones are
// counted together.
const maxClients = 4096

// counts are the counters of a plan in force.
type counts struct {
	seed uint64
	name string

	mu       sync.Mutex
	begun    time.Duration // by the progress of the table's clock
	all      tally
	clients  map[netip.Addr]*tally
	requests uint64 // that fit and came in time
	fired    uint64
	last     time.Time // of the latest fault; zero for none
}

// tally counts the requests of one client, or of all.
type tally struct {
	requests, fired int64
	random          *rand.Rand // nil before the first draw
}

// newCounts makes counters that begin at a time.
func newCounts(seed uint64, name string, now time.Duration) *counts {
	c := &counts{seed: seed, name: name}
	c.begin(now)
	return c
}

// begin sets all counters to their beginning.
func (c *counts) begin(now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun, c.all, c.clients = now, tally{}, nil
	c.requests, c.fired, c.last = 0, 0, time.Time{}
}

// turn counts a request and reports whether it meets the fault. since is the event of
// w, or nil if it has not happened. If free is false, another plan acts on the request:
// it is counted, and meets no fault of this plan.
func (c *counts) turn(w *When, now event, since *event, client netip.Addr, free bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	past := now.progress - c.begun
	if !w.Since.start() {
		if since == nil {
			return false
		}
		past = now.progress - since.progress
	}
	if past < w.From || w.To > 0 && past >= w.To {
		return false
	}
	t := c.tally(w, client)
	t.requests++
	c.requests++
	fires := len(w.Nth) == 0 || slices.Contains(w.Nth, t.requests)
	if w.Every > 1 && t.requests%w.Every != 0 {
		fires = false
	}
	if w.Probability != nil && c.draw(t, client) >= *w.Probability { // drawn for each request that is counted
		fires = false
	}
	if !fires || !free || w.Times > 0 && t.fired >= w.Times {
		return false
	}
	t.fired++
	c.fired++
	c.last = now.at
	return true
}

// tally returns the tally that counts a request of a client.
func (c *counts) tally(w *When, client netip.Addr) *tally {
	if !w.PerClient {
		return &c.all
	}
	t := c.clients[client]
	if t == nil {
		if len(c.clients) >= maxClients {
			return &c.all
		}
		if c.clients == nil {
			c.clients = map[netip.Addr]*tally{}
		}
		t = &tally{}
		c.clients[client] = t
	}
	return t
}

// draw returns the next random number of a tally, from 0 to 1. Each plan, and each
// client that it counts by itself, has its own numbers, so that other requests do not
// shift them.
func (c *counts) draw(t *tally, client netip.Addr) float64 {
	if t.random == nil {
		h := fnv.New64a()
		io.WriteString(h, c.name)
		if t != &c.all {
			h.Write([]byte{0})
			io.WriteString(h, client.String())
		}
		t.random = rand.New(rand.NewPCG(c.seed, h.Sum64()))
	}
	return t.random.Float64()
}
