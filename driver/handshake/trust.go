package handshake

import (
	"net/netip"
	"strings"

	"starproxy/driver/hello"
)

// Trust is for which hosts clients have accepted our certificate. Of a client only the
// same TLS stack counts: a device may have programs with another idea of trust.
type Trust map[truster]map[string]struct{}

// truster is a TLS stack of a client.
type truster struct {
	client netip.Addr
	stack  string
}

// TrustOf returns the trust that handshakes show.
func TrustOf(list []*Handshake) Trust {
	t := Trust{}
	for _, h := range list {
		t.Add(h)
	}
	return t
}

// Add notes what a handshake shows, if anything.
func (t Trust) Add(h *Handshake) {
	if v, _ := h.Verdict(); v.Ending != Trusted || h.Met != "" {
		return
	}
	who, host := trusterOf(h)
	if t[who] == nil {
		t[who] = map[string]struct{}{}
	}
	t[who][host] = struct{}{}
}

// Reason returns in one sentence why a handshake was not trusted, empty for one that
// was. It reports whether the client pins the host: it accepts our certificate for others
// and never for this one.
func (t Trust) Reason(h *Handshake) (reason string, pinned bool) {
	v, _ := h.Verdict()
	refused := v.Ending == Rejected && h.Shown && (v.Alerted && v.Alert.Doubts() || v.Reason == wordless || v.Reason == unreadable)
	switch {
	case h.Met != "", !refused && v.Reason != leftAfter, !t.others(h):
		return v.Reason, false
	case !refused:
		return mayPin, false
	}
	return pinsHost, true
}

// others reports whether the client of a handshake accepts our certificate for other
// hosts, and not for this one.
func (t Trust) others(h *Handshake) bool {
	who, host := trusterOf(h)
	hosts := t[who]
	_, this := hosts[host]
	return !this && len(hosts) > 0
}

// trusterOf returns the TLS stack of a client, and the host that it asked for. The cipher
// suites, groups and signature algorithms stand for the stack: the fingerprints depend on
// the host and on resumption, too.
func trusterOf(h *Handshake) (who truster, host string) {
	who.client = h.Client.Addr()
	offered := h.Offered()
	if offered != nil {
		var b strings.Builder
		for _, list := range [][]uint16{offered.Suites, offered.Groups, offered.Signatures} {
			for _, n := range hello.Known(list) {
				b.Write([]byte{byte(n >> 8), byte(n)})
			}
			b.WriteByte(' ')
		}
		who.stack = b.String()
	}
	return who, h.name(offered)
}
