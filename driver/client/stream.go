package client

import (
	"context"
	"encoding/json"
	"net"

	"google.golang.org/grpc/metadata"

	"starproxy/driver/frames"
)

// Connect opens a byte stream to what the driver's method (connect_web, …)
// dials. The connection has halves: CloseWrite ends the outgoing one. It has no
// deadlines. It breaks when ctx ends.
func (n *Node) Connect(ctx context.Context, method string) (net.Conn, error) {
	request, err := json.Marshal(map[string]string{"kind": "driver", "uuid": n.UUID, "method": method})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(ctx, "request", string(request)))
	stream, err := n.client.router.Stream(ctx)
	if err != nil {
		cancel()
		return nil, n.client.errorOf(method, err)
	}
	// Headers mean that the stream is open; a refusal comes without.
	header, err := stream.Header()
	if err == nil && header == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		cancel()
		return nil, n.client.errorOf(method, err)
	}
	return n.client.keep(func(gone func()) *frames.Conn {
		return frames.New(stream, frames.Options{
			Cancel: cancel, Local: method, Remote: n.client.host,
			Error: func(err error) error { return n.client.errorOf(method, err) },
			Gone:  gone,
		})
	})
}
