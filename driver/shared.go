package driver

import (
	"net"
	"net/netip"
	"sync"

	"starproxy/driver/access"
	"starproxy/driver/proxy"
	"starproxy/driver/scenario"
)

// Shared is the knowledge that the drivers of one process share: CAs, files to
// protect and addresses where they listen. It is for any number of goroutines.
type Shared struct {
	authorities authorities
	secrets     access.Secrets
	listeners   proxy.Listeners
	hidden      proxy.Hidden

	mu      sync.Mutex
	news    map[*func()]struct{} // functions that Follow was given
	learned []func()             // forget the addresses that Learn was given
}

// NewShared is empty.
func NewShared() *Shared { return &Shared{} }

// Protect names files, such as private keys and passphrases, that no client, device
// or script can read or write through any driver.
func (s *Shared) Protect(paths ...string) {
	s.secrets.Add(paths...)
	s.tell()
}

// Listening notes an address at which this process listens, until forget is called.
// Devices can't reach it through any of the proxies.
func (s *Shared) Listening(addr net.Addr) (forget func()) {
	remove := s.listeners.Add(addr)
	s.tell()
	return func() {
		remove()
		s.tell()
	}
}

// Known is the part of Shared that another process has to know, so that its proxies
// keep to the same rules.
type Known struct {
	// Secrets are the absolute paths of the files that Protect was given.
	Secrets []string `json:"secrets"`
	// Listeners are the addresses at which this process listens.
	Listeners []netip.AddrPort `json:"listeners"`
}

// Known returns what is known now.
func (s *Shared) Known() Known { return Known{s.secrets.Paths(), s.listeners.All()} }

// Learn takes over the knowledge of another process, in place of that of the call
// before.
func (s *Shared) Learn(k Known) {
	s.secrets.Add(k.Secrets...)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.learned
	s.learned = nil
	for _, at := range k.Listeners {
		s.learned = append(s.learned, s.listeners.Add(net.TCPAddrFromAddrPort(at)))
	}
	for _, forget := range old {
		forget()
	}
}

// Follow calls news after each change, until stop is called.
func (s *Shared) Follow(news func()) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.news == nil {
		s.news = map[*func()]struct{}{}
	}
	s.news[&news] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.news, &news)
	}
}

func (s *Shared) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for news := range s.news {
		(*news)()
	}
}

// access returns the policy about the files that clients of the driver may reach.
func (c *Config) access(s *Shared) *access.Policy {
	d := &c.Directories
	p := access.New([]string{d.Data, d.Flows, d.Addons, d.Mocks, d.Files}, &s.secrets)
	if c.MockScenario != "" {
		path := c.scenarioPath()
		p.Own(append(scenario.Documents(path), path)...)
	}
	return p
}
