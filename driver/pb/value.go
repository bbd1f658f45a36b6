package pb

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"
)

// maxDepth bounds the nesting of a value; deeper ones are refused instead of
// exhausting the stack of either side.
const maxDepth = 100

// NewValue returns v as it crosses the wire. Every number becomes a double; a
// whole number that no double holds exactly is an error. NaN and infinities
// become null, and text must be UTF-8: binary data has to be encoded by the
// caller. Kinds without a form of their own (structs, times,
// maps of strings) go through their JSON encoding.
func NewValue(v any) (*structpb.Value, error) { return newValue(v, 0) }

func newValue(v any, depth int) (*structpb.Value, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("value is nested more than %d deep", maxDepth)
	}
	switch v := v.(type) {
	case nil:
		return structpb.NewNullValue(), nil
	case *structpb.Value:
		return v, nil
	case bool:
		return structpb.NewBoolValue(v), nil
	case int:
		return double(json.Number(strconv.Itoa(v)))
	case int64:
		return double(json.Number(strconv.FormatInt(v, 10)))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return structpb.NewNullValue(), nil
		}
		return structpb.NewNumberValue(v), nil
	case json.Number:
		return double(v)
	case string:
		if !utf8.ValidString(v) {
			return nil, fmt.Errorf("text is not valid UTF-8; encode binary data first")
		}
		return structpb.NewStringValue(v), nil
	case []byte:
		return newValue(string(v), depth)
	case []any:
		list := &structpb.ListValue{Values: make([]*structpb.Value, len(v))}
		for i, e := range v {
			x, err := newValue(e, depth+1)
			if err != nil {
				return nil, err
			}
			list.Values[i] = x
		}
		return structpb.NewListValue(list), nil
	case map[string]any:
		fields := make(map[string]*structpb.Value, len(v))
		for k, e := range v {
			if !utf8.ValidString(k) {
				return nil, fmt.Errorf("key %q is not valid UTF-8", k)
			}
			x, err := newValue(e, depth+1)
			if err != nil {
				return nil, err
			}
			fields[k] = x
		}
		return structpb.NewStructValue(&structpb.Struct{Fields: fields}), nil
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		if err != nil {
			return nil, err
		}
		return newValue(string(text), depth)
	}
	return viaJSON(v, depth)
}

// double returns a number as the wire has it.
func double(n json.Number) (*structpb.Value, error) {
	f, err := n.Float64()
	if err != nil {
		return nil, fmt.Errorf("number %s does not fit a double", n)
	}
	if whole, ok := new(big.Int).SetString(n.String(), 10); ok {
		if back, _ := new(big.Float).SetFloat64(f).Int(nil); back.Cmp(whole) != 0 {
			return nil, fmt.Errorf("no double holds the number %s exactly; send it as text", n)
		}
	}
	return structpb.NewNumberValue(f), nil
}

func viaJSON(v any, depth int) (*structpb.Value, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("cannot send a %T: %w", v, err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var plain any
	if err := dec.Decode(&plain); err != nil {
		return nil, fmt.Errorf("cannot send a %T: %w", v, err)
	}
	return newValue(plain, depth)
}

// NewValues converts the positional arguments of a call.
func NewValues(args []any) ([]*structpb.Value, error) {
	out := make([]*structpb.Value, len(args))
	for i, a := range args {
		v, err := NewValue(a)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		out[i] = v
	}
	return out, nil
}

// Native returns what v carries as nil, bool, float64, string, []any or
// map[string]any. A missing value, one without a kind and a null are all nil.
func Native(v *structpb.Value) any { return v.AsInterface() }

// Natives converts the positional arguments of a call. The result is never nil.
func Natives(args []*structpb.Value) []any {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = Native(a)
	}
	return out
}
