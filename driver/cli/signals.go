package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// stopSignal is the cause of a context that a signal ended.
type stopSignal syscall.Signal

func (s stopSignal) Error() string { return "stopped by signal: " + syscall.Signal(s).String() }

// code returns the exit code that shells have for it.
func (s stopSignal) code() exitCode { return exitCode(128 + int(s)) }

// hangupSignal is that of a terminal that is gone.
const hangupSignal = stopSignal(syscall.SIGHUP)

// stopCode returns the exit code of a service whose context has ended: that of
// the signal, if one ended it.
func stopCode(ctx context.Context) error {
	var s stopSignal
	if errors.As(context.Cause(ctx), &s) {
		return s.code()
	}
	return nil
}

// signals are those that end this process.
type signals struct {
	mu     sync.Mutex
	hangup chan struct{} // closed by SIGHUP; nil when that ends the context
	// interrupt gets SIGINT; nil when that ends the context.
	interrupt func()
}

// watchSignals returns a context that SIGINT, SIGTERM and SIGHUP end, the latter
// unless it is ignored, as nohup has it. A second signal ends a command that is
// slow to stop.
func watchSignals() (ctx context.Context, s *signals, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	s = &signals{}
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		ends = append(ends, syscall.SIGHUP)
	}
	got := make(chan os.Signal, 4)
	signal.Notify(got, ends...)
	go func() {
		defer signal.Stop(got)
		for {
			select {
			case sig := <-got:
				if sig == syscall.SIGHUP && s.hungUp() || sig == os.Interrupt && s.interrupted() {
					continue
				}
				n, _ := sig.(syscall.Signal)
				cancel(stopSignal(n))
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, s, func() { cancel(nil) }
}

// hungUp tells a command that takes SIGHUP, and reports whether there is one.
func (s *signals) hungUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hangup == nil {
		return false
	}
	select {
	case <-s.hangup:
	default:
		close(s.hangup)
	}
	return true
}

// takeHangup makes SIGHUP close a channel instead of ending the context.
func (s *signals) takeHangup() <-chan struct{} {
	if s == nil { // in tests
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hangup == nil {
		s.hangup = make(chan struct{})
	}
	return s.hangup
}

// interrupted tells a command that takes SIGINT, and reports whether there is one.
func (s *signals) interrupted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.interrupt == nil {
		return false
	}
	s.interrupt()
	return true
}

// takeInterrupt makes SIGINT call fn instead of ending the context, until it is called
// with nil.
func (s *signals) takeInterrupt(fn func()) {
	if s == nil { // in tests
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupt = fn
}

var _ error = stopSignal(0)
