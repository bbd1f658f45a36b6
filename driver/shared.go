package driver

import (
	"net"

	"starproxy/driver/access"
	"starproxy/driver/proxy"
)

// Shared is what the drivers of one process know of each other. It is for any
// number of goroutines.
type Shared struct {
	secrets   access.Secrets
	listeners proxy.Listeners
	hidden    proxy.Hidden
}

// NewShared is empty.
func NewShared() *Shared { return &Shared{} }

// Protect names files that no client, device or script gets to read or to
// write, by whatever driver: private keys and passphrases.
func (s *Shared) Protect(paths ...string) { s.secrets.Add(paths...) }

// Listening notes an address at which this process listens, until forget is
// called: devices do not reach it through any of the proxies.
func (s *Shared) Listening(addr net.Addr) (forget func()) { return s.listeners.Add(addr) }

// access is what clients of the driver may reach.
func (c *Config) access(s *Shared) *access.Policy {
	d := &c.Directories
	p := access.New([]string{d.Data, d.Flows, d.Addons, d.Mocks, d.Files}, &s.secrets)
	if c.MockScenario != "" {
		path := c.scenarioPath()
		p.Own(append(scenarioFiles(path), path)...)
	}
	return p
}
