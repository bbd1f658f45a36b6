package driver

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/rpc"
)

// stockMethods are the methods for which the client of the stock driver has functions.
var stockMethods = strings.Fields(`
	clean_capture_spool clear_captured_requests clear_mocks clear_state export_captured_scenario get_all_state get_ca_cert
	get_ca_cert_path get_captured_file get_captured_requests get_flow_file get_state is_running list_addons list_flow_files
	list_mocks load_mock_scenario load_mock_scenario_content remove_mock restart set_mock set_mock_addon
	set_mock_conditional set_mock_file set_mock_patch set_mock_sequence set_mock_template set_mock_with_latency set_state start
	status stop upload_mock_file wait_for_request watch_captured_requests`)

// pythonHead is the part of the Python module before its functions.
const pythonHead = `"""The methods of starproxy that the stock client has no functions for.

Made of the table of methods: UPDATE=1 go test ./driver -run Surface writes it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any


def text_of(value: Any) -> str:
    """Return a text as it is, and any other value as JSON text."""
    return value if isinstance(value, str) else json.dumps(value)


class Methods:
    """A function for each method of starproxy that the stock client lacks.

    A parameter that is JSON in the protocol takes a value, or JSON text. An answer that is
    JSON is returned as a value.
    """
`

// TestSurfaceOfPython compares the functions of the Python client with the table of
// methods. UPDATE=1 writes them anew.
func TestSurfaceOfPython(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	methods := b.d.Methods()
	slices.SortFunc(methods, func(a, b rpc.Info) int { return strings.Compare(a.Name, b.Name) })
	var is strings.Builder
	is.WriteString(pythonHead)
	for _, m := range methods {
		if m.Kind != rpc.ByteStream && !slices.Contains(stockMethods, m.Name) {
			is.WriteString(pythonFunction(t, m))
		}
	}
	path := filepath.Join("python", "jumpstarter_driver_starproxy", "methods.py")
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(path, []byte(is.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), is.String()); diff != "" {
		t.Errorf("UPDATE=1 go test ./driver -run Surface writes python/jumpstarter_driver_starproxy/methods.py (-file +methods):\n%s", diff)
	}
}

// pythonFunction returns the function of a method.
func pythonFunction(t *testing.T, m rpc.Info) string {
	t.Helper()
	params, args := []string{"self"}, []string{fmt.Sprintf("%q", m.Name)}
	for _, p := range m.Params {
		name, isJSON := strings.CutSuffix(p.Name, "_json")
		kind := map[string]string{"string": "str", "int": "int", "float": "float", "bool": "bool"}[p.Type]
		arg := name
		if isJSON {
			kind, arg = "Any", "text_of("+name+")"
		}
		param := name + ": " + kind
		if p.Default != nil {
			param += " = " + pythonValue(t, p.Default)
		}
		params, args = append(params, param), append(args, arg)
	}
	call, result := "self.call("+strings.Join(args, ", ")+")", "str"
	inBase64 := strings.Contains(m.Doc, "base64")
	switch {
	case m.Kind == rpc.Stream && inBase64:
		result = "Iterator[bytes]"
		call = "for item in self.streaming" + strings.TrimPrefix(call, "self.") + ":\n            yield base64.b64decode(item)"
	case m.Kind == rpc.Stream:
		result = "Iterator[Any]"
		call = "for item in self.streaming" + strings.TrimPrefix(call, "self.") + ":\n            yield json.loads(item)"
	case m.JSON:
		result, call = "Any", "return json.loads("+call+")"
	default:
		call = "return " + call
	}
	return fmt.Sprintf("\n    def %s(%s) -> %s:\n        \"\"\"%s\"\"\"\n        %s\n", m.Name, strings.Join(params, ", "), result,
		folded(m.Doc, 88, "\n        "), call)
}

// pythonValue returns a default value in Python.
func pythonValue(t *testing.T, v any) string {
	t.Helper()
	switch v {
	case true:
		return "True"
	case false:
		return "False"
	}
	text, err := rpc.JSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// folded breaks a text between words, so that lines have a width at most where words allow it.
func folded(text string, width int, end string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i > 0 && column+1+len(word) > width:
			b.WriteString(end)
			column = 0
		case i > 0:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
