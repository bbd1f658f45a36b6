package driver

import (
	"cmp"
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/capture"
	"starproxy/driver/document"
	"starproxy/driver/flow"
	"starproxy/driver/proxy"
	"starproxy/driver/tlsfault"
	"starproxy/script"
)

// Config is the `config:` block of a proxy in an exporter file. Start from
// [DefaultConfig]: a zero Config has no directories.
type Config struct {
	// Where devices reach the proxy.
	Listen Listen `yaml:"listen"`
	// How the way dns@PORT answers.
	DNS DNS `yaml:"dns"`
	// Where the browser interface is served, when a start asks for it.
	Web Web `yaml:"web"`
	// Where the driver keeps its files.
	Directories Directories `yaml:"directories"`
	// Accept any certificate of a real server. Default true.
	SSLInsecure bool `yaml:"ssl_insecure"`
	// How TLS is spoken, with devices and with real servers.
	TLS TLS `yaml:"tls"`
	// The scenario loaded at every start in mock mode: a directory with a
	// scenario.yaml, or a YAML, JSON or Starlark file; relative to the mocks
	// directory. Default none.
	MockScenario string `yaml:"mock_scenario"`
	// Clients may save mocks to the file of mock_scenario. Default false, but true for
	// the scenario of "starproxy run" without a configuration.
	WritableScenario bool `yaml:"writable_scenario"`
	// Endpoints laid over the scenario at every start in mock mode, as in a
	// scenario file. Default none.
	Mocks yaml.Node `yaml:"mocks"`
	// What happens in mock mode to a request that no endpoint answers:
	// passthrough (to the real server) or reject (501 with the nearest
	// endpoints; the real server is not asked). Scripts and patches of other
	// endpoints still ask servers. Default passthrough.
	Unmatched Unmatched `yaml:"unmatched"`
	// Makes random template values repeatable: each start draws the same
	// ones. Default unset: they differ every time.
	Seed *uint64 `yaml:"seed"`
	// How much captured traffic is kept.
	Capture Capture `yaml:"capture"`
	// How recordings answer in replay mode.
	Replay Replay `yaml:"replay"`
	// How far scripts and templates may go.
	Scripts Scripts `yaml:"scripts"`
	// Whether mocks may send requests of their own.
	Webhooks Webhooks `yaml:"webhooks"`
	// Names of devices by their address, such as 10.0.0.7, that lists show. Default none.
	Devices map[string]DeviceName `yaml:"devices"`
	// Files that name the messages and fields of Protocol Buffers where people look at
	// bodies: descriptor sets, as protoc --descriptor_set_out writes them. A relative
	// path is taken from the directory of the exporter file. Default none: fields have
	// their numbers.
	Protos []string `yaml:"protos"`
	// What bundles of the session have, and when one is written by itself.
	Bundle Bundle `yaml:"bundle"`

	// File is the document that the block stands in, for error messages.
	File string `yaml:"-"`
	// Named are the absolute paths of recordings that the owner names besides,
	// on the command line: they may lie anywhere.
	Named []string `yaml:"-"`
}

// Anchor makes relative paths absolute, see [Directories.Anchor].
func (c *Config) Anchor(file string) (remarks []string, err error) {
	for i, path := range c.Protos {
		if c.Protos[i], err = anchored(file, path); err != nil {
			return nil, fmt.Errorf("protos: %w", err)
		}
	}
	return c.Directories.Anchor(file)
}

// TLS bounds what is spoken with devices and with real servers.
type TLS struct {
	// The oldest version: 1.0, 1.1, 1.2 or 1.3. Default 1.2.
	MinVersion tlsfault.Version `yaml:"min_version"`
}

