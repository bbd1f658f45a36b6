package controller

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"starproxy/driver/pb"
)

// settle waits until the controller has ended the lease. A client that has ended
// its session deletes the lease, and one that is told of a failure too; a lease
// that nobody deletes is given back. When the exporter stops, the lease stays
// for the process that comes after it.
func (l *lease) settle(stop context.Context) {
	wait := l.pace.deleted
	if l.giveBack {
		wait = l.pace.shown
	}
	if l.awaitEnd(stop, wait) || stop.Err() != nil {
		return
	}
	l.log.Info("the lease is given back")
	if l.release(stop) {
		l.awaitEnd(stop, l.pace.deleted)
	}
}

// awaitEnd waits for the end of the lease and reports whether it came.
func (l *lease) awaitEnd(stop context.Context, limit time.Duration) bool {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-l.over.Done():
	case <-stop.Done():
	case <-t.C:
	}
	return l.over.Err() != nil
}

// release gives the lease back, and reports whether the controller took it. It
// tries until the lease has ended.
func (l *lease) release(stop context.Context) bool {
	ctx, cancel := context.WithCancel(stop)
	defer cancel()
	defer context.AfterFunc(l.over, cancel)()
	p := pauses{pace: l.pace}
	for {
		link := l.links.get(ctx)
		if link == nil {
			return false
		}
		err := l.releaseOn(ctx, link)
		switch code := status.Code(err); {
		case err == nil, code == codes.NotFound:
			return true
		case ctx.Err() != nil:
			return false
		case code == codes.FailedPrecondition:
			l.log.Warn("the controller does not take the lease back", "error", err)
			return false
		}
		l.log.Debug("the lease was not given back; trying again", "error", err)
		sleep(ctx, p.take(l.pace.most), nil)
	}
}

// releaseOn makes one attempt. Older controllers let only clients call
// ReleaseLease; their exporters say it with their status.
func (l *lease) releaseOn(ctx context.Context, link *link) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	l.runner.mu.Lock()
	old := l.oldRelease
	l.runner.mu.Unlock()
	if !old {
		_, err := link.ReleaseLease(ctx, &pb.ReleaseLeaseRequest{Name: l.info.Name})
		switch status.Code(err) {
		case codes.PermissionDenied, codes.InvalidArgument, codes.Unauthenticated, codes.Unimplemented:
		default:
			return err
		}
		l.runner.mu.Lock()
		l.oldRelease = true
		l.runner.mu.Unlock()
	}
	s, message := l.reporter.get()
	_, err := link.ReportStatus(ctx, &pb.ReportStatusRequest{Status: s, Message: proto.String(message), ReleaseLease: proto.Bool(true)})
	if status.Code(err) == codes.Unimplemented {
		return errors.New("this controller knows no way to give a lease back")
	}
	return err
}
