package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/mock"
	"starproxy/driver/rpc"
)

// put sets a mock. A mistake in its definition is an invalid argument. JSON of the
// caller stays as it was written, since the order of keys may matter to devices.
func (m *mockMethods) put(method, key string, def map[string]any) error {
	if err := m.endpoints.Set(key, def); err != nil {
		return rpc.Refuse(rpc.InvalidArgument, "%s: %v", method, err)
	}
	return nil
}

// parseObject reads a JSON object; empty text is an empty one.
func parseObject(text string) (jsonvalue.Object, error) {
	if text == "" {
		return jsonvalue.Object{}, nil
	}
	v, err := rpc.ParseJSON(text)
	if err != nil {
		return nil, err
	}
	m, ok := v.(jsonvalue.Object)
	if !ok {
		return nil, fmt.Errorf("got %s, want an object", rpc.Show(v))
	}
	return m, nil
}

// parseBody checks a body given as JSON; empty text is an empty object.
func parseBody(text string) (json.RawMessage, error) {
	if text == "" {
		text = "{}"
	}
	_, err := rpc.ParseJSON(text)
	return json.RawMessage(text), err
}

// extraHeaders adds headers, given as JSON, to the definition of a mock, if there are
// any.
func extraHeaders(method, text string, def map[string]any) error {
	h, err := parseObject(text)
	if err != nil {
		return rpc.Refuse(rpc.InvalidArgument, "%s: argument headers: %v", method, err)
	}
	if len(h) > 0 {
		def["headers"] = h
	}
	return nil
}

func (m *mockMethods) setMock(_ context.Context, method, path string, status int, body, contentType, headers string) (string, error) {
	key := mockKey(method, path)
	b, err := parseBody(body)
	if err != nil {
		return "", notJSON("body", "body", err)
	}
	h, err := parseObject(headers)
	if err != nil {
		return "", notJSON("headers", "headers", err)
	}
	def := map[string]any{"status": int64(status), "body": b, "content_type": contentType, "headers": h}
	if err := m.put("set_mock", key, def); err != nil {
		return "", err
	}
	return fmt.Sprintf(sayMockSet, key, status), nil
}

func (m *mockMethods) setMockFile(_ context.Context, method, path, file, contentType string, status int, headers string) (string, error) {
	key, typ := mockKey(method, path), contentType
	if contentType == "" {
		contentType = mock.ContentType(file)
	}
	def := map[string]any{"status": int64(status), "file": file, "content_type": contentType}
	if typ == "" && strings.Contains(file, "{{") {
		delete(def, "content_type") // a request chooses the file, which has its own
	}
	if err := extraHeaders("set_mock_file", headers, def); err != nil {
		return "", err
	}
	if err := m.put("set_mock_file", key, def); err != nil {
		return "", err
	}
	return fmt.Sprintf(sayFileMockSet, key, file, contentType), nil
}

func (m *mockMethods) setMockPatch(_ context.Context, method, path, patches, headers string) (string, error) {
	key := mockKey(method, path)
	v, err := rpc.ParseJSON(patches)
	if err != nil {
		return "", notPatches(err)
	}
	if _, ok := v.(jsonvalue.Object); !ok {
		return "", notPatches(nil)
	}
	def := map[string]any{"patch": json.RawMessage(patches)}
	if err := extraHeaders("set_mock_patch", headers, def); err != nil {
		return "", err
	}
	if err := m.put("set_mock_patch", key, def); err != nil {
		return "", err
	}
	return fmt.Sprintf(sayPatchMockSet, key), nil
}

func (m *mockMethods) setMockWithLatency(_ context.Context, method, path string, status int, body string, latency int,
	contentType string) (string, error) {
	key := mockKey(method, path)
	b, err := parseBody(body)
	if err != nil {
		return "", rpc.Refuse(rpc.InvalidArgument, "set_mock_with_latency: argument body: %v", err)
	}
	def := map[string]any{"status": int64(status), "body": b, "content_type": contentType, "latency_ms": int64(latency)}
	if err := m.put("set_mock_with_latency", key, def); err != nil {
		return "", err
	}
	return fmt.Sprintf(sayMockSetLate, key, status, latency), nil
}

