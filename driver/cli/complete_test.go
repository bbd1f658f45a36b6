package cli

import (
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ line, want string }{
		{"starproxy r", "run"},
		{"starproxy ", "run shell check view j script scenario session schema completion version"},
		{"starproxy completion ", "bash zsh fish"},
		{"starproxy schema e", "exporter"},
		{"starproxy run --so", "--socket"},
		{"starproxy run --start p", "passthrough"},
		{"starproxy run --scenario ", ":files"},
		{"starproxy run --port ", ""},
		{"starproxy shell -- ", ":files"},
		{"starproxy j proxy mock ", "list clear load fault webhooks coverage set enable disable remove reset undo save"},
		{"j proxy st", "start stop status state"},
		{"j proxy start -m re", "record replay"},
		{"j bench proxy mock load ", ":files"},
		{"j proxy capture --f", "--filter --filter-expr"},
		{"j pro", ""},
		{"j --he", ""},
	} {
		words := strings.Split(test.line, " ")
		var got []string
		for _, line := range complete(t.Context(), &newConsole().System, words) {
			word, _, _ := strings.Cut(line, "\t")
			got = append(got, word)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%q: %q, want %q", test.line, got, test.want)
		}
	}
}
