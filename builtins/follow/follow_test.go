package follow

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
)

func TestSignal(t *testing.T) {
	t.Parallel()
	var s Signal
	s.Notify() // nobody waits
	first, second := s.Changed(), s.Changed()
	select {
	case <-first:
		t.Fatal("the channel is closed before Notify")
	default:
	}
	s.Notify()
	<-first
	<-second
	select {
	case <-s.Changed():
		t.Error("the channel for the next change is closed by the last one")
	default:
	}
}

func TestLogKeepsTheNewest(t *testing.T) {
	t.Parallel()
	l := NewLog[string](2)
	for i, tt := range []struct {
		add, forgotten string
		full           bool
	}{
		{"a", "", false},
		{"b", "", false},
		{"c", "a", true},
		{"d", "b", true},
	} {
		number, forgotten, full := l.Add(tt.add)
		if number != uint64(i) || forgotten != tt.forgotten || full != tt.full {
			t.Errorf("Add(%q): %d %q %v, want %d %q %v", tt.add, number, forgotten, full, i, tt.forgotten, tt.full)
		}
	}
	for _, tt := range []struct {
		from uint64
		want []string
	}{
		{0, []string{"c", "d"}},
		{2, []string{"c", "d"}},
		{3, []string{"d"}},
		{4, nil},
		{9, nil},
	} {
		if got, next := l.Since(tt.from); !slices.Equal(got, tt.want) || next != 4 {
			t.Errorf("Since(%d): %q, next %d, want %q, next 4", tt.from, got, next, tt.want)
		}
	}
	if next := l.Next(); next != 4 {
		t.Errorf("Next: %d, want 4", next)
	}
}

// A reader gets the values that are kept, and then those that come.
func TestLogFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLog[int](2)
		for v := range 3 {
			l.Add(v)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var got []int
		go func() {
			for v := range l.Follow(ctx, 0) {
				got = append(got, v)
			}
			got = append(got, -1)
		}()
		for v := 3; v < 5; v++ {
			synctest.Wait()
			l.Add(v)
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if want := []int{1, 2, 3, 4, -1}; !slices.Equal(got, want) {
			t.Errorf("followed %v, want %v", got, want)
		}
	})
}

// A reader that breaks off gets no more values.
func TestLogFollowBreak(t *testing.T) {
	t.Parallel()
	l := NewLog[int](2)
	l.Add(1)
	l.Add(2)
	for v := range l.Follow(t.Context(), 1) {
		if v != 2 {
			t.Errorf("followed %d, want 2", v)
		}
		break
	}
}
