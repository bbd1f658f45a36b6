package export

import (
	"math"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/capture"
	"starproxy/driver/document"
)

const (
	// maxDelay is the longest delay_ms of a scenario: a day.
	maxDelay = 86_400_000
	// haste is the time by which a request may come sooner than the recorded one.
	haste = 50 * time.Millisecond
	// tardy is the time by which it may come later if the server took all the time.
	tardy = 10 * time.Millisecond
)

// timeline computes the delays of the responses of a sequence since its first request.
type timeline struct {
	first, last time.Time // when requests came
	took        time.Duration
	passed      float64 // delay of the last answer, in milliseconds
	begun       bool
}

// delay returns delay_ms for the next response: the time of its request since the
// first one, less two times. One is the time that the server took for the response
// before: a mock takes none, so the device asks sooner. The other is haste, since
// devices are not exact. The delay is after the request before, and greater than
// the delay before: of two equal delays, the first response would never be given.
func (t *timeline) delay(e *capture.Entry) *yaml.Node {
	if !t.begun {
		t.begun, t.first, t.last, t.took = true, e.Start, e.Start, e.Duration
		return document.Integer(0)
	}
	gap := max(0, e.Start.Sub(t.last))
	pause := gap - t.took
	if pause < 0 { // the device asked again before the response came
		pause = gap
	}
	at := t.last.Sub(t.first) + max(pause-min(pause/2, haste), min(gap/8, tardy))
	before := milli(t.last.Sub(t.first))
	t.last, t.took = e.Start, e.Duration
	ms := math.Floor(milli(at))
	if ms <= before || ms <= t.passed { // a whole number of milliseconds is too coarse
		ms = math.Round(milli(at)*1000) / 1000
	}
	if ms <= t.passed {
		ms = math.Round(t.passed*1000+1) / 1000
	}
	t.passed = min(ms, maxDelay)
	if t.passed == math.Trunc(t.passed) {
		return document.Integer(int64(t.passed))
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: strconv.FormatFloat(t.passed, 'f', -1, 64)}
}

func milli(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
