package driver

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"starproxy/builtins/clock"
	"starproxy/driver/rpc"
)

// clockMethods are the methods that turn the clock of scripts, mocks and certificates.
type clockMethods struct{ clock *clock.Clock }

// rows are for the table of methods.
func (m *clockMethods) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("set_clock", "Turn the clock of scripts, mocks and certificates to a time in RFC 3339, or by a duration such as "+
			"+36h or -2d; frozen lets it stand still.", m.set,
			rpc.Need("time"), rpc.With("frozen", false)),
		rpc.New("advance_clock", "Move the clock forward by seconds; what is due on the way happens.", m.advance, rpc.Need("seconds")),
		rpc.New("reset_clock", "Let the clock show the time of the system again.", m.reset),
		rpc.New("get_clock", "Tell the time of the clock as JSON, and how far it is from that of the system.", m.get),
	}
}

// clockReport is the JSON of get_clock.
type clockReport struct {
	// Now is the time that the clock shows, in RFC 3339.
	Now string `json:"now"`
	// Turned says that it was turned.
	Turned bool `json:"turned"`
	// Frozen says that it stands still.
	Frozen bool `json:"frozen"`
	// Offset is how far the clock is ahead of the system's, in seconds.
	Offset float64 `json:"offset_seconds"`
}

func (m *clockMethods) set(_ context.Context, to string, frozen bool) (string, error) {
	t, err := clockTime(to, m.clock.Now())
	if err != nil {
		return "", &rpc.Refusal{Code: rpc.InvalidArgument, About: "time", Text: "set_clock: " + err.Error()}
	}
	m.clock.Set(t, frozen)
	return "Clock set: " + m.said(), nil
}

// farYear is the last year that HTTP dates and certificates can express.
const farYear = 9999

// clockTime reads a time, or a duration from now.
func clockTime(text string, now time.Time) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil && text != "" && strings.ContainsRune("+-", rune(text[0])) {
		var d time.Duration
		d, err = clock.ParseDuration(text)
		t = now.Add(d)
	}
	switch {
	case errors.Is(err, strconv.ErrRange):
		return t, fmt.Errorf("argument time: got %q, want at most %d days", text, int64(clock.MaxTurn.Hours())/24)
	case err != nil:
		return t, fmt.Errorf("argument time: got %q, want a time such as 2030-01-31T12:00:00Z, or a duration such as +36h or -2d", text)
	case t.Year() < 1970 || t.Year() > farYear:
		return t, fmt.Errorf("argument time: got %q, want a time from 1970 to %d", text, farYear)
	}
	return t, nil
}

func (m *clockMethods) advance(_ context.Context, n float64) (string, error) {
	d, err := clock.Seconds(n)
	if err != nil || n < 0 || m.clock.Now().Add(d).Year() > farYear {
		return "", &rpc.Refusal{Code: rpc.InvalidArgument, About: "seconds", Text: fmt.Sprintf("advance_clock: argument seconds: "+
			"got %v, want 0 to %d, and no year beyond %d; set_clock turns the clock back", n, int64(clock.MaxTurn.Seconds()), farYear)}
	}
	m.clock.Advance(d)
	return "Clock advanced: " + m.said(), nil
}

func (m *clockMethods) reset(context.Context) (string, error) {
	m.clock.Reset()
	return "Clock reset: " + m.clock.Now().UTC().Format(time.RFC3339), nil
}

// said tells the time that the clock shows.
func (m *clockMethods) said() string {
	text := m.clock.Now().UTC().Format(time.RFC3339)
	if r, _ := m.clock.Reading(); r.Frozen {
		text += " (frozen)"
	}
	return text
}

func (m *clockMethods) get(context.Context) (*clockReport, error) { return m.report(), nil }

func (m *clockMethods) report() *clockReport {
	r, turned := m.clock.Reading()
	if !turned {
		r.Now = m.clock.Now()
	}
	return &clockReport{
		Now: r.Now.UTC().Format(time.RFC3339Nano), Turned: turned, Frozen: r.Frozen, Offset: r.Offset.Round(time.Millisecond).Seconds(),
	}
}

// Reset lets the clock show the time of the system again.
func (m *clockMethods) Reset() { m.clock.Reset() }
