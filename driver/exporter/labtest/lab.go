// Package labtest stands in for the controller and the router of a Jumpstarter
// lab, so that tests can lease exporters, ours and stock ones, to clients, ours
// and stock ones. It answers as the real ones were seen to; what it knows is in
// memory and outlives a restart of its servers.
//
// A Lab is for any number of goroutines. Only tests use it.
package labtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"starproxy/builtins/follow"
)

// Namespace is that of all objects of a lab.
const Namespace = "lab"

// Options change how a lab behaves.
type Options struct {
	// DialWait is how long a Dial waits for an exporter that is not ready;
	// 0 means 27.6 s, as the real controller has it.
	DialWait time.Duration
	// WarmUp is how long after a start of the controller every call fails
	// because the controller cannot check tokens yet; the real one takes 10 s.
	WarmUp time.Duration
}

// Lab is a controller with its router.
type Lab struct {
	options Options
	cert    tls.Certificate
	ca      []byte // PEM
	roots   *x509.CertPool
	key     *ecdsa.PrivateKey // signs tokens
	signed  atomic.Int64      // how many tokens

	running    sync.Mutex // held while servers start and stop
	controller *server
	router     *server
	tunnels    *tunnels
	net        *network

	mu        sync.Mutex
	changed   follow.Signal // of anything below
	started   time.Time     // of the controller
	fault     error         // of every call to the controller, nil for none
	slow      time.Duration // before a Status stream says its first word
	exporters map[string]*Exporter
	expired   map[string]expiry // of subjects
	leases    map[string]*lease
	order     []*lease // all leases, as they were made
	listeners map[string]*listener
	dials     int
}

// Start starts a controller and a router on loopback.
func Start(o Options) (*Lab, error) {
	if o.DialWait == 0 {
		o.DialWait = 27600 * time.Millisecond
	}
	l := &Lab{
		options: o, tunnels: newTunnels(), net: newNetwork(),
		exporters: map[string]*Exporter{}, expired: map[string]expiry{}, leases: map[string]*lease{}, listeners: map[string]*listener{},
	}
	if err := l.makeKeys(); err != nil {
		return nil, err
	}
	if err := errors.Join(l.Restart(), l.RestartRouter()); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// makeKeys makes the certificate of the servers, which is its own authority, and
// the key of tokens.
func (l *Lab) makeKeys() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	l.key = key
	spec := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, spec, spec, key.Public(), key)
	if err != nil {
		return err
	}
	l.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	l.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	l.roots = x509.NewCertPool()
	l.roots.AppendCertsFromPEM(l.ca)
	return nil
}

// Close ends everything.
func (l *Lab) Close() {
	l.Resume()
	l.Kill()
	l.KillRouter()
}

// Endpoint returns the controller's host:port. It stays the same for life.
func (l *Lab) Endpoint() string { return l.controller.addr }

// Stall lets no byte pass between the lab and anybody, until Resume.
func (l *Lab) Stall() { l.net.stall() }

// Resume ends Stall; what was held arrives.
func (l *Lab) Resume() { l.net.resume() }

// Fail makes every call to the controller fail with err, until it is nil. Open
// streams go on.
func (l *Lab) Fail(err error) { l.edit(func() { l.fault = err }) }

// EndStatus ends the Status streams that are open with err, as the controller
// does when its own watch ends.
func (l *Lab) EndStatus(err error) {
	l.edit(func() {
		for _, e := range l.exporters {
			for end := range e.ends {
				select {
				case end <- err:
				default: // it ends already
				}
			}
		}
	})
}

// SlowStatus delays the first word of each Status stream.
func (l *Lab) SlowStatus(d time.Duration) { l.edit(func() { l.slow = d }) }

// edit changes what the lab knows, and schedules.
func (l *Lab) edit(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.schedule()
	l.changed.Notify()
}

// Await waits until what the lab knows fulfils cond, which is called with the
// lab locked and must not call its methods. The error of ctx says what was
// waited for.
func (l *Lab) Await(ctx context.Context, what string, cond func() bool) error {
	for {
		l.mu.Lock()
		ok, changed := cond(), l.changed.Changed()
		l.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for %s: %w", what, ctx.Err())
		}
	}
}
