package scenario

import (
	"log/slog"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

// TestMistakesHaveTheirPlace checks where an expression is said to be that only
// a request shows to be wrong, and one that the load warns about.
func TestMistakesHaveTheirPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		err, warning string
	}{
		"GET /a:\n  body_template:\n    x: 1\n    y: '{{json}}'\n": {
			"s.yaml:4:8: {{json}}: module has no JSON form",
			"s.yaml:4:8: y: {{json}}: json is a module: want one of its functions, such as json.decode"},
		"GET /a:\n  body_template:\n    - x\n    - y:\n        z: '{{float(\"nan\")}}'\n": {"s.yaml:5:12: {{float(\"nan\")}}: NaN has no JSON form", ""},
		"GET /a:\n  body_template: 'a {{float(\"inf\")}}'\n":                              {"s.yaml:2:18: {{float(\"inf\")}}: +Inf has no JSON form", ""},
		"GET /a:\n  headers:\n    X-A:\n      - b\n      - '{{json}}'\n": {
			"s.yaml:5:9: {{json}}: module has no JSON form",
			"s.yaml:5:9: {{json}}: json is a module: want one of its functions, such as json.decode"},
		"GET /a:\n  headers:\n    X-A: '{{chr(10)}}'\n":                                                    {"s.yaml:3:10: header X-A: the value \"\\n\" can't stand in a header", ""},
		"GET /a:\n  rules:\n    - body_template:\n        x: '{{sprig.div(1, 0)}}'\n":                      {"s.yaml:4:21: sprig.div: argument 2: division by 0", ""},
		"GET /a:\n  sequence:\n    - body_template: {x: '{{len if 1 else 2}}'}\n":                          {"s.yaml:3:26: len: got 0 arguments, want 1", ""},
		"GET /a:\n  body_template: &b {x: '{{sprig.mod(1, 0)}}'}\nGET /b:\n  body_template:\n    <<: *b\n": {"s.yaml:2:34: sprig.mod: argument 2: division by 0", ""},
		"GET /a:\n  body_template: {x: ok}\nGET /b:\n  body_template:\n    x: '{{faker.name}}'\n":          {"", "s.yaml:5:8: x: {{faker.name}}: faker.name is text here: there is no such name (text needs no braces)"},
		"GET /a:\n  headers:\n    X-A: '{{now}}'\n":                                                        {"", "s.yaml:3:10: {{now}}: now is text here: did you mean now_epoch or now_iso or sprig.now?"},
	} {
		var log Warnings
		env := testEnv(t)
		env.Log = slog.New(&log)
		s, err := Parse("s.yaml", []byte(text), env)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		x := &exchange.Exchange{Request: &exchange.Request{Method: "GET", Scheme: "http", Host: "h", Target: "/a"}}
		_, err = s.Endpoints[0].Handler.Respond(t.Context(), x)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want.err {
			t.Errorf("%s: error is %q, want %q", text, got, want.err)
		}
		if got := strings.Join(log, "\n"); got != want.warning {
			t.Errorf("%s: warnings are %q, want %q", text, got, want.warning)
		}
	}
}
