package jsonvalue

import (
	"encoding/json"
	"testing"
)

// Numbers have an order, whatever their size and form.
func TestCompare(t *testing.T) {
	t.Parallel()
	ascending := []any{
		json.Number("-1e400"), json.Number("-18446744073709551616"), int64(-10), -1.5, json.Number("-1.25"), json.Number("-0.1"),
		json.Number("0.00"), 0.1, json.Number("0.5"), int64(1), json.Number("1.0000000000000002"), 9,
		json.Number("1e1"), json.Number("10.5"), uint64(100), json.Number("9007199254740992"), json.Number("9007199254740993"),
		json.Number("18446744073709551615"), json.Number("18446744073709551616"), json.Number("1e400"),
	}
	for i, a := range ascending {
		for j, b := range ascending {
			if got, ok := Compare(a, b); !ok || (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%v, %v: %d, %v", a, b, got, ok)
			}
		}
	}
	for _, v := range []any{nil, true, "1", []any{1}} {
		if _, ok := Compare(v, 1); ok {
			t.Errorf("%v is taken for a number", v)
		}
	}
}
