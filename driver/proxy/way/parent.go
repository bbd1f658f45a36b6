package way

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/proxy"

	"starproxy/builtins/excerpt"
)

// Parent is the proxy through which servers are asked, such as that of a company. Nil
// asks them directly.
type Parent struct {
	url    *url.URL
	direct func(*url.URL) (*url.URL, error)
}

// NewParent takes the URL of an upstream mode, and the hosts that are asked directly:
// names, which stand for the names below them as well, names below a domain (".lab"),
// addresses, ranges of them, each with or without a port, or "*". The machine itself
// is always asked directly.
func NewParent(u *url.URL, noProxy []string) *Parent {
	hosts := make([]string, len(noProxy))
	for i, h := range noProxy {
		hosts[i] = strings.TrimPrefix(h, "*") // *.lab is .lab there
		if h == "*" {
			hosts[i] = h
		}
	}
	cfg := httpproxy.Config{HTTPProxy: "http://parent.invalid", NoProxy: strings.Join(hosts, ",")}
	return &Parent{url: u, direct: cfg.ProxyFunc()}
}

// CheckNoProxy reports why a text is no host that can be asked directly.
func CheckNoProxy(text string) error {
	if text == "" || strings.ContainsAny(text, ", \t/") && !isRange(text) {
		return fmt.Errorf("got %s, want a host, a .domain, an address, a range of addresses or *", excerpt.Quote(text))
	}
	return nil
}

// isRange reports whether a text is a range of addresses in CIDR form.
func isRange(text string) bool {
	_, err := netip.ParsePrefix(text)
	return err == nil
}

// Uses reports whether the server at host:port is asked through the proxy.
func (p *Parent) Uses(addr string) bool {
	if p == nil {
		return false
	}
	through, err := p.direct(&url.URL{Scheme: "http", Host: addr})
	return err == nil && through != nil
}

// Forwards reports whether the proxy takes requests without TLS to the server at
// host:port in absolute form (RFC 9112 section 3.2.2), as all HTTP proxies do, and some
// refuse a CONNECT for them.
func (p *Parent) Forwards(addr string) bool {
	return p != nil && strings.HasPrefix(p.url.Scheme, "http") && p.Uses(addr)
}

// Addr returns the host:port of the proxy.
func (p *Parent) Addr() string { return p.url.Host }

// Secure reports whether the proxy itself is spoken to with TLS.
func (p *Parent) Secure() bool { return p.url.Scheme == "https" }

// Authorization returns the value of the header Proxy-Authorization; empty for none.
func (p *Parent) Authorization() string {
	if p.url.User == nil {
		return ""
	}
	password, _ := p.url.User.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(p.url.User.Username()+":"+password))
}

// Connect has the proxy at the other end of c connect to host:port. It reads no byte
// behind the proxy's answer. The context bounds it.
func (p *Parent) Connect(ctx context.Context, c net.Conn, addr string) error {
	if !strings.HasPrefix(p.url.Scheme, "http") {
		return p.connectSOCKS(ctx, c, addr)
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	err := p.connectHTTP(c, addr)
	if !stop() {
		return context.Cause(ctx)
	}
	return err
}

// connectHTTP sends a CONNECT (RFC 9110 section 9.3.6).
func (p *Parent) connectHTTP(c io.ReadWriter, addr string) error {
	head := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\n"
	if a := p.Authorization(); a != "" {
		head += "Proxy-Authorization: " + a + "\r\n"
	}
	if _, err := io.WriteString(c, head+"\r\n"); err != nil {
		return p.Fault(err)
	}
	answer, err := readHead(c)
	if err != nil {
		return p.Fault(err)
	}
	line, _, _ := strings.Cut(answer, "\n")
	proto, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch {
	case !strings.HasPrefix(proto, "HTTP/1."):
		return p.Fault(fmt.Errorf("it does not answer as an HTTP proxy: %s", excerpt.Quote(line)))
	case strings.HasPrefix(rest, "407"):
		return p.Fault(ErrAsksUser)
	case len(rest) < 3 || rest[0] != '2':
		return p.Fault(fmt.Errorf("it answers %s to a CONNECT for %s", excerpt.Quote(rest), addr))
	}
	return nil
}

// ErrAsksUser is the error of a proxy that answers 407.
var ErrAsksUser = errors.New("it asks for another user or password (407 Proxy Authentication Required)")

// maxParentHead bounds the header of an answer to a CONNECT, in bytes.
const maxParentHead = 16 << 10

// readHead reads the header of an answer, byte by byte: those behind it are the
// server's.
func readHead(r io.Reader) (string, error) {
	var head []byte
	var one [1]byte
	for len(head) < maxParentHead {
		if _, err := io.ReadFull(r, one[:]); err != nil {
			return "", err
		}
		head = append(head, one[0])
		if s := string(head[max(0, len(head)-4):]); strings.HasSuffix(s, "\n\n") || s == "\r\n\r\n" {
			return string(head), nil
		}
	}
	return "", errors.New("the header of its answer is over 16 KiB")
}

// connectSOCKS asks a SOCKS5 proxy (RFC 1928).
func (p *Parent) connectSOCKS(ctx context.Context, c net.Conn, addr string) error {
	var user *proxy.Auth
	if u := p.url.User; u != nil {
		password, _ := u.Password()
		user = &proxy.Auth{User: u.Username(), Password: password}
	}
	d, err := proxy.SOCKS5("tcp", p.url.Host, user, nil)
	if err != nil {
		return err
	}
	over, ok := d.(interface {
		DialWithConn(ctx context.Context, c net.Conn, network, address string) (net.Addr, error)
	})
	if !ok {
		return errors.ErrUnsupported
	}
	if _, err := over.DialWithConn(ctx, c, "tcp", addr); err != nil {
		return p.Fault(err)
	}
	return nil
}

// Fault names the proxy in an error, without its user.
func (p *Parent) Fault(err error) error {
	return fmt.Errorf("through the upstream proxy %s://%s: %w", p.url.Scheme, p.url.Host, err)
}
