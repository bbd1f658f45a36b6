package labtest

import (
	"context"
	"maps"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"starproxy/driver/pb"
)

// controllerService answers exporters, and the Dial of clients.
type controllerService struct {
	pb.UnimplementedControllerServiceServer
	*Lab
}

// exporterOf returns the object of the exporter that calls.
func (c *controllerService) exporterOf(ctx context.Context) (*Exporter, error) {
	name := callerOf(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.exporters[name]
	if e == nil {
		return nil, status.Errorf(codes.Unknown, "exporter %s/%s: exporters.jumpstarter.dev %q not found", Namespace, name, name)
	}
	return e, nil
}

// labelPart is what Kubernetes takes for the name or the value of a label.
var labelPart = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)

// reserved is the prefix of the labels that an exporter sets itself.
const reserved = "jumpstarter.dev/"

func (c *controllerService) Register(ctx context.Context, r *pb.RegisterRequest) (*pb.RegisterResponse, error) {
	e, err := c.exporterOf(ctx)
	if err != nil {
		return nil, err
	}
	for k, v := range r.GetLabels() {
		if strings.HasPrefix(k, reserved) && (!labelPart.MatchString(k[len(reserved):]) || v != "" && !labelPart.MatchString(v)) {
			return nil, status.Errorf(codes.Internal, "unable to update exporter: Exporter %q is invalid: metadata.labels: "+
				"Invalid value: %q", e.Name, k+"="+v)
		}
	}
	c.edit(func() {
		maps.DeleteFunc(e.labels, func(k, _ string) bool { return strings.HasPrefix(k, reserved) })
		for k, v := range r.GetLabels() {
			if strings.HasPrefix(k, reserved) {
				e.labels[k] = v
			}
		}
		e.devices, e.gone = r.GetReports(), ""
		e.registers++
		e.note("Register", "")
	})
	return &pb.RegisterResponse{Uuid: e.uid}, nil
}

func (c *controllerService) Unregister(ctx context.Context, r *pb.UnregisterRequest) (*pb.UnregisterResponse, error) {
	e, err := c.exporterOf(ctx)
	if err != nil {
		return nil, err
	}
	c.edit(func() {
		e.note("Unregister", "")
		e.devices, e.gone = nil, r.GetReason()
		e.status = pb.ExporterStatus_EXPORTER_STATUS_OFFLINE
	})
	return &pb.UnregisterResponse{}, nil
}

func (c *controllerService) ReportStatus(ctx context.Context, r *pb.ReportStatusRequest) (*pb.ReportStatusResponse, error) {
	e, err := c.exporterOf(ctx)
	if err != nil {
		return nil, err
	}
	c.edit(func() {
		e.note("ReportStatus", "")
		e.status = r.GetStatus()
		if _, known := pb.ExporterStatus_name[int32(e.status)]; !known {
			e.status = pb.ExporterStatus_EXPORTER_STATUS_UNSPECIFIED
		}
		e.history = append(e.history, Report{r.GetStatus(), r.GetMessage(), time.Now()})
		if s := c.leaseOf(e.Name); r.GetReleaseLease() && s != nil {
			c.endLease(s)
		}
	})
	return &pb.ReportStatusResponse{}, nil
}

func (c *controllerService) ReleaseLease(ctx context.Context, r *pb.ReleaseLeaseRequest) (*pb.ReleaseLeaseResponse, error) {
	e, err := c.exporterOf(ctx)
	if err != nil {
		return nil, err
	}
	c.edit(func() {
		switch s := c.leases[r.GetName()]; {
		case s == nil:
			err = status.Errorf(codes.NotFound, "lease %s not found", r.GetName())
		case s.exporter != e.Name:
			err = status.Errorf(codes.FailedPrecondition, "lease %s is not held by exporter %s", r.GetName(), e.Name)
		default:
			e.note("ReleaseLease", s.name)
			c.endLease(s)
		}
	})
	if err != nil {
		return nil, err
	}
	return &pb.ReleaseLeaseResponse{}, nil
}

func (c *controllerService) GetServiceEndpoints(context.Context, *pb.GetServiceEndpointsRequest) (*pb.GetServiceEndpointsResponse, error) {
	return &pb.GetServiceEndpointsResponse{}, nil
}

