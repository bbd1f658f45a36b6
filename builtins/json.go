package builtins

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.starlark.net/starlark"
)

func jsonModule() Module {
	return Module{
		Name: "json",
		Doc:  "JSON text.",
		Funcs: []Func{
			{"encode", "x", "x as compact JSON.", `json.encode({"a": [1, None]})  # => '{"a":[1,null]}'`, jsonEncode},
			{"encode_indent", "x, prefix=\"\", indent=\"  \"", "x as JSON over several lines.", `json.encode_indent([1])  # => "[\n  1\n]"`, jsonEncodeIndent},
			{"decode", "x, default=None", "The value of a JSON text. Text that is not JSON gives default when there is one, else an error.", "json.decode('{\"a\": 1}')[\"a\"]  # => 1\njson.decode(\"oops\", default={})  # => {}", jsonDecode},
			{"indent", "s, prefix=\"\", indent=\"  \"", "JSON text, laid out over several lines.", `json.indent("[1]")  # => "[\n  1\n]"`, jsonIndent},
		},
	}
}

func jsonEncode(c *Call, a Args) (starlark.Value, error) {
	var x starlark.Value
	if err := a.Unpack("x", &x); err != nil {
		return nil, err
	}
	b, err := AppendJSON(nil, x)
	if err != nil {
		return nil, fmt.Errorf("json.encode: %w", err)
	}
	return starlark.String(b), nil
}

func jsonEncodeIndent(c *Call, a Args) (starlark.Value, error) {
	var x starlark.Value
	prefix, indent := "", "  "
	if err := a.Unpack("x", &x, "prefix?", &prefix, "indent?", &indent); err != nil {
		return nil, err
	}
	b, err := AppendJSON(nil, x)
	if err != nil {
		return nil, fmt.Errorf("json.encode_indent: %w", err)
	}
	return indented("json.encode_indent", b, prefix, indent)
}

func jsonIndent(c *Call, a Args) (starlark.Value, error) {
	var s, prefix string
	indent := "  "
	if err := a.Unpack("s", &s, "prefix?", &prefix, "indent?", &indent); err != nil {
		return nil, err
	}
	return indented("json.indent", []byte(s), prefix, indent)
}

func indented(fn string, b []byte, prefix, indent string) (starlark.Value, error) {
	if len(prefix)+len(indent) > 64 {
		return nil, fmt.Errorf("%s: prefix and indent are longer than 64 bytes", fn)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, prefix, indent); err != nil {
		return nil, fmt.Errorf("%s: %w", fn, err)
	}
	return starlark.String(out.String()), nil
}

func jsonDecode(c *Call, a Args) (starlark.Value, error) {
	var x []byte
	var def starlark.Value
	if err := a.Unpack("x", &x, "default?", &def); err != nil {
		return nil, err
	}
	v, err := DecodeJSON(x)
	if err == nil {
		return v, nil
	}
	if def != nil {
		return def, nil
	}
	return nil, fmt.Errorf("json.decode: %w", err)
}

// sortedKeys lists the keys of m in alphabetical order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
