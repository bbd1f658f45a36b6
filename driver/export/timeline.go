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
	// haste is how much sooner a request may come than the one that was recorded.
	haste = 50 * time.Millisecond
	// tardy is how much later it may come, where the server took all the time.
	tardy = 10 * time.Millisecond
)

// timeline gives the answers of a sequence their delays since the first request.
type timeline struct {
	first, last time.Time // when requests came
	took        time.Duration
	passed      float64 // delay of the last answer, in milliseconds
	begun       bool
}

// delay is delay_ms for the next answer: when its request came, less the time
// that the server took for the answer before, for the mock takes none and the
// device is back sooner; and a little sooner still, for nobody is that exact.
// It stays behind the request before, and each answer has a delay of its own:
// of two with the same the first would never be given.
func (t *timeline) delay(e *capture.Entry) *yaml.Node {
	if !t.begun {
		t.begun, t.first, t.last, t.took = true, e.Start, e.Start, e.Duration
		return document.Integer(0)
	}
	gap := max(0, e.Start.Sub(t.last))
	pause := gap - t.took
	if pause < 0 { // asked again before the answer was there
		pause = gap
	}
	at := t.last.Sub(t.first) + max(pause-min(pause/2, haste), min(gap/8, tardy))
	before := milli(t.last.Sub(t.first))
	t.last, t.took = e.Start, e.Duration
	ms := math.Floor(milli(at))
	if ms <= before || ms <= t.passed { // a whole number is too coarse
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
