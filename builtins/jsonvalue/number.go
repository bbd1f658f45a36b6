package jsonvalue

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"

	"starproxy/builtins/excerpt"
)

// Number returns a number as JSON writes it: an int64 when that says all of it,
// else a json.Number with the text.
func Number(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && (n != 0 || text == "0") {
		return n
	}
	return json.Number(text)
}

// Float returns the text of f, which reads back as a float: 2.0, not 2. NaN and
// the infinities have none.
func Float(f float64) (json.Number, error) {
	b, err := AppendFloat(nil, f)
	return json.Number(b), err
}

// IsWhole reports whether a number is written without a point and an exponent:
// then it is a whole number of any size, else a float.
func IsWhole(text string) bool { return !strings.ContainsAny(text, ".eE") }

// Value returns the value of a number: an int64 or *big.Int when it is written
// as a whole number, else a float64. One that a float64 can't hold is an error.
func Value(n json.Number) (any, error) {
	text := string(n)
	if IsWhole(text) {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return i, nil
		}
		if len(text) > MaxDigits {
			return nil, fmt.Errorf("a number of more than %d digits", MaxDigits)
		}
		if i, ok := new(big.Int).SetString(text, 10); ok {
			return i, nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return nil, fmt.Errorf("the number %s is out of range", excerpt.Cut(text, 40))
	case err != nil:
		return nil, fmt.Errorf("%q is no number", excerpt.Cut(text, 40))
	}
	return f, nil
}

// MaxDigits bounds the whole numbers that are computed with.
const MaxDigits = 1000

// Equal reports whether two JSON values are the same. Numbers compare as they
// do in scripts and in Python, whatever their Go types: those written as whole
// numbers are exact, those with a point or an exponent are float64s. The order
// of keys does not matter.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case string:
		y, ok := b.(string)
		return ok && x == y
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !Equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case Object:
		return Equal(Plain(x), b)
	case map[string]any:
		if o, ok := b.(Object); ok {
			b = Plain(o)
		}
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			v, ok := y[k]
			if !ok || !Equal(x[k], v) {
				return false
			}
		}
		return true
	}
	x, okX := numberText(a)
	y, okY := numberText(b)
	return okX && okY && sameNumber(x, y)
}

// Compare says in which order two numbers stand: it is negative when a is less
// than b, 0 when they are equal as [Equal] has it, and positive when a is
// greater. ok is false when one of them is no number.
func Compare(a, b any) (order int, ok bool) {
	x, okX := numberText(a)
	y, okY := numberText(b)
	if !okX || !okY {
		return 0, false
	}
	if sameNumber(x, y) {
		return 0, true
	}
	d, okX := decimalOf(x)
	e, okY := decimalOf(y)
	return d.compare(e), okX && okY
}

// numberText returns a number of any Go type as it is written.
func numberText(v any) (string, bool) {
	switch n := v.(type) {
	case json.Number:
		return n.String(), true
	case *big.Int:
		return n.String(), true
	}
	switch r := reflect.ValueOf(v); {
	case !r.IsValid():
		return "", false
	case r.CanInt():
		return strconv.FormatInt(r.Int(), 10), true
	case r.CanUint():
		return strconv.FormatUint(r.Uint(), 10), true
	case r.CanFloat():
		n, err := Float(r.Float())
		return n.String(), err == nil
	}
	return "", false
}

func sameNumber(x, y string) bool {
	switch {
	case x == y:
		return true
	case !IsWhole(x) && IsWhole(y):
		x, y = y, x
		fallthrough
	case IsWhole(x) && !IsWhole(y):
		return sameDecimal(x, y) || isFloat(x, y)
	case IsWhole(x):
		return sameDecimal(x, y) // 0 and -0
	}
	fx, errX := strconv.ParseFloat(x, 64)
	fy, errY := strconv.ParseFloat(y, 64)
	return errX == nil && errY == nil && fx == fy || sameDecimal(x, y)
}

// isFloat reports whether a whole number is exactly the float64 that text means.
func isFloat(whole, text string) bool {
	const longest = 1 + 309 // of what a float64 holds
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || len(whole) > longest || f != math.Trunc(f) {
		return false
	}
	n, ok := new(big.Int).SetString(whole, 10)
	g, _ := new(big.Float).SetFloat64(f).Int(nil)
	return ok && n.Cmp(g) == 0
}

// sameDecimal compares digits: 1e2 is 100, 1.50 is 1.5.
func sameDecimal(x, y string) bool {
	a, okA := decimalOf(x)
	b, okB := decimalOf(y)
	return okA && okB && a == b
}

// decimal is a number as digits without zeros at their ends, times a power of 10.
type decimal struct {
	negative bool
	digits   string
	exponent int
}

// compare is negative when d is less than e, and positive when it is greater.
func (d decimal) compare(e decimal) int {
	switch {
	case d.negative != e.negative:
		if d.negative {
			return -1
		}
		return 1
	case d.negative:
		d, e = e, d
	}
	if d.digits == "" || e.digits == "" { // 0 has no exponent
		return cmp.Compare(len(d.digits), len(e.digits))
	}
	return cmp.Or(cmp.Compare(d.exponent+len(d.digits), e.exponent+len(e.digits)), cmp.Compare(d.digits, e.digits))
}

func decimalOf(text string) (decimal, bool) {
	var d decimal
	text, d.negative = strings.CutPrefix(text, "-")
	mantissa := text
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		e, err := strconv.Atoi(text[i+1:])
		if err != nil || e > math.MaxInt32 || e < math.MinInt32 {
			return d, false
		}
		mantissa, d.exponent = text[:i], e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	d.digits = strings.TrimRight(digits, "0")
	if d.digits == "" {
		return decimal{}, true
	}
	d.exponent += len(digits) - len(d.digits) - len(fraction)
	return d, true
}
