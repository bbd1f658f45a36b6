package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/hello"
	"starproxy/driver/tlsfault"
)

// meeting is a handshake with a device that meets a TLS fault, or is the control
// handshake of an audit. What crypto/tls can't make is done on the connection below
// it, see shaper.go.
type meeting struct {
	*tlsfault.Encounter
	c     *conn
	start time.Time
	sni   string
	open  atomic.Bool // the handshake has come to its end
}

// errFault ends a handshake that meets a fault.
var errFault = errors.New("the TLS fault that was set ends the handshake")

// meet returns the fault that a handshake meets, nil for none.
func (p *Proxy) meet(c *conn, h *tls.ClientHelloInfo) *meeting {
	if !p.cfg.TLSFaults.InForce() {
		return nil
	}
	var hosts []string
	if c.target != "" {
		host, _ := exchange.SplitAuthority(c.target, 443)
		hosts = append(hosts, host)
	}
	e := p.cfg.TLSFaults.Meet(append(hosts, h.ServerName)...)
	if e == nil {
		return nil
	}
	return &meeting{Encounter: e, c: c, start: time.Now(), sni: h.ServerName}
}

// config returns the configuration of a handshake that meets the fault; cfg is that of
// one that does not. A device that resumes a session sees no certificate, so there is
// no resumption. An error ends the handshake.
func (m *meeting) config(cfg *tls.Config, h *tls.ClientHelloInfo) (*tls.Config, error) {
	cfg = cfg.Clone()
	cfg.SessionTicketsDisabled = true
	f := &m.Fault
	m.c.shaper = newShaper(m.c, f)
	switch f.Kind {
	case tlsfault.MaxVersion:
		cfg.MaxVersion = f.Version.Number()
		cfg.MinVersion = min(cfg.MinVersion, cfg.MaxVersion)
		if cfg.NextProtos = nil; slices.Contains(h.SupportedProtos, "http/1.1") {
			cfg.NextProtos = []string{"http/1.1"} // HTTP/2 needs newer ones (RFC 9113 section 9.2)
		}
	case tlsfault.MinVersion:
		cfg.MinVersion, cfg.MaxVersion = f.Version.Number(), 0
	case tlsfault.ALPN:
		if cfg.NextProtos = nil; f.Protocol != "" {
			chooseAnyway(cfg, h, f.Protocol)
		}
	}
	if _, mutes := m.c.shaper.(mute); mutes {
		return nil, errFault
	}
	return cfg, nil
}

// chooseAnyway has a handshake agree on a protocol, also when the device has not
// offered it. crypto/tls looks for our protocol among those that were offered, in the
// list of which h has the only copy: it takes the transcript from the bytes that came.
// A device that offers nothing is told nothing.
func chooseAnyway(cfg *tls.Config, h *tls.ClientHelloInfo, proto string) {
	cfg.NextProtos = []string{proto}
	if len(h.SupportedProtos) > 0 {
		h.SupportedProtos[0] = proto
	}
}

// meets returns the name of the fault that the handshake of the connection has met, for
// captures; "" for none.
func (c *conn) meets() string {
	if m := c.met.Load(); m != nil && !m.Fault.Control() {
		return m.Fault.Met()
	}
	return ""
}

// misnames reports whether the device was told a protocol that it may not speak.
func (c *conn) misnames() bool {
	m := c.met.Load()
	return m != nil && m.Fault.Kind == tlsfault.ALPN
}

// failed ends a handshake that has failed: it does what the fault asks for, and notes
// that the device has refused.
func (m *meeting) failed(err error) {
	detail := refusedBy(err)
	if a, ok := hello.Plain(m.c.last[:]); ok && strings.HasSuffix(err.Error(), "tls: bad record MAC") {
		detail = "it sent the alert " + a.String()
	}
	if m.Fault.Kind.Info().Device == tlsfault.Fails && errors.Is(err, errFault) {
		detail = m.act()
	}
	m.settle(tlsfault.Refused, detail)
}

