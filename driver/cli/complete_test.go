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

// A proxy that is there is asked for the words that it knows.
func TestCompleteKnownWords(t *testing.T) {
	t.Parallel()
	f := &fake{answers: map[string]any{
		"list_flow_files": `[{"name": "a.bin"}, {"name": "b.har"}]`, "list_scenarios": `[{"name": "happy.yaml"}]`,
		"list_fault_plans": `[{"name": "cut", "fault": "truncate"}]`, "get_all_state": `{"hits": 1}`,
		"list_scenario_states": `{"login": {"state": "in", "states": ["in", "out"]}}`, "list_endpoints": someEndpoints,
		"list_captures": `{"rows": [{"seq": 3, "method": "GET", "scheme": "http", "host": "a.test", "port": 80, "path": "/x"}, {"seq": 4}]}`,
	}}
	for line, want := range map[string]string{
		"flow save ":                "a.bin b.har",
		"start --replay-file b":     "b.har",
		"scenario load ":            "happy.yaml",
		"faults clear ":             "cut",
		"state get h":               "hits",
		"state move ":               "login",
		"state move login o":        "out",
		"mock remove ":              "GET",
		"mock enable GET ":          "/a /b",
		"mock set GET /a ":          ":files",
		"mock disable GET /a ":      "",
		"mock fault GET /":          "/a /b",
		"mock fault GET /a r":       "reset",
		"capture show ":             "4 3",
		"network set of":            "offline",
		"tls set a.test exp":        "expired",
		"capture list --output t":   "text table",
		"mock load ":                ":files",
		"capture list --limit ":     "",
		"capture show 3 --body 4 5": "",
	} {
		app, _, err := (&newConsole().System).parser(t.Context(), "j", &proxyCommands{}, proxy{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, found := range candidates(t.Context(), app.Model.Node, strings.Split(line, " "), knownWords{proxy{f}}) {
			word, _, _ := strings.Cut(found, "\t")
			got = append(got, word)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}
