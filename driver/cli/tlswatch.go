package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

type tlsWatchCmd struct {
	Host   string `placeholder:"HOST" help:"Only these hosts: a name or an address, *.domain or *."`
	Client string `placeholder:"IP" help:"Only the device with this address."`
	output
}

// Help explains a line.
func (tlsWatchCmd) Help() string {
	return `Handshakes that the proxy remembers are printed first, then each one as it ends. Ctrl+C stops. "j proxy tls report --help" explains the ends.

    12:00:01 10.0.0.5 api.example.com  trusted  TLS 1.3 x25519 h2  t13d1516h2_8daaf6152771_d8a2da3f94cd
    12:00:02 10.0.0.5 bank.example.com  rejected: it pins this host: it accepts our certificate for others (unknown_ca)  t13d311100_e8f1e7e78f70_d41ae481755e`
}

// tlsHandshake is the part of a handshake that is printed.
type tlsHandshake struct {
	Start  float64 `json:"start"`
	Client string  `json:"client"`
	Host   string  `json:"host"`
	Ended  string  `json:"ended"`
	Reason string  `json:"reason"`
	Alert  string  `json:"alert"`
	Fault  string  `json:"fault"`
	JA4    string  `json:"ja4"`
	Agreed *struct {
		Version string `json:"version"`
		Group   string `json:"group"`
		ALPN    string `json:"alpn"`
		Resumed bool   `json:"resumed"`
	} `json:"agreed"`
}

// Run prints handshakes until it is interrupted.
func (c *tlsWatchCmd) Run(ctx context.Context, sys *System, p proxy) error {
	for text, err := range p.strings(ctx, "watch_handshakes", c.Host, c.Client) {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		line := text
		if !c.json() {
			var h tlsHandshake
			if err := json.Unmarshal([]byte(text), &h); err != nil {
				return fmt.Errorf("watch_handshakes: an item is not the JSON expected: %w", err)
			}
			line = h.line(time.Local)
		}
		sys.out("%s", line)
		if err := sys.loss.fault(); err != nil {
			return err
		}
	}
	return nil
}

// line describes the handshake.
func (h *tlsHandshake) line(zone *time.Location) string {
	client := h.Client
	if i := strings.LastIndexByte(client, ':'); i > 0 { // without the port
		client = strings.Trim(client[:i], "[]")
	}
	end := strings.ReplaceAll(h.Ended, "_", " ")
	if h.Reason != "" {
		end += ": " + h.Reason
	}
	if h.Alert != "" {
		end += " (" + h.Alert + ")"
	}
	parts := []string{fmt.Sprintf("%s %s %s", clockTime(h.Start, zone), client, h.Host), end}
	if h.Fault != "" {
		parts = append(parts, h.Fault)
	}
	if a := h.Agreed; a != nil {
		agreed := []string{a.Version}
		for _, word := range []string{a.Group, a.ALPN} {
			if word != "" {
				agreed = append(agreed, word)
			}
		}
		if a.Resumed {
			agreed = append(agreed, "resumed")
		}
		parts = append(parts, strings.Join(agreed, " "))
	}
	if h.JA4 != "" {
		parts = append(parts, h.JA4)
	}
	return strings.Join(parts, "  ")
}
