package scenario_test

import (
	"slices"
	"strings"
	"testing"

	"starproxy/driver/scenario"
)

// TestHintAt checks which keys and values are offered at a place, which | marks.
func TestHintAt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind, text, offered, insert, not, doc string
	}{
		{"mock", "|", "status body match sequence fault", "", "query files_dir", ""},
		{"mock", "sta|", "status state", "status: ", "body", ""},
		{"mock", "sta|tus: 200", "status", "status: ", "", "status: "},
		{"mock", "match:\n  |", "headers query", "", "status", ""},
		{"mock", "match:\n  que|", "query", "query: ", "headers", ""},
		{"mock", "sequence:\n  - bo|", "body", "body: ", "match", ""},
		{"mock", "fault: re|", "reset", "reset", "stall", "fault: "},
		{"mock", "fault: {kind: |", "reset stall", "reset", "", ""},
		{"mock", "{\"sta|", "status", "status\": ", "", ""},
		{"mock", "{|", "status", "\"status\": ", "", ""},
		{"mock", "{\"fault\": |", "reset", "\"reset\"", "", "fault: "},
		{"mock", "body: |2\n  st", "", "", "status", ""},
		{"scenario", "|", "config endpoints tls network", "", "status", ""},
		{"scenario", "endpoints:\n  GET /a:\n    |", "status body", "", "config", ""},
		{"scenario", "GET /a:\n  sta|", "status", "status: ", "", ""},
		{"scenario", "network: {profile: ed|", "edge", "edge", "lte", ""},
		{"script", "x = resp|", "response", "response", "", ""},
	} {
		before, _, _ := strings.Cut(tt.text, "|")
		text := strings.Replace(tt.text, "|", "", 1)
		line, column := strings.Count(before, "\n")+1, len(before[strings.LastIndex(before, "\n")+1:])+1
		if strings.HasPrefix(tt.text, "body: |2") {
			text, line, column = tt.text, 2, 5
		}
		got, ok := scenario.HintAt(tt.kind, text, line, column)
		var labels []string
		for _, i := range got.Items {
			labels = append(labels, i.Label)
			if first, _, _ := strings.Cut(tt.offered, " "); i.Label == first && tt.insert != "" && i.Insert != tt.insert {
				t.Errorf("%s %q: inserts %q, want %q", tt.kind, tt.text, i.Insert, tt.insert)
			}
		}
		for _, some := range strings.Fields(tt.offered) {
			if !slices.Contains(labels, some) {
				t.Errorf("%s %q: %s is not offered, but %q", tt.kind, tt.text, some, labels)
			}
		}
		for _, not := range strings.Fields(tt.not) {
			if slices.Contains(labels, not) {
				t.Errorf("%s %q: %s is offered", tt.kind, tt.text, not)
			}
		}
		if !ok || !strings.HasPrefix(got.Doc, tt.doc) {
			t.Errorf("%s %q: got ok %v and the explanation %q, want %q", tt.kind, tt.text, ok, got.Doc, tt.doc)
		}
	}
	if _, ok := scenario.HintAt("poem", "", 1, 1); ok {
		t.Error("a kind that is not known is taken")
	}
}
