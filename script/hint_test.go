package script_test

import (
	"slices"
	"strings"
	"testing"

	"starproxy/script"
)

// TestHintAt checks which words are offered at a place, which | marks.
func TestHintAt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		from int
		some string // labels that must be offered
		not  string // a label that must not be
		doc  string // begins so
	}{
		"def f(req):\n    return resp|":        {12, "response", "state", ""},
		"def f(req):\n    return resp|onse(1)": {12, "response", "", "response("},
		"state.|":                              {7, "get set pop", "headers", ""},
		"state.g|et":                           {7, "get", "set", "get(key"},
		"def f(req):\n    return req.he|":      {16, "headers", "get", ""},
		"x = anything.hea|":                    {14, "headers", "response", ""},
		"x = call().sta|":                      {12, "status", "response", ""},
		"|":                                    {1, "state len response", "headers", ""},
		"# resp|":                              {7, "", "response", ""},
	} {
		before, _, _ := strings.Cut(text, "|")
		got := script.HintAt(strings.Replace(text, "|", "", 1), strings.Count(before, "\n")+1, len(before[strings.LastIndex(before, "\n")+1:])+1)
		var labels []string
		for _, i := range got.Items {
			labels = append(labels, i.Label)
		}
		for _, some := range strings.Fields(want.some) {
			if !slices.Contains(labels, some) {
				t.Errorf("%q: %s is not offered, but %q", text, some, labels)
			}
		}
		if got.From != want.from || slices.Contains(labels, want.not) || !strings.HasPrefix(got.Doc, want.doc) || want.doc == "" && got.Doc != "" {
			t.Errorf("%q: from column %d %q, with the explanation %q", text, got.From, labels, got.Doc)
		}
	}
	if got := script.HintAt("x", 7, 1); len(got.Items) > 0 {
		t.Errorf("a line that is not there: %v", got)
	}
}
