package cli

import (
	"fmt"
	"strings"
	"testing"
)

// Lines come back in the next session, the oldest first.
func TestHistory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sys := &System{Getenv: func(name string) string {
		if name == "XDG_STATE_HOME" {
			return dir
		}
		return ""
	}}
	h := openHistory(sys)
	for _, line := range []string{"a", "b", "b", "", "  ", "c"} {
		h.Add(line)
	}
	h.Close()
	h = openHistory(sys)
	if got := strings.Join(h.lines, ""); got != "abc" {
		t.Errorf("brought back %q, want abc", got)
	}
	for i := range 3 * maxHistory {
		h.Add(fmt.Sprint(i))
	}
	h.Close()
	for range 2 { // the second time the file is short
		h = openHistory(sys)
		if len(h.lines) != maxHistory || h.lines[maxHistory-1] != fmt.Sprint(3*maxHistory-1) {
			t.Errorf("brought back %d lines, want %d with the latest at their end: %v", len(h.lines), maxHistory, h.lines)
		}
		h.Close()
	}
	if h := openHistory(&System{Getenv: func(string) string { return "" }}); len(h.lines) != 0 {
		t.Error("without a home there are lines")
	} else {
		h.Add("x")
		h.Close()
	}
}
