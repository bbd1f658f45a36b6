package driver

import (
	"net/netip"
	"sync"

	"starproxy/driver/capture"
	"starproxy/driver/flow"
	"starproxy/driver/handshake"
)

// maxFingerprints is how many connections fingerprints remembers.
const maxFingerprints = 4096

// fingerprints finds the TLS fingerprints of captured exchanges, by their connections. It
// may be used by any number of goroutines.
type fingerprints struct {
	log *handshake.Log

	mu    sync.Mutex
	known map[connection]flow.Fingerprint
}

// connection is one of a device. Its number alone is not enough, since a proxy that is
// started anew counts from 1 again.
type connection struct {
	number uint64
	client netip.AddrPort
}

func newFingerprints(log *handshake.Log) *fingerprints {
	return &fingerprints{log: log, known: map[connection]flow.Fingerprint{}}
}

// of returns the fingerprint of the connection of e. It is zero when e came without TLS,
// or when the log has forgotten the handshake.
func (p *fingerprints) of(e *capture.Entry) flow.Fingerprint {
	if e.ClientTLS.Version == 0 {
		return flow.Fingerprint{}
	}
	key := connection{e.Conn, e.Client}
	p.mu.Lock()
	found, ok := p.known[key]
	p.mu.Unlock()
	if ok {
		return found
	}
	h := p.log.Of(e.Client, e.Start)
	if h == nil {
		return found
	}
	offered := h.Offered()
	if offered == nil {
		return found
	}
	found = flow.Fingerprint{JA3: offered.JA3Hash(), JA4: offered.JA4(), Resumes: offered.Resumes}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) == maxFingerprints {
		clear(p.known)
	}
	p.known[key] = found
	return found
}
