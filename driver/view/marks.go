package view

import (
	"context"
	"slices"
	"strings"
	"sync"

	"starproxy/builtins/follow"
	"starproxy/driver/rpc"
)

// maxMarks bounds how many exchanges have a mark or a comment; the oldest go.
const maxMarks = 10_000

// maxComment bounds the length of a comment, in bytes.
const maxComment = 10_000

// marks are the marks and comments that people gave captured exchanges.
type marks struct {
	mu      sync.Mutex
	bySeq   map[uint64]mark
	changes *follow.Log[uint64] // numbers of the exchanges whose mark or comment changed
}

// mark is the mark and the comment of one exchange.
type mark struct {
	colour, comment string
	change          uint64 // number of the change that made it
}

func newMarks() *marks {
	return &marks{bySeq: map[uint64]mark{}, changes: follow.NewLog[uint64](maxMarks)}
}

// Mark returns the mark and the comment of an exchange, empty for none.
func (m *marks) Mark(seq uint64) (colour, comment string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.bySeq[seq]
	return n.colour, n.comment
}

func (m *marks) set(seq uint64, colour, comment string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change, oldest, full := m.changes.Add(seq)
	if full && m.bySeq[oldest].change == change-maxMarks {
		delete(m.bySeq, oldest)
	}
	if colour == "" && comment == "" {
		delete(m.bySeq, seq)
	} else {
		m.bySeq[seq] = mark{colour, comment, change}
	}
}

// colour is the colour of a mark, and mitmproxy's name for such a mark.
type colour struct{ name, emoji string }

func colours() []colour {
	return []colour{
		{"red", ":red_circle:"}, {"orange", ":orange_circle:"}, {"yellow", ":yellow_circle:"}, {"green", ":green_circle:"},
		{"blue", ":large_blue_circle:"}, {"purple", ":purple_circle:"}, {"grey", ":white_circle:"},
	}
}

// Mark returns the mark of a captured exchange as flow files have it, and its
// comment; both are empty when there is none.
func (s *Service) Mark(seq uint64) (emoji, comment string) {
	name, comment := s.marks.Mark(seq)
	for _, c := range colours() {
		if c.name == name {
			emoji = c.emoji
		}
	}
	return emoji, comment
}

func (s *Service) annotate(_ context.Context, seq int, colour, comment string) (string, error) {
	if seq < 0 {
		return "", rpc.Refuse(rpc.FailedPrecondition,
			"annotate_capture: exchange %d is in flight: it can have a mark when it has ended", -seq)
	}
	if _, err := s.Entry("annotate_capture", seq); err != nil {
		return "", err
	}
	var names []string
	for _, c := range colours() {
		names = append(names, c.name)
	}
	if colour != "" && !slices.Contains(names, colour) {
		return "", rpc.Refuse(rpc.InvalidArgument, "annotate_capture: argument mark: got %q, want one of %s", colour,
			strings.Join(names, ", "))
	}
	if len(comment) > maxComment {
		return "", rpc.Refuse(rpc.InvalidArgument, "annotate_capture: argument comment: got %d bytes, want at most %d", len(comment),
			maxComment)
	}
	s.marks.set(uint64(seq), colour, comment)
	return "Annotated", nil
}
