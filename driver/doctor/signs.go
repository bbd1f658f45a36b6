package doctor

import (
	"net/netip"
	"slices"
	"sync"
)

// Bounds of [Signs]: further devices, and further names of a device, are left out.
const (
	maxDevices = 1000
	maxNames   = 200
)

// Signs collects what is seen of devices besides requests and handshakes. The zero value
// is ready for use by any number of goroutines. Nil has seen nothing.
type Signs struct {
	mu      sync.Mutex
	devices map[netip.Addr]*sign
}

// sign is what was seen of a device.
type sign struct {
	ways, asked      []string
	quic, turnedAway int
}

// note adds to what was seen of a device.
func (s *Signs) note(device netip.Addr, add func(*sign)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.devices[device]
	if d == nil {
		if len(s.devices) >= maxDevices || !device.IsValid() {
			return
		}
		if s.devices == nil {
			s.devices = map[netip.Addr]*sign{}
		}
		d = &sign{}
		s.devices[device] = d
	}
	add(d)
}

// Connected notes a connection by a way in.
func (s *Signs) Connected(device netip.Addr, way string) {
	s.note(device, func(d *sign) { d.ways = keep(d.ways, way) })
}

// TurnedAway notes a connection from an address that may not connect.
func (s *Signs) TurnedAway(device netip.Addr) { s.note(device, func(d *sign) { d.turnedAway++ }) }

// Asked notes that a device was told our address for a name.
func (s *Signs) Asked(device netip.Addr, name string) {
	s.note(device, func(d *sign) { d.asked = keep(d.asked, name) })
}

// SpokeQUIC notes a datagram for port 443.
func (s *Signs) SpokeQUIC(device netip.Addr) { s.note(device, func(d *sign) { d.quic++ }) }

// keep adds a text to a list that has each once and is bounded.
func keep(list []string, text string) []string {
	if len(list) >= maxNames || slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// Devices returns the devices of which something was seen.
func (s *Signs) Devices() (list []netip.Addr) {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for a := range s.devices {
		list = append(list, a)
	}
	return list
}

// Complete adds to the facts about a device what was seen of it. Names are the hosts
// that it has connected to: those that it asked for and that are not among them are
// lost.
func (s *Signs) Complete(f *Facts, names map[string]bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.devices[f.Device]
	if d == nil {
		return
	}
	for _, way := range d.ways {
		f.Ways = keep(f.Ways, way)
	}
	slices.Sort(f.Ways)
	for _, name := range d.asked {
		if !names[name] {
			f.Lost = append(f.Lost, name)
		}
	}
	slices.Sort(f.Lost)
	f.QUIC += d.quic
	f.TurnedAway += d.turnedAway
}
