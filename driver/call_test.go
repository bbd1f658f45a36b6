package driver

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzCall gives methods arguments from strangers: whatever comes, they answer
// in one line.
func FuzzCall(f *testing.F) {
	f.Add("GET", "/a", `{"status": 200}`)
	f.Add("*", "/a*", `[{"match": {"body_json": {"a.0": 1}}, "repeat": 2}]`)
	f.Add("websocket", "https://h:1/x{id}#n", `"{{uuid}}"`)
	f.Add("../x", "\x00", `{`)
	cfg := DefaultConfig()
	cfg.Directories.Data = f.TempDir()
	d, err := New(cfg, Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { d.Close() })
	f.Fuzz(func(t *testing.T, method, path, text string) {
		for _, c := range []struct {
			name string
			args []any
		}{
			{"set_mock", []any{method, path, 200.0, text}},
			{"set_mock_patch", []any{method, path, text}},
			{"set_mock_sequence", []any{method, path, text}},
			{"set_mock_conditional", []any{method, path, text}},
			{"set_mock_template", []any{method, path, text}},
			{"set_mock_file", []any{method, path, text}},
			{"remove_mock", []any{method, path}},
			{"set_state", []any{path, text}},
			{"load_mock_scenario", []any{path}},
			{"load_mock_scenario_content", []any{method, text}},
			{"upload_mock_file", []any{path, "aGk="}},
		} {
			v, err := d.Call(t.Context(), c.name, c.args)
			if err != nil {
				v = err.Error()
			}
			answer, ok := v.(string)
			for _, own := range []string{method, path, text} { // what they quote may have lines
				answer = strings.ReplaceAll(answer, own, "")
			}
			if !ok || strings.Contains(answer, "\n") && !strings.ContainsAny(method+path+text, "\r\n") {
				t.Errorf("%s%q: %q", c.name, c.args, v)
			}
		}
		v, err := d.Call(t.Context(), "list_mocks", nil)
		if err != nil || !json.Valid([]byte(v.(string))) {
			t.Errorf("list_mocks: %v, %v", v, err)
		}
		d.Call(t.Context(), "clear_mocks", nil)
	})
}
