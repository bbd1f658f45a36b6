package controller

import (
	"context"
	"math/rand/v2"
	"time"
)

// pace holds the times of a runner.
type pace struct {
	// first is the pause after the first failure, most the longest one.
	first, most time.Duration
	// leased is the longest pause while there is a lease: somebody waits.
	leased time.Duration
	// refused is the pause when the controller refuses the exporter.
	refused time.Duration
	// steady is how long something has to work for pauses to begin anew.
	steady time.Duration
	// shown is how long a failure is told before the lease is given back.
	shown time.Duration
	// deleted is how long a client that ended its session may take to delete
	// its lease.
	deleted time.Duration
	// silent is how long the controller may take for the first message of Status.
	silent time.Duration
}

var usualPace = pace{
	first: time.Second, most: 30 * time.Second, leased: 2 * time.Second, refused: 30 * time.Second,
	steady: time.Minute, shown: time.Second, deleted: 10 * time.Second, silent: time.Minute,
}

const (
	// callLimit is the deadline of calls to the controller.
	callLimit = 30 * time.Second
	// registerLimit is that of Register, which carries the devices.
	registerLimit = time.Minute
	// leaveLimit bounds telling the controller that the exporter leaves.
	leaveLimit = 1500 * time.Millisecond
	// openLimit is how long drivers may go on to open after the exporter was told
	// to stop.
	openLimit = 2 * time.Second
	// stopHooks is how long hooks may run after the exporter was told to stop.
	// Together with ending them, closing the session and leaving it stays
	// below ten seconds.
	stopHooks = 4 * time.Second
)

// pauses grow from pace.first by half each time.
type pauses struct {
	pace pace
	next time.Duration
}

// take returns the next pause, no longer than most. It is drawn from the last
// quarter, so that exporters that failed at once do not come back at once.
func (p *pauses) take(most time.Duration) time.Duration {
	d := min(max(p.next, p.pace.first), most)
	p.next = min(d+d/2, p.pace.most)
	return jitter(d)
}

// reset makes the pauses begin anew.
func (p *pauses) reset() { p.next = 0 }

// jitter returns between three quarters of d and d.
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

// sleep waits for d, or until ctx ends or wake is closed.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-wake:
	}
}
