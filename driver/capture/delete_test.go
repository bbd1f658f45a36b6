package capture

import (
	"slices"
	"testing"
)

func seqsOf(all []*Entry) (list []uint64) {
	for _, e := range all {
		list = append(list, e.Seq)
	}
	return list
}

// No reader finds deleted entries until they are restored.
func TestDelete(t *testing.T) {
	t.Parallel()
	j := New(Options{})
	defer j.Close()
	for range 5 {
		j.Add(&Entry{Kind: HTTP, Method: "GET"})
	}
	check := func(when string, want ...uint64) {
		t.Helper()
		if got := seqsOf(j.Entries(nil)); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", when, got, want)
		}
		var back []uint64
		for e := range j.Backward(nil) {
			back = append(back, e.Seq)
		}
		if slices.Reverse(back); !slices.Equal(back, want) {
			t.Errorf("%s: backward: got %v, want %v", when, back, want)
		}
		if got := j.Stats().Entries; got != len(want) {
			t.Errorf("%s: got %d entries, want %d", when, got, len(want))
		}
	}
	changed := j.Changed()
	if n := j.Delete(slices.Values([]uint64{2, 5, 2, 9})); n != 2 {
		t.Errorf("got %d deleted, want 2", n)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody is told that entries were deleted")
	}
	check("after deleting", 1, 3, 4)
	if _, ok := j.Get(5); ok {
		t.Error("got a deleted entry")
	}
	j.Add(&Entry{Kind: HTTP, Method: "GET"})
	check("after one more", 1, 3, 4, 6)
	if n := j.Restore(slices.Values([]uint64{1, 2, 9})); n != 1 {
		t.Errorf("got %d restored, want 1", n)
	}
	check("after restoring", 1, 2, 3, 4, 6)
	if n := j.Clear(); n != 5 {
		t.Errorf("got %d cleared, want 5", n)
	}
	check("after clearing")
	if n := j.Restore(slices.Values([]uint64{5})); n != 0 {
		t.Errorf("got %d restored of a journal that was cleared", n)
	}
}

// An entry that leaves the journal is forgotten as a deleted one, too.
func TestDeletedEntriesLeave(t *testing.T) {
	t.Parallel()
	j := New(Options{MaxBytes: 64 << 10})
	defer j.Close()
	for n := range 2000 {
		seq := j.Add(&Entry{Kind: HTTP, Method: "GET", Target: "/a/path/of/some/length"})
		if n%2 == 0 {
			j.Delete(slices.Values([]uint64{seq}))
		}
	}
	stats := j.Stats()
	if got := len(j.Entries(nil)); got != stats.Entries || got == 0 {
		t.Errorf("got %d entries, want the %d of the statistics", got, stats.Entries)
	}
	if kept := stats.Total - stats.First + 1; uint64(len(j.hidden)) > kept {
		t.Errorf("%d deleted entries are remembered, of %d that are kept", len(j.hidden), kept)
	}
}
