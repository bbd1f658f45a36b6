package builtins

import (
	"bytes"
	"encoding/json"
	"fmt"

	"starproxy/builtins/call"
	"starproxy/builtins/value"

	"go.starlark.net/starlark"
)

// sprigJSON returns the functions of sprig about JSON. Sprig's own turn every number into
// a float and sort the keys. These keep the numbers and the order of the keys.
func sprigJSON() map[string]sprigFunc {
	return map[string]sprigFunc{
		"fromJson":         {"a", sprigFromJSON(false)},
		"mustFromJson":     {"a", sprigFromJSON(true)},
		"toJson":           {"a", sprigToJSON(forHTML)},
		"mustToJson":       {"a", sprigToJSON(forHTML)},
		"toRawJson":        {"a", sprigToJSON(asIs)},
		"mustToRawJson":    {"a", sprigToJSON(asIs)},
		"toPrettyJson":     {"a", sprigToJSON(pretty)},
		"mustToPrettyJson": {"a", sprigToJSON(pretty)},
	}
}

// sprigFromJSON reads a JSON text. For a text that is not JSON the result is None, or an
// error if it must be JSON.
func sprigFromJSON(must bool) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(c *call.Call, a call.Args) (starlark.Value, error) {
		var s string
		if err := a.Unpack("a", &s); err != nil {
			return nil, err
		}
		v, err := value.DecodeJSON(c, []byte(s))
		switch {
		case err == nil:
			return v, nil
		case must || value.IsJSON(err):
			return nil, fmt.Errorf("%s: %w", a.Func, err)
		}
		return starlark.None, nil
	}
}

// sprigToJSON returns a value as JSON text in the given layout.
func sprigToJSON(layout func(compact []byte) ([]byte, error)) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(c *call.Call, a call.Args) (starlark.Value, error) {
		var v starlark.Value
		if err := a.Unpack("a", &v); err != nil {
			return nil, err
		}
		b, err := value.AppendJSON(c, nil, v)
		if err == nil {
			b, err = layout(b)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Func, err)
		}
		return starlark.String(b), nil
	}
}

func asIs(compact []byte) ([]byte, error) { return compact, nil }

func forHTML(compact []byte) ([]byte, error) {
	var b bytes.Buffer
	json.HTMLEscape(&b, compact)
	return b.Bytes(), nil
}

func pretty(compact []byte) ([]byte, error) {
	var b, html bytes.Buffer
	json.HTMLEscape(&html, compact)
	err := json.Indent(&b, html.Bytes(), "", "  ")
	return b.Bytes(), err
}
