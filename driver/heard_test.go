package driver

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
)

// TestFailuresAreLogged checks that a call which did not do what was asked is a
// warning in the log, with its reason: a test that does not look at the text of
// the answer goes on without it.
func TestFailuresAreLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	cfg := DefaultConfig()
	cfg.Listen = Listen{Host: "127.0.0.1", Port: 0}
	cfg.Directories.Data = t.TempDir()
	d, err := New(cfg, Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	call := func(method string, args ...any) string {
		log.Reset()
		v, err := d.Call(context.Background(), method, args)
		if err != nil {
			return err.Error()
		}
		text, _ := v.(string)
		return text
	}
	for _, c := range []struct {
		method string
		args   []any
		told   string // of the answer and of the log
		about  string // of the log
	}{
		{"load_mock_scenario", []any{"nope.yaml"}, "Scenario file not found: ", "path=nope.yaml"},
		{"load_mock_scenario", []any{"../x.yaml"}, "Invalid scenario path: ", "path=../x.yaml"},
		{"load_mock_scenario_content", []any{"a.yaml", "GET /a: {status: x}"}, "a.yaml:1:18: ", "filename=a.yaml"},
		{"load_mock_scenario_content", []any{"a.yaml", "[]"}, "Invalid scenario: expected a JSON/YAML object", "filename=a.yaml"},
		{"load_mock_scenario_content", []any{"a.yaml", "endpoints: []"}, "Invalid scenario: expected an object of endpoints", "filename=a.yaml"},
		{"load_mock_scenario_content", []any{"a.star", "endpoints = "}, "a.star:1:", "filename=a.star"},
		{"start", []any{"mok"}, "Unknown mode 'mok'", "mode=mok"},
		{"start", []any{"replay"}, "replay_file is required", "mode=replay"},
		{"start", []any{"replay", false, "x.bin"}, "Replay file not found: ", "replay_file=x.bin"},
		{"start", []any{"mock", false, "", -2}, "got -2, want 0 to 65535", "mode=mock"},
		{"restart", []any{"x"}, "Unknown mode 'x'", "mode=x"},
		{"set_mock", []any{"GET", "/a", 200, "{"}, "Invalid body JSON: ", "path=/a"},
		{"set_mock", []any{"GET", "/a", 200, "{}", "text/plain", "["}, "Invalid headers JSON: ", "path=/a"},
		{"set_mock", []any{"GET", "/a", 99, "{}"}, "got the number 99, want a whole number from 200 to 599", "path=/a"},
		{"set_mock", []any{"GET", "/a", "x", "{}"}, "argument status: got", ""},
		{"set_mock", []any{"GET"}, "set_mock: ", ""},
		{"set_mock_file", []any{"GET", "/a", "f", "", 200, "["}, "argument headers: ", "file_path=f"},
		{"set_mock_patch", []any{"GET", "/a", "1"}, "Patches must be a JSON object", "path=/a"},
		{"set_mock_patch", []any{"GET", "/a", "{"}, "Invalid JSON for patches", "path=/a"},
		{"set_mock_with_latency", []any{"GET", "/a", 200, "{", 1}, "argument body: ", "path=/a"},
		{"set_mock_fault", []any{"GET", "/a", "{"}, "Invalid fault JSON: ", "path=/a"},
		{"set_mock_fault", []any{"GET", "/a", "reset", "["}, "Invalid answer JSON: ", "path=/a"},
		{"set_mock_fault", []any{"GET", "/a", "explode"}, "set_mock_fault: ", "path=/a"},
		{"set_scenario_state", []any{"login", "in"}, "argument scenario: got", "scenario=login"},
		{"reset_scenario_states", []any{"login"}, "argument scenario: got", "scenario=login"},
		{"upload_flow_file_part", []any{"x.txt", "1", 0, "", true}, "Invalid flow file name: ", "name=x.txt"},
		{"upload_mock_file_part", []any{"../x", "1", 0, "", true}, "Invalid file path: ", "relative_path=../x"},
		{"set_mock_sequence", []any{"GET", "/a", "[]"}, "Sequence must be a non-empty JSON array", "path=/a"},
		{"set_mock_template", []any{"GET", "/a", `{"x": "{{1 +}}"}`}, "{{1 +}}: ", "path=/a"},
		{"set_mock_addon", []any{"GET", "/a", "nope"}, "Addon not found: nope", "addon_name=nope"},
		{"set_mock_conditional", []any{"GET", "/a", "{}"}, "Rules must be a non-empty JSON array", "path=/a"},
		{"set_state", []any{"k", "{"}, "Invalid JSON: ", "key=k"},
		{"set_state", []any{strings.Repeat("k", 5000), "1"}, "set_state: ", ""},
		{"put_mock", []any{"GET /a", "status: x"}, "put_mock: ", `key="GET /a"`},
		{"enable_mock", []any{"GET /nope"}, "Mock not found: GET /nope", `key="GET /nope"`},
		{"upload_mock_file", []any{"../x", ""}, "Invalid file path: ", "relative_path=../x"},
	} {
		answer := call(c.method, c.args...)
		if !strings.Contains(answer, c.told) {
			t.Errorf("%s%v: answer is %q, want %q", c.method, c.args, answer, c.told)
		}
		text := log.String()
		quoted := strings.NewReplacer(`"`, `\"`).Replace(c.told)
		if !strings.Contains(text, `level=WARN msg="call failed" call=`+c.method+` reason=`) || !strings.Contains(text, quoted) || !strings.Contains(text, c.about) {
			t.Errorf("%s%v: log is %q, want a warning with %q and %q", c.method, c.args, text, c.told, c.about)
		}
	}
	for _, c := range []struct {
		method string
		args   []any
	}{
		{"set_mock", []any{"GET", "/a", 200, "{}"}}, {"load_mock_scenario_content", []any{"a.yaml", "GET /a: {status: 201}"}}, {"set_state", []any{"k", "1"}},
		{"remove_mock", []any{"GET", "/nope"}}, {"stop", nil}, {"wait_for_request", []any{"GET", "/a", 0.01}}, {"get_capture", []any{7}},
		{"check_mock", []any{"GET /a", "status: x"}}, {"check_filter", []any{"~"}},
	} {
		if call(c.method, c.args...); log.Len() > 0 {
			t.Errorf("%s%v: log is %q, want nothing", c.method, c.args, log.String())
		}
	}
}
