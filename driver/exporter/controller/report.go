package controller

import (
	"context"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"starproxy/driver/pb"
)

// reporter delivers the exporter's status to the controller. Only the newest
// one counts: those that it replaces before they were sent are dropped.
type reporter struct {
	runner *runner
	kick   chan struct{} // has a value when there may be something to send
	// after is the message with which the exporter is available. It belongs
	// to the goroutine that goes from lease to lease.
	after string

	sending sync.Mutex // held during a call, so that none overtakes another

	mu      sync.Mutex
	status  pb.ExporterStatus
	message string
	version int  // counts the statuses
	sent    int  // the version that the controller has
	closed  bool // run is over
}

func newReporter(r *runner) *reporter {
	return &reporter{
		runner: r, kick: make(chan struct{}, 1), after: "Exporter registered and available",
		status: pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE, message: "Exporter registered and available", version: 1,
	}
}

// set replaces the status and returns at once.
func (p *reporter) set(s pb.ExporterStatus, message string) {
	p.mu.Lock()
	p.status, p.message = s, message
	p.version++
	p.mu.Unlock()
	emitStatus(p.runner, s, message)
	p.wake()
}

// get returns the status as it was set last.
func (p *reporter) get() (pb.ExporterStatus, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status, p.message
}

// available says that the exporter waits for a lease, unless that is said.
func (p *reporter) available() {
	p.mu.Lock()
	said := p.status == pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE
	p.mu.Unlock()
	if !said {
		p.set(pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE, p.after)
	}
}

func (p *reporter) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// close ends run: from now on only send tells the controller something.
func (p *reporter) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.wake()
}

// run sends each new status until ctx ends or close is called.
func (p *reporter) run(ctx context.Context, links *links) {
	for {
		select {
		case <-p.kick:
		case <-ctx.Done():
			return
		}
		again := pauses{pace: p.runner.pace}
		for p.pending() {
			link := links.get(ctx)
			if link == nil {
				return
			}
			if err := p.send(ctx, link); err != nil {
				p.runner.log.Debug("the status was not delivered; trying again", "error", err)
				link.judge(err)
				sleep(ctx, again.take(p.runner.pace.leased), link.over)
			}
		}
	}
}

func (p *reporter) pending() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.closed && p.sent < p.version
}

// send tells the controller the status over a link, whether it has it or not.
func (p *reporter) send(ctx context.Context, link *link) error {
	p.sending.Lock()
	defer p.sending.Unlock()
	p.mu.Lock()
	s, message, version := p.status, p.message, p.version
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	_, err := link.ReportStatus(ctx, &pb.ReportStatusRequest{Status: s, Message: proto.String(message)})
	if err != nil && status.Code(err) != codes.Unimplemented { // older controllers know no status
		return err
	}
	p.mu.Lock()
	p.sent = max(p.sent, version)
	p.mu.Unlock()
	return nil
}

// emitStatus tells Events of a status.
func emitStatus(r *runner, s pb.ExporterStatus, message string) {
	if f := r.options.Events.Status; f != nil {
		r.events.Lock()
		defer r.events.Unlock()
		f(s, message)
	}
}