// Listen is the proxy's own address.
type Listen struct {
	// Default 0.0.0.0: all interfaces.
	Host string `yaml:"host"`
	// Default 8080; 0 takes any free port.
	Port int `yaml:"port"`
	// Ways in beside host and port, in the notation of mitmproxy, such as
	// socks5@1080 or reverse:https://api.example.com@8443. The regular way at host
	// and port is always there. Default none.
	Modes []Mode `yaml:"modes"`
	// Addresses of the devices that may connect, such as 10.0.0.7, or ranges of
	// them. The machine of the proxy itself always may. Default: all.
	Allow []ClientRange `yaml:"allow"`
	// The users as which devices have to present themselves (name:password), on the
	// regular ways and with SOCKS5. Default: none are asked for.
	Auth []Login `yaml:"auth"`
	// Hosts that are asked directly where a mode upstream:URL names another proxy:
	// names, .domains, addresses or ranges, each with a port if need be. The machine
	// itself always is. Default none.
	NoProxy []string `yaml:"no_proxy"`
	// Leave the Host header and the server name of devices as they are on reverse
	// ways, instead of those of the server. Default false.
	KeepHostHeader bool `yaml:"keep_host_header"`
	// Regular expressions on host:port: tunnels that match pass untouched.
	// Default none.
	IgnoreHosts []string `yaml:"ignore_hosts"`
	// Regular expressions on host:port: all other tunnels pass untouched.
	// Default: all are intercepted.
	AllowHosts []string `yaml:"allow_hosts"`
	// Seconds in which a device has to send the whole header of a request, the
	// first of a connection or the next; then the connection is closed. 0 and
	// default: 180.
	IdleTimeout float64 `yaml:"idle_timeout"`
	// Seconds without a byte after which a connection is closed that is a
	// tunnel or a WebSocket, or on which an answer is under way. 0 and default:
	// 3600 (an hour).
	TunnelIdleTimeout float64 `yaml:"tunnel_idle_timeout"`
	// Addresses of the devices that the proxy is for, such as 10.0.0.7, or
	// ranges of them, such as fd00:7::/64. Proxies of one exporter with the same
	// host and port share the port: a connection goes to the proxy that names its
	// address, else to the one that names its user, else to the one with neither
	// clients nor users; without such a one it is refused with 403. No two may
	// name the same. Default none.
	Clients []ClientRange `yaml:"clients"`
	// Names of the users as which the devices that the proxy is for present
	// themselves to a proxy (Proxy-Authorization: Basic); passwords are not
	// looked at. When every proxy of the address has clients or users, a device
	// without a known user is asked for one with 407. Default none.
	Users []ProxyUser `yaml:"users"`
}

// DNS says how the resolver answers that a mode dns@PORT opens.
type DNS struct {
	// Names that are answered with the proxy's address: a host, *.domain or *.
	// Default: all.
	Names []string `yaml:"names"`
	// Addresses of the proxy, one of IPv4, one of IPv6 or both. Default: the one at
	// which a device reaches it.
	Addresses []string `yaml:"addresses"`
	// Resolvers that are asked for all else, as ADDRESS[:PORT]. Default none: other
	// names are refused, and other types have no data.
	Forward []string `yaml:"forward"`
	// Seconds that devices may keep an address. 0 and default: 5.
	TTL int `yaml:"ttl"`
}

// Web is the address of the browser interface.
type Web struct {
	// Default 0.0.0.0: all interfaces.
	Host string `yaml:"host"`
	// Default 8081; 0 takes any free port.
	Port int `yaml:"port"`
}

// Capture bounds what is kept of the traffic.
type Capture struct {
	// Memory for captured exchanges in bytes; beyond it the oldest go.
	// 0 and default: 67108864 (64 MiB).
	MaxBytes int64 `yaml:"max_bytes"`
	// Disk for captured bodies in bytes; beyond it a body is cut short.
	// 0 and default: 1073741824 (1 GiB).
	MaxSpoolBytes int64 `yaml:"max_spool_bytes"`
	// The longest text body kept in memory, in bytes. 0 and default:
	// 262144 (256 KiB).
	InlineBytes int `yaml:"inline_bytes"`
}

// Scripts bounds each call of a script.
type Scripts struct {
	// Steps of computation between waits; functions count by the size of what
	// they go through. 0 and default: 10000000.
	MaxSteps int64 `yaml:"max_steps"`
	// Seconds that a handler may take; streams and sockets may take longer.
	// 0 and default: 30.
	MaxTime float64 `yaml:"max_time"`
	// The largest request body that scripts see, in bytes. 0 and default:
	// 16777216 (16 MiB).
	MaxBody int `yaml:"max_body"`
	// Memory that all scripts together may hold, in bytes; what goes beyond is
	// ended with an error. One operation may make a quarter of it, and 256 MiB
	// at most. 0 and default: 1073741824 (1 GiB).
	MaxMemory int64 `yaml:"max_memory"`
}

// maxIdle is the longest time that a connection may be silent, in seconds.
const maxIdle = 365 * 24 * 3600

// maxTime returns MaxTime as a duration.
func (s Scripts) maxTime() time.Duration { return inSeconds(s.MaxTime) }

// inSeconds returns a number of seconds as a duration.
func inSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Unmatched says what happens to requests without an endpoint.
type Unmatched string

// The values of Unmatched.
const (
	Passthrough Unmatched = "passthrough"
	Reject      Unmatched = "reject"
)

// UnmarshalText accepts the two words.
func (u *Unmatched) UnmarshalText(text []byte) error {
	switch v := Unmatched(text); v {
	case Passthrough, Reject:
		*u = v
		return nil
	}
	return fmt.Errorf("got %q, want passthrough or reject", text)
}

