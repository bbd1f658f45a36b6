package exporter

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"starproxy/driver/client"
	"starproxy/driver/exporter/part"
	"starproxy/driver/pb"
)

// remote is a session in another process, with a connection to it.
type remote struct {
	session  *part.Session
	client   *client.Client
	exporter pb.ExporterServiceClient
	router   pb.RouterServiceClient
	calls    *caller // nil where calls pass over gRPC
}

// openRemote has a part serve a session and connects to it. log gets what it
// writes to its standard error.
func openRemote(ctx context.Context, p *part.Part, session any, log *slog.Logger) (*remote, error) {
	opened, err := p.Open(ctx, session, log)
	if err != nil {
		return nil, err
	}
	c, err := client.Dial(ctx, opened.Socket, client.Options{})
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	r := &remote{session: opened, client: c}
	r.exporter, r.router = c.Services()
	return r, nil
}

// call makes a call by the shortest way.
func (r *remote) call(ctx context.Context, req *pb.DriverCallRequest) (*pb.DriverCallResponse, error) {
	if r.calls != nil {
		return r.calls.call(ctx, req)
	}
	return r.exporter.DriverCall(ctx, req)
}

func (r *remote) close() error {
	if r.calls != nil {
		r.calls.close()
	}
	r.client.Close()
	return r.session.Close()
}

// failed returns the error of a call to r: if the process has died, the reason.
func (r *remote) failed(err error) error {
	if status.Code(err) != codes.Unavailable {
		return err
	}
	// A connection breaks before the process has been waited for.
	late := time.NewTimer(deathWait)
	defer late.Stop()
	select {
	case <-r.session.Dead():
		return status.Error(codes.Unavailable, oneLine(r.session.Reason().Error()))
	case <-late.C:
		return err
	}
}

// deathWait is how long a call that broke waits for the news that the process has
// died. A busy machine takes its time to end a large process.
const deathWait = time.Second

// links finds the process of a forwarded driver as it is now.
type links interface {
	link(ctx context.Context) (*remote, error)
}

// link returns r itself: a process that is not started again during a session.
func (r *remote) link(context.Context) (*remote, error) {
	if reason := r.session.Reason(); reason != nil {
		return nil, status.Error(codes.Unavailable, oneLine(reason.Error()))
	}
	return r, nil
}

// forwarded is a driver in another process. It has the same uuid there, so that
// requests pass as they are.
type forwarded struct {
	to links
	// called is told of each call that has succeeded; nil for nobody.
	called func(ctx context.Context, r *remote, method string)
}

func (f forwarded) call(ctx context.Context, req *pb.DriverCallRequest) (*pb.DriverCallResponse, error) {
	r, err := f.to.link(ctx)
	if err != nil {
		return nil, err
	}
	reply, err := r.call(ctx, req)
	if err == nil && f.called != nil {
		f.called(ctx, r, req.GetMethod())
	}
	return reply, r.failed(err)
}

func (f forwarded) stream(ctx context.Context, req *pb.StreamingDriverCallRequest, send func(*pb.StreamingDriverCallResponse) error) error {
	r, err := f.to.link(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	items, err := r.exporter.StreamingDriverCall(ctx, req)
	if err != nil {
		return r.failed(err)
	}
	for {
		item, err := items.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return r.failed(err)
		}
		if err := send(item); err != nil {
			return err
		}
	}
}

// connect passes frames on as they are, and the metadata that opens a stream of
// a resource.
func (f forwarded) connect(ctx context.Context, req *streamRequest, stream routerStream) error {
	r, err := f.to.link(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(ctx, "request", req.text))
	defer cancel()
	call, err := r.router.Stream(ctx)
	if err != nil {
		return r.failed(err)
	}
	// Headers mean that the stream is open; a refusal comes without.
	header, err := call.Header()
	if err == nil && header == nil {
		_, err = call.Recv()
	}
	if err != nil {
		return r.failed(err)
	}
	if err := stream.SendHeader(answered(header)); err != nil {
		return err
	}
	up := make(chan struct{})
	go func() {
		defer close(up)
		if !passUp(stream, call) {
			cancel()
		}
	}()
	err = passDown(stream, call)
	if err == nil { // Python does not end the call: it waits for the client
		select {
		case <-up:
		case <-ctx.Done():
		}
	}
	return r.failed(err)
}

// answered returns the part of a header that belongs to the stream.
func answered(header metadata.MD) metadata.MD {
	out := metadata.MD{}
	for _, key := range []string{"resource", "x_jmp_accept_encoding"} {
		if values := header.Get(key); len(values) > 0 {
			out[key] = values
		}
	}
	return out
}

// passUp passes the client's frames on until the client has sent its last one.
// It reports whether that was so.
func passUp(stream routerStream, call grpc.BidiStreamingClient[pb.StreamRequest, pb.StreamResponse]) bool {
	for {
		frame, err := stream.Recv()
		if err == nil {
			err = call.Send(frame)
		}
		switch {
		case errors.Is(err, io.EOF):
			return call.CloseSend() == nil
		case err != nil:
			return false
		case frame.GetFrameType() == pb.FrameType_FRAME_TYPE_GOAWAY:
			return call.CloseSend() == nil
		}
	}
}

// passDown passes the driver's frames on until it has sent its last one.
func passDown(stream routerStream, call grpc.BidiStreamingClient[pb.StreamRequest, pb.StreamResponse]) error {
	for {
		frame, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.StreamResponse{Payload: frame.GetPayload(), FrameType: frame.GetFrameType()}); err != nil {
			return err
		}
		if frame.GetFrameType() == pb.FrameType_FRAME_TYPE_GOAWAY {
			return nil
		}
	}
}

// close does nothing: the process serves other drivers, too.
func (forwarded) close() error { return nil }

// followLog takes over the log of a remote session until that ends.
func (s *Session) followLog(ctx context.Context, r *remote) {
	log, err := r.exporter.LogStream(ctx, &emptypb.Empty{})
	for err == nil {
		var record *pb.LogStreamResponse
		if record, err = log.Recv(); err == nil {
			s.relay(ctx, record)
		}
	}
}

// Interface guards.
var (
	_ served = forwarded{}
	_ links  = (*remote)(nil)
)
