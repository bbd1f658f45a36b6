package rpc

import (
	"encoding/json"
	"reflect"
	"testing"

	"starproxy/builtins/jsonvalue"
)

func TestParseJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		" 1 ":                    int64(1),
		"1.50":                   json.Number("1.50"),
		"9007199254740993":       int64(9007199254740993),
		`{"b": [null], "a": {}}`: jsonvalue.Object{{Key: "b", Value: []any{nil}}, {Key: "a", Value: jsonvalue.Object{}}},
		"\"\\u00e9\"":            "é",
	} {
		got, err := ParseJSON(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, %v", text, got, err)
		}
	}
}