// DefaultConfig is what holds for keys that an exporter file leaves out.
func DefaultConfig() Config {
	return Config{
		Listen: Listen{Host: "0.0.0.0", Port: 8080,
			IdleTimeout: proxy.DefaultIdle.Seconds(), TunnelIdleTimeout: proxy.DefaultTunnelIdle.Seconds()},
		Web:         Web{Host: "0.0.0.0", Port: 8081},
		SSLInsecure: true,
		TLS:         TLS{MinVersion: "1.2"},
		Unmatched:   Passthrough,
		Capture:     Capture{MaxBytes: capture.DefaultMaxBytes, MaxSpoolBytes: capture.DefaultMaxSpool, InlineBytes: capture.DefaultInline},
		Replay:      Replay{Repeat: flow.InOrder, Refresh: true, Misses: Misses(Reject), Timing: NoTime},
		Webhooks:    Webhooks{Send: SendAuto, Timeout: defaultWebhookTimeout},
		Bundle:      Bundle{On: BundleOff, Keep: defaultKept},
		Scripts: Scripts{MaxSteps: script.DefaultMaxSteps, MaxTime: script.DefaultMaxTime.Seconds(), MaxBody: script.DefaultMaxBody,
			MaxMemory: script.DefaultMaxMemory},
	}
}

// resolve checks the values and fills in the directories. An error begins with the
// key that it is about, dotted.
func (c *Config) resolve() error {
	for _, check := range []func() error{
		c.resolveListen, c.DNS.check, c.resolveWords, c.Capture.check, c.Replay.resolve, c.Webhooks.resolve, c.Scripts.check,
		c.Bundle.resolve, c.checkDevices,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	if m := &c.Mocks; m.Kind != 0 && m.Kind != yaml.MappingNode && m.Tag != "!!null" {
		return fmt.Errorf("mocks: got %s, want a map of endpoints", document.Describe(m))
	}
	return c.Directories.resolve()
}

// resolveListen checks ports and times of the addresses.
func (c *Config) resolveListen() error {
	for _, p := range []struct {
		key  string
		port int
	}{{"listen.port", c.Listen.Port}, {"web.port", c.Web.Port}} {
		if p.port < 0 || p.port > 65535 {
			return fmt.Errorf("%s: got %d, want a port from 0 to 65535", p.key, p.port)
		}
	}
	for _, b := range []struct {
		key     string
		seconds float64
	}{{"idle_timeout", c.Listen.IdleTimeout}, {"tunnel_idle_timeout", c.Listen.TunnelIdleTimeout}} {
		if !(b.seconds >= 0 && b.seconds <= maxIdle) {
			return fmt.Errorf("listen.%s: got %v, want seconds from 0 to %d (a year)", b.key, b.seconds, maxIdle)
		}
	}
	return c.Listen.resolveWays()
}

// resolveWords checks the values of which there are a few, and fills them in.
func (c *Config) resolveWords() error {
	c.Unmatched = cmp.Or(c.Unmatched, Passthrough)
	if err := c.Unmatched.UnmarshalText([]byte(c.Unmatched)); err != nil {
		return fmt.Errorf("unmatched: %w", err)
	}
	c.TLS.MinVersion = cmp.Or(c.TLS.MinVersion, DefaultConfig().TLS.MinVersion)
	if err := c.TLS.MinVersion.UnmarshalText([]byte(c.TLS.MinVersion)); err != nil {
		return fmt.Errorf("tls.min_version: %w", err)
	}
	return nil
}

func (c *Capture) check() error {
	for _, b := range []struct {
		key string
		n   int64
	}{{"max_bytes", c.MaxBytes}, {"max_spool_bytes", c.MaxSpoolBytes}, {"inline_bytes", int64(c.InlineBytes)}} {
		if b.n < 0 {
			return fmt.Errorf("capture.%s: got %d, want 0 or more bytes", b.key, b.n)
		}
	}
	return nil
}

func (s *Scripts) check() error {
	switch {
	case s.MaxSteps < 0:
		return fmt.Errorf("scripts.max_steps: got %d, want 0 or more steps", s.MaxSteps)
	case !(s.MaxTime >= 0 && s.MaxTime <= 86400):
		return fmt.Errorf("scripts.max_time: got %v, want seconds from 0 to 86400 (a day)", s.MaxTime)
	case s.MaxBody < 0:
		return fmt.Errorf("scripts.max_body: got %d, want 0 or more bytes", s.MaxBody)
	case s.MaxMemory < 0:
		return fmt.Errorf("scripts.max_memory: got %d, want 0 or more bytes", s.MaxMemory)
	}
	return nil
}
