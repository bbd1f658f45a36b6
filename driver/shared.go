package driver

import "starproxy/driver/access"

// Shared is what the drivers of one process know of each other. It is for any
// number of goroutines.
type Shared struct {
	secrets access.Secrets
}

// NewShared is empty.
func NewShared() *Shared { return &Shared{} }

// Protect names files that no client, device or script gets to read or to
// write, by whatever driver: private keys and passphrases.
func (s *Shared) Protect(paths ...string) { s.secrets.Add(paths...) }

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
