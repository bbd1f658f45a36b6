package state

import (
	"encoding/json"
	"fmt"
	"math/big"

	"starproxy/builtins/jsonvalue"
)

// Value converts v to a JSON value of the kinds that a Store holds. Containers
// are copied. Whole numbers become int64 when they fit; all others stay as they
// are written, whatever their size. What is none of them goes through its own
// JSON form, or, without one, is stored as text. A number that no script could
// read, such as 1e400, is an error.
func Value(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, string, int64:
		return v, nil
	case float64:
		return jsonvalue.Float(v)
	case int:
		return int64(v), nil
	case *big.Int:
		return number(json.Number(v.String()))
	case json.Number:
		return number(v)
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			var err error
			if list[i], err = Value(e); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		return Value(jsonvalue.Sorted(v))
	case jsonvalue.Object:
		o := make(jsonvalue.Object, len(v))
		for i, m := range v {
			e, err := Value(m.Value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.Key, err)
			}
			o[i] = jsonvalue.Member{Key: m.Key, Value: e}
		}
		return o, nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v), nil
	}
	plain, err := jsonvalue.Parse(data)
	if err != nil {
		return fmt.Sprint(v), nil
	}
	return Value(plain)
}

func number(n json.Number) (any, error) {
	if _, err := jsonvalue.Value(n); err != nil {
		return nil, err
	}
	return jsonvalue.Number(n.String()), nil
}
