package clock

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// The times of a clock that is turned, by what was done to it and how long ago.
func TestNow(t *testing.T) {
	t.Parallel()
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		turn func(*Clock)
		want func(system time.Time) time.Time // a minute later
		name string
	}{
		"not turned":       {func(*Clock) {}, func(s time.Time) time.Time { return s }, ""},
		"set":              {func(c *Clock) { c.Set(noon, false) }, func(time.Time) time.Time { return noon.Add(time.Minute) }, "clock +263004h0m0s"},
		"frozen":           {func(c *Clock) { c.Set(noon, true) }, func(time.Time) time.Time { return noon }, "clock frozen at 2030-01-01T12:00:00Z"},
		"advanced":         {func(c *Clock) { c.Advance(time.Hour) }, func(s time.Time) time.Time { return s.Add(time.Hour) }, "clock +1h0m0s"},
		"put back":         {func(c *Clock) { c.Advance(-time.Hour) }, func(s time.Time) time.Time { return s.Add(-time.Hour) }, "clock -1h0m0s"},
		"frozen, advanced": {func(c *Clock) { c.Set(noon, true); c.Advance(time.Hour) }, func(time.Time) time.Time { return noon.Add(time.Hour) }, "clock frozen at 2030-01-01T13:00:00Z"},
		"twice":            {func(c *Clock) { c.Advance(time.Hour); c.Advance(time.Minute) }, func(s time.Time) time.Time { return s.Add(61 * time.Minute) }, "clock +1h1m0s"},
		"reset":            {func(c *Clock) { c.Set(noon, true); c.Reset() }, func(s time.Time) time.Time { return s }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var c Clock
				changed := c.Changed()
				tt.turn(&c)
				select {
				case <-changed:
				default:
					if name != "not turned" {
						t.Error("the turn was not announced")
					}
				}
				if got := c.Name(); got != tt.name {
					t.Errorf("name: got %q, want %q", got, tt.name)
				}
				time.Sleep(time.Minute)
				if got, want := c.Now(), tt.want(time.Now()); !got.Equal(want) {
					t.Errorf("got %s, want %s", got, want)
				}
				r, ok := c.Reading()
				if ok != (tt.name != "") || ok && (!r.Now.Equal(c.Now()) || r.Offset != c.Now().Sub(time.Now().Round(0))) {
					t.Errorf("reading: got %+v %v", r, ok)
				}
			})
		})
	}
}

// A nil clock shows the time of the system.
func TestNilClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c *Clock
		if !c.Now().Equal(time.Now()) || c.Name() != "" {
			t.Errorf("got %s %q, want the time of the system and no name", c.Now(), c.Name())
		}
	})
}

// Timers get due by time that passes and by turns forward.
func TestAfter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do   func(*Clock)
		want []string
	}{
		"time passes":      {func(*Clock) { time.Sleep(70 * time.Second) }, []string{"minute +1m0s"}},
		"advance":          {func(c *Clock) { c.Advance(2 * time.Hour) }, []string{"minute +1m0s", "hour +1h0m0s"}},
		"advance less":     {func(c *Clock) { c.Advance(59 * time.Second) }, nil},
		"advance and time": {func(c *Clock) { c.Advance(50 * time.Second); time.Sleep(11 * time.Second) }, []string{"minute +1m0s"}},
		"set":              {func(c *Clock) { c.Set(time.Now().Add(time.Minute), true) }, []string{"minute +1m0s"}},
		"set back":         {func(c *Clock) { c.Set(time.Unix(0, 0), false); time.Sleep(61 * time.Second) }, []string{"minute at 60"}},
		"frozen":           {func(c *Clock) { c.Set(time.Unix(0, 0), true); time.Sleep(2 * time.Hour) }, nil},
		"frozen, advanced": {func(c *Clock) { c.Set(time.Unix(0, 0), true); time.Sleep(time.Hour); c.Advance(time.Minute) }, []string{"minute at 60"}},
		"frozen, then released": {func(c *Clock) {
			c.Set(time.Unix(0, 0), true)
			time.Sleep(time.Hour)
			c.Reset()
			time.Sleep(59 * time.Second)
		}, nil},
		"reset": {func(c *Clock) { c.Advance(30 * time.Second); c.Reset(); time.Sleep(31 * time.Second) }, []string{"minute +30s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var c Clock
				var got []string
				began := time.Now()
				note := func(what string) {
					now := c.Now()
					if now.Year() < 1990 {
						got = append(got, fmt.Sprintf("%s at %d", what, now.Unix()))
						return
					}
					got = append(got, what+" +"+now.Sub(began.Round(0)).Round(time.Second).String())
				}
				stop := c.After(30*time.Second, func() { note("stopped") })
				hour := c.After(time.Hour, func() { note("hour") })
				c.After(time.Minute, func() { note("minute") })
				stop()
				tt.do(&c)
				synctest.Wait()
				hour()
				if !slices.Equal(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// A timer's function may turn the clock and set timers.
func TestTimersTurnTheClock(t *testing.T) {
	t.Parallel()
	c := Frozen(time.Unix(0, 0))
	var got []int64
	note := func() { got = append(got, c.Now().Unix()) }
	c.After(10*time.Second, func() {
		note()
		c.Advance(5 * time.Second)
		note()
		c.After(time.Second, note)
	})
	c.After(12*time.Second, note)
	c.Advance(20 * time.Second)
	note()
	if want := []int64{10, 12, 15, 16, 20}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A clock can be turned again and again, by centuries.
func TestFarTurns(t *testing.T) {
	t.Parallel()
	var c Clock
	for range 10 {
		for _, year := range []int{2200, 9999, 1970, 2600} {
			to := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
			rang := 0
			c.After(time.Hour, func() { rang++ })
			before := c.Now()
			c.Set(to, true)
			if got := c.Now(); !got.Equal(to) {
				t.Fatalf("after a turn to %s: got %s", to, got)
			}
			if want := to.After(before); (rang == 1) != want {
				t.Fatalf("a turn from %s to %s: the timer was called %d times", before, to, rang)
			}
			c.Advance(time.Hour)
			if rang != 1 {
				t.Fatalf("an hour after the turn to %s: the timer was called %d times", to, rang)
			}
			c.Reset()
		}
	}
}
