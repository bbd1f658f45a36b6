package driver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"starproxy/driver/proxy"
	"starproxy/driver/proxy/way"
)

// Mode is a way in, in the notation that [way.ParseMode] reads.
type Mode way.Mode

// UnmarshalText accepts what [way.ParseMode] does.
func (m *Mode) UnmarshalText(text []byte) error {
	parsed, err := way.ParseMode(string(text))
	*m = Mode(parsed)
	return err
}

// Login is a user with a password, name:password. It is never shown.
type Login string

// UnmarshalText accepts what [way.CheckLogin] does.
func (l *Login) UnmarshalText(text []byte) error {
	*l = Login(text)
	return way.CheckLogin(string(text))
}

// String hides the text.
func (Login) String() string { return "hidden" }

// resolveWays checks the ways in. An error begins with its key.
func (l *Listen) resolveWays() error {
	type address struct {
		host string
		port int
	}
	upstreams := 0
	for i := range l.Modes {
		if l.Modes[i].Kind == way.Upstream {
			if upstreams++; upstreams > 1 {
				return fmt.Errorf("listen.modes[%d]: got a second upstream proxy, want one at most", i)
			}
		}
	}
	for i, text := range l.NoProxy {
		if err := way.CheckNoProxy(text); err != nil {
			return fmt.Errorf("listen.no_proxy[%d]: %w", i, err)
		}
	}
	used := map[address]string{{l.Host, l.Port}: "listen.port"}
	for i := range l.Modes {
		m := way.Mode(l.Modes[i])
		if !m.Own() {
			continue
		}
		a := address{m.Host, m.Port}
		if a.host == "" {
			a.host = l.Host
		}
		if by := used[a]; by != "" && m.Port != way.AnyPort {
			return fmt.Errorf("listen.modes[%d]: got port %d, want one that %s does not have", i, m.Port, by)
		}
		used[a] = fmt.Sprintf("listen.modes[%d]", i)
	}
	if _, err := way.NewLeftAlone(l.IgnoreHosts, l.AllowHosts); err != nil {
		return fmt.Errorf("listen.%w", err)
	}
	return nil
}

// readyWays opens the ways in. A proxy that runs shares its sockets with the next one.
func (l *launch) readyWays() error {
	listen := &l.cfg.Listen
	for i := range listen.Modes {
		m := way.Mode(listen.Modes[i])
		if !m.Own() {
			continue
		}
		w, err := l.openWay(m)
		if err != nil {
			return notListening("listen.modes", "port", max(m.Port, 0), err)
		}
		l.config.Ways = append(l.config.Ways, w)
		l.undo = append(l.undo, func() { w.Close() })
	}
	for _, r := range listen.Allow {
		l.config.Allow = append(l.config.Allow, netip.Prefix(r))
	}
	for i := range listen.Modes {
		if m := way.Mode(listen.Modes[i]); m.Kind == way.Upstream && !m.Own() {
			l.next.upstream = m.String()
		}
	}
	var pairs []string
	for _, a := range listen.Auth {
		pairs = append(pairs, string(a))
	}
	var err, err2 error
	l.config.Logins, err = way.NewLogins(pairs)
	l.config.LeftAlone, err2 = way.NewLeftAlone(listen.IgnoreHosts, listen.AllowHosts)
	l.config.Parent = listen.parent()
	l.config.KeepHost = listen.KeepHostHeader
	return errors.Join(err, err2)
}

// parent returns the proxy through which servers are asked, nil for none.
func (l *Listen) parent() *way.Parent {
	for i := range l.Modes {
		if m := &l.Modes[i]; m.Kind == way.Upstream {
			return way.NewParent(m.URL, l.NoProxy)
		}
	}
	return nil
}

// openWay opens a way, or shares that of the proxy that runs.
func (l *launch) openWay(m way.Mode) (*proxy.Way, error) {
	if old := l.run.Load(); old != nil {
		if w := old.proxy.Way(m.String()); w != nil {
			return w.Share()
		}
	}
	return proxy.OpenWay(m, l.cfg.Listen.Host)
}

// wayStatus is a way in, as status tells it.
type wayStatus struct {
	// Mode is the way as it is configured, without a password.
	Mode string `json:"mode"`
	// Address is the host:port to listen at.
	Address string `json:"address"`
}

// ways returns the ways in of a proxy that runs.
func (r *running) ways() []wayStatus {
	list := []wayStatus{{Mode: string(way.Regular), Address: r.address}}
	if r.upstream != "" {
		list[0].Mode = r.upstream
	}
	for _, w := range r.proxy.Ways() {
		list = append(list, wayStatus{Mode: w.Name(), Address: addressText(w.Addr())})
	}
	return list
}

// addressText returns a listening address, with 0.0.0.0 for all.
func addressText(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("0.0.0.0:%d", tcp.Port)
	}
	return a.String()
}

// firstLogin returns a user of the proxy with its password, for requests of our own;
// empty when none is asked for.
func (l *Listen) firstLogin() string {
	if len(l.Auth) == 0 {
		return ""
	}
	return string(l.Auth[0])
}
