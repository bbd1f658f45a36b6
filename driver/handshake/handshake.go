// Package handshake keeps what is known of the TLS handshakes of devices: what a device
// offered, what was agreed, and how it ended.
//
// The proxy adds a handshake to the [Log] as it comes to its end, with the bytes of the
// ClientHello as they were received. They are read when somebody looks.
//
// driver offers the log to clients, and view shows it beside the captures.
package handshake

import (
	"bytes"
	"net/netip"
	"sync/atomic"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/hello"
)

// Ending is how a handshake ended.
type Ending string

// The endings.
const (
	// Open is that of a handshake that is complete, while the device has sent nothing
	// inside: a device may check the certificate now, and refuse it.
	Open Ending = "open"
	// Trusted means that the device accepted our certificate and sent data.
	Trusted Ending = "trusted"
	// Rejected means that the device refused, or that there was nothing to agree on.
	Rejected Ending = "rejected"
	// Left means that the device went away, or fell silent, and neither accepted nor
	// refused our certificate as far as can be seen.
	Left Ending = "left"
	// NeverOffered means that the device asked for a tunnel and sent no ClientHello in
	// it.
	NeverOffered Ending = "never_offered"
)

// maxHello bounds the bytes of a ClientHello that are kept. A message of a browser, with
// a post-quantum key, has 2 KB.
const maxHello = 8 << 10

// Handshake is one of a device. Its fields don't change after [Log.Add].
type Handshake struct {
	// Start is when its first byte came.
	Start time.Time
	// Duration is the time until it was complete or failed.
	Duration time.Duration
	// Client is the address of the device.
	Client netip.AddrPort
	// Host and Port are those that the device asked for: by its CONNECT, or those
	// at which it reached the proxy.
	Host string
	Port int
	// Hello are the bytes of the ClientHello as they were received. [Log.Add] cuts
	// them off after 8 KB. Empty without one.
	Hello []byte
	// Agreed is what both sides agreed on, Group the group of the key exchange, and
	// Resumed whether the device resumed a session, so that it saw no certificate.
	// They are zero for a handshake that failed.
	Agreed  exchange.TLS
	Group   uint16
	Resumed bool
	// Shown reports whether the device had our certificate.
	Shown bool
	// Met is the name of the TLS fault that it met. Empty for none.
	Met string

	end atomic.Pointer[end]
}

// Verdict is how a handshake ended, and why.
type Verdict struct {
	Ending Ending
	// Alert is the one that the device sent. Alerted is false for none.
	Alert   hello.Alert
	Alerted bool
	// Reason is one sentence. Empty for Trusted.
	Reason string
	// Early reports whether our side ended the handshake before the device had our
	// certificate.
	Early bool
}

// end is a verdict in a log.
type end struct {
	Verdict
	number uint64
}

// Verdict returns how the handshake ended so far, and its number: 1 for the first one
// that ended in its log, 0 while it is open.
func (h *Handshake) Verdict() (v Verdict, number uint64) {
	if e := h.end.Load(); e != nil {
		return e.Verdict, e.number
	}
	return Verdict{Ending: Open, Reason: "the handshake is complete, and the device has sent nothing yet"}, 0
}

// Offered returns the ClientHello, nil when there was none. It reads the bytes at each
// call.
func (h *Handshake) Offered() *hello.Hello {
	offered, _ := hello.Parse(h.Hello)
	return offered
}

// clip bounds what the log keeps of the handshake.
func (h *Handshake) clip() {
	if len(h.Hello) > maxHello || cap(h.Hello) > 2*len(h.Hello) {
		h.Hello = bytes.Clone(h.Hello[:min(len(h.Hello), maxHello)])
	}
}
