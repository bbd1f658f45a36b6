package driver

import (
	"strings"
	"testing"
)

// TestLargeJSON checks that JSON which would take many times its own size is
// refused before it is decoded, by each method that takes JSON.
func TestLargeJSON(t *testing.T) {
	b := newBench(t, nil)
	for name, c := range map[string]struct{ text, want string }{
		"many maps":  {"[" + strings.Repeat("{},", 1<<20) + "1]", "would take about"},
		"many lists": {"[" + strings.Repeat("[],", 2<<20) + "1]", "would take about"},
		"long":       {`"` + strings.Repeat("x", 48<<20) + `"`, "the text has"},
		"deep":       {strings.Repeat("[", 100_000), "nested deeper than 1000 levels"},
	} {
		if got := b.call("set_state", "k", c.text); !strings.HasPrefix(got, "Invalid JSON: ") || !strings.Contains(got, c.want) {
			t.Errorf("set_state, %s: %.200s", name, got)
		}
		if got := b.call("set_mock", "GET", "/x", 200, c.text); !strings.HasPrefix(got, "Invalid body JSON: ") || !strings.Contains(got, c.want) {
			t.Errorf("set_mock, %s: %.200s", name, got)
		}
		if got := b.call("set_mock_sequence", "GET", "/x", c.text); !strings.Contains(got, c.want) {
			t.Errorf("set_mock_sequence, %s: %.200s", name, got)
		}
		if got := b.call("set_mock_patch", "GET", "/x", c.text); !strings.Contains(got, "Invalid JSON") {
			t.Errorf("set_mock_patch, %s: %.200s", name, got)
		}
	}
	b.want("State set: k", "set_state", "k", `{"a": [1, {"b": null}]}`)
	if got := b.call("get_state", "k"); got != `{"a": [1, {"b": null}]}` && got != `{"a":[1,{"b":null}]}` {
		t.Error(got)
	}
}
