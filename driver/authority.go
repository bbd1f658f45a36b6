package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"starproxy/driver/ca"
)

// authority is the CA of a driver on its way: making one takes a while.
type authority struct {
	dir   string
	ready chan struct{} // closed when the background attempt is over
	// shown says that callers may see the certificate: it was there before
	// us, or a start has used it.
	shown atomic.Bool

	mu  sync.Mutex
	ca  *ca.Authority
	err error
}

// openAuthority begins to load the CA in dir, or to make it.
func openAuthority(dir string) *authority {
	a := &authority{dir: dir, ready: make(chan struct{})}
	_, err := os.Stat(ca.CertPath(dir))
	a.shown.Store(err == nil)
	go func() {
		defer close(a.ready)
		a.ca, a.err = ca.Open(dir)
	}()
	return a
}

func (a *authority) wait() { <-a.ready }

// get waits for the CA. What failed in the background, or was deleted since,
// is tried again.
func (a *authority) get() (*ca.Authority, error) {
	a.wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		if _, err := os.Stat(ca.CertPath(a.dir)); err == nil {
			a.shown.Store(true)
			return a.ca, nil
		}
	}
	a.ca, a.err = ca.Open(a.dir)
	if a.err == nil {
		a.shown.Store(true)
	}
	return a.ca, a.err
}

// missing is what callers read as long as there is no certificate.
func (a *authority) missing() string {
	return fmt.Sprintf("CA cert not found at %s. Start proxy once to generate.", ca.CertPath(a.dir))
}

func (d *Driver) getCACertPath(context.Context) (string, error) {
	path := ca.CertPath(d.authority.dir)
	if _, err := os.Stat(path); err != nil || !d.authority.shown.Load() {
		return d.authority.missing(), nil
	}
	return path, nil
}

func (d *Driver) getCACert(context.Context) (string, error) {
	if !d.authority.shown.Load() {
		return "Error: " + d.authority.missing(), nil
	}
	pem, err := os.ReadFile(ca.CertPath(d.authority.dir))
	if errors.Is(err, fs.ErrNotExist) {
		return "Error: " + d.authority.missing(), nil
	}
	return string(pem), err
}
