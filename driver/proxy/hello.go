package proxy

import (
	"context"
	"crypto/tls"
	"log/slog"
	"slices"
	"time"

	"starproxy/driver/ca"
)

// httpProtocols are the names in ALPN that our server speaks, by preference.
var httpProtocols = []string{"h2", "http/1.1", "http/1.0"}

func isHTTP(proto string) bool { return slices.Contains(httpProtocols, proto) }

// deviceTLS makes the configuration for handshakes with devices. The one that a
// handshake is done with depends on its ClientHello; this one keeps the keys
// of session tickets for all.
func (p *Proxy) deviceTLS() *tls.Config {
	base := p.cfg.bounded(&tls.Config{
		CurvePreferences: curves,
		GetCertificate:   p.certificate,
	})
	// Where the protocol is chosen before, crypto/tls has nothing to refuse.
	ready := map[string]*tls.Config{"": base}
	for _, proto := range httpProtocols {
		ready[proto] = withALPN(base, proto)
	}
	front := base.Clone()
	front.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		c, _ := h.Conn.(*conn)
		if c != nil {
			c.limit, c.hearing = c.askedLimit(h), false
			c.lane.aim(h.ServerName)
		}
		proto := p.chooseALPN(h, c)
		cfg := ready[proto]
		if cfg == nil {
			cfg = withALPN(base, proto)
		}
		if c != nil && c.limit > 0 && cfg.MinVersion <= tls.VersionTLS12 && slices.ContainsFunc(h.SupportedVersions, upToTLS12) {
			cfg = cfg.Clone()
			cfg.MaxVersion = tls.VersionTLS12
		}
		if p.cfg.Clock.Name() != "" { // a device that resumes a session sees no certificate
			cfg = cfg.Clone()
			cfg.SessionTicketsDisabled = true
		}
		if c != nil {
			if m := p.meet(c, h); m != nil {
				c.met.Store(m)
				return m.config(cfg, h)
			}
		}
		return cfg, nil
	}
	return front
}

func upToTLS12(version uint16) bool {
	return tls.VersionTLS10 <= version && version <= tls.VersionTLS12
}

func withALPN(cfg *tls.Config, proto string) *tls.Config {
	cfg = cfg.Clone()
	cfg.NextProtos = []string{proto}
	return cfg
}

// chooseALPN returns the protocol that a device is told, empty for none: the best
// one that our server speaks, or, when the device offers none of those, the
// choice of the real server. TLS to the proxy port carries no HTTP/2: there is
// no CONNECT over it here.
func (p *Proxy) chooseALPN(h *tls.ClientHelloInfo, c *conn) string {
	for _, proto := range httpProtocols {
		if slices.Contains(h.SupportedProtos, proto) && (proto != "h2" || canHTTP2(h) && (c == nil || c.limit == 0 && c.target != "")) {
			return proto
		}
	}
	if c == nil || !c.asksTLS() || p.cfg.Isolated || len(h.SupportedProtos) == 0 || slices.Contains(h.SupportedProtos, "h2") {
		return ""
	}
	ctx, cancel := context.WithTimeout(h.Context(), askServer)
	defer cancel()
	server, err := p.upstream.dialTLS(ctx, c.serverKey(h.ServerName), h.SupportedProtos...)
	if err != nil {
		// The device may speak HTTP all the same, and a mock may answer.
		p.log.Debug("ALPN not asked for at the real server", slog.String("target", c.target), slog.Any("error", err))
		return ""
	}
	c.early = server
	return server.ConnectionState().NegotiatedProtocol
}

// canHTTP2 reports whether the handshake will agree on a cipher suite that HTTP/2
// allows (RFC 9113 section 9.2.2): with TLS 1.3 always, with TLS 1.2 when the
// device offers one with an ephemeral key exchange and AEAD, for the kind of
// certificate that it gets.
func canHTTP2(h *tls.ClientHelloInfo) bool {
	if slices.Contains(h.SupportedVersions, tls.VersionTLS13) {
		return true
	}
	if !slices.Contains(h.SupportedVersions, tls.VersionTLS12) {
		return false
	}
	good := ca.StrongRSA
	if ca.TakesECDSA(h) {
		good = ca.StrongECDSA
	}
	return slices.ContainsFunc(h.CipherSuites, good) && slices.ContainsFunc(h.SupportedCurves, func(c tls.CurveID) bool {
		return slices.Contains(curves, c)
	})
}

// curves are those of key exchanges with devices. The hybrid post-quantum
// exchange doubles the price of a handshake; a test proxy's traffic is its
// owner's to read anyway.
var curves = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}

// askServer bounds how long a handshake with a device waits for the one with
// the real server, which chooses the protocol.
const askServer = 10 * time.Second
