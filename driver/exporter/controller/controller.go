// Package controller makes an exporter part of a lab: it registers with a
// Jumpstarter controller, waits for leases, opens a session for each, and serves
// the clients of a lease through the tunnels of a router.
//
// Run is the whole of it. It talks to the controller over one connection, which
// it makes anew for ever; the session of a lease and its open tunnels do not
// depend on that connection. One goroutine goes from lease to lease; others
// follow the controller, deliver the exporter's status and watch its file.
package controller

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"starproxy/driver"
	"starproxy/driver/exporter"
	"starproxy/driver/pb"
)

// Session is a set of open drivers, as exporter.Session is.
type Session interface {
	Serve(net.Listener) error
	ServeUnix(path string) (string, error)
	Report() *pb.GetReportResponse
	SetStatus(pb.ExporterStatus, string)
	SetMOTD(string)
	Logger(pb.LogSource) *slog.Logger
	Close() error
}

// Options configure Run.
type Options struct {
	// Config is the exporter file, with endpoint, token and metadata.
	Config *exporter.Config
	// Load reads the exporter file again after it has changed. Nil means that
	// the file is not watched.
	Load func() (*exporter.Config, error)
	// Open opens a session. Lease is nil for one that is closed at once: it
	// tells the controller which drivers there are. endSession belongs into
	// exporter.Options.
	Open func(ctx context.Context, config *exporter.Config, lease *driver.Lease, endSession func() (bool, string)) (Session, error)
	// Log hears of the controller, of leases and of what goes wrong.
	Log *slog.Logger
	// AfterLease is closed when Run shall return as soon as there is no lease.
	AfterLease <-chan struct{}
	// Events are told what happens.
	Events Events

	// pace replaces the usual times in tests.
	pace *pace
}

// Events are functions that are called, one at a time, when something happens.
// Each may be nil; none may block.
type Events struct {
	// Registered is called when the controller has accepted the exporter:
	// at the start, and after every loss of the controller.
	Registered func(endpoint string)
	// Lost is called when the controller can't be used any more; the reason is
	// one line. It is called again when the reason changes.
	Lost func(reason string)
	// Lease is called with the lease that begins, and with nil when it has ended
	// and its session is closed.
	Lease func(*driver.Lease)
	// Status is called with each status of the exporter.
	Status func(current pb.ExporterStatus, message string)
	// Tunnels is called with the number of open tunnels when it changes.
	Tunnels func(open int)
}

// HookError is the failure of a hook that ends the exporter.
type HookError struct {
	// Name is beforeLease or afterLease.
	Name string
	// Err is the error of hook.Run.
	Err error
}

func (e *HookError) Error() string { return fmt.Sprintf("%s hook failed: %v", e.Name, e.Err) }

// Unwrap returns Err.
func (e *HookError) Unwrap() error { return e.Err }

// runner is the exporter while Run runs.
type runner struct {
	options Options
	log     *slog.Logger
	pace    pace

	source   *source
	links    *links
	reporter *reporter
	wanted   *wanted
	outage   *outage
	devices  devices

	events sync.Mutex // held while a function of Events runs

	warned time.Time // the expiry of a token that was told
	// hooksEnd ends stopHooks after the exporter was told to stop.
	hooksEnd context.Context

	mu     sync.Mutex
	active *lease // the one that is being served; nil for none
	// oldRelease means that the controller does not know ReleaseLease for exporters.
	oldRelease bool
	// farewell is the reason that is given when the exporter leaves.
	farewell string
}

// Run registers the exporter and serves its leases until ctx ends, until there
// is no lease after AfterLease was closed, or until the lease after which the
// exporter file asks to stop. Then it leaves the controller and returns nil;
// this takes less than ten seconds, a hook that runs is ended for it. A lease
// that is not over stays: the next process with this identity takes it up.
//
// The error is a *HookError when a hook failed that is to end the exporter.
// Otherwise it says what makes the exporter file unusable, or why the drivers
// did not open when Run began; nothing that the controller does is an error.
func Run(ctx context.Context, o Options) error {
	r, err := newRunner(o)
	if err != nil {
		return err
	}
	if err := r.firstReport(ctx); err != nil {
		return err
	}
	if o.Load != nil {
		defer r.source.follow(r.log, o.Load).Close()
	}
	hooksEnd, endHooks := context.WithCancel(context.Background())
	defer endHooks()
	r.hooksEnd = hooksEnd
	defer context.AfterFunc(ctx, func() { sleep(hooksEnd, stopHooks, nil); endHooks() })()
	current, message := r.reporter.get()
	emitStatus(r, current, message)
	// What follows the controller goes on while the last lease is wound up.
	live, end := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { r.stayRegistered(live) })
	wg.Go(func() { r.reporter.run(live, r.links) })
	err = r.serveLeases(ctx)
	r.reporter.close()
	end()
	wg.Wait()
	return err
}

func newRunner(o Options) (*runner, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &runner{options: o, log: o.Log, pace: usualPace, source: newSource(o.Config), links: &links{}, wanted: &wanted{},
		farewell: "Exporter shutting down"}
	if o.pace != nil {
		r.pace = *o.pace
	}
	r.reporter = newReporter(r)
	r.outage = &outage{runner: r}
	if err := usable(o.Config); err != nil {
		return nil, err
	}
	d, err := newDialing(o.Config)
	if err != nil {
		return nil, err
	}
	for _, w := range d.warnings {
		r.log.Warn(w)
	}
	return r, nil
}

// serveLeases goes from lease to lease.
func (r *runner) serveLeases(stop context.Context) error {
	served := 0 // the turn of the last lease, which the controller may not have ended yet
	for {
		_, edited := r.source.get()
		want, turn, changed := r.wanted.get()
		ended := want == nil || turn != served
		switch {
		case stop.Err() != nil, ended && closed(r.options.AfterLease):
			return nil
		case want != nil && ended:
			end := r.serveLease(stop, *want, turn)
			served = turn
			if end.err != nil {
				r.farewell = "Exporter shutting down due to " + end.err.Name + " hook failure"
				return end.err
			}
			if config, _ := r.source.get(); config.ExitOnLeaseEnd && stop.Err() == nil {
				r.log.Info("the exporter stops after its lease, as exitOnLeaseEnd says")
				return nil
			}
			r.reporter.after = end.message
			continue
		case turn > 0 && want == nil:
			r.reporter.available()
			r.refreshReport(stop)
		}
		hangup := r.options.AfterLease
		if !ended {
			hangup = nil // it may be closed already
		}
		select {
		case <-stop.Done():
		case <-changed:
		case <-edited:
		case <-hangup:
		}
	}
}

// emit calls one function of Events, if it is there.
func emit[T any](r *runner, f func(T), v T) {
	if f != nil {
		r.events.Lock()
		defer r.events.Unlock()
		f(v)
	}
}

// closed reports whether c is closed; nil is not.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// identity returns the name of the exporter at its controller.
func identity(c *exporter.Config) string { return c.Metadata.Namespace + "/" + c.Metadata.Name }

// Interface guards.
var (
	_ Session = (*exporter.Session)(nil)
	_ error   = (*HookError)(nil)
)
