package exchange

import (
	"strings"
	"testing"
)

// A close frame takes 125 bytes with its code, and its reason is UTF-8.
func TestCloseReason(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 119)
	for in, want := range map[string]string{"": "", "gone": "gone", long + "yz": long + "y", long + "ö": long, "a\xffb": "ab"} {
		if got := CloseReason(in); got != want {
			t.Errorf("CloseReason(%q): got %q, want %q", in, got, want)
		}
	}
}