// setMockFault sets a mock that fails as the network does. fault is a kind, or the
// value of an endpoint's key fault as JSON. answer has the other keys of the endpoint
// as JSON: that answer is cut short by the fault, or sent whole when a fault with a
// rate does not occur.
func (m *mockMethods) setMockFault(_ context.Context, method, path, fault, answer string) (string, error) {
	key := mockKey(method, path)
	keys, err := parseObject(answer)
	if err != nil {
		return "", notJSON("answer_json", "answer", err)
	}
	def := map[string]any{}
	for _, m := range keys {
		def[m.Key] = m.Value
	}
	def["fault"] = fault
	if strings.HasPrefix(strings.TrimSpace(fault), "{") {
		if _, err := rpc.ParseJSON(fault); err != nil {
			return "", notJSON("fault", "fault", err)
		}
		def["fault"] = json.RawMessage(fault)
	}
	if err := m.put("set_mock_fault", key, def); err != nil {
		return "", err
	}
	return fmt.Sprintf(sayFaultMockSet, key, fault), nil
}

func (m *mockMethods) setMockSequence(_ context.Context, method, path, sequence string) (string, error) {
	key := mockKey(method, path)
	v, err := rpc.ParseJSON(sequence)
	if err != nil {
		return "", notJSON("sequence_json", "", err)
	}
	steps, _ := v.([]any)
	if len(steps) == 0 {
		return "", emptyList("sequence_json", "Sequence")
	}
	if err := m.put("set_mock_sequence", key, map[string]any{"sequence": json.RawMessage(sequence)}); err != nil {
		return "", err
	}
	return fmt.Sprintf(saySequenceSet, key, len(steps)), nil
}

func (m *mockMethods) setMockTemplate(_ context.Context, method, path, template string, status int) (string, error) {
	key := mockKey(method, path)
	if _, err := rpc.ParseJSON(template); err != nil {
		return "", notJSON("template_json", "", err)
	}
	if err := m.put("set_mock_template", key, map[string]any{"status": int64(status),
		"body_template": json.RawMessage(template)}); err != nil {
		return "", err
	}
	return fmt.Sprintf(sayTemplateSet, key, status), nil
}

func (m *mockMethods) setMockAddon(_ context.Context, method, path, addon, config string) (string, error) {
	key := mockKey(method, path)
	if config == "" {
		config = "{}"
	}
	if _, err := rpc.ParseJSON(config); err != nil {
		return "", notJSON("addon_config_json", "", err)
	}
	if addon == "" {
		return "", rpc.Refuse(rpc.InvalidArgument, "set_mock_addon: argument addon_name is empty")
	}
	if err := m.endpoints.CheckAddon(addon); err != nil {
		return "", noAddon(addon, err)
	}
	if err := m.put("set_mock_addon", key, map[string]any{"addon": addon, "addon_config": json.RawMessage(config)}); err != nil {
		return "", err
	}
	return fmt.Sprintf(sayAddonSet, key, addon), nil
}

func (m *mockMethods) setMockConditional(_ context.Context, method, path, rulesJSON string) (string, error) {
	key := mockKey(method, path)
	v, err := rpc.ParseJSON(rulesJSON)
	if err != nil {
		return "", notJSON("rules_json", "", err)
	}
	rules, _ := v.([]any)
	if len(rules) == 0 {
		return "", emptyList("rules_json", "Rules")
	}
	if err := m.put("set_mock_conditional", key, map[string]any{"rules": json.RawMessage(rulesJSON)}); err != nil {
		return "", err
	}
	return fmt.Sprintf(sayConditionalSet, key, len(rules)), nil
}
