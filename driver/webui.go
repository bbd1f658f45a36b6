package driver

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"

	"starproxy/builtins/follow"
	"starproxy/driver/proxy"
	"starproxy/driver/rpc"
	"starproxy/driver/web"
)

// webUI serves the page when a start asks for it.
type webUI struct {
	host    string
	port    int
	table   func() *rpc.Table // what the page calls
	shared  *Shared
	log     *slog.Logger
	page    atomic.Pointer[webServer] // nil while it is not served
	changed follow.Notice             // of page
}

func (u *webUI) rows() []rpc.Row {
	return []rpc.Row{rpc.New("connect_web", "Connect to the web UI.", u.connect)}
}

// webServer is the web UI while it is served.
type webServer struct {
	*web.Server
	listener net.Listener
	forget   func() // makes Shared forget its address and secrets
	address  string // as the configuration names the host, with the real port
}

// url returns the link that opens the page, empty while it is not served.
func (u *webUI) url() string {
	page := u.page.Load()
	if page == nil {
		return ""
	}
	return fmt.Sprintf("http://%s/?token=%s", page.address, page.Token())
}

// ready prepares the page as a start asks for it. A page that asks for it itself
// stays as it is. Any other start replaces the page by a new one with another token, on
// the same socket. The caller then calls either serve, which puts the new page in force,
// or undo, and only after that calls ready again.
func (u *webUI) ready(ctx context.Context, on bool) (serve, undo func(), err error) {
	old := u.page.Load()
	none := func() {}
	switch {
	case old != nil && web.Calls(ctx):
		return none, none, nil
	case !on:
		return u.close, none, nil
	}
	var ln net.Listener
	if old != nil {
		ln, err = proxy.Share(old.listener)
	} else {
		ln, err = net.Listen("tcp", net.JoinHostPort(u.host, strconv.Itoa(u.port)))
	}
	if err != nil {
		return nil, nil, notListening("web.port", "web UI port", u.port, err)
	}
	s, err := web.New(u.table(), u.host, u.log)
	if err != nil {
		ln.Close()
		return nil, nil, notStarted(err)
	}
	return func() { u.serve(s, ln) }, func() { ln.Close() }, nil
}

// serve puts a page in the place of the one that is served.
func (u *webUI) serve(s *web.Server, ln net.Listener) {
	u.close()
	leave, reveal := u.shared.Listening(ln.Addr()), u.shared.hidden.Add(s.Secrets()...)
	forget := func() {
		leave()
		reveal()
	}
	go s.Serve(ln)
	port := ln.Addr().(*net.TCPAddr).Port
	u.page.Store(&webServer{s, ln, forget, net.JoinHostPort(u.host, strconv.Itoa(port))})
	u.changed.Notify()
}

// close ends the page.
func (u *webUI) close() {
	if page := u.page.Swap(nil); page != nil {
		page.Close()
		page.forget()
		u.changed.Notify()
	}
}

func (u *webUI) connect(context.Context) (net.Conn, error) {
	page := u.page.Load()
	if page == nil {
		return nil, rpc.Refuse(rpc.FailedPrecondition, "connect_web: the web UI is not running: start the proxy with web_ui")
	}
	c, err := page.Connect()
	if err != nil {
		return nil, rpc.Refuse(rpc.Unavailable, "connect_web: %v", err)
	}
	return c, nil
}
