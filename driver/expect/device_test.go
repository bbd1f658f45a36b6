package expect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"starproxy/driver/capture"
)

// device is a simulated device, which retries and polls as its fields say.
type device struct {
	r      *rand.Rand
	first  float64 // of its waits, in seconds
	factor float64
	jitter float64
	cap    float64
	every  float64 // between polls
}

// vary returns w with the jitter of the device, and with the delays of a network.
func (d *device) vary(w float64) float64 {
	return w*(1+d.jitter*(2*d.r.Float64()-1)) + 0.03*d.r.Float64()
}

// outage returns the requests of an outage, with so many retries, and of another device
// that meanwhile polls.
func (d *device) outage(t *testing.T, retries int) []*capture.Entry {
	var b strings.Builder
	at := 100 * d.r.Float64()
	for i := range retries + 1 {
		status := "503"
		if i == retries {
			status = "200"
		}
		took := d.r.Float64()
		fmt.Fprintf(&b, "%.4f POST https://api.example.com/data %s | took %.4f\n", at, status, took)
		if d.r.IntN(2) == 0 {
			fmt.Fprintf(&b, "%.4f POST https://api.example.com/data 200 | client 10.0.0.%d\n", at+took/2, 50+d.r.IntN(100))
		}
		wait := d.first * math.Pow(d.factor, float64(i))
		if d.cap > 0 {
			wait = min(wait, d.cap)
		}
		at += took + d.vary(wait)
	}
	entries := recorded(t, b.String())
	d.r.Shuffle(len(entries), func(i, k int) { entries[i], entries[k] = entries[k], entries[i] })
	return entries
}

// polls returns so many polls.
func (d *device) polls(t *testing.T, n int) []*capture.Entry {
	var b strings.Builder
	at := 0.0
	for range n {
		fmt.Fprintf(&b, "%.4f GET https://api.example.com/poll 200\n", at)
		at += d.vary(d.every)
	}
	return recorded(t, b.String())
}

// Devices that back off as they should pass, and those with another factor, too much
// jitter or none do not, whatever the noise.
func TestBackoffOfDevices(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		d := &device{r: r, first: 0.8 + 3*r.Float64(), factor: 1.5 + 1.5*r.Float64(), jitter: 0.25 * r.Float64()}
		limit := ""
		if r.IntN(2) == 0 {
			d.cap = d.first * 8
			limit = fmt.Sprintf(", max_s: %g", d.cap)
		}
		n := 4 + r.IntN(5)
		entries := d.outage(t, n)
		for _, c := range []struct {
			what, retries string
			ok            bool
		}{
			{"its own values", fmt.Sprintf("count: %d, factor: %g, jitter: %g", n, d.factor, d.jitter+0.01), true},
			{"a range", "factor: {min: 1.4, max: 3.1}, jitter: 0.26", true},
			{"one retry less", fmt.Sprintf("count: %d", n-1), false},
			{"a larger factor", fmt.Sprintf("factor: %g, jitter: %g", d.factor*2.5, d.jitter+0.01), false},
			{"no growth", fmt.Sprintf("factor: 1, jitter: %g", d.jitter/3+0.01), false},
			{"more jitter", fmt.Sprintf("factor: %g, jitter: {min: %g}", d.factor, d.jitter+0.12), false},
			{"the first wait", fmt.Sprintf("first_s: %g, jitter: %g", d.first, d.jitter+0.01), true},
			{"another first wait", fmt.Sprintf("first_s: %g, jitter: %g", d.first*2, min(d.jitter+0.01, 0.3)), false},
		} {
			want(t, fmt.Sprintf("seed %d, %+v: %s", seed, *d, c.what), "{retries: {"+c.retries+limit+"}}", entries, c.ok)
		}
	}
}

// want checks whether an expectation is met.
func want(t *testing.T, name, expectation string, entries []*capture.Entry, ok bool) {
	t.Helper()
	list, err := Read("checks.yaml", []byte(expectation))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	r, err := list.Check(entries, nil)
	if err != nil || r.OK != ok {
		t.Errorf("%s: %s: got ok %v, error %v\n%s", name, expectation, r.OK, err, r.Text())
	}
}

func TestPollsOfDevices(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 2))
		d := &device{r: r, every: 5 + 60*r.Float64(), jitter: 0.1 * r.Float64()}
		entries := d.polls(t, 3+r.IntN(20))
		for _, c := range []struct {
			every, tolerance float64
			ok               bool
		}{{d.every, d.jitter + 0.001, true}, {d.every * 1.4, 0.1, false}, {d.every * 0.6, 0.1, false}} {
			want(t, fmt.Sprintf("seed %d, %+v", seed, *d),
				fmt.Sprintf("{request: GET /poll, interval: {every_s: %g, tolerance: %g}}", c.every, c.tolerance), entries, c.ok)
		}
	}
}
