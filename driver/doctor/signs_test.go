package doctor

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestSigns(t *testing.T) {
	t.Parallel()
	var s Signs
	dut := netip.MustParseAddr("10.0.7.2")
	s.Connected(dut, "transparent@443")
	s.Connected(dut, "transparent@443")
	s.Asked(dut, "b.test")
	s.Asked(dut, "a.test")
	s.Asked(dut, "met.test")
	s.SpokeQUIC(dut)
	s.TurnedAway(dut)
	s.Connected(netip.Addr{}, "regular")
	f := &Facts{Device: dut, Ways: []string{"regular"}}
	s.Complete(f, map[string]bool{"met.test": true})
	want := &Facts{Device: dut, Ways: []string{"regular", "transparent@443"}, Lost: []string{"a.test", "b.test"}, QUIC: 1, TurnedAway: 1}
	if diff := cmp.Diff(want, f, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if list := s.Devices(); len(list) != 1 || list[0] != dut {
		t.Errorf("got devices %v, want %s", list, dut)
	}
	(*Signs)(nil).Complete(f, nil)

	a := netip.MustParseAddr("10.1.0.0")
	for range maxDevices + 10 {
		a = a.Next()
		s.SpokeQUIC(a)
	}
	for i := range maxNames + 10 {
		s.Asked(dut, fmt.Sprint(i))
	}
	if n := len(s.Devices()); n != maxDevices || len(s.devices[dut].asked) != maxNames {
		t.Errorf("got %d devices and %d names, want %d and %d", n, len(s.devices[dut].asked), maxDevices, maxNames)
	}
}

func TestClockOf(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	at := func(theirs uint32, after time.Duration) Stamp { return Stamp{theirs, now.Add(after)} }
	right := uint32(now.Unix())
	for _, c := range []struct {
		name   string
		stamps []Stamp
		ahead  time.Duration
		ok     bool
	}{
		{"none", nil, 0, false},
		{"one", []Stamp{at(right, 0)}, 0, false},
		{"right", []Stamp{at(right, 0), at(right+9, 9*time.Second)}, 0, true},
		{"since 1970", []Stamp{at(100, 0), at(131, 30*time.Second)}, time.Unix(131, 0).Sub(now.Add(30 * time.Second)), true},
		{"random", []Stamp{at(0x9abcdef0, 0), at(0x12345678, 30*time.Second)}, 0, false},
		{"the same again", []Stamp{at(100, 0), at(100, 0), at(100, 30*time.Second)}, 0, false},
		{"too soon", []Stamp{at(100, 0), at(100, time.Second)}, 0, false},
		{"random first", []Stamp{at(0x9abcdef0, 0), at(right+3, 3*time.Second), at(right+9, 9*time.Second)}, 0, true},
	} {
		if ahead, ok := ClockOf(c.stamps); ahead != c.ahead || ok != c.ok {
			t.Errorf("%s: got %v, %v, want %v, %v", c.name, ahead, ok, c.ahead, c.ok)
		}
	}
}
