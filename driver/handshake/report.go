package handshake

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"starproxy/builtins/exchange"
	"starproxy/driver/hello"
)

// Row sums up the handshakes of a client for a host.
type Row struct {
	Host   string `json:"host"`
	Client string `json:"client"` // its address, without a port
	// Handshakes counts all. Those that met a TLS fault count in Faults, and the other
	// ones by their ending.
	Handshakes   int `json:"handshakes"`
	Trusted      int `json:"trusted"`
	Rejected     int `json:"rejected"`
	Left         int `json:"left"`
	NeverOffered int `json:"never_offered"`
	Open         int `json:"open"`
	Faults       int `json:"faults"`
	// Resumed counts those that resumed a session.
	Resumed int `json:"resumed"`
	// Ended is how the last one ended, Seen when it began, in seconds since 1970.
	Ended Ending  `json:"ended"`
	Seen  float64 `json:"seen"`
	// Reason is why the last one that was not trusted ended, and Alert the name of the
	// alert in it. Both are empty for none.
	Reason string `json:"reason"`
	Alert  string `json:"alert"`
	// Pinned is true when the client accepts our certificate for other hosts and
	// refuses it for this one.
	Pinned bool `json:"pinned"`
	// Names are the server names (SNI), Versions the versions that were agreed on,
	// Offered the newest ones that were offered, and ALPN the agreed protocols. JA3 and
	// JA4 are the fingerprints. Each is in the order in which it was seen first.
	Names    []string `json:"names"`
	Versions []string `json:"versions"`
	Offered  []string `json:"offered"`
	ALPN     []string `json:"alpn"`
	JA3      []string `json:"ja3"`
	JA4      []string `json:"ja4"`
}

// Report sums up handshakes by host and client, ordered by host. Trust explains why some
// were not trusted.
func Report(list []*Handshake, trust Trust) []Row {
	rows := map[[2]string]*Row{}
	for _, h := range list {
		offered := h.Offered()
		host, client := h.name(offered), h.Client.Addr().String()
		r := rows[[2]string{host, client}]
		if r == nil {
			r = &Row{Host: host, Client: client, Names: []string{}, Versions: []string{}, Offered: []string{}, ALPN: []string{},
				JA3: []string{}, JA4: []string{}}
			rows[[2]string{host, client}] = r
		}
		r.count(h)
		r.explain(trust, h)
		r.describe(h, offered)
	}
	out := make([]Row, 0, len(rows))
	for _, r := range rows {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Row) int { return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Client, b.Client)) })
	return out
}

// count adds a handshake to the numbers of the row.
func (r *Row) count(h *Handshake) {
	v, _ := h.Verdict()
	r.Handshakes++
	r.Ended, r.Seen = v.Ending, seconds(h.Start)
	if h.Resumed {
		r.Resumed++
	}
	switch {
	case h.Met != "":
		r.Faults++
	case v.Ending == Trusted:
		r.Trusted++
	case v.Ending == Rejected:
		r.Rejected++
	case v.Ending == Left:
		r.Left++
	case v.Ending == NeverOffered:
		r.NeverOffered++
	default:
		r.Open++
	}
}

// explain notes why a handshake was not trusted.
func (r *Row) explain(trust Trust, h *Handshake) {
	v, _ := h.Verdict()
	if v.Ending == Trusted || v.Ending == Open || h.Met != "" {
		return
	}
	r.Reason, r.Pinned = trust.Reason(h)
	if r.Alert = ""; v.Alerted {
		r.Alert = v.Alert.String()
	}
}

// describe notes what a handshake offered and agreed on.
func (r *Row) describe(h *Handshake, offered *hello.Hello) {
	if h.Agreed.Version != 0 {
		note(&r.Versions, hello.VersionName(h.Agreed.Version))
		note(&r.ALPN, fit(h.Agreed.ALPN))
	}
	if offered != nil {
		note(&r.Names, fit(offered.Name))
		note(&r.Offered, hello.VersionName(offered.Newest()))
		note(&r.JA3, offered.JA3Hash())
		note(&r.JA4, offered.JA4())
	}
}

// maxValues bounds the different values of a field of a row.
const maxValues = 8

// note appends a text to a list that does not have it.
func note(list *[]string, text string) {
	if text != "" && len(*list) < maxValues && !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}

// Falls reports whether a handshake belongs to hosts and to a client. An empty pattern
// stands for every host, and an invalid address for every client.
func (h *Handshake) Falls(hosts exchange.HostPattern, client netip.Addr) bool {
	if client.IsValid() && h.Client.Addr() != client {
		return false
	}
	return hosts == "" || hosts.Covers(h.name(h.Offered()))
}

// name returns the host by which the handshake is known: the one that the device asked
// for, or its server name where it asked for an address.
func (h *Handshake) name(offered *hello.Hello) string {
	if offered == nil || offered.Name == "" {
		return h.Host
	}
	if _, err := netip.ParseAddr(h.Host); err != nil {
		return h.Host
	}
	if name, err := exchange.HostName(offered.Name); err == nil {
		return name
	}
	return h.Host // no name that is fit to be printed
}

// fit returns a text of a device as one that can be printed: of bounded length, and with
// a replacement for each character that is not printable.
func fit(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s[:min(len(s), 255)])
}
