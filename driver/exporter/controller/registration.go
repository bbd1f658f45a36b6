package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"starproxy/driver"
	"starproxy/driver/exporter"
	"starproxy/driver/pb"
)

// devices are the drivers that the controller is told about.
type devices struct {
	mu      sync.Mutex
	reports []*pb.DriverInstanceReport
	config  *exporter.Config // what they were made from
}

func (d *devices) get() []*pb.DriverInstanceReport {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.reports)
}

func (d *devices) set(config *exporter.Config, reports []*pb.DriverInstanceReport) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.config, d.reports = config, reports
}

// stale reports whether the devices are those of another configuration.
func (d *devices) stale(config *exporter.Config) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.config != config
}

// look opens a session for its report and closes it.
func (r *runner) look(ctx context.Context, config *exporter.Config) error {
	s, err := r.openSession(ctx, ctx, opening{config: config})
	if err != nil {
		return err
	}
	r.devices.set(config, s.Report().GetReports())
	if err := s.Close(); err != nil {
		r.log.Error("a session did not close well", "error", err)
	}
	return nil
}

// firstReport opens the drivers once before the controller hears of them. They
// may fail as often as failureDetection allows: then the exporter file names
// something that is not here.
func (r *runner) firstReport(ctx context.Context) error {
	config, _ := r.source.get()
	p := pauses{pace: r.pace}
	for failures := r.failures(config); ; {
		err := r.look(ctx, config)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if failures.add() {
			return err
		}
		r.log.Error("the drivers do not open; trying again", "error", err)
		sleep(ctx, p.take(r.pace.most), nil)
	}
}

// refreshReport tells the controller of other drivers after the exporter file
// has changed. There must be no lease: its drivers may hold devices that only
// one can open.
func (r *runner) refreshReport(ctx context.Context) {
	config, _ := r.source.get()
	if !r.devices.stale(config) {
		return
	}
	if err := r.look(ctx, config); err != nil {
		r.log.Error("the drivers of the changed exporter file do not open; the controller knows the old ones", "error", err)
		r.devices.set(config, r.devices.get())
		return
	}
	r.links.mu.Lock()
	link := r.links.link
	r.links.mu.Unlock()
	if link != nil {
		link.fail(errChanged)
	}
}

// errChanged ends a link whose configuration is not the current one.
var errChanged = errors.New("the exporter file has changed")

// stayRegistered keeps the exporter at the controller until ctx ends, and then
// says goodbye.
func (r *runner) stayRegistered(ctx context.Context) {
	p := pauses{pace: r.pace}
	for ctx.Err() == nil {
		config, changed := r.source.get()
		began := time.Now()
		err := r.attach(ctx, config)
		r.links.put(nil)
		if ctx.Err() != nil || errors.Is(err, errChanged) {
			p.reset()
			continue
		}
		if time.Since(began) > r.pace.steady {
			p.reset()
		}
		f := faultOf(err)
		r.outage.begin(config, f, err)
		sleep(ctx, r.pause(&p, f), changed)
	}
}

// pause returns how long to wait after a fault.
func (r *runner) pause(p *pauses, f fault) time.Duration {
	switch {
	case f.refusal():
		return jitter(r.pace.refused)
	case r.lease() != nil || f == faultNotReady || f == faultEnded:
		return p.take(r.pace.leased)
	}
	return p.take(r.pace.most)
}

// attach registers the exporter over a new link and follows the controller on
// it. It returns why the link had to be given up.
func (r *runner) attach(live context.Context, config *exporter.Config) error {
	// The link outlives live for the goodbye.
	link, ctx, err := newLink(context.WithoutCancel(live), config)
	if err != nil {
		return err
	}
	defer link.close()
	stop := context.AfterFunc(live, func() { link.fail(context.Canceled) })
	defer stop()
	if err := r.register(ctx, link); err != nil {
		return cause(ctx, err)
	}
	r.links.put(link)
	emit(r, r.options.Events.Registered, config.Endpoint)
	r.warnToken(config)
	go r.watchExpiry(ctx, link)
	go r.watchSource(ctx, link)
	err = cause(ctx, r.followStatus(ctx, link))
	if live.Err() != nil {
		r.leave(link)
	}
	return err
}

