package handshake

import (
	"time"

	"starproxy/driver/hello"
)

// View is a handshake as clients get it in JSON.
type View struct {
	// Number counts the handshakes that have ended; 0 for one that is open.
	Number uint64  `json:"number"`
	Start  float64 `json:"start"` // in seconds since 1970
	Client string  `json:"client"`
	Host   string  `json:"host"`
	Port   int     `json:"port"`
	Ended  Ending  `json:"ended"`
	Reason string  `json:"reason"` // one sentence; empty when the device trusts us
	Alert  string  `json:"alert"`  // the name of RFC 8446; empty for none
	Pinned bool    `json:"pinned"`
	Shown  bool    `json:"certificate_shown"`
	Met    string  `json:"fault"` // the TLS fault that it met; empty for none
	// DurationMS is that of the handshake alone, in milliseconds.
	DurationMS float64  `json:"duration_ms"`
	SNI        string   `json:"sni"`
	Agreed     *Agreed  `json:"agreed"`  // null when the handshake failed
	Offered    *Offered `json:"offered"` // null without a ClientHello
	JA3        string   `json:"ja3"`     // the MD5 sum
	JA3Text    string   `json:"ja3_text"`
	JA4        string   `json:"ja4"`
	JA4Raw     string   `json:"ja4_r"`
}

// Agreed is what both sides agreed on.
type Agreed struct {
	Version string `json:"version"`
	Cipher  string `json:"cipher"`
	Group   string `json:"group"` // empty for a key exchange without one
	ALPN    string `json:"alpn"`  // empty for none
	Resumed bool   `json:"resumed"`
}

// Offered is what a device offered, by names, in the order of its ClientHello.
type Offered struct {
	Version     string   `json:"version"` // legacy_version
	Versions    []string `json:"versions"`
	Ciphers     []string `json:"ciphers"`
	Groups      []string `json:"groups"`
	Points      []string `json:"point_formats"`
	Signatures  []string `json:"signature_algorithms"`
	ALPN        []string `json:"alpn"`
	Extensions  []string `json:"extensions"`
	RecordLimit int      `json:"record_limit"` // in bytes; 0 for none
	Resumes     bool     `json:"resumes"`
}

// View returns the handshake for clients, with its reason by the trust that its client
// has shown.
func (h *Handshake) View(trust Trust) *View {
	v, number := h.Verdict()
	w := &View{
		Number: number, Start: seconds(h.Start), Client: h.Client.String(), Host: h.Host, Port: h.Port, Ended: v.Ending,
		Shown: h.Shown, Met: h.Met, DurationMS: h.Duration.Seconds() * 1000,
	}
	w.Reason, w.Pinned = trust.Reason(h)
	if v.Alerted {
		w.Alert = v.Alert.String()
	}
	if a := h.Agreed; a.Version != 0 {
		w.Agreed = &Agreed{Version: hello.VersionName(a.Version), Cipher: hello.SuiteName(a.Cipher), ALPN: fit(a.ALPN), Resumed: h.Resumed}
		if h.Group != 0 {
			w.Agreed.Group = hello.GroupName(h.Group)
		}
	}
	if o := h.Offered(); o != nil {
		w.SNI, w.JA3, w.JA3Text, w.JA4, w.JA4Raw = fit(o.Name), o.JA3Hash(), o.JA3(), o.JA4(), o.JA4Raw()
		w.Offered = &Offered{
			Version: hello.VersionName(o.Version), Versions: hello.Names(o.Versions, hello.VersionName),
			Ciphers: hello.Names(o.Suites, hello.SuiteName), Groups: hello.Names(o.Groups, hello.GroupName),
			Points: hello.Names(o.Points, hello.PointName), Signatures: hello.Names(o.Signatures, hello.SignatureName),
			ALPN: []string{}, Extensions: hello.Names(o.Extensions, hello.ExtensionName),
			RecordLimit: o.RecordLimit, Resumes: o.Resumes,
		}
		for _, proto := range o.ALPN {
			w.Offered.ALPN = append(w.Offered.ALPN, fit(proto))
		}
	}
	return w
}

// seconds returns a time in seconds since 1970, to the microsecond.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
