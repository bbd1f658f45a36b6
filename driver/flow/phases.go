package flow

import (
	"time"

	"starproxy/driver/capture"
)

// phasesKey is the key of the metadata for the phases of the way to the real server: a list
// of capture.Phases.Asked, DNS, Connect, TLS, Sent and Headed in microseconds. DNS, Connect
// and TLS are -1 for a connection that was there already.
const phasesKey = "starproxy.phases"

// phasesData returns phases as the metadata has them.
func phasesData(p capture.Phases) []any {
	list := []any{}
	for i, d := range []time.Duration{p.Asked, p.DNS, p.Connect, p.TLS, p.Sent, p.Headed} {
		us := d.Microseconds()
		if p.Reused && 1 <= i && i <= 3 {
			us = -1
		}
		list = append(list, us)
	}
	return list
}

// phases returns the phases that the metadata of a flow has, the zero value for none.
func (f *Flow) phases() (p capture.Phases) {
	list, _ := f.Metadata[phasesKey].([]any)
	to := []*time.Duration{&p.Asked, &p.DNS, &p.Connect, &p.TLS, &p.Sent, &p.Headed}
	if len(list) != len(to) {
		return p
	}
	for i, v := range list {
		us, ok := v.(int64)
		if !ok || us < -1 || us > int64(24*time.Hour/time.Microsecond) {
			return capture.Phases{}
		}
		if us < 0 {
			p.Reused, us = true, 0
		}
		*to[i] = time.Duration(us) * time.Microsecond
	}
	return p
}

// timingsOf returns the timings of a flow whose phases are known. Together they are the
// whole duration. As the format has it, connect includes ssl.
func timingsOf(p capture.Phases, f *Flow) harTimings {
	ms := func(d time.Duration) float64 { return float64(max(d, 0).Microseconds()) / 1000 }
	t := harTimings{Blocked: ms(p.Asked), DNS: -1, Connect: -1, SSL: -1, within: true}
	if !p.Reused {
		t.DNS, t.Connect = ms(p.DNS), ms(p.Connect+p.TLS)
		if p.TLS > 0 {
			t.SSL = ms(p.TLS)
		}
	}
	reached := p.Asked + p.DNS + p.Connect + p.TLS
	if p.Headed == 0 {
		t.Send = ms(p.Sent - reached)
		return t
	}
	wait := p.Wait(since(f.Request.Start, f.Request.End))
	t.Send, t.Wait = ms(p.Headed-wait-reached), ms(wait)
	if r := f.Response; r != nil {
		t.Receive = ms(since(f.Request.Start, r.End) - p.Headed)
	}
	return t
}
