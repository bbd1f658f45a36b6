package rpc

import (
	"encoding/json"
	"fmt"
	"math"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/jsonvalue"
)

// Param is a positional parameter of a method.
type Param struct {
	Name string
	// Type is "string", "int", "float" or "bool".
	Type string
	// Default is the value when the argument is left out; nil when it is required.
	Default any
}

// unpack turns what arrived into the Go values of the parameters. Numbers
// arrive as doubles; a whole one is an int where an int is meant.
func unpack(method string, params []Param, args []any) ([]any, *Refusal) {
	if len(args) > len(params) {
		return nil, Refuse(InvalidArgument, "%s: got %d, want at most %d arguments", method, len(args), len(params))
	}
	out := make([]any, len(params))
	for i, p := range params {
		if i >= len(args) {
			if p.Default == nil {
				return nil, Refuse(InvalidArgument, "%s: argument %s is missing", method, p.Name)
			}
			out[i] = p.Default
			continue
		}
		v, ok := convert(p.Type, args[i])
		if !ok {
			return nil, Refuse(InvalidArgument, "%s: argument %s: got %s, want %s", method, p.Name, Show(args[i]), article(p.Type))
		}
		out[i] = v
	}
	return out, nil
}

func convert(typ string, v any) (any, bool) {
	switch typ {
	case "string":
		s, ok := v.(string)
		return s, ok
	case "bool":
		b, ok := v.(bool)
		return b, ok
	}
	f, ok := number(v)
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, false
	}
	if typ == "float" {
		return f, true
	}
	if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return nil, false
	}
	return int(f), true
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}

func article(typ string) string {
	switch typ {
	case "int":
		return "a whole number"
	case "float":
		return "a number"
	case "bool":
		return "true or false"
	}
	return "text"
}

// Show returns a value as an error message quotes it.
func Show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "the text " + excerpt.Quote(v)
	case []any:
		return "a list"
	case jsonvalue.Object, map[string]any:
		return "an object"
	}
	return fmt.Sprint(v)
}
