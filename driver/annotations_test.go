package driver

import "testing"

// The oldest annotations are forgotten. An exchange that was annotated again
// keeps its newest annotation until that one is the oldest.
func TestAnnotationsAreBounded(t *testing.T) {
	t.Parallel()
	a := newAnnotations()
	a.set(1, "red", "first")
	for seq := uint64(2); seq <= maxAnnotations; seq++ {
		a.set(seq, "blue", "")
	}
	a.set(1, "red", "second") // forgets the first change
	a.set(maxAnnotations+1, "blue", "")
	for _, tt := range []struct {
		seq  uint64
		want annotation
	}{
		{1, annotation{mark: "red", comment: "second"}},
		{2, annotation{}},
		{3, annotation{mark: "blue"}},
		{maxAnnotations + 1, annotation{mark: "blue"}},
	} {
		if mark, comment := a.Mark(tt.seq); mark != tt.want.mark || comment != tt.want.comment {
			t.Errorf("exchange %d: mark %q, comment %q, want %q, %q", tt.seq, mark, comment, tt.want.mark, tt.want.comment)
		}
	}
}
