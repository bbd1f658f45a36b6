package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/mock"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
)

// put sets a mock; what is wrong with its definition is the caller's fault.
// JSON that a caller gave stays as it was written: devices may care for the
// order of keys.
func (d *Driver) put(method, key string, def map[string]any) error {
	if err := d.endpoints.Set(key, def); err != nil {
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
		return nil, fmt.Errorf("expected an object, found %s", rpc.Show(v))
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

// extraHeaders reads the headers of a mock that mentions them only where there
// are any. An error is the caller's.
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

func (d *Driver) setMock(_ context.Context, method, path string, status int, body, contentType, headers string) (string, error) {
	key := mockKey(method, path)
	b, err := parseBody(body)
	if err != nil {
		return "", stock(rpc.InvalidArgument, "body", "Invalid body JSON: %v", err)
	}
	h, err := parseObject(headers)
	if err != nil {
		return "", stock(rpc.InvalidArgument, "headers", "Invalid headers JSON: %v", err)
	}
	def := map[string]any{"status": int64(status), "body": b, "content_type": contentType, "headers": h}
	if err := d.put("set_mock", key, def); err != nil {
		return "", err
	}
	return fmt.Sprintf("Mock set: %s → %d", key, status), nil
}

func (d *Driver) setMockFile(_ context.Context, method, path, file, contentType string, status int, headers string) (string, error) {
	key, typ := mockKey(method, path), contentType
	if contentType == "" {
		contentType = mock.ContentType(file)
	}
	def := map[string]any{"status": int64(status), "file": file, "content_type": contentType}
	if typ == "" && strings.Contains(file, "{{") {
		delete(def, "content_type") // that of the file which a request chooses
	}
	if err := extraHeaders("set_mock_file", headers, def); err != nil {
		return "", err
	}
	if err := d.put("set_mock_file", key, def); err != nil {
		return "", err
	}
	return fmt.Sprintf("File mock set: %s → %s (%s)", key, file, contentType), nil
}

func (d *Driver) setMockPatch(_ context.Context, method, path, patches, headers string) (string, error) {
	key := mockKey(method, path)
	v, err := rpc.ParseJSON(patches)
	if err != nil {
		return "", stock(rpc.InvalidArgument, "patches_json", "Invalid JSON for patches")
	}
	if _, ok := v.(jsonvalue.Object); !ok {
		return "", stock(rpc.InvalidArgument, "patches_json", "Patches must be a JSON object")
	}
	def := map[string]any{"patch": json.RawMessage(patches)}
	if err := extraHeaders("set_mock_patch", headers, def); err != nil {
		return "", err
	}
	if err := d.put("set_mock_patch", key, def); err != nil {
		return "", err
	}
	return "Patch mock set: " + key, nil
}

func (d *Driver) setMockWithLatency(_ context.Context, method, path string, status int, body string, latency int, contentType string) (string, error) {
	key := mockKey(method, path)
	b, err := parseBody(body)
	if err != nil {
		return "", rpc.Refuse(rpc.InvalidArgument, "set_mock_with_latency: argument body: %v", err)
	}
	def := map[string]any{"status": int64(status), "body": b, "content_type": contentType, "latency_ms": int64(latency)}
	if err := d.put("set_mock_with_latency", key, def); err != nil {
		return "", err
	}
	return fmt.Sprintf("Mock set: %s → %d (+%dms)", key, status, latency), nil
}

// setMockFault sets a mock that fails as the network does: fault is a kind, or
// the JSON of a map as an endpoint's fault has it; answer is what begins before,
// or what answers when the fault does not come, with the keys of an endpoint.
func (d *Driver) setMockFault(_ context.Context, method, path, fault, answer string) (string, error) {
	key := mockKey(method, path)
	keys, err := parseObject(answer)
	if err != nil {
		return "Invalid answer JSON: " + err.Error(), nil
	}
	def := map[string]any{}
	for _, m := range keys {
		def[m.Key] = m.Value
	}
	def["fault"] = fault
	if strings.HasPrefix(strings.TrimSpace(fault), "{") {
		if _, err := rpc.ParseJSON(fault); err != nil {
			return "Invalid fault JSON: " + err.Error(), nil
		}
		def["fault"] = json.RawMessage(fault)
	}
	if err := d.put("set_mock_fault", key, def); err != nil {
		return "", err
	}
	return fmt.Sprintf("Fault mock set: %s → %s", key, fault), nil
}

func (d *Driver) setMockSequence(_ context.Context, method, path, sequence string) (string, error) {
	key := mockKey(method, path)
	v, err := rpc.ParseJSON(sequence)
	if err != nil {
		return "", stock(rpc.InvalidArgument, "sequence_json", "Invalid JSON: %v", err)
	}
	steps, _ := v.([]any)
	if len(steps) == 0 {
		return "", stock(rpc.InvalidArgument, "sequence_json", "Sequence must be a non-empty JSON array")
	}
	if err := d.put("set_mock_sequence", key, map[string]any{"sequence": json.RawMessage(sequence)}); err != nil {
		return "", err
	}
	return fmt.Sprintf("Sequence mock set: %s → %d step(s)", key, len(steps)), nil
}

func (d *Driver) setMockTemplate(_ context.Context, method, path, template string, status int) (string, error) {
	key := mockKey(method, path)
	if _, err := rpc.ParseJSON(template); err != nil {
		return "", stock(rpc.InvalidArgument, "template_json", "Invalid JSON: %v", err)
	}
	if err := d.put("set_mock_template", key, map[string]any{"status": int64(status), "body_template": json.RawMessage(template)}); err != nil {
		return "", err
	}
	return fmt.Sprintf("Template mock set: %s → %d", key, status), nil
}

func (d *Driver) setMockAddon(_ context.Context, method, path, addon, config string) (string, error) {
	key := mockKey(method, path)
	if config == "" {
		config = "{}"
	}
	if _, err := rpc.ParseJSON(config); err != nil {
		return "", stock(rpc.InvalidArgument, "addon_config_json", "Invalid JSON: %v", err)
	}
	if addon == "" {
		return "", rpc.Refuse(rpc.InvalidArgument, "set_mock_addon: argument addon_name is empty")
	}
	switch err := d.endpoints.CheckAddon(addon); {
	case errors.Is(err, scenario.ErrNoAddon):
		return "", stock(rpc.NotFound, "addon_name", "Addon not found: %s", addon)
	case err != nil:
		return "", stock(rpc.InvalidArgument, "addon_name", "Addon %s: %v", addon, err)
	}
	if err := d.put("set_mock_addon", key, map[string]any{"addon": addon, "addon_config": json.RawMessage(config)}); err != nil {
		return "", err
	}
	return fmt.Sprintf("Addon mock set: %s → %s", key, addon), nil
}

func (d *Driver) setMockConditional(_ context.Context, method, path, rulesJSON string) (string, error) {
	key := mockKey(method, path)
	v, err := rpc.ParseJSON(rulesJSON)
	if err != nil {
		return "", stock(rpc.InvalidArgument, "rules_json", "Invalid JSON: %v", err)
	}
	rules, _ := v.([]any)
	if len(rules) == 0 {
		return "", stock(rpc.InvalidArgument, "rules_json", "Rules must be a non-empty JSON array")
	}
	if err := d.put("set_mock_conditional", key, map[string]any{"rules": json.RawMessage(rulesJSON)}); err != nil {
		return "", err
	}
	return fmt.Sprintf("Conditional mock set: %s → %d rule(s)", key, len(rules)), nil
}

// mockKey is the key of an endpoint given as method and path.
func mockKey(method, path string) string { return strings.ToUpper(method) + " " + path }
