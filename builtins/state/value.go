package state

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
)

// Value converts v to a JSON value of the kinds that a Store holds. Containers
// are copied. Integral numbers become int64 when they fit (protobuf and
// encoding/json bring every number as a float64), other numbers float64.
// What is none of them goes through its own JSON form, or, without one, is
// stored as text.
func Value(v any) any {
	switch v := v.(type) {
	case nil, bool, string, int64:
		return v
	case float64:
		return number(v)
	case int:
		return int64(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return number(f)
		}
		return v.String()
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = Value(e)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = Value(e)
		}
		return m
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	var plain any
	if json.Unmarshal(data, &plain) != nil {
		return fmt.Sprint(v)
	}
	return Value(plain)
}

// number keeps f when it has a fraction or lies beyond what a float64 counts
// exactly.
func number(f float64) any {
	if math.Abs(f) < 1<<53 && f == math.Trunc(f) {
		return int64(f)
	}
	return f
}
