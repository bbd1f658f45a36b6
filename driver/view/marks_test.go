package view

import "testing"

// The oldest marks are forgotten. An exchange that was marked again keeps its
// newest mark until that one is the oldest.
func TestMarksAreBounded(t *testing.T) {
	t.Parallel()
	m := newMarks()
	m.set(1, "red", "first")
	for seq := uint64(2); seq <= maxMarks; seq++ {
		m.set(seq, "blue", "")
	}
	m.set(1, "red", "second") // forgets the first change
	m.set(maxMarks+1, "blue", "")
	for _, tt := range []struct {
		seq  uint64
		want mark
	}{
		{1, mark{colour: "red", comment: "second"}},
		{2, mark{}},
		{3, mark{colour: "blue"}},
		{maxMarks + 1, mark{colour: "blue"}},
	} {
		if colour, comment := m.Mark(tt.seq); colour != tt.want.colour || comment != tt.want.comment {
			t.Errorf("exchange %d: mark %q, comment %q, want %q, %q", tt.seq, colour, comment, tt.want.colour, tt.want.comment)
		}
	}
}
