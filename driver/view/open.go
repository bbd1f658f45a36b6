package view

import (
	"context"
	"iter"
	"math"
	"net/http"
	"time"

	"starproxy/driver/capture"
	"starproxy/driver/rpc"
)

// maxOpenBody is how much of a body is shown, and filtered, while its exchange is in
// flight, in bytes.
const maxOpenBody = 1 << 20

// The paces of watch_captures with exchanges in flight. They are looked at when one begins
// or ends, but not more often than openPace, and while there are some every openLook, for
// the bytes that pass.
const (
	openPace = 100 * time.Millisecond
	openLook = time.Second
)

// isOpen reports whether an exchange has not ended.
func (s *Service) isOpen(e *capture.Entry) bool {
	if e.Seq == 0 {
		return e.Open
	}
	if e.Status != http.StatusSwitchingProtocols && e.Kind != capture.TCP {
		return e.Open
	}
	_, over := s.Sockets.Over(e.Seq)
	return !over
}

// live returns the exchange in flight with a number, with its bodies so far. One that has
// ended is returned as it was captured, if that was not long ago.
func (s *Service) live(number uint64) *capture.Entry {
	if o := s.Journal.Flights().Get(number); o != nil {
		s.bodies(o)
		return o.Entry
	}
	looked := 0
	for e := range s.Journal.Backward(nil) {
		if e.Live == number {
			return e
		}
		if looked++; looked == maxRows {
			break
		}
	}
	return nil
}

// bodies fills in the bodies of an exchange in flight as far as they are shown. One of a
// socket has none.
func (s *Service) bodies(o *capture.Open) {
	if o.Seq != 0 {
		return
	}
	o.Bodies(maxOpenBody)
	for _, b := range []*capture.Blob{&o.RequestBody, &o.ResponseBody} {
		if b.Truncated && b.Path == "" {
			b.Lost = "the exchange is in flight, and this is the beginning of the body"
		}
	}
}

// openRow returns the row of an exchange in flight. ok is false if the filter does not
// show it.
func (v *viewer) openRow(o *capture.Open) (r Row, ok bool) {
	if v.filter != nil || v.highlight != nil {
		v.bodies(o)
	}
	if !v.isOpen(o.Entry) || !v.shows(o.Entry) {
		return r, false
	}
	r = v.row(o.Entry)
	r.Open, r.State, r.Received = true, o.State.String(), o.RequestBody.Size
	r.Duration = float64(time.Since(o.Start).Microseconds()) / 1000
	if !o.Sending && o.Seq == 0 {
		r.Outcome, r.Origin = "", ""
	}
	return r, true
}

// openRows returns the rows of all exchanges in flight.
func (v *viewer) openRows() []Row {
	rows := []Row{}
	for _, o := range v.Journal.Flights().List() {
		if r, ok := v.openRow(o); ok {
			rows = append(rows, r)
		}
	}
	return rows
}

// open yields the exchanges in flight when one of them begins or ends, and from time to
// time while there are some. When the last one has ended, it yields twice that there is
// none, see [liveView].
func (s *Service) open(ctx context.Context) iter.Seq[news] {
	return func(yield func(news) bool) {
		table := s.Journal.Flights()
		for none := 2; ; {
			changed := table.Changed()
			list := table.List()
			if none++; len(list) > 0 {
				none = 0
			}
			if none < 3 && !yield(news{open: list, live: true}) {
				return
			}
			limit := openLook
			if none < 2 && !pause(ctx, openPace, nil) {
				return
			}
			if none >= 2 {
				limit = math.MaxInt64
			}
			if none != 1 && !pause(ctx, limit, changed) {
				return
			}
		}
	}
}

// pause waits for a time, or until changed is closed. It reports false when ctx has ended.
func pause(ctx context.Context, d time.Duration, changed <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	case <-ctx.Done():
		return false
	}
	return true
}

// liveView tells one reader of watch_captures what is new of the exchanges in flight.
type liveView struct {
	*viewer
	told map[uint64]told
}

// told is what the reader knows of an exchange in flight.
type told struct {
	seq            uint64
	state          capture.State
	sending        bool
	received, sent int64
	left           bool // it was not in flight at the last look
}

// openNews is an item of watch_captures: the rows of exchanges in flight that are new or
// have changed, and the numbers of those that have ended without an entry that the filter
// shows. The row of an entry whose exchange was in flight has its number, too.
type openNews struct {
	Kind string   `json:"kind"` // open
	Rows []Row    `json:"rows"`
	Gone []uint64 `json:"gone,omitempty"`
}

// news returns what watch_captures yields for news, nil for nothing. The viewer by makes the
// rows of entries.
func (v *liveView) news(by *viewer, n news) any {
	if n.live {
		return v.item(n.open)
	}
	item := by.item(n)
	if n.entry != nil && item != nil {
		delete(v.told, n.entry.Live)
	}
	return item
}

// item returns what is new, nil for nothing. An exchange that has ended is told a look
// later, because its entry replaces it, and comes a moment later.
func (v *liveView) item(list []*capture.Open) any {
	n := openNews{Kind: "open", Rows: []Row{}}
	there := make(map[uint64]bool, len(list))
	for _, o := range list {
		before, known := v.told[o.Live]
		now := told{o.Seq, o.State, o.Sending, o.RequestBody.Size, o.ResponseBody.Size, false}
		if there[o.Live] = true; known && before == now {
			continue
		}
		if r, ok := v.openRow(o); ok {
			n.Rows = append(n.Rows, r)
			v.told[o.Live] = now
		} else {
			delete(there, o.Live)
		}
	}
	for live, t := range v.told {
		switch {
		case there[live]:
		case t.seq == 0 && !t.left:
			t.left = true
			v.told[live] = t
		default:
			delete(v.told, live)
			if e, ok := v.Journal.Get(t.seq); ok && v.shows(e) {
				r := v.row(e)
				r.Update = true
				n.Rows = append(n.Rows, r)
			} else {
				n.Gone = append(n.Gone, live)
			}
		}
	}
	if len(n.Rows)+len(n.Gone) == 0 {
		return nil
	}
	return n
}

// cut resets the connections of an exchange in flight.
func (s *Service) cut(_ context.Context, live int) (string, error) {
	flights := s.Journal.Flights()
	if live > 0 {
		if o := flights.Get(uint64(live)); o != nil && flights.Cut(uint64(live)) {
			return "Cut off: " + o.Method + " " + o.URL(), nil
		}
	}
	var numbers []uint64
	for _, o := range flights.List() {
		numbers = append(numbers, o.Live)
	}
	return "", rpc.Refuse(rpc.NotFound, "cut_exchange: no exchange %d is in flight; in flight now: %s", live, rpc.SomeOf(numbers))
}
