package exporter

import (
	"context"
	"errors"
	"net"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"starproxy/driver/rpc"
)

// grpcError returns the one place where a driver's failure becomes a gRPC
// status. Clients show the text as it is, so it is kept to one line.
func grpcError(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok {
		return s.Err()
	}
	return status.Error(codeOf(err), oneLine(err.Error()))
}

func codeOf(err error) codes.Code {
	var failure *rpc.Refusal
	var network net.Error
	switch {
	case errors.As(err, &failure):
		return codeOfRefusal(failure.Code)
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	case errors.As(err, &network):
		return codes.Unavailable
	}
	return codes.Unknown
}

func codeOfRefusal(c rpc.Code) codes.Code {
	switch c {
	case rpc.InvalidArgument:
		return codes.InvalidArgument
	case rpc.NotFound:
		return codes.NotFound
	case rpc.AlreadyExists:
		return codes.AlreadyExists
	case rpc.Unimplemented:
		return codes.Unimplemented
	case rpc.Internal:
		return codes.Internal
	case rpc.Unavailable:
		return codes.Unavailable
	case rpc.DeadlineExceeded:
		return codes.DeadlineExceeded
	case rpc.FailedPrecondition:
		return codes.FailedPrecondition
	}
	return codes.Unknown
}

// oneLine joins the lines of a text with spaces, and makes it UTF-8.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
}
