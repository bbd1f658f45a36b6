package proxy

import (
	"context"
	"fmt"
	"net"
	"os"
)

// Listen binds an address as a Proxy does, with TCP keep-alive for devices that
// are gone without a word. A bind error is returned as net.Listen makes it.
func Listen(addr string) (net.Listener, error) {
	return (&net.ListenConfig{KeepAliveConfig: keepAlive()}).Listen(context.Background(), "tcp", addr)
}

// Share returns a listener on the same socket, for the proxy that is to take the
// place of this one: connections that come meanwhile wait in its queue, and
// [Proxy.Close] leaves them there.
func (p *Proxy) Share() (net.Listener, error) { return Share(p.listener) }

// Share returns another listener on the socket of l. The socket is open until both
// are closed.
func Share(l net.Listener) (net.Listener, error) {
	if b, ok := l.(*branchListener); ok {
		return b.share()
	}
	file, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("share the listener at %s: it is a %T", l.Addr(), l)
	}
	f, err := file.File()
	if err != nil {
		return nil, fmt.Errorf("share the listener at %s: %w", l.Addr(), err)
	}
	defer f.Close()
	return net.FileListener(f)
}
