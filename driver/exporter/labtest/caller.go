package labtest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"starproxy/driver/pb"
	"starproxy/driver/pb/leasing"
)

// caller is the object that a call comes from.
type caller struct{ kind, namespace, name string }

// object returns how errors name it.
func (c caller) object() string {
	return fmt.Sprintf("%s %s/%s", strings.ToLower(c.kind), c.namespace, c.name)
}

type callerKey struct{}

// callerOf returns the name of the object that a call comes from.
func callerOf(ctx context.Context) string {
	who, _ := ctx.Value(callerKey{}).(caller)
	return who.name
}

// kindOf returns the kind of object that may call a method.
func kindOf(method string) string {
	if method == pb.ControllerService_Dial_FullMethodName || strings.HasPrefix(method,
		"/"+leasing.ClientService_ServiceDesc.ServiceName+"/") {
		return "Client"
	}
	return "Exporter"
}

// authenticate finds who calls, and refuses as the controller does.
func (l *Lab) authenticate(ctx context.Context, method string) (context.Context, error) {
	l.mu.Lock()
	fault, cold := l.fault, time.Since(l.started) < l.options.WarmUp
	l.mu.Unlock()
	if fault != nil {
		return nil, fault
	}
	md, _ := metadata.FromIncomingContext(ctx)
	auth := md.Get("authorization")
	if len(auth) != 1 {
		return nil, status.Error(codes.Unauthenticated, "missing authorization header")
	}
	token, ok := strings.CutPrefix(auth[0], "Bearer ")
	if !ok {
		return nil, status.Error(codes.InvalidArgument, "malformed authorization header")
	}
	if cold {
		return nil, status.Error(codes.Unknown, "oidc: authenticator not initialized")
	}
	subject, err := l.verify(token, objectIssuer, objectAudience)
	if err != nil {
		return nil, status.Error(codes.Unknown, err.Error())
	}
	who, err := named(md)
	if err != nil {
		return nil, err
	}
	if who.kind != kindOf(method) {
		return nil, status.Error(codes.InvalidArgument, "object kind mismatch")
	}
	if err := l.authorize(who, subject); err != nil {
		return nil, err
	}
	return context.WithValue(ctx, callerKey{}, who), nil
}

// named returns the object that the metadata of a call name.
func named(md metadata.MD) (caller, error) {
	one := func(key string) (string, error) {
		switch values := md.Get(key); len(values) {
		case 0:
			return "", status.Errorf(codes.InvalidArgument, "missing metadata: %s", key)
		case 1:
			return values[0], nil
		default:
			return "", status.Errorf(codes.InvalidArgument, "multiple metadata: %s", key)
		}
	}
	namespace, err := one("jumpstarter-namespace")
	if err != nil {
		return caller{}, err
	}
	kind, err := one("jumpstarter-kind")
	if err != nil {
		return caller{}, err
	}
	if len(md.Get("jumpstarter-name")) == 0 {
		return caller{}, status.Error(codes.InvalidArgument, "resource name required for pre-existing authentication")
	}
	name, err := one("jumpstarter-name")
	return caller{kind, namespace, name}, err
}

// authorize compares a caller with the subject of its token.
func (l *Lab) authorize(who caller, subject string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	uid := ""
	if who.kind == "Exporter" {
		e := l.exporters[who.name]
		if e == nil || who.namespace != Namespace {
			return status.Errorf(codes.Unknown, "%s: exporters.jumpstarter.dev %q not found", who.object(), who.name)
		}
		uid = e.uid
	}
	if who.namespace != Namespace || subject != subjectOf(strings.ToLower(who.kind), who.name, uid) {
		return status.Error(codes.PermissionDenied, "permission denied for "+who.object())
	}
	return nil
}

func subjectOf(kind, name, uid string) string {
	return fmt.Sprintf("%s:%s:%s:%s", kind, Namespace, name, uid)
}

func (l *Lab) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, err := l.authenticate(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (l *Lab) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, err := l.authenticate(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return handler(srv, &authenticated{stream, ctx})
}

// authenticated is a stream whose caller is known.
type authenticated struct {
	grpc.ServerStream
	ctx context.Context
}

func (a *authenticated) Context() context.Context { return a.ctx }