// Status tells which lease the exporter has: at once, and when it changes. Of
// one lease to the next it tells that there was none between.
func (c *controllerService) Status(_ *pb.StatusRequest, stream grpc.ServerStreamingServer[pb.StatusResponse]) error {
	e, err := c.exporterOf(stream.Context())
	if err != nil {
		return err
	}
	end := make(chan error, 1)
	c.mu.Lock()
	slow := c.slow
	c.mu.Unlock()
	c.edit(func() {
		e.note("Status", "")
		e.online++
		e.ends[end] = struct{}{}
	})
	defer c.edit(func() { e.online--; delete(e.ends, end) })
	select {
	case <-time.After(slow):
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
	told := "-" // the name of the lease that it was told of
	for {
		now, changed, present := c.tell(e)
		if !present {
			return status.Error(codes.Unknown, "last seen time mismatch")
		}
		if name := now.GetLeaseName(); name != told {
			if name != "" && told != "" && told != "-" {
				if err := stream.Send(&pb.StatusResponse{}); err != nil {
					return err
				}
			}
			if err := stream.Send(now); err != nil {
				return err
			}
			told = name
		}
		select {
		case <-changed:
		case err := <-end:
			return err
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// tell returns the lease of an exporter, and what is closed when something
// changes.
func (c *controllerService) tell(e *Exporter) (now *pb.StatusResponse, changed <-chan struct{}, present bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now = &pb.StatusResponse{}
	if s := c.leaseOf(e.Name); s != nil {
		now = &pb.StatusResponse{Leased: true, LeaseName: &s.name, ClientName: &s.client, Context: s.context}
	}
	return now, c.changed.Changed(), c.exporters[e.Name] == e
}

// listener is a Listen stream.
type listener struct {
	tokens chan *pb.ListenResponse
	ended  chan struct{} // closed when another one takes its place
}

// Listen passes on the tokens of a lease. A newer stream ends the older one.
func (c *controllerService) Listen(r *pb.ListenRequest, stream grpc.ServerStreamingServer[pb.ListenResponse]) error {
	e, err := c.exporterOf(stream.Context())
	if err != nil {
		return err
	}
	name := r.GetLeaseName()
	mine := &listener{tokens: make(chan *pb.ListenResponse, 8), ended: make(chan struct{})}
	c.edit(func() {
		switch s := c.leases[name]; {
		case name == "":
			err = status.Error(codes.Unknown, "empty lease name")
		case s == nil:
			err = status.Errorf(codes.Unknown, "leases.jumpstarter.dev %q not found", name)
		case s.exporter != e.Name:
			err = status.Error(codes.Unknown, "permission denied")
		default:
			if old := c.listeners[name]; old != nil {
				close(old.ended)
			}
			c.listeners[name] = mine
			e.listens++
			e.note("Listen", name)
		}
	})
	if err != nil {
		return err
	}
	defer c.edit(func() {
		if c.listeners[name] == mine {
			delete(c.listeners, name)
		}
	})
	for {
		select {
		case t := <-mine.tokens:
			if err := stream.Send(t); err != nil {
				return err
			}
		case <-mine.ended:
			return nil
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// Dial gives a token for a tunnel to both sides. It waits for an exporter that
// is not ready.
func (c *controllerService) Dial(ctx context.Context, r *pb.DialRequest) (*pb.DialResponse, error) {
	client := callerOf(ctx)
	deadline := time.NewTimer(c.options.DialWait)
	defer deadline.Stop()
	for {
		c.mu.Lock()
		s := c.leases[r.GetLeaseName()]
		if s == nil || s.client != client || s.exporter == "" {
			c.mu.Unlock()
			return nil, status.Error(codes.Unknown, "permission denied")
		}
		now, changed := c.exporters[s.exporter].state(), c.changed.Changed()
		c.mu.Unlock()
		switch now {
		case pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE:
		case pb.ExporterStatus_EXPORTER_STATUS_OFFLINE:
			return nil, status.Error(codes.FailedPrecondition, "exporter is offline")
		case pb.ExporterStatus_EXPORTER_STATUS_BEFORE_LEASE_HOOK_FAILED:
			return nil, status.Error(codes.FailedPrecondition, "exporter beforeLease hook failed")
		case pb.ExporterStatus_EXPORTER_STATUS_AFTER_LEASE_HOOK_FAILED:
			return nil, status.Error(codes.FailedPrecondition, "exporter afterLease hook failed")
		default:
			return c.offer(s.name)
		}
		select {
		case <-changed:
		case <-deadline.C:
			return nil, status.Error(codes.FailedPrecondition, "exporter is not ready (status: Available)")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// state returns the status that the controller goes by; an exporter without an
// object is offline.
func (e *Exporter) state() pb.ExporterStatus {
	if e == nil {
		return pb.ExporterStatus_EXPORTER_STATUS_OFFLINE
	}
	return e.status
}

// offer hands a new token to the exporter of a lease.
func (c *controllerService) offer(lease string) (*pb.DialResponse, error) {
	token, err := c.sign(tunnelIssuer, tunnelAudience, uuid.NewString(), tunnelLife)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	to := c.listeners[lease]
	if to == nil {
		return nil, status.Errorf(codes.Unavailable, "exporter is not listening on lease %s", lease)
	}
	select {
	case to.tokens <- &pb.ListenResponse{RouterEndpoint: c.router.addr, RouterToken: token}:
		c.dials++
		return &pb.DialResponse{RouterEndpoint: c.router.addr, RouterToken: token}, nil
	default:
		return nil, status.Errorf(codes.ResourceExhausted, "listener buffer full on lease %s", lease)
	}
}

var _ pb.ControllerServiceServer = (*controllerService)(nil)
