package flow

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"starproxy/driver/capture"
)

// Phases outlast a flow file, and are the timings of a HAR document, which add up to the
// whole.
func TestPhases(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	phases := capture.Phases{Asked: 1 * ms, DNS: 2 * ms, Connect: 3 * ms, TLS: 4 * ms, Sent: 12 * ms, Headed: 40 * ms}
	kept := capture.Phases{Asked: 1 * ms, Sent: 2 * ms, Headed: 40 * ms, Reused: true}
	for name, tt := range map[string]struct {
		phases capture.Phases
		want   harTimings
	}{
		"new connection":  {phases, harTimings{1, 2, 7, 4, 10, 20, 60, true}},
		"kept connection": {kept, harTimings{1, -1, -1, -1, 19, 20, 60, true}},
	} {
		e := &capture.Entry{
			Start: time.Unix(1e9, 0), Uploaded: 20 * ms, Answered: 41 * ms, Duration: 100 * ms, Phases: tt.phases,
			Method: "GET", Scheme: "https", Host: "h.test", Port: 443, Target: "/", Proto: "HTTP/1.1", Status: 200,
		}
		f := FromEntry(e, nil, nil, uuid.New())
		back := all(t, opened(t, encoded(t, f), Options{}).Flows())[0]
		if got := back.Entry(1); got.Phases != tt.phases {
			t.Errorf("%s: got %+v, want %+v", name, got.Phases, tt.phases)
		}
		timings := (&harWriter{}).timings(back)
		if diff := cmp.Diff(tt.want, timings, cmp.AllowUnexported(harTimings{})); diff != "" {
			t.Errorf("%s: timings (-want +got):\n%s", name, diff)
		}
		if timings.sum() != 100 {
			t.Errorf("%s: they add up to %g ms, want 100", name, timings.sum())
		}
	}
}
