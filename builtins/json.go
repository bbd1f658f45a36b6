package builtins

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"starproxy/builtins/call"
	"starproxy/builtins/value"

	"go.starlark.net/starlark"
)

func jsonModule() Module {
	return Module{
		Name: "json",
		Doc:  "JSON text.",
		Funcs: []Func{
			{"encode", "x", "x as compact JSON.", `json.encode({"a": [1, None]})  # => '{"a":[1,null]}'`, jsonEncode},
			{
				"encode_indent", `x, prefix="", indent="  "`,
				"x as JSON over several lines.",
				`json.encode_indent([1])  # => "[\n  1\n]"`,
				jsonEncodeIndent,
			},
			{
				"decode", "x, default=None",
				"The value of a JSON text. Text that is not JSON gives default when there is one, else an " +
					"error.",
				"json.decode('{\"a\": 1}')[\"a\"]  # => 1\n" +
					`json.decode("oops", default={})  # => {}`,
				jsonDecode,
			},
			{
				"indent", `s, prefix="", indent="  "`,
				"JSON text, laid out over several lines.",
				`json.indent("[1]")  # => "[\n  1\n]"`,
				jsonIndent,
			},
		},
	}
}

func jsonEncode(c *call.Call, a call.Args) (starlark.Value, error) {
	var x starlark.Value
	if err := a.Unpack("x", &x); err != nil {
		return nil, err
	}
	if err := c.Fits("json.encode", 0, x); err != nil {
		return nil, err
	}
	b, err := value.AppendJSON(c, nil, x)
	if err != nil {
		return nil, fmt.Errorf("json.encode: %w", err)
	}
	return starlark.String(b), nil
}

func jsonEncodeIndent(c *call.Call, a call.Args) (starlark.Value, error) {
	var x starlark.Value
	prefix, indent := "", "  "
	if err := a.Unpack("x", &x, "prefix?", &prefix, "indent?", &indent); err != nil {
		return nil, err
	}
	if err := c.Fits("json.encode_indent", 0, x); err != nil {
		return nil, err
	}
	b, err := value.AppendJSON(c, nil, x)
	if err != nil {
		return nil, fmt.Errorf("json.encode_indent: %w", err)
	}
	return indented(c, "json.encode_indent", b, prefix, indent)
}

func jsonIndent(c *call.Call, a call.Args) (starlark.Value, error) {
	var s, prefix string
	indent := "  "
	if err := a.Unpack("s", &s, "prefix?", &prefix, "indent?", &indent); err != nil {
		return nil, err
	}
	return indented(c, "json.indent", []byte(s), prefix, indent)
}

func indented(c *call.Call, fn string, b []byte, prefix, indent string) (starlark.Value, error) {
	if len(prefix)+len(indent) > 64 {
		return nil, fmt.Errorf("%s: prefix and indent are longer than 64 bytes", fn)
	}
	if err := c.Enough(fn, laidOut(b, len(prefix), len(indent))); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, prefix, indent); err != nil {
		return nil, fmt.Errorf("%s: %w", fn, err)
	}
	return starlark.String(out.String()), nil
}

// laidOut returns an upper bound of the length of a JSON text after indenting.
func laidOut(b []byte, prefix, indent int) int {
	size, depth := len(b), 0
	inside := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inside && c == '\\':
			i++
		case c == '"':
			inside = !inside
		case inside:
		case c == '[' || c == '{':
			depth++
			size += 1 + prefix + depth*indent
		case c == ']' || c == '}':
			depth--
			size += 1 + prefix + max(depth, 0)*indent
		case c == ',':
			size += 1 + prefix + max(depth, 0)*indent
		case c == ':':
			size++
		}
	}
	return size
}

func jsonDecode(c *call.Call, a call.Args) (starlark.Value, error) {
	var from, def starlark.Value
	if err := a.Unpack("x", &from, "default?", &def); err != nil {
		return nil, err
	}
	var x []byte
	switch from := from.(type) {
	case starlark.NoneType:
		if def != nil {
			return def, nil
		}
		return nil, errors.New("json.decode: got None instead of text: what should have given it found nothing")
	case starlark.String:
		x = []byte(from)
	case starlark.Bytes:
		x = []byte(from)
	default:
		return nil, fmt.Errorf("json.decode: argument \"x\": got %s, want string or bytes", call.Describe(from))
	}
	v, err := value.DecodeJSON(c, x)
	if err == nil {
		return v, nil
	}
	if def != nil && !value.IsJSON(err) {
		return def, nil
	}
	return nil, fmt.Errorf("json.decode: %w", err)
}

// sortedKeys lists the keys of m in alphabetical order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
