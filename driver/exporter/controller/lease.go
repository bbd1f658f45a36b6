package controller

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"starproxy/driver"
	"starproxy/driver/exporter"
	"starproxy/driver/pb"
)

// Shorter names for the statuses of an exporter.
const (
	statusAvailable    = pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE
	statusBefore       = pb.ExporterStatus_EXPORTER_STATUS_BEFORE_LEASE_HOOK
	statusReady        = pb.ExporterStatus_EXPORTER_STATUS_LEASE_READY
	statusAfter        = pb.ExporterStatus_EXPORTER_STATUS_AFTER_LEASE_HOOK
	statusBeforeFailed = pb.ExporterStatus_EXPORTER_STATUS_BEFORE_LEASE_HOOK_FAILED
	statusAfterFailed  = pb.ExporterStatus_EXPORTER_STATUS_AFTER_LEASE_HOOK_FAILED
)

// The messages of stock exporters, which clients and tests look for.
const (
	textReady     = "Ready for commands"
	textAvailable = "Available for new lease"
	textEnded     = "Session end triggered, afterLease hook running asynchronously"
)

// lease is one lease that is being served.
type lease struct {
	*runner
	info    driver.Lease
	config  *exporter.Config
	log     *slog.Logger
	over    context.Context // ends when the controller has ended the lease
	tunnels *tunnels

	asked    chan struct{} // closed when a client has ended its session
	askOnce  sync.Once
	outcome  ending
	failed   bool // the drivers or beforeLease: afterLease does not run
	giveBack bool // a failure ends the lease

	mu      sync.Mutex
	session Session // nil until it is open
	hooks   *hooks
	current pb.ExporterStatus // of the session
	ready   string            // the message while the lease is ready
}

// ending is how a lease ended.
type ending struct {
	message string     // with which the exporter is available
	err     *HookError // ends the exporter; nil for nothing
}

// serveLease serves one lease from its begin to the end of its session. Its turn
// is that of wanted.
func (r *runner) serveLease(stop context.Context, info driver.Lease, turn int) ending {
	config, _ := r.source.get()
	over, forget := r.wanted.gone(turn)
	defer forget()
	l := &lease{
		runner: r, info: info, config: config, log: r.log.With("lease", info.Name),
		over: over, asked: make(chan struct{}), outcome: ending{message: textAvailable},
	}
	l.tunnels = newTunnels(l.log, info.Name, r.source.dialing, func(n int) { emit(r, r.options.Events.Tunnels, n) })
	r.setLease(l)
	l.log.Info("a lease begins", "client", info.Client)
	emit(r, r.options.Events.Lease, &info)

	// Tokens are read without delay: the controller keeps only eight.
	listening, endListen := context.WithCancel(context.Background())
	var listener sync.WaitGroup
	listener.Go(func() { r.listen(listening, l) })
	l.serve(stop)
	endListen()
	listener.Wait()
	l.close()

	r.setLease(nil)
	l.log.Info("the lease has ended")
	emit(r, r.options.Events.Lease, nil)
	return l.outcome
}

// serve goes through the phases of the lease.
func (l *lease) serve(stop context.Context) {
	if l.open(stop) {
		l.before(stop)
		// Clients that wait read the status, be it that the hook has failed.
		l.tunnels.release()
		if !l.failed {
			select {
			case <-l.over.Done():
			case <-l.asked:
			case <-stop.Done():
			}
			l.after()
		}
	}
	l.settle(stop)
}

// setLease notes the lease that is being served.
func (r *runner) setLease(l *lease) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = l
}

// lease returns the lease that is being served, nil for none.
func (r *runner) lease() *lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active
}

// endSession answers a client that ends its session.
func (l *lease) endSession() (bool, string) {
	l.askOnce.Do(func() {
		l.log.Info("the client ends its session")
		close(l.asked)
	})
	return true, textEnded
}

// set makes a status that of the session and of the exporter.
func (l *lease) set(s pb.ExporterStatus, message string) {
	l.setSession(s, message)
	l.reporter.set(s, message)
}

// setSession sets the status that clients of the session get.
func (l *lease) setSession(s pb.ExporterStatus, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = s
	if s == statusReady {
		l.ready = message
	}
	if l.session != nil {
		l.session.SetStatus(s, message)
	}
}

