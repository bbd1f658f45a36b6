package cli

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"starproxy/driver"
	"starproxy/driver/exporter"
	"starproxy/driver/exporter/controller"
	"starproxy/driver/exporter/part"
)

// lab serves the leases of a controller.
type lab struct {
	*runCmd
	sys    *System
	log    logHandler
	shared *driver.Shared
	python *part.Part // for one lease after the other
	watch  *observation

	now atomic.Pointer[bench] // of the lease that is served; nil between leases
}

// serveLeases registers the exporter and serves its leases until a signal, or
// the exporter file, ends it.
func (c *runCmd) serveLeases(ctx context.Context, sys *System, config *exporter.Config) error {
	l := &lab{runCmd: c, sys: sys, log: c.newLog(sys), shared: driver.NewShared()}
	var err error
	if l.watch, err = c.observe(ctx, observed{sys: sys, log: l.log, format: c.LogFormat, shared: l.shared, health: l.health}); err != nil {
		return err
	}
	defer l.watch.Close()
	l.python = part.Python(c.Python, slog.New(l.log))
	defer l.python.Close()
	c.Isolate = true // what one lease breaks must cost no other
	hangup := sys.signals.takeHangup()
	name := config.Metadata.Namespace + "/" + config.Metadata.Name
	sys.out("%s: serves the leases of the controller at %s", name, config.Endpoint)
	l.watch.ready("registers with the controller at " + config.Endpoint)
	defer context.AfterFunc(ctx, l.watch.stopping)()
	err = controller.Run(ctx, controller.Options{
		Config: config,
		Load: func() (*exporter.Config, error) {
			next, _, err := c.configure(sys, c.apply)
			return next, err
		},
		Open:       l.open,
		Log:        slog.New(l.log),
		AfterLease: hangup,
		Events:     l.events(name),
	})
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return stopCode(ctx)
	}
	select {
	case <-hangup:
		return hangupSignal.code()
	default:
		return nil
	}
}

// events are what happens to the exporter of a name, told to people, to
// Prometheus and to the service manager.
func (l *lab) events(name string) controller.Events {
	var registered bool
	var lease string
	status := l.watch.controller()
	return controller.Events{
		Registered: func(endpoint string) {
			if !registered {
				registered = true
				l.sys.out("%s: registered", name)
			}
			status.SetConnected(true)
			l.watch.tell("STATUS=registered with " + endpoint)
		},
		Lost: func(reason string) {
			status.SetConnected(false)
			l.watch.tell("STATUS=without its controller: " + reason)
		},
		Lease: func(now *driver.Lease) {
			if now == nil {
				l.sys.out("%s: lease %s has ended", name, lease)
				status.LeaseEnded()
				l.watch.tell("STATUS=waiting for a lease")
				return
			}
			lease = now.Name
			l.sys.out("%s: lease %s of client %s", name, now.Name, now.Client)
			status.LeaseBegan()
			l.watch.tell("STATUS=lease " + now.Name + " of client " + now.Client)
		},
		Status: status.SetStatus,
	}
}

// health asks the session of the lease, if there is one.
func (l *lab) health(ctx context.Context) error {
	b := l.now.Load()
	if b == nil {
		return nil
	}
	err := b.client.Ping(ctx)
	if l.now.Load() != b {
		return nil // it was closed meanwhile
	}
	return err
}

// leased is the session of a lease, which is told of until it is closed.
type leased struct {
	*bench
	lab *lab
}

// Close ends the session.
func (s leased) Close() error {
	s.lab.now.CompareAndSwap(s.bench, nil)
	s.lab.watch.detach()
	return s.bench.Close()
}

// open opens the session of a lease, or, without one, a session that is only
// looked at.
func (l *lab) open(ctx context.Context, config *exporter.Config, lease *driver.Lease,
	endSession func() (bool, string)) (controller.Session, error) {
	b := &bench{config: config, log: l.newLog(l.sys)}
	var err error
	b.Session, err = exporter.Open(config, exporter.Options{
		Log: slog.New(b.log), Shared: l.shared, Lease: lease, EndSession: endSession, Python: l.python, Isolate: l.isolation(),
	})
	if err != nil || lease == nil {
		return b, err
	}
	if err = b.serve(ctx, l.Socket); err == nil {
		err = l.ready(ctx, b)
	}
	var proxies map[string]proxy
	if err == nil {
		proxies, err = b.callers()
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	l.now.Store(b)
	l.watch.attach(proxies)
	return leased{b, l}, nil
}

// Interface guards.
var (
	_ controller.Session = (*bench)(nil)
	_ controller.Session = leased{}
)
