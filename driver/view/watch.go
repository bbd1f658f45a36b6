package view

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"starproxy/builtins/follow"
	"starproxy/driver/capture"
	"starproxy/driver/rpc"
)

// cursor says which news of captured exchanges somebody has seen.
type cursor struct {
	mark   uint64 // number of the next change of a mark
	socket uint64 // number of the last entry of the sockets
	gone   uint64 // number of the next removal
}

// cursor returns where news begin now.
func (s *Service) cursor() cursor {
	return cursor{s.marks.changes.Next(), s.Sockets.Last(), s.removals.Next()}
}

func (c cursor) String() string { return fmt.Sprintf("%d.%d.%d", c.mark, c.socket, c.gone) }

// parseCursor reads what String wrote.
func parseCursor(text string) (c cursor, ok bool) {
	_, err := fmt.Sscanf(text, "%d.%d.%d", &c.mark, &c.socket, &c.gone)
	return c, err == nil && c.String() == text
}

// news is a new exchange, a change of an older one, or a gap.
type news struct {
	entry  *capture.Entry // nil for a gap
	update bool           // the entry was captured before
	missed uint64         // how many entries the gap has
	gone   Numbers        // exchanges that were deleted
	live   bool           // it is about the exchanges in flight, which open has
	open   []*capture.Open
}

// watch streams the rows of exchanges after a number, and those of older exchanges
// when their mark changes, their socket ends, or they are deleted or restored. It begins at the cursor since; an
// empty one means now.
func (s *Service) watch(ctx context.Context, filter, highlight string, after int, since string, live bool) (iter.Seq2[any, error], error) {
	from := s.cursor()
	if since != "" {
		var ok bool
		if from, ok = parseCursor(since); !ok {
			return nil, rpc.Refuse(rpc.InvalidArgument, "watch_captures: argument since: got %q, want what list_captures gave", since)
		}
	}
	fresh, err := s.viewer(ctx, "watch_captures", filter, highlight, s.Journal.Last())
	if err != nil {
		return nil, err
	}
	// Updates come at any time. Messages that were sorted at an earlier update would
	// lack those since.
	updated, err := s.viewer(ctx, "watch_captures", filter, highlight, 0)
	if err != nil {
		return nil, err
	}
	captured := func(ctx context.Context) iter.Seq[news] { return s.captured(ctx, uint64(max(after, 0))) }
	ended := func(ctx context.Context) iter.Seq[news] { return s.updates(s.ended(ctx, from.socket)) }
	marked := func(ctx context.Context) iter.Seq[news] { return s.updates(s.marks.changes.Follow(ctx, from.mark)) }
	removed := func(ctx context.Context) iter.Seq[news] { return s.removed(ctx, from.gone) }
	sources := []func(context.Context) iter.Seq[news]{captured, ended, marked, removed}
	if live {
		sources = append(sources, s.open)
	}
	return func(yield func(any, error) bool) {
		open := &liveView{updated, map[uint64]told{}}
		for n := range follow.Merge(ctx, sources...) {
			v := fresh
			if n.update {
				v = updated
			}
			if item := open.news(v, n); item != nil && !yield(item, nil) {
				return
			}
		}
	}, nil
}

// item returns what watch_captures yields for news, nil for nothing.
func (v *viewer) item(n news) any {
	switch {
	case n.gone != nil:
		return map[string]any{"kind": "gone", "seqs": n.gone, "update": true}
	case n.entry == nil:
		return map[string]any{"kind": "missed", "missed": n.missed}
	case v.shows(n.entry):
		r := v.row(n.entry)
		r.Update = n.update
		return r
	case n.update:
		return map[string]any{"kind": "gone", "seq": n.entry.Seq, "update": true}
	}
	return nil
}

// captured yields the entries of the journal after a number.
func (s *Service) captured(ctx context.Context, after uint64) iter.Seq[news] {
	return func(yield func(news) bool) {
		for e, err := range s.Journal.Follow(ctx, nil, after) {
			n := news{entry: e}
			var gap *capture.MissedError
			switch {
			case errors.As(err, &gap):
				n.missed = gap.Entries
			case err != nil:
				return
			}
			if !yield(n) {
				return
			}
		}
	}
}

// updates yields the exchanges with these numbers that the journal still holds.
func (s *Service) updates(seqs iter.Seq[uint64]) iter.Seq[news] {
	return func(yield func(news) bool) {
		for seq := range seqs {
			if e, ok := s.Journal.Get(seq); ok && !yield(news{entry: e, update: true}) {
				return
			}
		}
	}
}

// ended yields the numbers of the handshakes whose sockets end, from the entry of
// the sockets after a number on.
func (s *Service) ended(ctx context.Context, after uint64) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		ends := func(e *capture.Entry) bool { return e.Kind == capture.SocketEnd }
		for e, err := range s.Sockets.Follow(ctx, ends, after) {
			if err == nil && !yield(e.Socket) {
				return
			}
		}
	}
}
