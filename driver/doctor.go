package driver

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"starproxy/builtins/clock"
	"starproxy/driver/capture"
	"starproxy/driver/doctor"
	"starproxy/driver/handshake"
	"starproxy/driver/hello"
	"starproxy/driver/rpc"
)

// checkups watch the devices and tell what is wrong with their way through the proxy.
type checkups struct {
	journal    *capture.Journal
	handshakes *handshake.Log
	clock      *clock.Clock
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
	began := time.Now()
	select {
	case <-time.After(time.Duration(seconds * float64(time.Second))):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return c.since(began, of), nil
}

// since tells of the devices what was seen since a time.
func (c *checkups) since(began time.Time, of chosen) *checkup {
	facts := map[netip.Addr]*doctor.Facts{}
	device := func(a netip.Addr) *doctor.Facts {
		if facts[a] == nil {
			facts[a] = &doctor.Facts{Device: a}
		}
		return facts[a]
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
		}
	}
	for _, row := range handshake.Report(shakes, handshake.TrustOf(all)) {
		a, _ := netip.ParseAddr(row.Client)
		c.learnHost(device(a), row)
	}
	r := &checkup{Seconds: time.Since(began).Round(10 * time.Millisecond).Seconds(), Devices: []checkedDevice{}}
	for _, a := range slices.SortedFunc(maps.Keys(facts), netip.Addr.Compare) {
		r.Devices = append(r.Devices, checkedDevice{a.String(), doctor.Diagnose(facts[a])})
	}
	return r
}

// learn adds what an entry shows of its device.
func (c *checkups) learn(f *doctor.Facts, e *capture.Entry) {
	way := e.Way
	if way == "" {
		way = "regular"
	}
	if !slices.Contains(f.Ways, way) {
		f.Ways = append(f.Ways, way)
		slices.Sort(f.Ways)
	}
	switch e.Kind {
	case capture.HTTP, capture.TCP:
		f.Requests++
	case capture.Refused:
		f.Refused++
	}
	if at, err := http.ParseTime(e.RequestHeader.Get("Date")); err == nil && !f.Dated {
		f.Dated, f.Skew = true, at.Sub(e.Start.Round(0).Add(c.clock.Now().Sub(time.Now())))
	}
}

// learnHost adds what the handshakes with a host show of their device.
func (c *checkups) learnHost(f *doctor.Facts, row handshake.Row) {
	if len(f.Ways) == 0 {
		f.Ways = []string{"regular"}
	}
	h := doctor.Host{Name: row.Host, Trusted: row.Trusted, Failed: row.Rejected + row.Left, Reason: row.Reason, Pinned: row.Pinned,
		Silent: row.NeverOffered > 0 && row.Trusted+row.Rejected+row.Left == 0}
	f.Hosts = append(f.Hosts, h)
	if row.Alert == hello.CertificateExpired.String() && c.clock.Name() == "" {
		f.Expired = append(f.Expired, row.Host)
	}
}
