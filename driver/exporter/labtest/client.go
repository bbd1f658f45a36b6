package labtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	"starproxy/driver/frames"
	"starproxy/driver/pb"
	"starproxy/driver/pb/leasing"
)

// Client is a client of the lab, as jmp is one.
type Client struct {
	lab     *Lab
	conn    *grpc.ClientConn
	control pb.ControllerServiceClient
	leases  leasing.ClientServiceClient

	mu      sync.Mutex
	routers map[string]*grpc.ClientConn
}

// NewClient connects as the client of a name.
func (l *Lab) NewClient(name string) (*Client, error) {
	token, err := l.Token("client", name, 24*time.Hour)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(l.Endpoint(), l.trusted(), grpc.WithPerRPCCredentials(identity{
		"authorization": "Bearer " + token, "jumpstarter-kind": "Client", "jumpstarter-namespace": Namespace, "jumpstarter-name": name,
	}))
	if err != nil {
		return nil, err
	}
	return &Client{lab: l, conn: conn, control: pb.NewControllerServiceClient(conn), leases: leasing.NewClientServiceClient(conn),
		routers: map[string]*grpc.ClientConn{}}, nil
}

func (l *Lab) trusted() grpc.DialOption {
	return grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: l.roots, MinVersion: tls.VersionTLS12}))
}

// identity is the metadata of every call.
type identity map[string]string

func (i identity) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return i, nil
}

// RequireTransportSecurity is true, as for stock clients.
func (identity) RequireTransportSecurity() bool { return true }

// Close ends the connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.routers {
		r.Close()
	}
	c.conn.Close()
}

// Lease asks for an exporter whose labels fit selector and returns the name of
// the lease once it has one.
func (c *Client) Lease(ctx context.Context, selector string, duration time.Duration) (string, error) {
	made, err := c.leases.CreateLease(ctx, &leasing.CreateLeaseRequest{
		Parent: "namespaces/" + Namespace, Lease: &leasing.Lease{Selector: selector, Duration: durationpb.New(duration)},
	})
	if err != nil {
		return "", err
	}
	name := short(made.GetName())
	return name, c.lab.Await(ctx, "an exporter for the lease", func() bool { return c.lab.leases[name].exporter != "" })
}

// Delete ends a lease.
func (c *Client) Delete(ctx context.Context, lease string) error {
	_, err := c.leases.DeleteLease(ctx, &leasing.DeleteLeaseRequest{Name: resource("leases", lease)})
	return err
}

// Token asks for a tunnel and returns where and with which token it is opened.
// A token that is not used leaves the exporter with a tunnel without an end.
func (c *Client) Token(ctx context.Context, lease string) (*pb.DialResponse, error) {
	return c.control.Dial(ctx, &pb.DialRequest{LeaseName: lease})
}

// Dial opens a tunnel.
func (c *Client) Dial(ctx context.Context, lease string) (*frames.Conn, error) {
	token, err := c.Token(ctx, lease)
	if err != nil {
		return nil, err
	}
	router, err := c.router(token.GetRouterEndpoint())
	if err != nil {
		return nil, err
	}
	call, cancel := context.WithCancel(metadata.AppendToOutgoingContext(context.WithoutCancel(ctx), "authorization",
		"Bearer "+token.GetRouterToken()))
	stream, err := pb.NewRouterServiceClient(router).Stream(call)
	if err != nil {
		cancel()
		return nil, err
	}
	return frames.New(stream, frames.Options{Cancel: cancel, Local: "client", Remote: lease}), nil
}

func (c *Client) router(endpoint string) (*grpc.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.routers[endpoint]; r != nil {
		return r, nil
	}
	r, err := grpc.NewClient(endpoint, c.lab.trusted())
	if err == nil {
		c.routers[endpoint] = r
	}
	return r, err
}

// Session opens a tunnel and speaks to the exporter's session through it. It
// does not dial again when the tunnel breaks.
func (c *Client) Session(ctx context.Context, lease string) (*grpc.ClientConn, error) {
	tunnel, err := c.Dial(ctx, lease)
	if err != nil {
		return nil, err
	}
	once := make(chan net.Conn, 1)
	once <- tunnel
	return grpc.NewClient("passthrough:///tunnel", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithIdleTimeout(0),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			select {
			case conn := <-once:
				return conn, nil
			default:
				return nil, io.ErrClosedPipe
			}
		}))
}

// Serve listens on a unix socket, as the shell of jmp does, and opens a tunnel
// for each connection, until ctx ends. It returns the path of the socket.
func (c *Client) Serve(ctx context.Context, lease string) (string, error) {
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	context.AfterFunc(ctx, func() { ln.Close(); os.RemoveAll(dir) })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go c.bridge(ctx, lease, conn.(*net.UnixConn))
		}
	}()
	return path, nil
}

func (c *Client) bridge(ctx context.Context, lease string, local *net.UnixConn) {
	defer local.Close()
	tunnel, err := c.Dial(ctx, lease)
	if err != nil {
		return
	}
	defer tunnel.Close()
	stop := context.AfterFunc(ctx, func() { local.Close() })
	defer stop()
	up := make(chan struct{})
	go func() {
		defer close(up)
		io.Copy(tunnel, local)
		tunnel.CloseWrite()
	}()
	io.Copy(local, tunnel)
	local.CloseWrite()
	<-up
}

// EmptyTunnel opens a tunnel and closes it without a word of HTTP/2, as each
// shell of jmp 0.9.0 does once.
func (c *Client) EmptyTunnel(ctx context.Context, lease string) error {
	tunnel, err := c.Dial(ctx, lease)
	if err != nil {
		return err
	}
	return errors.Join(tunnel.CloseWrite(), tunnel.Close())
}

// End ends a lease as stock clients do: it ends the session, waits until the
// session says that the exporter is available if the exporter promised that, and
// deletes the lease.
func (c *Client) End(ctx context.Context, lease string) error {
	if err := c.endSession(ctx, lease); err != nil {
		return err
	}
	return c.Delete(ctx, lease)
}

func (c *Client) endSession(ctx context.Context, lease string) error {
	conn, err := c.Session(ctx, lease)
	if err != nil {
		return err
	}
	defer conn.Close()
	session := pb.NewExporterServiceClient(conn)
	call, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ended, err := session.EndSession(call, &pb.EndSessionRequest{})
	if err != nil || !ended.GetSuccess() {
		return err
	}
	for {
		now, err := session.GetStatus(ctx, &pb.GetStatusRequest{})
		if err != nil {
			return fmt.Errorf("the session broke before it said that the exporter is available: %w", err)
		}
		if now.GetStatus() == pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the exporter is %v, want it available: %w", now.GetStatus(), ctx.Err())
		}
	}
}

// AwaitStatus waits until an exporter has reported a status whose text (see
// Report) begins with prefix, after the first skip reports.
func (l *Lab) AwaitStatus(ctx context.Context, exporter, prefix string, skip int) error {
	var seen []Report
	err := l.Await(ctx, fmt.Sprintf("status %q of %s", prefix, exporter), func() bool {
		e := l.exporters[exporter]
		if e == nil {
			return false
		}
		seen = e.history[min(skip, len(e.history)):]
		return slices.ContainsFunc(seen, func(r Report) bool {
			return len(r.String()) >= len(prefix) &&
				r.String()[:len(prefix)] == prefix
		})
	})
	if err != nil {
		return fmt.Errorf("%w; reported: %v", err, seen)
	}
	return nil
}
