package exporter

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"google.golang.org/grpc"

	"starproxy/driver/client"
	"starproxy/driver/pb"
	"starproxy/driver/rpc"
)

// succeeded tells the client of a call, if it is one of ours, that a proxy did
// what was asked.
func succeeded(ctx context.Context) {
	_ = grpc.SetTrailer(ctx, client.Done()) // in the process of the proxies, no client sees it
}

// refused answers the call of a client that a proxy refused. Stock clients get
// the stock driver's sentence where it has one, ours the code besides.
func refused(ctx context.Context, err error) (*pb.DriverCallResponse, error) {
	var r *rpc.Refusal
	if !errors.As(err, &r) || r.Stock == "" {
		return nil, grpcError(err)
	}
	value, err := pb.NewValue(r.Stock)
	if err != nil {
		return nil, grpcError(err)
	}
	_ = grpc.SetTrailer(ctx, client.Refused(r)) // fails when the client has gone
	return &pb.DriverCallResponse{Uuid: uuid.NewString(), Result: value}, nil
}
