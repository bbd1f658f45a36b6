package driver

import (
	"slices"
	"strings"
	"testing"

	"starproxy/driver/document"
)

// keys are those of list_mocks, in their order.
func (b *bench) keys() string {
	b.Helper()
	var keys []string
	for _, ep := range b.d.endpoints.Table().List() {
		keys = append(keys, ep.Name)
	}
	return strings.Join(keys, ", ")
}

// TestRemoveBringsBack checks that a mock laid over one of the scenario gives
// it free again, whichever method laid it there.
func TestRemoveBringsBack(t *testing.T) {
	t.Parallel()
	const text = `{"GET /a": {"body": "scenario a"}, "GET /b": {"body": "scenario b"}, "https://one.example/c": {"body": "one c"}, "GET /d#two": {"body": "d"}}`
	for name, over := range map[string]struct {
		method string
		path   string
		args   []any
	}{
		"set_mock":              {"set_mock", "/a", []any{203.0, `{}`}},
		"set_mock_with_latency": {"set_mock_with_latency", "/a", []any{203.0, `{}`, 1.0}},
		"set_mock_sequence":     {"set_mock_sequence", "/a", []any{`[{"status": 203}]`}},
		"set_mock_template":     {"set_mock_template", "/a", []any{`{"n": "{{uuid}}"}`, 203.0}},
		"set_mock_conditional":  {"set_mock_conditional", "/a", []any{`[{"status": 203}]`}},
		"set_mock_patch":        {"set_mock_patch", "/a", []any{`{"n": 1}`}},
		"set_mock_file":         {"set_mock_file", "/a", []any{"x.bin"}},
		"another path":          {"set_mock", "/other", []any{203.0, `{}`}},
		"for every server":      {"set_mock", "/c", []any{203.0, `{}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			b.call("load_mock_scenario_content", "s.json", text)
			before := b.call("list_mocks")
			keys := b.keys()
			args := append([]any{"GET", over.path}, over.args...)
			for range 2 { // a second one takes the place of the first
				if got := b.call(over.method, args...); !strings.Contains(got, "GET "+over.path) {
					t.Fatal(got)
				}
			}
			if b.call("list_mocks") == before {
				t.Fatal("the mock is not in force")
			}
			b.want("Removed mock: GET "+over.path, "remove_mock", "GET", over.path)
			b.want(before, "list_mocks")
			if got := b.keys(); got != keys {
				t.Errorf("got the order %s, want %s", got, keys)
			}
		})
	}
}

func TestRemoveAndReset(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) {
		text := "mock_scenario: base.yaml\nmocks:\n  GET /b: {body: config b}\n"
		if err := document.Decode("exporter.yaml", []byte(text), c); err != nil {
			t.Fatal(err)
		}
		c.File = "exporter.yaml"
	})
	b.want("Reset to 0 mock(s)", "reset_mocks")
	b.write("mock-responses/base.yaml", "GET /a: {sequence: [{body: first, repeat: 1}, {body: later}]}\nGET /b: {body: b}\nhttp://nowhere.invalid/c: {body: c}\n")
	proxy := b.start()
	get := func(path, want string) {
		t.Helper()
		if got := b.get(proxy, "http://nowhere.invalid"+path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	get("/a", "200 first")
	get("/a", "200 later")
	get("/b", "200 config b")
	b.call("set_mock", "GET", "/b", 200.0, `"test b"`)
	get("/b", "200 test b")
	// What is removed twice is gone, until a reset.
	b.want("Removed mock: GET /b", "remove_mock", "GET", "/b")
	get("/b", "200 config b")
	b.want("Removed mock: GET /b", "remove_mock", "GET", "/b")
	b.want("Mock not found: GET /b", "remove_mock", "GET", "/b")
	b.call("set_mock", "GET", "/b", 200.0, `"again"`)
	b.want("Removed mock: GET /b", "remove_mock", "GET", "/b")
	b.want("Mock not found: GET /b", "remove_mock", "GET", "/b")
	// A disabled endpoint stays so while others come and go.
	b.call("enable_mock", "GET /a", false)
	b.call("set_mock", "GET", "/c", 200.0, `"every c"`)
	get("/c", "200 every c")
	b.want("Removed mock: GET /c", "remove_mock", "GET", "/c")
	get("/c", "200 c")
	if r := b.d.endpoints.Table().Report(); r[0].Enabled {
		t.Error("a disabled endpoint was enabled by the removal of another")
	}
	b.call("put_mock", "GET /new", "{body: new}", "GET /c")
	b.want("Reset to 3 mock(s)", "reset_mocks")
	if got := b.keys(); got != "GET /a, GET /b, GET http://nowhere.invalid/c" {
		t.Error(got)
	}
	get("/a", "200 first")
	get("/b", "200 config b")
	get("/c", "200 c")

	// What a test set, or removed, stays so over a reload.
	b.call("set_mock", "GET", "/c", 200.0, `"set"`)
	b.call("remove_mock", "GET", "/a")
	b.write("mock-responses/base.yaml", "GET /a: {body: new a}\nhttp://nowhere.invalid/c: {body: new c}\nGET /d: {body: new d}\n")
	b.awaitLog("scenario reloaded")
	get("/c", "200 set")
	get("/d", "200 new d")
	if got := strings.Split(b.keys(), ", "); slices.Contains(got, "GET /a") {
		t.Error(got)
	}
	b.call("remove_mock", "GET", "/c")
	get("/c", "200 new c")
	b.want("Reset to 4 mock(s)", "reset_mocks")
	get("/a", "200 new a")
	b.call("clear_mocks")
	b.want("Reset to 0 mock(s)", "reset_mocks")
}
