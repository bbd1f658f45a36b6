// Package client calls the drivers of a Jumpstarter exporter, ours or a stock
// Python one: it connects as the environment of a jmp shell says, reads the
// tree of drivers and calls their methods.
//
// A Client and its Nodes are safe for concurrent use and share one connection.
// The command line and the tests use it.
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/emptypb"

	"starproxy/builtins/disk"
	"starproxy/driver/frames"
	"starproxy/driver/pb"
)

// Options say how to reach an exporter over TCP. A unix socket needs none: they
// are ignored there.
type Options struct {
	// Insecure speaks plain text instead of TLS.
	Insecure bool
	// Passphrase is sent with every call, if not empty.
	Passphrase string
	// RootsFile is a PEM file of the authorities to trust instead of the
	// system's.
	RootsFile string
}

// Client is a connection to one exporter session.
type Client struct {
	conn     *grpc.ClientConn
	exporter pb.ExporterServiceClient
	router   pb.RouterServiceClient
	host     string
	root     *Node
	labels   map[string]string
	motd     string

	mu     sync.Mutex
	conns  map[*frames.Conn]struct{} // byte streams, until nothing of them is left
	closed bool
}

// ErrNoHost is the error of FromEnv outside of a jmp shell.
var ErrNoHost = errors.New("JUMPSTARTER_HOST is not set: run this inside a jmp shell or starproxy shell, or set it to the " +
	"exporter's address")

// FromEnv connects as the variables of a jmp shell say: JUMPSTARTER_HOST, and
// for TCP JMP_GRPC_INSECURE or JUMPSTARTER_GRPC_INSECURE (1 means plain text),
// JMP_GRPC_PASSPHRASE and GRPC_DEFAULT_SSL_ROOTS_FILE_PATH.
func FromEnv(ctx context.Context) (*Client, error) {
	host := os.Getenv("JUMPSTARTER_HOST")
	if host == "" {
		return nil, ErrNoHost
	}
	return Dial(ctx, host, Options{
		Insecure:   os.Getenv("JMP_GRPC_INSECURE") == "1" || os.Getenv("JUMPSTARTER_GRPC_INSECURE") == "1",
		Passphrase: os.Getenv("JMP_GRPC_PASSPHRASE"),
		RootsFile:  os.Getenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"),
	})
}

// Dial connects to host, which is host:port or else the path of a unix socket,
// and reads the tree of drivers.
func Dial(ctx context.Context, host string, o Options) (*Client, error) {
	target, options, err := dialing(host, o)
	if err != nil {
		return nil, err
	}
	options = append(options, grpc.WithDefaultCallOptions(
		grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)))
	channel, err := grpc.NewClient(target, options...)
	if err != nil {
		return nil, fmt.Errorf("exporter address %q: %w", host, err)
	}
	c := &Client{conn: channel, exporter: pb.NewExporterServiceClient(channel), router: pb.NewRouterServiceClient(channel), host: host,
		conns: map[*frames.Conn]struct{}{}}
	report, err := c.exporter.GetReport(ctx, &emptypb.Empty{})
	if err == nil {
		c.labels, c.motd = report.GetLabels(), report.GetMotd()
		c.root, err = c.tree(report.GetReports())
	} else {
		err = c.errorOf("", err)
	}
	if err != nil {
		channel.Close()
		return nil, err
	}
	return c, nil
}

// dialing turns an address into what gRPC dials.
func dialing(host string, o Options) (string, []grpc.DialOption, error) {
	if !isTCP(host) {
		path, err := filepath.Abs(host)
		if err != nil {
			return "", nil, fmt.Errorf("exporter address %q: %w", host, err)
		}
		// Dialled by hand, because a URI cannot hold every path.
		dial := func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		return "passthrough:///localhost", []grpc.DialOption{
			grpc.WithContextDialer(dial),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithNoProxy(),
		}, nil
	}
	options := []grpc.DialOption{
		// Stock clients ping as often, and stock exporters allow twice that.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 180 * time.Second, PermitWithoutStream: true}),
	}
	if o.Passphrase != "" {
		options = append(options, grpc.WithPerRPCCredentials(passphrase(o.Passphrase)))
	}
	if o.Insecure {
		return host, append(options, grpc.WithTransportCredentials(insecure.NewCredentials())), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.RootsFile != "" {
		pem, err := disk.ReadInput(o.RootsFile, disk.MaxDocument)
		if err != nil {
			return "", nil, fmt.Errorf("trusted roots: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return "", nil, fmt.Errorf("trusted roots: %s holds no PEM certificate", o.RootsFile)
		}
	}
	return host, append(options, grpc.WithTransportCredentials(credentials.NewTLS(config))), nil
}

// isTCP reports whether host is host:port and not the path of a socket. By the rule of
// the stock client, it is when a port follows the last colon.
func isTCP(host string) bool {
	i := strings.LastIndexByte(host, ':')
	if i < 0 {
		return false
	}
	port, err := strconv.ParseUint(host[i+1:], 10, 16)
	return err == nil && port > 0
}

// passphrase is the metadata that a guarded exporter asks for.
type passphrase string

func (p passphrase) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"x-jumpstarter-passphrase": string(p)}, nil
}

// RequireTransportSecurity is false: the user decides, by Options.Insecure.
func (passphrase) RequireTransportSecurity() bool { return false }

// Services returns the services of the exporter, for those who pass messages
// on.
func (c *Client) Services() (pb.ExporterServiceClient, pb.RouterServiceClient) {
	return c.exporter, c.router
}

// Host returns the address that was dialled.
func (c *Client) Host() string { return c.host }

// Labels returns those of the exporter; empty in a local session.
func (c *Client) Labels() map[string]string { return c.labels }

// MOTD returns the exporter's message of the day; usually empty.
func (c *Client) MOTD() string { return c.motd }

// Ping asks the exporter how it is. It fails when no answer comes; which one
// does not matter.
func (c *Client) Ping(ctx context.Context) error {
	if _, err := c.exporter.GetStatus(ctx, &pb.GetStatusRequest{}); err != nil {
		return c.errorOf("", err)
	}
	return nil
}

// Close ends the connection and everything that runs on it. Byte streams get
// a moment to deliver what was written to them.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	open := slices.Collect(maps.Keys(c.conns))
	c.mu.Unlock()
	for _, s := range open {
		s.Close()
	}
	for _, s := range open {
		s.Wait()
	}
	return c.conn.Close()
}

// keep remembers a byte stream for Close, until it is gone.
func (c *Client) keep(open func(gone func()) *frames.Conn) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var conn *frames.Conn
	conn = open(func() { c.drop(conn) })
	if c.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	c.conns[conn] = struct{}{}
	return conn, nil
}

func (c *Client) drop(s *frames.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, s)
}

var _ credentials.PerRPCCredentials = passphrase("")
