package cli

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"starproxy/driver"
	"starproxy/driver/exporter"
)

// listenFlags replace what the configuration says of a proxy's addresses and of
// requests without a mock.
type listenFlags struct {
	Port      *int             `placeholder:"N" xor:"listen" help:"Port of the proxy, instead of the configured one; 0 is a free one."`
	Listen    *hostPort        `placeholder:"[HOST:]PORT" xor:"listen" help:"Address of the proxy, instead of the configured one (without HOST: at the configured host)."`
	Way       []driver.Mode    `placeholder:"MODE" sep:"none" help:"One more way in, as listen.modes has it: socks5@PORT, reverse:URL@PORT and others; port 0 is a free one. Can be repeated."`
	WebUI     bool             `name:"web-ui" help:"Serve the web UI too, when a proxy is started at once."`
	WebListen *hostPort        `name:"web-listen" placeholder:"[HOST:]PORT" help:"Address of the web UI, instead of the configured one; implies --web-ui."`
	Unmatched driver.Unmatched `placeholder:"WHAT" help:"What happens in mock mode to a request that no mock answers, instead of the configured: passthrough or reject."`
}

// apply puts the flags into the configuration.
func (f *listenFlags) apply(proxies []*exporter.Node) error {
	if f.Unmatched != "" {
		for _, p := range proxies {
			p.Driver.Unmatched = f.Unmatched
		}
	}
	if f.Port == nil && f.Listen == nil && f.WebListen == nil && len(f.Way) == 0 {
		return nil
	}
	if len(proxies) != 1 {
		return usagef("--port, --listen, --way and --web-listen need a configuration with one proxy, this one has %d", len(proxies))
	}
	d := proxies[0].Driver
	if f.Port != nil {
		d.Listen.Port = *f.Port
	}
	if a := f.Listen; a != nil {
		d.Listen.Host, d.Listen.Port = a.or(d.Listen.Host), a.port
	}
	d.Listen.Modes = append(d.Listen.Modes, f.Way...)
	if a := f.WebListen; a != nil {
		d.Web.Host, d.Web.Port = a.or(d.Web.Host), a.port
	}
	return nil
}

// webUI reports whether a proxy that is started serves its web UI.
func (f *listenFlags) webUI() bool { return f.WebUI || f.WebListen != nil }

// hostPort is an address to listen at, [HOST:]PORT. Port 0 takes a free one.
type hostPort struct {
	host string // empty when it was left out
	port int
}

// UnmarshalText accepts PORT, :PORT, HOST:PORT and [IPv6]:PORT.
func (a *hostPort) UnmarshalText(text []byte) error {
	host, port, err := "", string(text), error(nil)
	if strings.Contains(port, ":") {
		if host, port, err = net.SplitHostPort(port); err != nil {
			return fmt.Errorf("got %q, want [HOST:]PORT", text)
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("got %q, want [HOST:]PORT with a port from 0 to 65535", text)
	}
	*a = hostPort{host, int(n)}
	return nil
}

// or returns the host, or one that stands for it when it was left out.
func (a hostPort) or(host string) string {
	if a.host != "" {
		return a.host
	}
	return host
}
