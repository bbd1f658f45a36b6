package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/hello"
)

// handshake does the TLS handshake with the device, of which first is what was
// read already. A handshake that fails leaves an entry, and c open.
func (c *conn) handshake(first []byte) (*tls.Conn, error) {
	c.pre, c.heard, c.hearing, c.shaking, c.plain = first, first, true, true, true
	start := time.Now()
	t := tls.Server(c, c.p.tls)
	limit := headerTimeout
	if c.p.cfg.TLSFaults.InForce() {
		limit = max(limit, c.p.cfg.Idle) // a fault may make it slow
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := t.HandshakeContext(ctx)
	c.shaper = nil
	c.diagnose(t, start, err)
	switch m := c.met.Load(); {
	case err != nil && m != nil && !m.Fault.Control():
		m.failed(err)
		return nil, err
	case err != nil:
		if m != nil {
			m.failed(err)
		}
		c.p.handshakeFailed(c, start, t.ConnectionState().ServerName, err)
		return nil, err
	case m != nil:
		m.open.Store(true)
	}
	c.heard, c.hearing, c.shaking = nil, false, false
	return t, nil
}

// certificate returns the TLS configuration's GetCertificate.
func (p *Proxy) certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if p.cfg.CA == nil {
		return nil, errors.New("there is no certificate authority")
	}
	host := ""
	if c, ok := h.Conn.(*conn); ok {
		host, _ = c.meant()
		c.offered.Store(true)
		if m := c.met.Load(); m != nil {
			if flaw := m.Fault.Kind.Info().Flaw; flaw != "" {
				return p.cfg.CA.Flawed(h, host, flaw, p.cfg.Clock)
			}
		}
	}
	return p.cfg.CA.Certificate(h, host, p.cfg.Clock)
}

// handshakeFailed logs and journals a handshake that failed.
func (p *Proxy) handshakeFailed(c *conn, start time.Time, sni string, err error) {
	p.cfg.Counters.devices.add(tlsFailure(err))
	text := tooOld(handshakeReason(err, c.offered.Load(), p.problem()))
	if offered, _ := hello.Parse(c.heard); sni == "" && offered != nil {
		sni = offered.Name // also of one that crypto/tls does not take
	}
	if strings.HasSuffix(text, "error decoding message") && strings.HasSuffix(sni, ".") {
		text = fmt.Sprintf("the device asks for the server name %s: TLS does not allow a dot at the end (RFC 6066 section 3)",
			excerpt.Quote(sni))
	}
	host, port := c.meant()
	client := peerOf(c).Addr
	p.log.Warn("TLS handshake failed", slog.String("client", client.String()), slog.String("target", c.target), slog.String("sni", sni),
		slog.String("error", text))
	if p.cfg.Journal == nil {
		return
	}
	p.journal(&capture.Entry{
		Kind: capture.TLSError, Start: start, Duration: time.Since(start), Client: client,
		Method: "CONNECT", Scheme: "https", Host: host, Port: port, Authority: c.target, SNI: sni, Error: text, Way: c.in.Name(),
		Notes: metNotes(c.lane.meets()),
	})
}

// handshakeReason returns why a TLS handshake with a device failed: the likely cause,
// then the error. Seen says that the device had our certificate. Problem is that of
// the CA's dates, "" for none: a device refuses such a CA although it trusts it.
func handshakeReason(err error, seen bool, problem string) string {
	cause := "device does not trust the CA: most likely, since "
	if problem != "" {
		cause = problem + ": "
	}
	text := err.Error()
	alert, alerted := strings.CutPrefix(text, "remote error: ")
	broken := &exchange.DeviceError{Doing: "during the TLS handshake", Err: err}
	var timeout net.Error
	switch {
	case alerted && strings.HasSuffix(alert, "unknown certificate authority") && problem == "":
		return "device does not trust the CA: the device refused the TLS handshake: " + alert
	case alerted && strings.Contains(alert, "certificate"):
		return cause + "the device refused the TLS handshake: " + alert
	case alerted:
		return "the device refused the TLS handshake: " + alert
	case seen && strings.HasSuffix(text, "tls: bad record MAC"):
		// OpenSSL does not encrypt its alert, which crypto/tls expects to be; see hello.Plain.
		return cause + "the device broke the TLS handshake off with an alert that can't be read"
	case !broken.Left():
		return text
	case errors.As(err, &timeout) && timeout.Timeout(), !seen:
		return broken.Error()
	}
	return cause + broken.Error()
}
