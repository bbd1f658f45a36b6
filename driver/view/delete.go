package view

import (
	"context"
	"iter"

	"starproxy/driver/rpc"
)

// deleted is the answer of delete_captures and restore_captures.
type deleted struct {
	Count int `json:"count"`
}

// deleteCaptures hides exchanges, see [capture.Journal.Delete], and tells those who watch.
func (s *Service) deleteCaptures(_ context.Context, seqs string) (*deleted, error) {
	return s.change("delete_captures", seqs, false, s.Journal.Delete)
}

func (s *Service) restoreCaptures(_ context.Context, seqs string) (*deleted, error) {
	return s.change("restore_captures", seqs, true, s.Journal.Restore)
}

// change does something with the exchanges that have the numbers, and tells those who watch
// that they have gone or are back.
func (s *Service) change(method, seqs string, back bool, do func(iter.Seq[uint64]) int) (*deleted, error) {
	numbers, err := ParseNumbers(seqs)
	if err != nil {
		return nil, rpc.Refuse(rpc.InvalidArgument, "%s: argument seqs: %v", method, err)
	}
	n := do(numbers.Within(s.Journal.Stats().First, s.Journal.Last()))
	s.removals.Add(removal{numbers, back})
	return &deleted{n}, nil
}

// removal are exchanges that were deleted, or that are back.
type removal struct {
	numbers Numbers
	back    bool
}

// maxRemovals bounds how many removals a slow reader can be behind.
const maxRemovals = 1000

// removed yields the news of removals from the number of one on.
func (s *Service) removed(ctx context.Context, from uint64) iter.Seq[news] {
	return func(yield func(news) bool) {
		for r := range s.removals.Follow(ctx, from) {
			if !r.back {
				if !yield(news{gone: r.numbers, update: true}) {
					return
				}
				continue
			}
			for n := range s.updates(r.numbers.Within(s.Journal.Stats().First, s.Journal.Last())) {
				if !yield(n) {
					return
				}
			}
		}
	}
}
