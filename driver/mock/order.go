package mock

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"starproxy/builtins/exchange"
)

// order is how the keys of a JSON text follow each other: values in Go maps
// have lost that, and a patched answer should differ in what is patched only.
type order struct {
	keys   []string
	fields map[string]*order
	items  []*order
}

// readOrder reads the order of a text that is known to be one JSON value. It is
// nil for a scalar.
func readOrder(text []byte) *order {
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	dec.UseNumber()
	return nextOrder(dec)
}

func nextOrder(dec *json.Decoder) *order {
	token, err := dec.Token()
	open, ok := token.(json.Delim)
	if err != nil || !ok {
		return nil
	}
	o := &order{}
	if open == '{' {
		o.fields = map[string]*order{}
	}
	for dec.More() {
		if open == '[' {
			o.items = append(o.items, nextOrder(dec))
			continue
		}
		token, err := dec.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return o
		}
		if _, twice := o.fields[key]; !twice {
			o.keys = append(o.keys, key)
		}
		o.fields[key] = nextOrder(dec)
	}
	_, _ = dec.Token() // the closing bracket
	return o
}

// appendOrdered writes v as compact JSON: keys that o knows in its order, then
// the others by name.
func appendOrdered(dst []byte, v any, o *order) ([]byte, error) {
	if o == nil {
		o = &order{}
	}
	var err error
	switch v := v.(type) {
	case map[string]any:
		dst = append(dst, '{')
		first := true
		put := func(key string) {
			if err != nil {
				return
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			if dst, err = appendScalar(dst, key); err == nil {
				dst, err = appendOrdered(append(dst, ':'), v[key], o.fields[key])
			}
		}
		for _, key := range o.keys {
			if _, ok := v[key]; ok {
				put(key)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if _, known := o.fields[key]; !known {
				put(key)
			}
		}
		return append(dst, '}'), err
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			var known *order
			if i < len(o.items) {
				known = o.items[i]
			}
			if dst, err = appendOrdered(dst, e, known); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}
	return appendScalar(dst, v)
}

func appendScalar(dst []byte, v any) ([]byte, error) {
	b, err := exchange.EncodeJSON(v)
	return append(dst, b...), err
}
