package state_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/builtins/state"
)

// TestCopy checks that a copy is on its own, and that it tells how it differs.
func TestCopy(t *testing.T) {
	t.Parallel()
	s := state.New()
	s.Tell(func(c state.Change) {
		if c.Key == "new" {
			t.Errorf("the copy tells the change of %s", c.Key)
		}
	})
	for key, v := range map[string]any{"same": "x", "again": int64(1), "changed": int64(1), "removed": true} {
		if err := s.Set(key, v); err != nil {
			t.Fatal(err)
		}
	}
	c := s.Copy()
	if got := s.Differences(c); got != nil {
		t.Errorf("a fresh copy differs: %v", got)
	}
	c.Set("again", int64(1))
	c.Set("changed", int64(2))
	c.Set("new", nil)
	c.Delete("removed")
	want := []state.Difference{
		{Key: "changed", Before: int64(1), After: int64(2), Had: true, Has: true},
		{Key: "new", Has: true},
		{Key: "removed", Before: true, Had: true},
	}
	if d := cmp.Diff(want, s.Differences(c)); d != "" {
		t.Error(d)
	}
	if v, _ := s.Get("changed"); v != int64(1) {
		t.Errorf("the store has the value %v of its copy", v)
	}
}
