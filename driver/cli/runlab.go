package cli

import (
	"context"
	"errors"
	"log/slog"

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
}

// serveLeases registers the exporter and serves its leases until a signal, or
// the exporter file, ends it.
func (c *runCmd) serveLeases(ctx context.Context, sys *System, config *exporter.Config) error {
	l := &lab{runCmd: c, sys: sys, log: newLogHandler(sys.Stderr, logLevel(c.LogLevel)), shared: driver.NewShared()}
	l.python = part.Python(c.Python, slog.New(l.log))
	defer l.python.Close()
	c.Isolate = true // what one lease breaks must cost no other
	hangup := sys.signals.takeHangup()
	name := config.Metadata.Namespace + "/" + config.Metadata.Name
	sys.out("%s: serves the leases of the controller at %s", name, config.Endpoint)
	var registered bool
	var lease string
	err := controller.Run(ctx, controller.Options{
		Config: config,
		Load: func() (*exporter.Config, error) {
			next, _, err := c.configure(sys, c.apply)
			return next, err
		},
		Open:       l.open,
		Log:        slog.New(l.log),
		AfterLease: hangup,
		Events: controller.Events{
			Registered: func(string) {
				if !registered {
					registered = true
					sys.out("%s: registered", name)
				}
			},
			Lease: func(now *driver.Lease) {
				if now == nil {
					sys.out("%s: lease %s has ended", name, lease)
					return
				}
				lease = now.Name
				sys.out("%s: lease %s of client %s", name, now.Name, now.Client)
			},
		},
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

// open opens the session of a lease, or, without one, a session that is only
// looked at.
func (l *lab) open(ctx context.Context, config *exporter.Config, lease *driver.Lease, endSession func() (bool, string)) (controller.Session, error) {
	b := &bench{config: config, log: newLogHandler(l.sys.Stderr, logLevel(l.LogLevel))}
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
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

var _ controller.Session = (*bench)(nil)
