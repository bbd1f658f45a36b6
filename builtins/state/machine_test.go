package state

import (
	"strconv"
	"sync"
	"testing"
)

func TestMachine(t *testing.T) {
	t.Parallel()
	s := New()
	m := s.Machine("login")
	expect := func(want string) {
		t.Helper()
		if got := m.Now(); got != want {
			t.Errorf("the state is %q, want %q", got, want)
		}
	}
	expect(Started)
	if _, ok := s.Get("scenario.login"); ok {
		t.Error("looking has written")
	}
	for _, c := range []struct {
		from     []string
		to, left string
		moved    bool
	}{
		{[]string{"locked"}, "x", Started, false},
		{[]string{"locked", Started}, "in", Started, true},
		{nil, "locked", "in", true},
		{[]string{"locked"}, "locked", "locked", true},
	} {
		if left, moved, err := m.Move(c.from, c.to); left != c.left || moved != c.moved || err != nil {
			t.Errorf("%v to %s: left %s, moved %v, %v", c.from, c.to, left, moved, err)
		}
	}
	expect("locked")
	s.Set("scenario.login", 3)
	expect("3")
	s.Set("scenario.login", nil)
	expect(Started)
	if !m.Reset() || m.Reset() {
		t.Error("Reset does not tell whether it was moved")
	}
	s.Set("other", 1)
	s.Machine("a").Move(nil, "b")
	m.Move(nil, "c")
	if n := s.ResetMachines(); n != 2 || len(s.Keys()) != 1 {
		t.Errorf("%d were reset; left %v", n, s.Keys())
	}
}

// TestMachineOnce checks that of many moves at once from one state a single one
// is made.
func TestMachineOnce(t *testing.T) {
	t.Parallel()
	m := New().Machine("m")
	moved := make([]bool, 50)
	var all sync.WaitGroup
	for i := range moved {
		all.Go(func() { _, moved[i], _ = m.Move([]string{Started}, strconv.Itoa(i)) })
	}
	all.Wait()
	n := 0
	for i, ok := range moved {
		if ok {
			n++
			if m.Now() != strconv.Itoa(i) {
				t.Errorf("the state is %s, want %d", m.Now(), i)
			}
		}
	}
	if n != 1 {
		t.Errorf("%d moves were made, want 1", n)
	}
}
