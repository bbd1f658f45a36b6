package exporter

import (
	"context"
	"io"
	"iter"
	"net"
	"sync"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"starproxy/driver"
	"starproxy/driver/pb"
	"starproxy/driver/rpc"
)

// served answers the calls of clients for one driver of the tree, wherever that
// runs. Errors are gRPC statuses, or become some by grpcError; those of call may
// be a *rpc.Refusal.
type served interface {
	// call runs one method to its result.
	call(ctx context.Context, req *pb.DriverCallRequest) (*pb.DriverCallResponse, error)
	// stream passes on what a method yields, until it ends or ctx does.
	stream(ctx context.Context, req *pb.StreamingDriverCallRequest, send func(*pb.StreamingDriverCallResponse) error) error
	// connect carries the bytes of stream until both sides have ended or ctx does.
	connect(ctx context.Context, req *streamRequest, stream routerStream) error
	close() error
}

// routerStream is a byte stream of a client, in frames.
type routerStream = grpc.BidiStreamingServer[pb.StreamRequest, pb.StreamResponse]

// instance is a driver of this process.
type instance interface {
	Call(ctx context.Context, method string, args []any) (any, error)
	Stream(ctx context.Context, method string, args []any) (iter.Seq2[any, error], error)
	Connect(ctx context.Context, method string) (net.Conn, error)
	io.Closer
}

// hosted is a driver of this process.
type hosted struct{ driver instance }

func (h hosted) call(ctx context.Context, req *pb.DriverCallRequest) (*pb.DriverCallResponse, error) {
	result, err := h.driver.Call(ctx, req.GetMethod(), pb.Natives(req.GetArgs()))
	if err != nil {
		return nil, err
	}
	value, err := pb.NewValue(result)
	if err != nil {
		return nil, badResult(req.GetMethod(), err)
	}
	succeeded(ctx)
	return &pb.DriverCallResponse{Uuid: uuid.NewString(), Result: value}, nil
}

func (h hosted) stream(ctx context.Context, req *pb.StreamingDriverCallRequest, send func(*pb.StreamingDriverCallResponse) error) error {
	items, err := h.driver.Stream(ctx, req.GetMethod(), pb.Natives(req.GetArgs()))
	if err != nil {
		return err
	}
	for item, err := range items {
		if err != nil {
			return err
		}
		value, err := pb.NewValue(item)
		if err != nil {
			return badResult(req.GetMethod(), err)
		}
		if err := send(&pb.StreamingDriverCallResponse{Uuid: uuid.NewString(), Result: value}); err != nil {
			return err
		}
	}
	return nil
}

// badResult returns the status of a result that cannot be sent.
func badResult(method string, err error) error {
	return status.Errorf(codes.Internal, "result of %s: %v", method, err)
}

// connect copies between the stream and what the driver's method dials.
func (h hosted) connect(ctx context.Context, req *streamRequest, stream routerStream) error {
	switch {
	case req.Kind == "resource":
		return status.Error(codes.Unimplemented, "stream: resource streams are not supported by this exporter's drivers")
	case req.Method == "":
		return status.Error(codes.InvalidArgument, "stream: metadata request: method is missing")
	}
	// Clients wait for the headers before they send, and a server that speaks
	// second would wait for them.
	if err := stream.SendHeader(metadata.MD{}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := h.driver.Connect(ctx, req.Method)
	if err != nil {
		return err
	}
	// Closing is what wakes both copies when the client leaves.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() {
		stop()
		conn.Close()
	}()
	var wg sync.WaitGroup
	wg.Go(func() { upload(stream, conn, cancel) })
	downErr := download(stream, conn)
	if downErr != nil {
		cancel()
	}
	wg.Wait()
	return downErr
}

func (h hosted) close() error { return h.driver.Close() }

// group is the driver of a node that only has children: it has no methods.
type group struct{}

func (group) Call(_ context.Context, method string, _ []any) (any, error) {
	return nil, noMethod(method)
}

func (group) Stream(_ context.Context, method string, _ []any) (iter.Seq2[any, error], error) {
	return nil, noMethod(method)
}

func (group) Connect(_ context.Context, method string) (net.Conn, error) {
	return nil, noMethod(method)
}

func (group) Close() error { return nil }

func noMethod(name string) error {
	return rpc.Refuse(rpc.NotFound, "method %s not found on driver", name)
}

// Interface guards.
var (
	_ served   = hosted{}
	_ instance = group{}
	_ instance = (*driver.Driver)(nil)
)
