package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// hello is what the TLS handshakes of one host have in common in a session.
type hello struct{ ja4, ja3, versions values }

func hellosOf(s *Session) map[string]*hello {
	all := map[string]*hello{}
	for _, c := range s.calls {
		if c.tls == (fingerprint{}) {
			continue
		}
		h := all[c.host]
		if h == nil {
			h = &hello{}
			all[c.host] = h
		}
		for v, text := range map[*values]string{&h.ja4: c.tls.ja4, &h.ja3: c.tls.ja3, &h.versions: c.tls.version} {
			if text != "" {
				v.add(text)
			}
		}
	}
	return all
}

// tls compares the TLS handshakes host by host: JA4, JA3 where JA4 is the same and the
// device does not shuffle its extensions, and the version where there are no
// fingerprints.
func (c *comparison) tls() {
	old, now := hellosOf(c.oldSession), hellosOf(c.nowSession)
	for _, host := range slices.Sorted(maps.Keys(old)) {
		a, b := old[host], now[host]
		if b == nil || c.rules.ignores(TLS, "TLS "+host, "", "") {
			continue
		}
		f := Finding{Kind: TLS, Hosts: []string{host}}
		switch {
		case a.ja4.n > 0 && b.ja4.n > 0 && changed(&a.ja4, &b.ja4):
			f.Field, f.Old, f.New = "JA4", plain(&a.ja4), plain(&b.ja4)
			f.Text = fmt.Sprintf("is %s, was %s%s", f.New, f.Old, ja4Words(f.Old, f.New))
		case len(a.ja3.seen) == 1 && len(b.ja3.seen) == 1 && changed(&a.ja3, &b.ja3):
			f.Field, f.Old, f.New = "JA3", plain(&a.ja3), plain(&b.ja3)
			f.Text = fmt.Sprintf("is %s, was %s (the same suites and extensions in another order)", f.New, f.Old)
		case (a.ja4.n == 0 || b.ja4.n == 0) && a.versions.n > 0 && b.versions.n > 0 && changed(&a.versions, &b.versions):
			f.Field, f.Old, f.New = "TLS version", plain(&a.versions), plain(&b.versions)
			f.Text = fmt.Sprintf("is %s, was %s", f.New, f.Old)
		default:
			continue
		}
		c.findings = append(c.findings, f)
	}
}

// ja4Words explains the difference of two JA4 fingerprints in words, as far as their
// first part tells it (https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md):
// protocol, version, SNI, numbers of suites and extensions, and ALPN.
func ja4Words(old, now string) string {
	if len(old) < 36 || len(now) < 36 || strings.ContainsAny(old+now, " ") {
		return ""
	}
	var words []string
	tell := func(what string, from, to int, text func(string) string) {
		if a, b := old[from:to], now[from:to]; a != b {
			words = append(words, fmt.Sprintf("%s %s, was %s", what, text(b), text(a)))
		}
	}
	asIs := func(s string) string { return s }
	decimal := func(s string) string { return strings.TrimPrefix(s, "0") }
	tell("version", 1, 3, func(s string) string { return s[:1] + "." + s[1:] })
	tell("server name", 3, 4, func(s string) string { return map[string]string{"d": "sent", "i": "not sent"}[s] })
	tell("cipher suites", 4, 6, decimal)
	tell("extensions", 6, 8, decimal)
	tell("ALPN", 8, 10, asIs)
	switch {
	case len(words) > 0:
	case old[11:23] != now[11:23]:
		words = append(words, "other cipher suites")
	default:
		words = append(words, "other extensions or signature algorithms")
	}
	return " (" + strings.Join(words, "; ") + ")"
}
