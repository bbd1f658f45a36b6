package driver

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"starproxy/driver/endpoints"
	"starproxy/driver/rpc"
	"starproxy/driver/web"
)

// mockMethods are the methods that change the endpoints in force.
type mockMethods struct {
	endpoints *endpoints.Service
	// adversity are the services whose settings end with those of the mocks.
	adversity []resetter
}

// resetter is a service for settings that tests make against a device, such as faults.
type resetter interface {
	// Reset undoes what methods have set: what the scenario sets is in force again.
	Reset()
}

// rows are for the table of methods.
func (m *mockMethods) rows() []rpc.Row {
	need, with := rpc.Need, rpc.With
	key := func(more ...rpc.Param) []rpc.Param { return append([]rpc.Param{need("method"), need("path")}, more...) }
	return []rpc.Row{
		rpc.New("set_mock", "Answer an endpoint with a fixed response; the body is JSON text.", m.setMock,
			key(need("status"), need("body"), with("content_type", "application/json"), with("headers", "{}"))...),
		rpc.New("set_mock_file", "Answer an endpoint with a file from the files directory.", m.setMockFile,
			key(need("file_path"), with("content_type", ""), with("status", 200), with("headers", "{}"))...),
		rpc.New("set_mock_patch", "Merge a JSON object into the real server's JSON answers.", m.setMockPatch,
			key(need("patches_json"), with("headers", "{}"))...),
		rpc.New("set_mock_with_latency", "Answer an endpoint with a fixed response after a delay in milliseconds.", m.setMockWithLatency,
			key(need("status"), need("body"), need("latency_ms"), with("content_type", "application/json"))...),
		rpc.New("set_mock_fault", "Let an endpoint fail as the network does: reset, close, stall, truncate, garbage, or a JSON "+
			"object of kind, after and rate; the answer is JSON with the keys of an endpoint.", m.setMockFault,
			key(need("fault"), with("answer_json", "{}"))...),
		rpc.New("set_mock_sequence", "Answer an endpoint with one response after the other.", m.setMockSequence,
			key(need("sequence_json"))...),
		rpc.New("set_mock_template", "Answer an endpoint with JSON whose {{…}} are computed for each request.", m.setMockTemplate,
			key(need("template_json"), with("status", 200))...),
		rpc.New("set_mock_addon", "Let an addon script answer an endpoint.", m.setMockAddon,
			key(need("addon_name"), with("addon_config_json", "{}"))...),
		rpc.New("set_mock_conditional", "Answer an endpoint by the first rule that matches the request.", m.setMockConditional,
			key(need("rules_json"))...),
		rpc.New("put_mock", "Put an endpoint in force that is given in YAML or JSON, in place of another key if there is one.", m.putMock,
			need("key"), need("text"), with("replaces", "")),
		rpc.New("enable_mock", "Let an endpoint answer, or not.", m.enableMock, need("key"), with("enabled", true)),
		rpc.New("remove_mock", "Remove an endpoint; one of the scenario that it was laid over is in force again.", m.removeMock, key()...),
		rpc.New("clear_mocks", "Remove all endpoints.", m.clearMocks),
		rpc.New("reset_mocks", "Return to the endpoints of the scenario as it was loaded, or of the configuration.", m.resetMocks),
		rpc.New("load_mock_scenario", "Replace all endpoints by a scenario file or directory on the exporter.", m.loadMockScenario,
			need("path")),
		rpc.New("load_mock_scenario_content", "Replace all endpoints by the text of a scenario file.", m.loadMockScenarioContent,
			need("filename"), need("content")),
	}
}

// mockKey returns the key of an endpoint given as method and path.
func mockKey(method, path string) string { return strings.ToUpper(method) + " " + path }

func (m *mockMethods) removeMock(_ context.Context, method, path string) (string, error) {
	key := mockKey(method, path)
	if !m.endpoints.Remove(key) {
		return "", noMock("path", key)
	}
	return fmt.Sprintf(sayMockRemoved, key), nil
}

func (m *mockMethods) clearMocks(context.Context) (string, error) {
	return fmt.Sprintf(sayMocksCleared, m.endpoints.Clear()), nil
}

func (m *mockMethods) resetMocks(context.Context) (string, error) {
	n := m.endpoints.Reset()
	for _, a := range m.adversity {
		a.Reset()
	}
	return fmt.Sprintf(sayMocksReset, n), nil
}

func (m *mockMethods) enableMock(_ context.Context, key string, enabled bool) (string, error) {
	if !m.endpoints.Enable(key, enabled) {
		return "", noMock("key", key)
	}
	if enabled {
		return fmt.Sprintf(sayMockEnabled, key), nil
	}
	return fmt.Sprintf(sayMockDisabled, key), nil
}

func (m *mockMethods) putMock(ctx context.Context, key, text, replaces string) (string, error) {
	if err := m.endpoints.Put(key, text, replaces, web.Calls(ctx)); err != nil {
		return "", rpc.Refuse(rpc.InvalidArgument, "put_mock: %v", err)
	}
	return fmt.Sprintf(sayMockPut, key), nil
}

func (m *mockMethods) loadMockScenario(_ context.Context, name string) (string, error) {
	path, n, err := m.endpoints.Load(name)
	if err != nil {
		return "", notLoaded("load", err)
	}
	return fmt.Sprintf(sayLoaded, n, filepath.Base(path)), nil
}

func (m *mockMethods) loadMockScenarioContent(_ context.Context, name, content string) (string, error) {
	n, err := m.endpoints.LoadText(name, content)
	if err != nil {
		return "", notLoaded("parse", err)
	}
	return fmt.Sprintf(sayLoaded, n, name), nil
}
