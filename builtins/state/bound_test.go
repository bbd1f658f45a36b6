package state_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"starproxy/builtins/state"
)

// TestBounds checks that a store takes a bounded space, whoever fills it.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := state.New()
	if err := s.Set(strings.Repeat("k", state.MaxKey+1), 1); err == nil {
		t.Error("a long key is taken")
	}
	large := strings.Repeat("x", 50<<20)
	for i := range 3 {
		err := s.Set(fmt.Sprint(i), large)
		if want := i < 2; (err == nil) != want {
			t.Errorf("value %d of 50 MiB: %v", i, err)
		}
	}
	if _, err := s.Update("2", func(any, bool) (any, error) { return large, nil }); err == nil {
		t.Error("an update goes past the bound")
	}
	if err := s.Set("0", "small"); err != nil {
		t.Errorf("a smaller value: %v", err)
	}
	if err := s.Set("2", large); err != nil {
		t.Errorf("what was freed: %v", err)
	}
	s.Pop("1")
	if err := s.Set("3", large); err != nil {
		t.Errorf("what was removed: %v", err)
	}
	s.Clear()
	for i := range state.MaxKeys {
		if err := s.Set(fmt.Sprint(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Set("one more", nil); err == nil {
		t.Error("one key more is taken")
	}
	if err := s.Set("7", "changed"); err != nil {
		t.Errorf("a key that is there: %v", err)
	}
}

// TestJSONSize compares the estimate with what decoding really takes.
func TestJSONSize(t *testing.T) {
	for _, text := range []string{
		"[" + strings.Repeat("{},", 100000) + "1]",
		"[" + strings.Repeat(`{"a":1},`, 100000) + "1]",
		"[" + strings.Repeat("[],", 100000) + "1]",
		"[" + strings.Repeat("12345.5,", 100000) + "1]",
		`["` + strings.Repeat("{[,", 100000) + `"]`,
		"[" + strings.Repeat(`"abc",`, 100000) + "1]",
	} {
		var before, after runtime.MemStats
		var v any
		runtime.GC()
		runtime.ReadMemStats(&before)
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		got, _ := state.JSONSize(text)
		if real := int(after.HeapAlloc - before.HeapAlloc); got < real/2 {
			t.Errorf("%.12s…: estimated %d bytes, took %d", text, got, real)
		}
		runtime.KeepAlive(v)
	}
	if _, depth := state.JSONSize(`[{"a":["[[[",[1]]}]`); depth != 4 {
		t.Errorf("depth is %d, want 4", depth)
	}
}
