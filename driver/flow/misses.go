package flow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// maxNear is how many recordings the answer to an unmatched request names.
const maxNear = 5

// near is a recording that resembles a request.
type near struct {
	Recording string   `json:"recording"`
	Source    string   `json:"source"`
	Why       []string `json:"why"`
}

// Reject answers with 501. The body names the nearest recordings and their differences.
func (r *Replay) Reject(x *exchange.Exchange, s *subject) (*exchange.Response, error) {
	return exchange.Reject(x.Request, notRecorded, r.misses(s)), nil
}

const notRecorded = "nothing was recorded for this request"

// passed lets the configured handler answer a request that was not recorded. When the real
// server was asked and failed, the answer names the nearest recordings.
func (r *Replay) passed(ctx context.Context, x *exchange.Exchange, s *subject) (*exchange.Response, error) {
	res, err := r.o.Missed.Respond(ctx, x)
	var up *exchange.UpstreamError
	if !errors.As(err, &up) {
		return res, err
	}
	var nearest []string
	for _, n := range r.misses(s) {
		nearest = append(nearest, n.Recording+" ("+strings.Join(n.Why, ", ")+")")
	}
	return res, exchange.Unanswered(err, notRecorded, nearest)
}

// misses returns the text about the nearest recordings.
func (r *Replay) misses(s *subject) (list []near) {
	for _, at := range r.nearest(s) {
		f, err := r.file.FlowAt(r.items[at].off)
		if err != nil {
			continue
		}
		q := exchange.Request{Scheme: f.Request.Scheme, Host: f.Request.Host, Port: f.Request.Port, Target: f.Request.Path}
		list = append(list, near{f.Request.Method + " " + q.URL(), r.name + ":" + strconv.Itoa(at+1), r.differences(s, f)})
	}
	return list
}

// nearest returns the items that differ least. A different path counts most.
func (r *Replay) nearest(s *subject) []int {
	type scored struct{ at, score int }
	want := r.o.parts(&subject{scheme: s.scheme, method: s.method, host: s.host, port: s.port, target: s.target, span: s.span})
	var best []scored
	seen := map[string]bool{}
	for i := range r.items {
		it := r.items[i].s
		score := 0
		for n, p := range r.o.parts(&it) {
			if p.value == want[n].value {
				continue
			}
			switch p.name {
			case partPath:
				score += 100 - shared(p.value, want[n].value)
			case partMethod:
				score += 8
			case partHost:
				score += 4
			default:
				score++
			}
		}
		if len(best) == maxNear && score >= best[maxNear-1].score {
			continue
		}
		// A request that was recorded a thousand times counts once.
		id := it.method + " " + it.scheme + it.host + itoa(it.port) + it.target
		if seen[id] {
			continue
		}
		seen[id] = true
		n, _ := slices.BinarySearchFunc(best, score+1, func(b scored, t int) int { return cmp.Compare(b.score, t) })
		best = slices.Insert(best, n, scored{i, score})
		best = best[:min(len(best), maxNear)]
	}
	list := make([]int, len(best))
	for i, b := range best {
		list[i] = b.at
	}
	return list
}

// shared returns how much two paths have in common, from 0 to 90.
func shared(a, b string) int {
	n, m := common(a, b), 0
	for m < len(a)-n && m < len(b)-n && a[len(a)-1-m] == b[len(b)-1-m] {
		m++
	}
	return 90 * (n + m) / max(len(a), len(b), 1)
}

// common returns the length of the common prefix of two strings.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// differences describes how a request differs from a recording.
func (r *Replay) differences(s *subject, f *Flow) []string {
	then := subjectOf(f)
	was := r.o.parts(&then)
	var why []string
	for i, p := range r.o.parts(s) {
		if p.value != was[i].value {
			why = append(why, fmt.Sprintf("%s is %s, recorded was %s", p.name, shown(p.value), shown(was[i].value)))
		}
	}
	if r.o.IgnoreBody {
		return why
	}
	now := *s
	now.fields = then.fields
	a, errA := r.o.bodySum(&now)
	b, errB := r.o.bodySum(&then)
	if errA == nil && errB == nil && a != b {
		why = append(why, bodyDiffers(s, &then))
	}
	if len(why) == 0 {
		why = []string{"it is the same"}
	}
	return why
}

// shown returns a value for a message.
func shown(v string) string {
	if v == "\x00" {
		return "absent"
	}
	return excerpt.Quote(v)
}

// bodyDiffers describes where two bodies differ.
func bodyDiffers(now, then *subject) string {
	if then.missing {
		return "the body of the recording was not stored"
	}
	a, b := start(now), start(then)
	n := common(a, b)
	from := max(n-20, 0)
	return fmt.Sprintf("body differs from byte %d on: %s, recorded was %s", n, shown(a[from:min(n+40, len(a))]),
		shown(b[from:min(n+40, len(b))]))
}

// start returns the beginning of a body.
func start(s *subject) string {
	r, err := s.body()
	if err != nil {
		return ""
	}
	defer r.Close()
	buf := make([]byte, 64<<10)
	n, _ := io.ReadFull(r, buf)
	return string(buf[:n])
}
