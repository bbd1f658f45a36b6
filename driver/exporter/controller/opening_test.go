package controller

import (
	"errors"
	"testing"
	"time"
)

// Drivers that do not open are tried again, as often as the file allows.
func TestOpenFails(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := newBench(t, lab, "failureDetection: {maxRapidFailures: 3}")
	b.openErr = errors.New("no serial line")
	b.run(quick)
	lab.setLease("one")
	lab.awaitStatus("BEFORE_LEASE_HOOK the drivers of this exporter do not open, trying again: no serial line")
	lab.awaitStatus("BEFORE_LEASE_HOOK_FAILED the drivers of this exporter do not open: no serial line")
	lab.await("release", func() bool { return len(lab.released) == 1 })
	lab.awaitStatus("AVAILABLE")
	b.mu.Lock()
	b.openErr = nil
	b.mu.Unlock()
	lab.setLease("two")
	lab.mustClient("two").awaitStatus(t, statusReady)
}

// Drivers that take long to open are told of, and do not hold up the end.
func TestSlowOpen(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := newBench(t, lab, "")
	b.slow = make(chan struct{})
	b.run(quick)
	lab.setLease("one")
	lab.awaitStatus("BEFORE_LEASE_HOOK Opening the drivers")
	began := time.Now()
	b.cancel()
	if err := b.wait(); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	close(b.slow)
	b.poll("the end of the session", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.opened == 2 && b.sessions == 0 })
}

// A start whose drivers take long can be ended.
func TestStopWhileOpening(t *testing.T) {
	t.Parallel()
	lab := newLab(t)
	b := newBench(t, lab, "")
	b.slow, b.slowFirst = make(chan struct{}), true
	b.run(quick)
	b.cancel()
	if err := b.wait(); err != nil {
		t.Error(err)
	}
	close(b.slow)
	b.poll("the end of the session", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.opened == 1 && b.sessions == 0 })
}