// tell logs what is wrong with the controller, or that nothing is any more, for
// the clients of the lease too, if there is one. The message of their status
// names the trouble; empty is none.
func (r *runner) tell(level slog.Level, text, trouble string) {
	l := r.lease()
	if l == nil {
		r.log.Log(context.Background(), level, text)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session == nil {
		l.log.Log(context.Background(), level, text)
		return
	}
	l.session.Logger(pb.LogSource_LOG_SOURCE_SYSTEM).Log(context.Background(), level, text, "lease", l.info.Name)
	if l.current == statusReady {
		message := l.ready
		if trouble != "" {
			message += " (" + trouble + ")"
		}
		l.session.SetStatus(statusReady, message)
	}
}

// open opens the session of the lease, and tries again while the lease lasts,
// until it has failed as often as failureDetection allows.
func (l *lease) open(stop context.Context) bool {
	waiting, cancel := context.WithCancel(stop)
	defer cancel()
	defer context.AfterFunc(l.over, cancel)()
	p := pauses{pace: l.pace}
	for failures := l.failures(l.config); ; {
		err := l.openOnce(waiting, stop)
		switch {
		case err == nil && waiting.Err() == nil:
			return true
		case waiting.Err() != nil: // the lease has ended meanwhile
			l.failed = true
			return false
		case failures.add():
			l.log.Error("the drivers of the lease do not open; the lease is given back", "error", err)
			l.set(statusBeforeFailed, fmt.Sprintf("the drivers of this exporter do not open: %v", err))
			l.failed, l.giveBack = true, true
			return false
		}
		l.log.Error("the drivers of the lease do not open; trying again", "error", err)
		l.set(statusBefore, fmt.Sprintf("the drivers of this exporter do not open, trying again: %v", err))
		sleep(waiting, p.take(l.pace.most), nil)
	}
}

// openOnce opens the session and serves it. A status tells of one that takes
// its time.
func (l *lease) openOnce(ctx, stop context.Context) error {
	slow := func() { l.set(statusBefore, "Opening the drivers") }
	s, err := l.openSession(ctx, stop, opening{l.config, &l.info, l.endSession, slow})
	if err != nil {
		return err
	}
	h, err := newHooks(s, l.config, l.info)
	if err == nil {
		s.SetStatus(statusBefore, "Opening the drivers")
		if err = s.Serve(l.tunnels); err == nil {
			l.mu.Lock()
			l.session, l.hooks = s, h
			l.mu.Unlock()
			return nil
		}
	}
	s.Close()
	return err
}

// before runs the beforeLease hook, if there is one.
func (l *lease) before(stop context.Context) {
	if !l.hooks.has(beforeLease) {
		l.set(statusReady, textReady)
		return
	}
	l.set(statusBefore, "Running beforeLease hook")
	f := l.hooks.run(stop, beforeLease)
	switch {
	case f == nil:
		l.set(statusReady, textReady)
	case stop.Err() != nil: // it was cancelled
	case f.goesOn():
		l.set(statusReady, f.warning())
	default:
		l.fail(statusBeforeFailed, f)
	}
}

// after runs the afterLease hook, if there is one. The exporter is available
// only once the session is closed; its clients are told at once.
func (l *lease) after() {
	if !l.hooks.has(afterLease) {
		l.setSession(statusAvailable, textAvailable)
		return
	}
	l.set(statusAfter, "Running afterLease hooks")
	f := l.hooks.run(l.hooksEnd, afterLease)
	switch {
	case f == nil:
		l.setSession(statusAvailable, textAvailable)
	case f.goesOn():
		l.outcome.message = f.warning()
		l.setSession(statusAvailable, f.warning())
	default:
		l.fail(statusAfterFailed, f)
	}
}

// fail ends the lease because of a hook, and the exporter, if that is asked for.
func (l *lease) fail(s pb.ExporterStatus, f *hookFailure) {
	l.failed, l.giveBack = true, true
	if f.onFailure == "exit" {
		l.outcome.err = &HookError{Name: string(f.name), Err: f.err}
	}
	l.set(s, f.text())
}

// close ends the session and every tunnel.
func (l *lease) close() {
	l.mu.Lock()
	session := l.session
	l.session = nil
	l.mu.Unlock()
	l.tunnels.hangUp()
	if session != nil {
		// A client that has not finished its greeting would hold the server up.
		timer := time.AfterFunc(time.Second, l.tunnels.cut)
		if err := session.Close(); err != nil {
			l.log.Error("the session of the lease did not close well", "error", err)
		}
		timer.Stop()
	}
	l.tunnels.close()
}

// failures counts what went wrong within failureDetection.rapidFailureWindow.
type failures struct {
	most   int
	window time.Duration
	times  []time.Time
}

func (r *runner) failures(c *exporter.Config) *failures {
	return &failures{most: c.FailureDetection.MaxRapidFailures,
		window: time.Duration(c.FailureDetection.RapidFailureWindow * float64(time.Second))}
}

// add notes a failure and reports whether these are too many. At least one try
// is made.
func (f *failures) add() bool {
	now := time.Now()
	f.times = append(f.times, now)
	for len(f.times) > 0 && now.Sub(f.times[0]) > f.window {
		f.times = f.times[1:]
	}
	return len(f.times) >= f.most
}
