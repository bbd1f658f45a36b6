// Package doctor tells from what was seen of a device what is wrong with its way through
// the proxy, and what to do about it.
//
// driver gathers the facts while it watches, and the command line prints the findings.
package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Facts are what was seen of a device in some time.
type Facts struct {
	Device netip.Addr
	// Ways are the ways in that its connections took, such as "regular" or
	// "socks5@1080".
	Ways []string
	// Requests counts its requests, and Refused those that were no HTTP.
	Requests, Refused int
	// Hosts are the hosts that it made TLS handshakes with.
	Hosts []Host
	// Lost are the names that it asked our resolver for, and then did not connect to.
	Lost []string
	// Skew is how far its clock is ahead of ours, by the Date of a request; Dated is
	// false when no request had one.
	Skew  time.Duration
	Dated bool
	// Expired are the hosts whose certificates it called expired or not yet valid,
	// although they are valid by our clock.
	Expired []string
	// QUIC counts the datagrams of QUIC that it sent to port 443.
	QUIC int
	// Hints are the hosts that offered it HTTP/3 in their answers.
	Hints []string
	// TurnedAway counts its connections that listen.allow does not let in, and Unknown
	// its requests without a user of listen.auth.
	TurnedAway, Unknown int
	// Ahead is how far its clock is ahead of ours, by its TLS handshakes; Stamped is
	// false when they do not tell.
	Ahead   time.Duration
	Stamped bool
}

// Host is a host that a device made TLS handshakes with.
type Host struct {
	Name string
	// Trusted and Failed count the handshakes; those that met a fault of a test do not
	// count.
	Trusted, Failed int
	// Reason is why the last one that failed did, as a sentence.
	Reason string
	// Pinned says that the device accepts our certificates for other hosts.
	Pinned bool
	// Silent says that it opened a tunnel and sent no TLS in it.
	Silent bool
}

// Kind is the kind of a finding.
type Kind string

// The kinds of findings.
const (
	Reaches Kind = "reaches" // its traffic reaches the proxy
	Around  Kind = "around"  // traffic of it does not reach the proxy
	// TurnedAway is that of a device that may not connect, or gives no known user.
	TurnedAway Kind = "turned_away"
	Trusts     Kind = "trusts"     // it trusts the CA
	Distrusts  Kind = "distrusts"  // it does not
	Pins       Kind = "pins"       // it trusts the CA, but not for some hosts
	NoTLS      Kind = "no_tls"     // it sent something else where TLS was expected
	WrongTime  Kind = "wrong_time" // its clock is wrong
	QUIC       Kind = "quic"       // it speaks QUIC
	Refused    Kind = "refused"    // it sent requests that are no HTTP
)

// Finding is one thing that was found.
type Finding struct {
	Kind Kind `json:"finding"`
	// OK says that nothing is wrong.
	OK bool `json:"ok"`
	// Text is a sentence about the device.
	Text string `json:"text"`
	// Advice is what to do about it. Empty for nothing.
	Advice string `json:"advice"`
}

// maxSkew is the difference between two clocks that is no finding.
const maxSkew = 5 * time.Minute

// Diagnose returns what was found of a device, in the order in which a person would look.
func Diagnose(f *Facts) []Finding {
	list := []Finding{f.reach()}
	add := func(found ...Finding) { list = append(list, found...) }
	if len(f.Lost) > 0 {
		add(Finding{Kind: Around,
			Text: "asks for " + several(f.Lost) + " and does not connect to the address that it gets from our resolver",
			Advice: "it may have another resolver or a fixed address for this: look for them in its settings, or catch its traffic " +
				"with transparent@PORT"})
	}
	add(f.trust()...)
	if f.Refused > 0 {
		add(Finding{Kind: Refused, Text: fmt.Sprintf("sent %d requests that are no valid HTTP", f.Refused),
			Advice: "j proxy capture list --filter-expr ~refused shows them"})
	}
	add(f.time()...)
	switch {
	case f.QUIC > 0:
		add(Finding{Kind: QUIC, Text: fmt.Sprintf("speaks QUIC: %d datagrams to UDP port 443", f.QUIC),
			Advice: "reject UDP port 443 at the router; the device then falls back to TLS over TCP"})
	case len(f.Hints) > 0:
		add(Finding{Kind: QUIC, OK: true,
			Text: "is offered QUIC (Alt-Svc) by " + several(f.Hints) + "; requests that go there do not come here"})
	}
	return list
}

