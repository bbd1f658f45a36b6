package labtest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"starproxy/driver/pb"
	"starproxy/driver/pb/leasing"
)

// clientService is the leasing API.
type clientService struct {
	leasing.UnimplementedClientServiceServer
	*Lab
}

// resource returns the full name of an object.
func resource(kind, name string) string { return "namespaces/" + Namespace + "/" + kind + "/" + name }

// short returns the last part of a full name.
func short(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

func (c *clientService) GetExporter(_ context.Context, r *leasing.GetExporterRequest) (*leasing.Exporter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.exporters[short(r.GetName())]
	if e == nil {
		return nil, status.Errorf(codes.NotFound, "exporters.jumpstarter.dev %q not found", short(r.GetName()))
	}
	return e.message(), nil
}

func (e *Exporter) message() *leasing.Exporter {
	return &leasing.Exporter{
		Name: resource("exporters", e.Name), Labels: maps.Clone(e.labels), Online: e.online > 0, Status: e.status,
		Enabled: proto.Bool(true),
	}
}

// ListExporters lists by name, in one page, those that a selector fits.
func (c *clientService) ListExporters(_ context.Context, r *leasing.ListExportersRequest) (*leasing.ListExportersResponse, error) {
	filter, err := parseSelector(r.GetFilter())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &leasing.ListExportersResponse{}
	for _, name := range slices.Sorted(maps.Keys(c.exporters)) {
		if e := c.exporters[name]; filter.fits(e.labels) {
			out.Exporters = append(out.Exporters, e.message())
		}
	}
	return out, nil
}

// CreateLease makes a lease. One without a selector and an exporter's name is
// refused, since it would fit any exporter.
func (c *clientService) CreateLease(ctx context.Context, r *leasing.CreateLeaseRequest) (*leasing.Lease, error) {
	ask := r.GetLease()
	s := &lease{
		name: r.GetLeaseId(), client: callerOf(ctx), selector: ask.GetSelector(), wanted: short(ask.GetExporterName()),
		duration: ask.GetDuration().AsDuration(), tags: ask.GetTags(), context: ask.GetContext(),
	}
	var err error
	if s.terms, err = parseSelector(s.selector); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if s.terms == nil && s.wanted == "" {
		return nil, status.Error(codes.InvalidArgument, "one of selector or exporter_name is required")
	}
	if s.name == "" {
		s.name = uuid.NewString()
	}
	if s.duration <= 0 {
		return nil, status.Error(codes.InvalidArgument, "duration must be positive")
	}
	var out *leasing.Lease
	c.edit(func() {
		if c.leases[s.name] != nil {
			err = status.Errorf(codes.AlreadyExists, "leases.jumpstarter.dev %q already exists", s.name)
			return
		}
		c.leases[s.name] = s
		if at := ask.GetBeginTime(); at != nil {
			c.beginAt(s, at.AsTime())
		}
		c.order = append(c.order, s)
		out = s.message()
	})
	return out, err
}

// message returns the lease as clients see it; the lab is locked.
func (s *lease) message() *leasing.Lease {
	out := &leasing.Lease{
		Name: resource("leases", s.name), Selector: s.selector, Duration: durationpb.New(s.duration), EffectiveDuration: durationpb.New(0),
		Client: proto.String(resource("clients", s.client)), Tags: s.tags, Context: s.context,
	}
	if !s.notBefore.IsZero() {
		out.BeginTime = timestamppb.New(s.notBefore)
	}
	if s.wanted != "" {
		out.ExporterName = proto.String(s.wanted)
	}
	condition := func(kind string, holds bool, reason, message string) {
		state := "False"
		if holds {
			state = "True"
		}
		now := time.Now().Unix()
		out.Conditions = append(out.Conditions, &pb.Condition{
			Type: &kind, Status: &state, Reason: &reason, Message: &message, LastTransitionTime: &pb.Time{Seconds: &now},
		})
	}
	switch {
	case s.exporter == "" && s.end.IsZero():
		condition("Pending", true, s.reason, s.why)
		condition("Ready", false, "Pending", "")
		return out
	case s.exporter != "":
		out.Exporter = proto.String(resource("exporters", s.exporter))
		out.EffectiveBeginTime = timestamppb.New(s.begin)
	}
	if s.end.IsZero() {
		out.EffectiveDuration = durationpb.New(time.Since(s.begin))
		condition("Ready", true, "Ready", "")
		return out
	}
	out.EffectiveEndTime = timestamppb.New(s.end)
	condition("Ready", false, "Released", "the lease has ended")
	return out
}

// lookUp finds a lease of the client that calls and uses it, with the lab
// locked.
func (c *clientService) lookUp(ctx context.Context, name string, use func(*lease)) (out *leasing.Lease, err error) {
	client := callerOf(ctx)
	c.edit(func() {
		s := c.leases[short(name)]
		switch {
		case s == nil:
			err = status.Errorf(codes.NotFound, "leases.jumpstarter.dev %q not found", short(name))
		case s.client != client:
			err = status.Error(codes.PermissionDenied, "permission denied")
		default:
			use(s)
			out = s.message()
		}
	})
	return out, err
}

func (c *clientService) GetLease(ctx context.Context, r *leasing.GetLeaseRequest) (*leasing.Lease, error) {
	return c.lookUp(ctx, r.GetName(), func(*lease) {})
}

// UpdateLease changes the duration of a lease, the time before which it does not
// begin, or its client, which the old client may do.
func (c *clientService) UpdateLease(ctx context.Context, r *leasing.UpdateLeaseRequest) (*leasing.Lease, error) {
	for _, path := range r.GetUpdateMask().GetPaths() {
		if !slices.Contains([]string{"duration", "begin_time", "client"}, path) {
			return nil, status.Errorf(codes.InvalidArgument, "update_mask: got %s, want duration, begin_time or client", path)
		}
	}
	ask := r.GetLease()
	return c.lookUp(ctx, ask.GetName(), func(s *lease) {
		if at := ask.GetBeginTime(); at != nil && s.exporter == "" {
			c.beginAt(s, at.AsTime())
		}
		if name := short(ask.GetClient()); name != "" {
			s.client = name
		}
		if d := ask.GetDuration().AsDuration(); d > 0 {
			s.duration = d
			if s.active() {
				s.expiry.Reset(time.Until(s.begin.Add(d)))
			}
		}
	})
}

func (c *clientService) DeleteLease(ctx context.Context, r *leasing.DeleteLeaseRequest) (*emptypb.Empty, error) {
	if _, err := c.lookUp(ctx, r.GetName(), c.endLease); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// ListLeases lists in one page, the oldest first, those whose tags and whose
// wanted labels a selector fits.
func (c *clientService) ListLeases(_ context.Context, r *leasing.ListLeasesRequest) (*leasing.ListLeasesResponse, error) {
	tags, err := parseSelector(r.GetTagFilter())
	filter, ferr := parseSelector(r.GetFilter())
	if err := errors.Join(err, ferr); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &leasing.ListLeasesResponse{}
	for _, s := range c.order {
		if (s.end.IsZero() || !r.GetOnlyActive()) && tags.fits(s.tags) && filter.fits(s.terms.labels()) {
			out.Leases = append(out.Leases, s.message())
		}
	}
	return out, nil
}

// RotateToken makes a token of the client anew; the old one stays good.
func (c *clientService) RotateToken(ctx context.Context, _ *leasing.RotateTokenRequest) (*leasing.RotateTokenResponse, error) {
	const life = 365 * 24 * time.Hour
	token, err := c.Token("client", callerOf(ctx), life)
	if err != nil {
		return nil, err
	}
	return &leasing.RotateTokenResponse{Token: token, Expiry: timestamppb.New(time.Now().Add(life))}, nil
}

var _ leasing.ClientServiceServer = (*clientService)(nil)
