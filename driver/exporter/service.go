package exporter

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"starproxy/driver/pb"
)

// errClosing ends the streams of a session that is over.
var errClosing = status.Error(codes.Unavailable, "the exporter is shutting down")

// service answers ExporterService and RouterService for a Session.
type service struct {
	pb.UnimplementedExporterServiceServer
	pb.UnimplementedRouterServiceServer
	*Session
}

// GetReport describes the tree.
func (s *service) GetReport(context.Context, *emptypb.Empty) (*pb.GetReportResponse, error) {
	return s.Report(), nil
}

// Report describes the tree: parents first, uuids stable for the session.
func (s *Session) Report() *pb.GetReportResponse {
	s.mu.Lock()
	out := &pb.GetReportResponse{Uuid: s.id.String(), Labels: map[string]string{}, Motd: s.motd}
	s.mu.Unlock()
	if s.config.Metadata.Name != "" {
		out.Labels[labelName] = s.config.Metadata.Name
	}
	for _, r := range s.reports {
		out.Reports = append(out.Reports, proto.CloneOf(r))
	}
	return out
}

// find returns the driver with the uuid, however the uuid is spelt.
func (s *service) find(id string) (served, error) {
	u, err := uuid.Parse(id)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "driver uuid %q is not a UUID", oneLine(id))
	}
	d, ok := s.served[u]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "no driver has the uuid %s", u)
	}
	return d, nil
}

// DriverCall runs one method to its result.
func (s *service) DriverCall(ctx context.Context, req *pb.DriverCallRequest) (*pb.DriverCallResponse, error) {
	reply, err := s.call(ctx, req)
	if err != nil {
		return refused(ctx, err)
	}
	return reply, nil
}

// call runs one method to its result. Its error may be a *rpc.Refusal.
func (s *service) call(ctx context.Context, req *pb.DriverCallRequest) (*pb.DriverCallResponse, error) {
	if err := s.status.gate(); err != nil {
		return nil, err
	}
	d, err := s.find(req.GetUuid())
	if err != nil {
		return nil, err
	}
	return d.call(ctx, req)
}

// StreamingDriverCall sends what a method yields, until it ends or the client leaves.
func (s *service) StreamingDriverCall(req *pb.StreamingDriverCallRequest,
	stream grpc.ServerStreamingServer[pb.StreamingDriverCallResponse]) error {
	if err := s.status.gate(); err != nil {
		return err
	}
	d, err := s.find(req.GetUuid())
	if err != nil {
		return err
	}
	ctx, cancel := s.until(stream.Context())
	defer cancel()
	return s.ended(d.stream(ctx, req, stream.Send))
}

// LogStream replays what is kept of the log and then follows it until the client leaves.
func (s *service) LogStream(_ *emptypb.Empty, stream grpc.ServerStreamingServer[pb.LogStreamResponse]) error {
	ctx, cancel := s.until(stream.Context())
	defer cancel()
	for r := range s.ring.Follow(ctx, 0) {
		if err := stream.Send(r); err != nil {
			return err
		}
	}
	if err := stream.Context().Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	return nil
}

// Reset has nothing to do: drivers start fresh with their exporter.
func (s *service) Reset(context.Context, *pb.ResetRequest) (*pb.ResetResponse, error) {
	return &pb.ResetResponse{}, nil
}

// GetStatus reports whether driver calls are welcome.
func (s *service) GetStatus(context.Context, *pb.GetStatusRequest) (*pb.GetStatusResponse, error) {
	return s.status.get(), nil
}

// EndSession ends the lease, if there is one: a local or direct session has none.
func (s *service) EndSession(context.Context, *pb.EndSessionRequest) (*pb.EndSessionResponse, error) {
	success, message := false, "No active lease context"
	if s.endSession != nil {
		success, message = s.endSession()
	}
	return &pb.EndSessionResponse{Success: success, Message: proto.String(message)}, nil
}

// until returns ctx that also ends when the session closes.
func (s *service) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.closing, cancel)
	return ctx, func() { stop(); cancel() }
}

// ended returns the status of a stream that failed, told apart from one that
// the end of the session cut off.
func (s *service) ended(err error) error {
	if s.closing.Err() != nil && errors.Is(err, context.Canceled) {
		return errClosing
	}
	return grpcError(err)
}

// Interface guards.
var (
	_ pb.ExporterServiceServer = (*service)(nil)
	_ pb.RouterServiceServer   = (*service)(nil)
)