// reach tells whether and how the device reaches the proxy.
func (f *Facts) reach() Finding {
	handshakes := 0
	for _, h := range f.Hosts {
		handshakes += h.Trusted + h.Failed
	}
	switch {
	case f.TurnedAway > 0 && len(f.Ways) == 0:
		return Finding{Kind: TurnedAway, Text: fmt.Sprintf("is turned away: listen.allow does not have its address (%s)",
			count(f.TurnedAway, "connection")), Advice: "add " + f.Device.String() + " to listen.allow"}
	case f.Unknown > 0 && f.Requests == 0:
		return Finding{Kind: TurnedAway, Text: fmt.Sprintf("reaches the proxy by %s and is refused with 407 (%s): it gives no user "+
			"of listen.auth with its password", several(f.Ways), count(f.Unknown, "request")), Advice: "set a proxy user in the device"}
	}
	if f.Requests+f.Refused+handshakes == 0 && len(f.Ways) == 0 {
		return Finding{Kind: Around, Text: "sent nothing to the proxy",
			Advice: "set the proxy's address in the device, or lead its traffic here: see docs/ways-in.md"}
	}
	return Finding{Kind: Reaches, OK: true, Text: fmt.Sprintf("reaches the proxy by %s: %s, %s", several(f.Ways),
		count(f.Requests, "request"), count(handshakes, "TLS handshake"))}
}

// trust tells which hosts the device trusts.
func (f *Facts) trust() (list []Finding) {
	trusted := 0
	var distrusted, pinned, silent []Host
	for _, h := range f.Hosts {
		switch {
		case h.Silent:
			silent = append(silent, h)
		case h.Trusted > 0 && h.Failed == 0:
			trusted++
		case h.Pinned:
			pinned = append(pinned, h)
		case h.Failed > 0 && !slices.Contains(f.Expired, h.Name):
			distrusted = append(distrusted, h)
		}
	}
	if trusted > 0 {
		list = append(list, Finding{Kind: Trusts, OK: true,
			Text: "trusts the CA: handshakes with " + count(trusted, "host") + " came to requests"})
	}
	if len(pinned) > 0 {
		list = append(list, Finding{Kind: Pins,
			Text:   "refuses our certificates for " + several(names(pinned)) + ", and accepts them for others",
			Advice: "it pins these hosts: leave them alone with listen.ignore_hosts, or build the device without pinning"})
	}
	if len(distrusted) > 0 {
		advice := "install the CA in the device: http://mitm.it through the proxy, or j proxy cert"
		if trusted > 0 {
			advice = "another program in the device may have a list of CAs of its own: install the CA there, too"
		}
		list = append(list, Finding{Kind: Distrusts, Advice: advice,
			Text: "does not accept our certificate for " + several(names(distrusted)) + ": " + distrusted[0].Reason})
	}
	if len(silent) > 0 {
		list = append(list, Finding{Kind: NoTLS, Text: "opens tunnels to " + several(names(silent)) + " and sends no TLS in them",
			Advice: "j proxy tls report tells what came; a protocol in which the server speaks first is passed on as it is"})
	}
	return list
}

// time tells whether the clock of the device is wrong.
func (f *Facts) time() (list []Finding) {
	const advice = "set the device's clock, by NTP for instance, or turn ours to it: j proxy clock set"
	if f.Dated && f.Skew.Abs() > maxSkew {
		list = append(list, Finding{Kind: WrongTime, Text: skewText(f.Skew, "Date of a request"), Advice: advice})
	} else if f.Stamped && f.Ahead.Abs() > maxSkew {
		list = append(list, Finding{Kind: WrongTime, Text: skewText(f.Ahead, "times in its TLS handshakes"), Advice: advice})
	}
	if len(f.Expired) > 0 {
		list = append(list, Finding{Kind: WrongTime, Advice: advice,
			Text: "calls the certificate of " + several(f.Expired) + " expired, which is valid by our clock: its own clock is wrong"})
	}
	return list
}

// skewText tells how wrong a clock is, and where that is seen.
func skewText(ahead time.Duration, source string) string {
	side := "ahead of"
	if ahead < 0 {
		side = "behind"
	}
	return fmt.Sprintf("its clock is %s %s ours, by the %s", ahead.Abs().Round(time.Second), side, source)
}

func names(hosts []Host) (list []string) {
	for _, h := range hosts {
		list = append(list, h.Name)
	}
	return list
}

// most is how many names a sentence has.
const most = 3

// several writes names as a part of a sentence.
func several(names []string) string {
	if extra := len(names) - most; extra > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), extra)
	}
	return strings.Join(names, ", ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
