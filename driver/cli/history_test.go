package cli

import (
	"fmt"
	"testing"
)

// Lines come back in the next session, the latest first.
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
	got := ""
	for i := range h.Len() {
		got += h.At(i)
	}
	if got != "cba" {
		t.Errorf("brought back %q, want cba", got)
	}
	for i := range 3 * maxHistory {
		h.Add(fmt.Sprint(i))
	}
	h.Close()
	for range 2 { // the second time the file is short
		h = openHistory(sys)
		if h.Len() != maxHistory || h.At(0) != fmt.Sprint(3*maxHistory-1) {
			t.Errorf("brought back %d lines, the latest %q", h.Len(), h.At(0))
		}
		h.Close()
	}
	if h := openHistory(&System{Getenv: func(string) string { return "" }}); h.Len() != 0 {
		t.Error("without a home there are lines")
	} else {
		h.Add("x")
		h.Close()
	}
}
