package pattern

import (
	"strings"
	"testing"
)

// TestPatternsAreBounded checks that expressions are refused before they are
// compiled, and that those kept take a bounded space.
func TestPatternsAreBounded(t *testing.T) {
	t.Parallel()
	var m Memory
	for name, expr := range map[string]string{
		"long":   strings.Repeat("a", maxLength+1),
		"large":  strings.Repeat("(.{900})", 100),
		"nested": strings.Repeat("(", 2000) + strings.Repeat(")", 2000),
	} {
		if _, err := m.Compile(expr); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
	for i := range 200 {
		if _, err := m.Compile(strings.Repeat("(x{900})", 1+i%9) + string(rune('a'+i%20))); err != nil {
			t.Fatal(err)
		}
		if m.total > maxRemembered || len(m.kept) > maxPatterns {
			t.Fatalf("%d patterns of %d instructions are kept", len(m.kept), m.total)
		}
	}
}