// act ends the connection as the fault asks for. It returns what happened.
func (m *meeting) act() string {
	c, f := m.c, &m.Fault
	last := []byte(nil)
	switch f.Kind {
	case tlsfault.Stall:
		io.Copy(io.Discard, struct{ io.Reader }{c}) // until the device leaves, or is idle for too long
		return fmt.Sprintf("it left after %s", time.Since(m.start).Round(time.Millisecond))
	case tlsfault.Abort:
		if f.How == tlsfault.Reset {
			c.reset()
			return "the connection was reset"
		}
	case tlsfault.Alerted:
		last = alertRecord(f.Alert)
	case tlsfault.Garbage:
		last = []byte(garbage)
	case tlsfault.Plaintext:
		last = []byte(plaintext)
	}
	c.Conn.Write(last)
	c.linger.Store(true)
	return "the connection was closed"
}

// alertRecord returns an alert as a record without encryption (RFC 8446 sections 5.1 and
// 6).
func alertRecord(a tlsfault.Alert) []byte {
	const alert, warning, fatal = 0x15, 1, 2
	code, _ := a.Code()
	level := byte(warning)
	if a.Fatal() {
		level = fatal
	}
	return []byte{alert, 3, 3, 0, 2, level, code}
}

// The answers to a ClientHello that are no TLS.
const (
	garbage   = "\xde\xad\xbe\xef\x00\xff\x00\xff\xde\xad\xbe\xef\x00\xff\x00\xff"
	plaintext = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 29\r\nConnection: close\r\n\r\n" +
		"This server speaks HTTP only\n"
)

// came notes what a read after the handshake says of the device: that it has accepted
// the connection and sent data, or that it left without.
func (m *meeting) came(n int, err error) {
	var timeout net.Error
	switch {
	case n > 0:
		m.settle(tlsfault.Accepted, "it sent data")
	case err == nil, errors.As(err, &timeout) && timeout.Timeout():
	case errors.Is(err, net.ErrClosed):
		m.settle(tlsfault.Silent, silent)
	default:
		m.settle(tlsfault.Refused, refusedBy(err)+" after the handshake")
	}
}

// silent is the detail of a device that neither accepts nor refuses.
const silent = "it finished the handshake and sent nothing"

// refusedBy returns how a device refused, by the error of a read or a handshake.
func refusedBy(err error) string {
	text := err.Error()
	if alert, ok := hello.Received(err); ok {
		return "it sent the alert " + alert.String()
	}
	var timeout net.Error
	switch broken := (&exchange.DeviceError{Err: err}); {
	case strings.Contains(text, "offered only unsupported versions"):
		return "it offers no version that the fault allows"
	case strings.HasSuffix(text, "tls: bad record MAC"): // see handshakeReason
		return "it sent an alert that can't be read"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "it said nothing more"
	case broken.Left():
		return "it closed the connection"
	}
	return strings.TrimPrefix(text, "tls: ")
}

// settle notes the outcome, and journals it if it is the first.
func (m *meeting) settle(v tlsfault.Verdict, detail string) {
	client := peerOf(m.c).Addr
	if !m.Settle(tlsfault.Outcome{Verdict: v, Detail: detail, Client: client}) || m.Fault.Control() {
		return
	}
	p := m.c.p
	verb := string(v)
	if v == tlsfault.Silent || m.Fault.Kind.Info().Device == tlsfault.Fails {
		verb = "met"
	}
	text := fmt.Sprintf("the device %s TLS fault %s: %s", verb, m.Fault.Name(), detail)
	p.log.Info("TLS fault met", slog.String("client", client.String()), slog.String("target", m.c.target), slog.String("sni", m.sni),
		slog.String("outcome", text))
	if p.cfg.Journal == nil {
		return
	}
	host, port := m.c.meant()
	p.journal(&capture.Entry{
		Kind: capture.TLSError, Start: m.start, Duration: time.Since(m.start), Client: client,
		Method: "CONNECT", Scheme: "https", Host: host, Port: port, Authority: m.c.target, SNI: m.sni, Error: text, Way: m.c.in.Name(),
		Notes: metNotes(m.Fault.Met(), m.c.lane.meets()),
	})
}

// metNotes returns the notes of an entry that met a fault; none for "".
func metNotes(names ...string) (notes []exchange.Note) {
	for _, name := range names {
		if name != "" {
			notes = append(notes, exchange.Note{Level: exchange.Met, Text: name})
		}
	}
	return notes
}
