package exporter

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"

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

	text string // the JSON itself
}

// Stream carries a byte stream between the client and a driver.
func (s *service) Stream(stream routerStream) error {
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
	err = d.connect(ctx, req, stream)
	if s.closing.Err() != nil {
		return errClosing
	}
	return grpcError(err)
}

func readStreamRequest(ctx context.Context) (*streamRequest, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	values := md.Get("request")
	if len(values) != 1 {
		return nil, status.Errorf(codes.InvalidArgument, "stream: got %d metadata values with the key request, want one", len(values))
	}
	req := &streamRequest{text: values[0]}
	if err := json.Unmarshal([]byte(values[0]), req); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "stream: metadata request: %s", oneLine(err.Error()))
	}
	if req.Kind != "driver" && req.Kind != "resource" {
		return nil, status.Errorf(codes.InvalidArgument, "stream: kind %q is not known: expected driver", oneLine(req.Kind))
	}
	return req, nil
}

// upload writes the client's frames to conn until the client says that it is
// done, and passes that on.
func upload(stream routerStream, conn net.Conn, cancel context.CancelFunc) {
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
func download(stream routerStream, conn net.Conn) error {
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
