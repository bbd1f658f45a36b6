// Package network has the conditions of networks: how fast, how late and how
// reliably bytes pass between a device and the proxy. A [Profile] describes a
// network, a [Table] says which connections are on it, and a [Line] is a device's
// connection that is on it.
//
// proxy has the devices' connections as Lines while a Table has settings, and
// scenario reads settings.
package network

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Profile describes a network. The zero Profile changes nothing.
type Profile struct {
	// Name is that of the preset which the profile is; empty for one by hand.
	Name string
	// Down and Up are the rates towards the device and from it; 0 for no limit.
	Down, Up Rate
	// Latency is the time of a round trip. Each direction has a half of it.
	Latency time.Duration
	// Jitter is how much longer or shorter round trips take, at most.
	Jitter time.Duration
	// Loss is how many of 100 segments are lost. TCP repairs that: an application
	// sees stalls, and a reset when a segment is lost again and again, see [stall].
	Loss float64
	// Outage are the times in which nothing passes.
	Outage Outage
	// Offline lets nothing pass at all.
	Offline bool
}

// Outage are regular times in which nothing passes: at the end of each Every, as long
// as For. The first Every begins when the profile is set. The zero Outage is none.
type Outage struct{ Every, For time.Duration }

// Title returns the name of the profile, or, for one by hand, its values.
func (p *Profile) Title() string {
	if p.Name != "" {
		return p.Name
	}
	return p.Values()
}

// Values returns the values of the profile in a line of text.
func (p *Profile) Values() string {
	var parts []string
	add := func(set bool, text string) {
		if set {
			parts = append(parts, text)
		}
	}
	add(p.Offline, "offline")
	add(p.Down > 0, "down "+p.Down.String())
	add(p.Up > 0, "up "+p.Up.String())
	add(p.Latency > 0, "latency "+inMillis(p.Latency))
	add(p.Jitter > 0, "jitter "+inMillis(p.Jitter))
	add(p.Loss > 0, "loss "+strconv.FormatFloat(p.Loss, 'g', -1, 64)+"%")
	add(p.Outage.For > 0, "outage every "+p.Outage.Every.String()+" for "+p.Outage.For.String())
	if len(parts) == 0 {
		return "no limits"
	}
	return strings.Join(parts, ", ")
}

func inMillis(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64) + "ms"
}

// written is a profile as documents have it.
type written struct {
	Profile string         `json:"profile,omitempty"`
	Down    string         `json:"down,omitempty"`
	Up      string         `json:"up,omitempty"`
	Latency string         `json:"latency,omitempty"`
	Jitter  string         `json:"jitter,omitempty"`
	Loss    float64        `json:"loss,omitempty"`
	Outage  *writtenOutage `json:"outage,omitempty"`
	Offline bool           `json:"offline,omitempty"`
}

type writtenOutage struct {
	Every string `json:"every"`
	For   string `json:"for"`
}

// written returns the profile with all its values.
func (p *Profile) written() written {
	w := written{Profile: p.Name, Loss: p.Loss, Offline: p.Offline}
	if p.Down > 0 {
		w.Down = p.Down.String()
	}
	if p.Up > 0 {
		w.Up = p.Up.String()
	}
	if p.Latency > 0 {
		w.Latency = inMillis(p.Latency)
	}
	if p.Jitter > 0 {
		w.Jitter = inMillis(p.Jitter)
	}
	if p.Outage.For > 0 {
		w.Outage = &writtenOutage{p.Outage.Every.String(), p.Outage.For.String()}
	}
	return w
}

// MarshalJSON returns the profile with all its values, as [Parse] reads it.
func (p Profile) MarshalJSON() ([]byte, error) { return json.Marshal(p.written()) }

var _ json.Marshaler = Profile{}
