package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
	"syscall"
)

type webCmd struct {
	Address string `default:"localhost" help:"Local address to listen on (default ${default})."`
	Port    *int   `placeholder:"N" help:"Local port to listen on, 0 for a free one (default 8081; if that is in use, a free one)."`
}

// Help explains what it needs.
func (webCmd) Help() string {
	return `Listens on a local port and carries every connection to the web UI of the proxy, wherever the exporter runs. The UI must have been started: "start --web-ui". Where the exporter runs on this machine, the link that "start --web-ui" prints works by itself. Ctrl+C stops.

Examples:

    j proxy web
    j proxy web --port 0`
}

// Run forwards connections until it is interrupted.
func (c *webCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var st proxyStatus
	if err := p.document(ctx, &st, "status"); err != nil {
		return err
	}
	if !st.WebUIEnabled || !st.Running {
		command := "start"
		if st.Running {
			command = "restart"
		}
		sys.note("%s: the web UI is not running yet: start it with %s --web-ui", sys.Name, command)
	}
	l, err := c.listen()
	if err != nil {
		return err
	}
	sys.out("mitmweb UI available at: http://%s/?token=%s", l.Addr(), url.QueryEscape(webToken(st.WebUIAddress)))
	sys.out("Press Ctrl+C to stop forwarding.")
	if err := sys.loss.fault(); err != nil { // nobody knows the address
		l.Close()
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			sys.out("\nStopping...")
			return nil
		}
		if err != nil {
			return fmt.Errorf("listening for the browser: %w", err)
		}
		open.Go(func() {
			if err := p.tunnel(ctx, conn, "connect_web"); err != nil && ctx.Err() == nil {
				sys.note("%s: %s", sys.Name, oneLine(err))
			}
		})
	}
}

// webPort is where the stock client listens.
const webPort = 8081

// listen listens for the browser. On the bench itself the web UI has the usual
// port already.
func (c *webCmd) listen() (net.Listener, error) {
	port := webPort
	if c.Port != nil {
		port = *c.Port
	}
	l, err := net.Listen("tcp", net.JoinHostPort(c.Address, strconv.Itoa(port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && c.Port == nil:
		l, err = net.Listen("tcp", net.JoinHostPort(c.Address, "0"))
	case errors.Is(err, syscall.EADDRINUSE):
		err = fmt.Errorf("%w (choose another with --port; 0 is a free one)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("listening for the browser: %w", err)
	}
	return l, nil
}

// webToken returns the token in the address that the exporter gives for its web
// UI. The stock driver's fixed one stands in when it gives none.
func webToken(address string) string {
	if u, err := url.Parse(address); err == nil {
		if token := u.Query().Get("token"); token != "" {
			return token
		}
	}
	return "jumpstarter"
}

// tunnel carries one local connection over a byte stream of the exporter until
// both directions have ended, and closes it.
func (p proxy) tunnel(ctx context.Context, local net.Conn, method string) error {
	defer local.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	remote, err := p.Connect(ctx, method)
	if err != nil {
		return fmt.Errorf("web UI: %w", err)
	}
	defer remote.Close()
	// Either end may block in a read: interruption closes both.
	defer context.AfterFunc(ctx, func() { local.Close(); remote.Close() })()
	var sending sync.WaitGroup
	sending.Go(func() { pipe(remote, local) })
	pipe(local, remote)
	sending.Wait()
	return nil
}

// pipe copies src to dst to its end and passes the end on. After a failure
// nothing more can be said to either of them.
func pipe(dst, src net.Conn) {
	_, err := io.Copy(dst, src)
	half, ok := dst.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		dst.Close()
		src.Close()
	}
}
