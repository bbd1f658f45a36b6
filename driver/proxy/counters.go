package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// Counters count events of proxies that are not in the journal. The zero value is
// ready for use, by any number of goroutines.
type Counters struct {
	connected, failed, refused atomic.Uint64 // dials
	refusedRequests            atomic.Uint64
	devices, servers           reasons // TLS handshakes that failed
}

// Dials counts the attempts to connect to a real server by how they ended:
// connected, failed, or refused for being an address of this process. A
// connection that is used again counts once.
func (c *Counters) Dials() map[string]uint64 {
	return map[string]uint64{"connected": c.connected.Load(), "failed": c.failed.Load(), "refused": c.refused.Load()}
}

// RefusedRequests counts the requests that were refused, such as malformed ones. The
// journal has an entry of kind Refused for each.
func (c *Counters) RefusedRequests() uint64 { return c.refusedRequests.Load() }

// TLSFailures counts the handshakes that failed by their reasons, those with
// devices and those with real servers. A reason is one of a few words, or
// alert_ with the name of the alert that the other side sent.
func (c *Counters) TLSFailures() (devices, servers map[string]uint64) {
	return c.devices.list(), c.servers.list()
}

// reasons count failures.
type reasons struct {
	mu    sync.Mutex
	times map[string]uint64
}

func (r *reasons) add(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times == nil {
		r.times = map[string]uint64{}
	}
	r.times[reason]++
}

func (r *reasons) list() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times == nil {
		return map[string]uint64{}
	}
	return maps.Clone(r.times)
}

// tlsFailure returns the reason of a failed handshake in one word. There are
// not more words than alerts in TLS and a few: nothing that a peer sends gets
// in.
func tlsFailure(err error) string {
	text := err.Error()
	if alert, ok := strings.CutPrefix(text, "remote error: tls: "); ok {
		return "alert_" + strings.Trim(strings.NewReplacer(" ", "_", "(", "_", ")", "").Replace(alert), "_")
	}
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var network net.Error
	switch {
	case errors.As(err, &certificate):
		return "certificate"
	case errors.As(err, &record):
		return "not_tls"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	case isNetwork(err):
		return "connection_lost"
	case strings.Contains(text, "protocol version") || strings.Contains(text, "unsupported versions"):
		return "protocol_version"
	case strings.Contains(text, "cipher suite"):
		return "cipher_suite"
	}
	return "other"
}
