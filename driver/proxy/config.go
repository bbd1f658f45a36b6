package proxy

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"starproxy/builtins/clock"
	"starproxy/builtins/exchange"
	"starproxy/driver/ca"
	"starproxy/driver/capture"
	"starproxy/driver/handshake"
	"starproxy/driver/network"
	"starproxy/driver/proxy/way"
	"starproxy/driver/tlsfault"
)

// The bounds that hold for a zero [Config].
const (
	DefaultIdle       = idleTimeout
	DefaultTunnelIdle = tunnelIdle
)

// Config is the configuration of a Proxy. Handler is required; CA too, unless no
// device ever speaks TLS.
type Config struct {
	// Addr is the host:port to listen at; port 0 takes any free one.
	Addr string
	// Listener is bound already and is used instead of Addr; nil: Start binds.
	Listener net.Listener
	// CA signs the certificates that devices see.
	CA Authority
	// Handler answers every exchange; a nil response of its means Forward.
	Handler exchange.Handler
	// Journal gets an entry for every exchange; nil keeps none.
	Journal *capture.Journal
	// Sockets gets an entry for every message of a WebSocket whose handshake is
	// in Journal, and one for its end; nil keeps none.
	Sockets *capture.Sockets
	// Recorder is given all that Journal and Sockets get, before the device gets
	// the last byte of it; nil records nothing. It needs a Journal.
	Recorder Recorder
	// Inspector looks at entries of requests before Journal and Recorder get them; nil
	// looks at none. It needs a Journal.
	Inspector Inspector
	// Handshakes gets each TLS handshake of a device; nil keeps none.
	Handshakes *handshake.Log
	// Insecure takes any certificate of a real server; else the system's roots decide.
	Insecure bool
	// MinTLS is the oldest version of TLS that is spoken with devices and real
	// servers, as crypto/tls numbers them; 0 is TLS 1.2.
	MinTLS uint16
	// TLSFaults are the faults that handshakes with devices meet; nil means none.
	TLSFaults *tlsfault.Table
	// Ways are the ways in beside the listener of Addr, opened already; Close closes
	// them.
	Ways []*Way
	// Allow are the addresses of the devices that may connect; none means all. The
	// machine of the proxy itself always may.
	Allow []netip.Prefix
	// Logins are the users as which devices have to present themselves to the regular
	// ways and to SOCKS5; nil asks for none.
	Logins *way.Logins
	// Network says which networks devices are on; nil puts none on any.
	Network *network.Table
	// LeftAlone are the hosts whose tunnels pass untouched, even if Isolated; nil leaves
	// none alone.
	LeftAlone *way.LeftAlone
	// Parent is the proxy through which real servers are asked; nil asks them directly.
	Parent *way.Parent
	// Resolver answers the queries of ways of DNS; nil answers all names.
	Resolver *way.Resolver
	// Sightings are told of signs of devices; nil tells nobody.
	Sightings *Sightings
	// KeepHost leaves the Host header and the server name of devices as they are where
	// the way in is a reverse one; else they are those of the server.
	KeepHost bool
	// Isolated refuses tunnels that carry neither TLS nor HTTP instead of
	// connecting them to the real server.
	Isolated bool
	// Listeners are those of this process that devices must not reach; the
	// proxy adds its own. Nil means that there is no other.
	Listeners *Listeners
	// Counters count events that the journal does not have. Nil counts nothing. One may serve
	// several proxies.
	Counters *Counters
	// Hidden are texts that pass no proxy; nil means none.
	Hidden *Hidden
	// Idle bounds the time in which a device has to send the whole header of a
	// request, the first or the next one. 0 stands for [DefaultIdle].
	Idle time.Duration
	// TunnelIdle bounds the time in which no byte passes on a device's
	// connection while it is a tunnel or a WebSocket, or while an exchange is
	// under way. 0 stands for [DefaultTunnelIdle].
	TunnelIdle time.Duration
	// Clock is the clock that certificates and the Date of answers follow. Nil is the
	// system's.
	Clock *clock.Clock
	// Log gets the failures; nil drops them.
	Log *slog.Logger
}

// complete returns the configuration with a default in each field that is not set.
func (c Config) complete() Config {
	if c.Listeners == nil {
		c.Listeners = new(Listeners)
	}
	if c.Counters == nil {
		c.Counters = new(Counters)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.MinTLS = cmp.Or(c.MinTLS, tls.VersionTLS12)
	c.Idle = cmp.Or(c.Idle, DefaultIdle)
	c.TunnelIdle = cmp.Or(c.TunnelIdle, DefaultTunnelIdle)
	return c
}

// Recorder writes entries to a recording. Its methods return when the entry is
// written. Any number of goroutines may call them. They must not keep or change an
// entry.
type Recorder interface {
	// Exchange takes an entry that is not about a WebSocket.
	Exchange(e *capture.Entry)
	// Message takes a message of the WebSocket that began with handshake.
	Message(handshake, message *capture.Entry)
	// SocketEnd takes the end of a WebSocket.
	SocketEnd(end *capture.Entry)
}

// Authority gives the certificates of hosts for TLS handshakes, and answers
// requests to [onboard.Host]. Both may take their time, as long as the
// context allows. [ca.Authority] is one.
type Authority interface {
	Certificate(hello *tls.ClientHelloInfo, host string, clock *clock.Clock) (*tls.Certificate, error)
	// Flawed is Certificate for one that devices should refuse.
	Flawed(hello *tls.ClientHelloInfo, host string, flaw ca.Flaw, clock *clock.Clock) (*tls.Certificate, error)
	// Problem returns why devices that check dates refuse the CA, "" when they do
	// not.
	Problem() string
	exchange.Handler
}

// Interface guards.
var _ Authority = (*ca.Authority)(nil)
