package driver

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/builtins/follow"
	"starproxy/driver/capture"
	"starproxy/driver/handshake"
	"starproxy/driver/onboard"
	"starproxy/driver/rpc"
	"starproxy/driver/view"
)

// onboarding tells how devices are set up, and how far each one is.
type onboarding struct {
	life       *lifecycle
	journal    *capture.Journal
	handshakes *handshake.Log
	looks      *view.Service // has the names of devices
}

const (
	// maxOnboarded is how many of the latest exchanges are looked at when somebody begins to
	// watch.
	maxOnboarded = 5000
	// maxDevices is how many devices are told.
	maxDevices = 200
	// onboardingPace is the shortest time between two reports.
	onboardingPace = 250 * time.Millisecond
)

// rows are for the table of methods.
func (o *onboarding) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("get_onboarding", "Tell as JSON how devices use the proxy and trust its CA, for each kind of device, and at which "+
			"addresses they reach it, with QR codes.", o.guide),
		rpc.New("watch_onboarding", "Stream as JSON how far each device is: it reached the proxy, trusts the CA, was answered by a mock.",
			o.watch),
	}
}

// onboardingGuide is the JSON of get_onboarding.
type onboardingGuide struct {
	// Addresses are where devices reach the proxy; empty while it is stopped.
	Addresses []reachable     `json:"addresses"`
	Guides    []onboard.Guide `json:"guides"`
}

// reachable is an address of the proxy.
type reachable struct {
	Address string `json:"address"`
	// URL is the page for a device that does not use the proxy yet.
	URL string `json:"url"`
	// QR is a picture of URL as a QR code: the URL of an SVG document.
	QR string `json:"qr"`
}

func (o *onboarding) guide(context.Context) (*onboardingGuide, error) {
	g := &onboardingGuide{Addresses: []reachable{}}
	first := ""
	if r := o.life.run.Load(); r != nil {
		for _, a := range onboard.Addresses(o.life.cfg.Listen.Host, r.port) {
			url := onboard.URL(a)
			code, err := onboard.QR(url)
			if err != nil {
				return nil, err
			}
			g.Addresses = append(g.Addresses, reachable{a, url, code})
		}
		first = g.Addresses[0].Address
	}
	g.Guides = onboard.Guides(first, "http://"+onboard.Host)
	return g, nil
}

// step is something that a device has done first.
type step struct {
	Time float64 `json:"time"` // in seconds since 1970
	// Seq is the number of the exchange, 0 for none.
	Seq uint64 `json:"seq"`
	// About is the host or the endpoint.
	About string `json:"about"`
}

// onboarded is how far a device is. A step that is not done is null.
type onboarded struct {
	Client  string `json:"client"`
	Name    string `json:"name"` // empty for none
	Reached *step  `json:"reached"`
	Trusts  *step  `json:"trusts"`
	Mocked  *step  `json:"mocked"`
	// Problem says why its last handshake failed; empty for none, or when it trusts the CA.
	Problem string `json:"problem"`
}

// progress collects the steps of devices.
type progress struct {
	*onboarding
	devices map[netip.Addr]*onboarded
	seq     uint64 // entries up to this number are known
	shake   uint64 // and handshakes
}

// device returns a device. It returns nil when there are too many.
func (p *progress) device(a netip.Addr) *onboarded {
	if d := p.devices[a]; d != nil || !a.IsValid() || len(p.devices) >= maxDevices {
		return d
	}
	d := &onboarded{Client: a.String()}
	p.devices[a] = d
	return d
}

// epoch returns a time as JSON has it.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// update learns what has come since the last update, and returns the devices in the order
// in which they reached the proxy, the latest first.
func (p *progress) update() []onboarded {
	var fresh []*capture.Entry
	for e := range p.journal.Backward(nil) {
		if e.Seq <= p.seq || len(fresh) >= maxOnboarded {
			break
		}
		fresh = append(fresh, e)
	}
	for _, e := range slices.Backward(fresh) {
		p.seq = max(p.seq, e.Seq)
		d := p.device(e.Client.Addr())
		if d == nil {
			continue
		}
		at := step{epoch(e.Start), e.Seq, e.Host}
		if d.Reached == nil {
			d.Reached = &at
		}
		if e.Origin == exchange.FromMock && e.Endpoint != "" && d.Mocked == nil {
			d.Mocked = &step{at.Time, at.Seq, e.Endpoint}
		}
	}
	for _, h := range p.handshakes.List(p.shake) {
		v, number := h.Verdict()
		if number == 0 || h.Met != "" {
			continue
		}
		p.shake = max(p.shake, number)
		d := p.device(h.Client.Addr())
		if d == nil {
			continue
		}
		at := step{epoch(h.Start), 0, h.Host}
		if d.Reached == nil {
			d.Reached = &at
		}
		switch {
		case v.Ending == handshake.Trusted && d.Trusts == nil:
			d.Trusts, d.Problem = &at, ""
		case v.Ending != handshake.Trusted && d.Trusts == nil:
			d.Problem = v.Reason
		}
	}
	names := p.looks.Devices()
	list := []onboarded{}
	for _, a := range slices.SortedFunc(maps.Keys(p.devices), func(a, b netip.Addr) int {
		x, y := p.devices[a], p.devices[b]
		return cmp.Or(cmp.Compare(y.Reached.Time, x.Reached.Time), a.Compare(b))
	}) {
		d := *p.devices[a]
		d.Name = names[a]
		list = append(list, d)
	}
	return list
}

// watch streams the devices when one has done a step.
func (o *onboarding) watch(ctx context.Context) (iter.Seq2[any, error], error) {
	return func(yield func(any, error) bool) {
		p := &progress{onboarding: o, devices: map[netip.Addr]*onboarded{}}
		changes := func() []<-chan struct{} {
			return []<-chan struct{}{o.journal.Changed(), o.handshakes.Changed(), o.looks.DevicesChanged()}
		}
		for devices := range follow.Values(ctx, onboardingPace, changes, p.update) {
			if !yield(devices, nil) {
				return
			}
		}
	}, nil
}