// cause returns why ctx ended, or err while it has not.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

// register tells the controller the devices and the status.
func (r *runner) register(ctx context.Context, link *link) error {
	ctx, cancel := context.WithTimeout(ctx, registerLimit)
	defer cancel()
	labels := map[string]string{"jumpstarter.dev/name": link.config.Metadata.Name}
	if _, err := link.Register(ctx, &pb.RegisterRequest{Labels: labels, Reports: r.devices.get()}); err != nil {
		return err
	}
	return r.reporter.send(ctx, link)
}

// watchSource gives the link up when the exporter file asks for another one.
func (r *runner) watchSource(ctx context.Context, link *link) {
	for ctx.Err() == nil {
		config, changed := r.source.get()
		if !sameAccess(config, link.config) {
			link.fail(errChanged)
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// maxSleep is shorter than what a time.Duration holds.
const maxSleep = 365 * 24 * time.Hour

// watchExpiry finds out that the token has expired, which the Status stream
// does not tell: leases would go on to be assigned that can't be served. The
// controller is asked, since clocks differ.
func (r *runner) watchExpiry(ctx context.Context, link *link) {
	at, ok := tokenExpiry(link.config.Token)
	for ok && ctx.Err() == nil {
		sleep(ctx, min(max(time.Until(at), r.pace.first/2), maxSleep)+r.pace.first/2, nil)
		if ctx.Err() == nil && !time.Now().Before(at) {
			link.judge(r.reporter.send(ctx, link))
			at = time.Now().Add(r.pace.refused)
		}
	}
}

// followStatus keeps a Status stream open on the link. Streams end now and
// then, and fail while the controller has trouble of its own: those are opened
// again on the same link, for Listen goes on meanwhile.
func (r *runner) followStatus(ctx context.Context, link *link) error {
	p := pauses{pace: r.pace}
	for {
		began := time.Now()
		err := r.readStatus(ctx, link)
		f := faultOf(err)
		switch {
		case ctx.Err() != nil, f == faultLost, f.refusal():
			return err
		case f == faultEnded:
			r.log.Debug("the controller ended the Status stream; opening another", "error", err)
		default:
			r.outage.begin(link.config, f, err)
		}
		if time.Since(began) > r.pace.steady {
			p.reset()
		}
		sleep(ctx, r.pause(&p, f), nil)
	}
}

// readStatus takes what one Status stream says, until that ends.
func (r *runner) readStatus(ctx context.Context, link *link) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(r.pace.silent, func() {
		cancel(status.Error(codes.DeadlineExceeded, fmt.Sprintf("Status says nothing for %v", r.pace.silent)))
	})
	defer silent.Stop()
	stream, err := link.Status(ctx, &pb.StatusRequest{})
	for err == nil {
		var s *pb.StatusResponse
		if s, err = stream.Recv(); err == nil {
			silent.Stop()
			r.outage.end(link.config)
			r.log.Debug("the controller tells the lease", "leased", s.GetLeased(), "lease", s.GetLeaseName(), "client", s.GetClientName())
			var l *driver.Lease
			if s.GetLeased() {
				l = &driver.Lease{Name: s.GetLeaseName(), Client: s.GetClientName()}
			}
			r.wanted.set(l)
		}
	}
	return cause(ctx, err)
}

// leave takes the exporter out of the lab. Status has ended by now: the
// controller would go on to note that it is seen.
func (r *runner) leave(link *link) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveLimit)
	defer cancel()
	r.reporter.set(pb.ExporterStatus_EXPORTER_STATUS_OFFLINE, r.farewell)
	err := r.reporter.send(ctx, link)
	if err == nil {
		_, err = link.Unregister(ctx, &pb.UnregisterRequest{Reason: "Exporter shutdown"})
	}
	if err != nil && status.Code(err) != codes.Unimplemented {
		r.log.Warn("the controller was not told that the exporter stops", "error", err)
	}
}
