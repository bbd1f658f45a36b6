package driver

import (
	"context"
	"fmt"
	"iter"
	"net"
	"slices"
	"strconv"

	"starproxy/driver/proxy"
	"starproxy/driver/rpc"
	"starproxy/driver/web"
)

// webServer is the web UI while it is served.
type webServer struct {
	*web.Server
	listener net.Listener
	forget   func() // its address
	address  string // as the configuration names the host, with the real port
}

// url is the link that opens it.
func (w *webServer) url() string { return fmt.Sprintf("http://%s/?token=%s", w.address, w.Token()) }

// webKey marks the context of a call that the web UI makes.
type webKey struct{}

// fromWeb tells whether the web UI calls: it must not end itself.
func fromWeb(ctx context.Context) bool { return ctx.Value(webKey{}) != nil }

// webMethods is the table of methods as the web UI calls them.
type webMethods struct{ *Driver }

func (m webMethods) Call(ctx context.Context, name string, args []any) (any, error) {
	return m.Driver.Call(context.WithValue(ctx, webKey{}, true), name, args)
}

func (m webMethods) Stream(ctx context.Context, name string, args []any) (iter.Seq2[any, error], error) {
	return m.Driver.Stream(context.WithValue(ctx, webKey{}, true), name, args)
}

// Resume sets the parameter "after" of a method that has one.
func (m webMethods) Resume(name string, args []any, after uint64) []any {
	info, known := m.Method(name)
	if !known {
		return args
	}
	at := slices.IndexFunc(info.Params, func(p rpc.Param) bool { return p.Name == "after" })
	if at < 0 {
		return args
	}
	args = slices.Clone(args)
	for i := len(args); i <= at; i++ {
		args = append(args, info.Params[i].Default)
	}
	args[at] = float64(after)
	return args
}

// readyWeb readies the web UI as a start asks for it; the error says why it can't be.
// A page that asks itself stays as it is; any other gives way to a new one, with
// another token, on the same socket. The caller holds life.
func (d *Driver) readyWeb(ctx context.Context, l *launch, on bool) error {
	old := d.page.Load()
	switch {
	case old != nil && fromWeb(ctx):
		l.page = func() {}
		return nil
	case !on:
		l.page = d.closeWeb
		return nil
	}
	var ln net.Listener
	var err error
	if old != nil {
		ln, err = proxy.Share(old.listener)
	} else {
		ln, err = net.Listen("tcp", net.JoinHostPort(d.cfg.Web.Host, strconv.Itoa(d.cfg.Web.Port)))
	}
	if err != nil {
		return notListening("web.port", "web UI port", d.cfg.Web.Port, err)
	}
	l.undo = append(l.undo, func() { ln.Close() })
	s, err := web.New(webMethods{d}, d.cfg.Web.Host, d.log)
	if err != nil {
		return notStarted(err)
	}
	l.page = func() {
		d.closeWeb()
		leave, reveal := d.shared.Listening(ln.Addr()), d.shared.hidden.Add(s.Secrets()...)
		forget := func() {
			leave()
			reveal()
		}
		go s.Serve(ln)
		port := ln.Addr().(*net.TCPAddr).Port
		d.page.Store(&webServer{s, ln, forget, net.JoinHostPort(d.cfg.Web.Host, strconv.Itoa(port))})
	}
	return nil
}

// closeWeb ends the web UI.
func (d *Driver) closeWeb() {
	if page := d.page.Swap(nil); page != nil {
		page.Close()
		page.forget()
	}
}

func (d *Driver) connectWeb(context.Context) (net.Conn, error) {
	page := d.page.Load()
	if page == nil {
		return nil, rpc.Refuse(rpc.FailedPrecondition, "connect_web: the web UI is not running: start the proxy with web_ui")
	}
	c, err := page.Connect()
	if err != nil {
		return nil, rpc.Refuse(rpc.Unavailable, "connect_web: %v", err)
	}
	return c, nil
}

// Interface guard.
var _ web.Methods = webMethods{}
