package exporter

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"starproxy/driver/pb"
)

// frameBytes is the most that one frame carries.
const frameBytes = 32 << 10

// streamRequest is the JSON in the metadata that opens a stream.
type streamRequest struct {
	Kind   string `json:"kind"`
	UUID   string `json:"uuid"`
	Method string `json:"method"`
}

// Stream connects the client with what the driver's method dials.
func (s *service) Stream(stream grpc.BidiStreamingServer[pb.StreamRequest, pb.StreamResponse]) error {
	ctx, cancel := s.until(stream.Context())
	defer cancel()
	req, err := readStreamRequest(ctx)
	if err != nil {
		return err
	}
	d, err := s.find(req.UUID)
	if err != nil {
		return err
	}
	// Clients wait for the headers before they send, and a server that speaks
	// second would wait for them.
	if err := stream.SendHeader(metadata.MD{}); err != nil {
		return err
	}
	conn, err := d.Connect(ctx, req.Method)
	if err != nil {
		return s.ended(err)
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
	if s.closing.Err() != nil {
		return errClosing
	}
	return downErr
}

func readStreamRequest(ctx context.Context) (*streamRequest, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	values := md.Get("request")
	if len(values) != 1 {
		return nil, status.Errorf(codes.InvalidArgument, "stream: expected one metadata value with the key request, found %d", len(values))
	}
	req := new(streamRequest)
	if err := json.Unmarshal([]byte(values[0]), req); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "stream: metadata request: %s", oneLine(err.Error()))
	}
	switch req.Kind {
	case "driver":
	case "resource":
		return nil, status.Error(codes.Unimplemented, "stream: resource streams are not supported by this exporter's drivers")
	default:
		return nil, status.Errorf(codes.InvalidArgument, "stream: kind %q is not known: expected driver", oneLine(req.Kind))
	}
	if req.Method == "" {
		return nil, status.Error(codes.InvalidArgument, "stream: metadata request: method is missing")
	}
	return req, nil
}

// upload writes the client's frames to conn until the client says that it is
// done, and passes that on.
func upload(stream grpc.BidiStreamingServer[pb.StreamRequest, pb.StreamResponse], conn net.Conn, cancel context.CancelFunc) {
	for {
		frame, err := stream.Recv()
		if err != nil && !errors.Is(err, io.EOF) {
			cancel()
			return
		}
		if err != nil || frame.GetFrameType() == pb.FrameType_FRAME_TYPE_GOAWAY {
			closeWrite(conn)
			return
		}
		if frame.GetFrameType() != pb.FrameType_FRAME_TYPE_DATA || len(frame.GetPayload()) == 0 {
			continue
		}
		if _, err := conn.Write(frame.GetPayload()); err != nil {
			// The other side has gone; what it still had to say is being read.
			return
		}
	}
}

// download sends what conn says, then that it says no more.
func download(stream grpc.BidiStreamingServer[pb.StreamRequest, pb.StreamResponse], conn net.Conn) error {
	buf := make([]byte, frameBytes)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			// Send marshals before it returns, so buf is free again.
			if err := stream.Send(&pb.StreamResponse{Payload: buf[:n]}); err != nil {
				return err
			}
		}
		if err != nil {
			return stream.Send(&pb.StreamResponse{FrameType: pb.FrameType_FRAME_TYPE_GOAWAY})
		}
	}
}

// closeWrite ends conn's outgoing half, or all of it if it has no halves.
func closeWrite(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		return
	}
	conn.Close()
}
