package call

import (
	"strings"
	"testing"
)

// TestCountersAreBounded checks that clients who choose names fill no memory.
func TestCountersAreBounded(t *testing.T) {
	t.Parallel()
	e := NewEnv()
	if _, err := e.Count(strings.Repeat("x", maxCounterName+1)); err == nil {
		t.Error("a long name is taken")
	}
	for i := range maxCounters {
		if _, err := e.Count(strings.Repeat("x", i%1000) + "-" + string(rune('a'+i/1000))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Count("one more"); err == nil {
		t.Error("one more is taken")
	}
	if n, err := e.Count("-a"); n != 2 || err != nil {
		t.Errorf("a counter that is there gives %d, %v", n, err)
	}
}
