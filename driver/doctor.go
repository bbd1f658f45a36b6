package driver

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"starproxy/builtins/clock"
	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/doctor"
	"starproxy/driver/handshake"
	"starproxy/driver/hello"
	"starproxy/driver/proxy"
	"starproxy/driver/proxy/way"
	"starproxy/driver/rpc"
)

// checkups watch the devices and tell what is wrong with their way through the proxy.
type checkups struct {
	journal    *capture.Journal
	handshakes *handshake.Log
	clock      *clock.Clock
	sightings  *proxy.Sightings
}

// maxWatch is the longest time that a checkup watches, in seconds.
const maxWatch = 3600

// rows are for the table of methods.
func (c *checkups) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("doctor", "Watch the devices, or the one with the address client, for some seconds, and tell as JSON what is wrong with "+
			"their way through the proxy, with advice.", c.doctor,
			rpc.With("client", ""), rpc.With("seconds", 60.0)),
	}
}

// checkup is the JSON of doctor.
type checkup struct {
	// Seconds is how long the devices were watched.
	Seconds float64         `json:"seconds"`
	Devices []checkedDevice `json:"devices"`
}

// checkedDevice is a device in a checkup.
type checkedDevice struct {
	Client   string           `json:"client"`
	Findings []doctor.Finding `json:"findings"`
}

func (c *checkups) doctor(ctx context.Context, client string, seconds float64) (*checkup, error) {
	of, err := choose("doctor", "", client)
	if err != nil {
		return nil, err
	}
	if !(seconds > 0 && seconds <= maxWatch) {
		return nil, &rpc.Refusal{Code: rpc.InvalidArgument, About: "seconds",
			Text: fmt.Sprintf("doctor: argument seconds: got %v, want more than 0, and at most %d", seconds, maxWatch)}
	}
	began, signs := time.Now(), &doctor.Signs{}
	defer c.sightings.Watch(func(s proxy.Sighting) { signed(signs, s) })()
	select {
	case <-time.After(time.Duration(seconds * float64(time.Second))):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return c.since(began, of, signs), nil
}

// signed notes a sign of a device.
func signed(signs *doctor.Signs, s proxy.Sighting) {
	switch s.Kind {
	case proxy.SeenConnection:
		signs.Connected(s.Client, cmp.Or(s.Way, string(way.Regular)))
	case proxy.SeenTurnedAway:
		signs.TurnedAway(s.Client)
	case proxy.SeenQuery:
		signs.Asked(s.Client, s.Name)
	case proxy.SeenQUIC:
		signs.SpokeQUIC(s.Client)
	}
}

// patient is a device in the making of a checkup.
type patient struct {
	doctor.Facts
	names  map[string]bool // hosts that it connected to
	stamps []doctor.Stamp
}

// since tells of the devices what was seen since a time, and signs of them.
func (c *checkups) since(began time.Time, of chosen, signs *doctor.Signs) *checkup {
	facts := map[netip.Addr]*patient{}
	device := func(a netip.Addr) *patient {
		if facts[a] == nil {
			facts[a] = &patient{Facts: doctor.Facts{Device: a}, names: map[string]bool{}}
		}
		return facts[a]
	}
	for _, a := range signs.Devices() {
		if !of.client.IsValid() || a == of.client {
			device(a)
		}
	}
	if of.client.IsValid() {
		device(of.client)
	}
	for e := range c.journal.Backward(nil) {
		if e.Start.Before(began) {
			break
		}
		if a := e.Client.Addr(); a.IsValid() && (!of.client.IsValid() || a == of.client) {
			c.learn(device(a), e)
		}
	}
	var shakes []*handshake.Handshake
	all := c.handshakes.List(0)
	for _, h := range of.of(all) {
		if !h.Start.Before(began) && h.Met == "" {
			shakes = append(shakes, h)
			device(h.Client.Addr()).stamp(h)
		}
	}
	for _, row := range handshake.Report(shakes, handshake.TrustOf(all)) {
		a, _ := netip.ParseAddr(row.Client)
		c.learnHost(device(a), row)
	}
	r := &checkup{Seconds: time.Since(began).Round(10 * time.Millisecond).Seconds(), Devices: []checkedDevice{}}
	for _, a := range slices.SortedFunc(maps.Keys(facts), netip.Addr.Compare) {
		p := facts[a]
		signs.Complete(&p.Facts, p.names)
		if p.Ahead, p.Stamped = doctor.ClockOf(p.stamps); p.Stamped {
			p.Ahead -= c.turned()
		}
		r.Devices = append(r.Devices, checkedDevice{a.String(), doctor.Diagnose(&p.Facts)})
	}
	return r
}

// learn adds what an entry shows of its device.
func (c *checkups) learn(f *patient, e *capture.Entry) {
	way := e.Way
	if way == "" {
		way = "regular"
	}
	if !slices.Contains(f.Ways, way) {
		f.Ways = append(f.Ways, way)
		slices.Sort(f.Ways)
	}
	f.names[e.Host] = true
	switch {
	case e.Kind == capture.HTTP, e.Kind == capture.TCP:
		f.Requests++
	case e.Kind == capture.Refused && e.Status == http.StatusProxyAuthRequired:
		f.Unknown++
	case e.Kind == capture.Refused:
		f.Refused++
	}
	if e.Origin == exchange.FromServer && strings.Contains(e.ResponseHeader.Get("Alt-Svc"), "h3") && !slices.Contains(f.Hints, e.Host) {
		f.Hints = append(f.Hints, e.Host)
	}
	if at, err := http.ParseTime(e.RequestHeader.Get("Date")); err == nil && !f.Dated {
		f.Dated, f.Skew = true, at.Sub(e.Start.Round(0).Add(c.turned()))
	}
}

// turned returns how far the clock that tests turn is ahead.
func (c *checkups) turned() time.Duration { return time.Until(c.clock.Now()) }

// maxStamps is how many handshakes of a device are looked at for its clock.
const maxStamps = 100

// stamp adds the time that a handshake may have.
func (f *patient) stamp(h *handshake.Handshake) {
	if seconds, ok := hello.Stamp(h.Hello); ok && len(f.stamps) < maxStamps {
		f.stamps = append(f.stamps, doctor.Stamp{Theirs: seconds, Ours: h.Start.Round(0)})
	}
}

// learnHost adds what the handshakes with a host show of their device.
func (c *checkups) learnHost(f *patient, row handshake.Row) {
	if len(f.Ways) == 0 {
		f.Ways = []string{"regular"}
	}
	f.names[row.Host] = true
	h := doctor.Host{Name: row.Host, Trusted: row.Trusted, Failed: row.Rejected + row.Left, Reason: row.Reason, Pinned: row.Pinned,
		Silent: row.NeverOffered > 0 && row.Trusted+row.Rejected+row.Left == 0}
	f.Hosts = append(f.Hosts, h)
	if row.Alert == hello.CertificateExpired.String() && c.clock.Name() == "" {
		f.Expired = append(f.Expired, row.Host)
	}
}
