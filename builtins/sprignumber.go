package builtins

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
)

// sprigNumbers returns the functions of sprig for whole numbers. Sprig's own compute with
// 64 bits. These are exact for numbers of any size.
func sprigNumbers() map[string]sprigFunc {
	sum := func(a, b *big.Int) (*big.Int, error) { return a.Add(a, b), nil }
	less := func(sign int) func(a, b *big.Int) (*big.Int, error) {
		return func(a, b *big.Int) (*big.Int, error) {
			if b.Cmp(a) == sign {
				return b, nil
			}
			return a, nil
		}
	}
	return map[string]sprigFunc{
		"add":       {"*a", sprigFold(0, sum)},
		"add1":      {"a", sprigWhole(func(n *big.Int) *big.Int { return n.Add(n, big.NewInt(1)) })},
		"sub":       {"a, b", sprigFold(2, func(a, b *big.Int) (*big.Int, error) { return a.Sub(a, b), nil })},
		"mul":       {"a, *b", sprigFold(1, sprigProduct)},
		"div":       {"a, b", sprigFold(2, sprigQuotient((*big.Int).Quo))},
		"mod":       {"a, b", sprigFold(2, sprigQuotient((*big.Int).Rem))},
		"max":       {"a, *b", sprigFold(1, less(1))},
		"biggest":   {"a, *b", sprigFold(1, less(1))},
		"min":       {"a, *b", sprigFold(1, less(-1))},
		"int":       {"a", sprigInt(0)},
		"int64":     {"a", sprigInt(0)},
		"atoi":      {"a", sprigInt(10)},
		"toDecimal": {"a", sprigInt(8)},
	}
}

// sprigFold combines numbers from left to right. exactly is the number of arguments that
// the function needs: 1 means one or more, 0 means any number.
func sprigFold(exactly int, fn func(a, b *big.Int) (*big.Int, error)) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(_ *call.Call, a call.Args) (starlark.Value, error) {
		var values starlark.Tuple
		var x, y starlark.Value
		var err error
		switch exactly {
		case 0:
			err = a.Unpack("*a", &values)
		case 1:
			err = a.Unpack("a", &x, "*b", &values)
			values = append(starlark.Tuple{x}, values...)
		default:
			err = a.Unpack("a", &x, "b", &y)
			values = starlark.Tuple{x, y}
		}
		if err != nil {
			return nil, err
		}
		result := new(big.Int)
		for i, v := range values {
			n, err := sprigWholeArg(v)
			if err == nil && i == 0 {
				result = n
			} else if err == nil {
				result, err = fn(result, n)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: argument %d: %w", a.Func, i+1, err)
			}
		}
		return starlark.MakeBigInt(result), nil
	}
}

func sprigWhole(fn func(*big.Int) *big.Int) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(_ *call.Call, a call.Args) (starlark.Value, error) {
		var v starlark.Value
		if err := a.Unpack("a", &v); err != nil {
			return nil, err
		}
		n, err := sprigWholeArg(v)
		if err != nil {
			return nil, fmt.Errorf("%s: argument 1: %w", a.Func, err)
		}
		return starlark.MakeBigInt(fn(n)), nil
	}
}

func sprigProduct(a, b *big.Int) (*big.Int, error) {
	if a.BitLen()+b.BitLen() > call.MaxBits {
		return nil, fmt.Errorf("the product has more than %d bits", call.MaxBits)
	}
	return a.Mul(a, b), nil
}

// sprigQuotient divides and rounds towards 0, as Go does.
func sprigQuotient(fn func(z, a, b *big.Int) *big.Int) func(a, b *big.Int) (*big.Int, error) {
	return func(a, b *big.Int) (*big.Int, error) {
		if b.Sign() == 0 {
			return nil, errors.New("division by 0")
		}
		return fn(new(big.Int), a, b), nil
	}
}

// sprigInt converts a value to a whole number. A text is read in the given base; base 0
// means the notation of Go. A value that is not a number becomes 0.
func sprigInt(base int) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(_ *call.Call, a call.Args) (starlark.Value, error) {
		var v starlark.Value
		if err := a.Unpack("a", &v); err != nil {
			return nil, err
		}
		if n, ok := v.(starlark.Int); ok && base == 8 {
			v = starlark.String(n.String())
		}
		if s, ok := v.(starlark.String); ok {
			if len(s) > call.MaxDigits {
				return nil, fmt.Errorf("%s: text of %d bytes, want at most %d", a.Func, len(s), call.MaxDigits)
			}
			n, ok := wholeText(string(s), base)
			if !ok {
				return starlark.MakeInt(0), nil
			}
			return starlark.MakeBigInt(n), nil
		}
		n, err := sprigWholeArg(v)
		if err != nil {
			return nil, fmt.Errorf("%s: argument 1: %w", a.Func, err)
		}
		return starlark.MakeBigInt(n), nil
	}
}

// wholeText reads a whole number. A fraction of zeros, as in 3.00, is allowed.
func wholeText(s string, base int) (*big.Int, bool) {
	if whole, zeros, ok := strings.Cut(s, "."); ok && base == 0 && strings.Trim(zeros, "0") == "" {
		s = whole
	}
	return new(big.Int).SetString(s, base)
}

// sprigWholeArg converts an argument to a whole number as sprig does: a float loses its
// fraction, a text is read, True is 1, None is 0.
func sprigWholeArg(v starlark.Value) (*big.Int, error) {
	switch v := v.(type) {
	case starlark.NoneType:
		return new(big.Int), nil
	case starlark.Bool:
		if v {
			return big.NewInt(1), nil
		}
		return new(big.Int), nil
	case starlark.Int:
		return v.BigInt(), nil
	case starlark.Float:
		if n, err := starlark.NumberToInt(v); err == nil {
			return n.BigInt(), nil
		}
	case starlark.String:
		if len(v) <= call.MaxDigits {
			if n, ok := wholeText(string(v), 0); ok {
				return n, nil
			}
		}
	}
	return nil, fmt.Errorf("got %s, want int", call.Describe(v))
}

// sprigFloats returns the functions of sprig that compute with floats of 64 bits.
func sprigFloats(name string) bool {
	switch sprigBase(name) {
	case "addf", "add1f", "subf", "mulf", "divf", "maxf", "minf", "ceil", "floor", "round", "float64":
		return true
	}
	return false
}

// sprigFloatArgs refuses whole numbers that a float cannot hold.
func sprigFloatArgs(name string, given []starlark.Value) error {
	if !sprigFloats(name) {
		return nil
	}
	for i, v := range given {
		number := v
		if s, ok := v.(starlark.String); ok && len(s) <= call.MaxDigits {
			if n, ok := wholeText(string(s), 0); ok {
				number = starlark.MakeBigInt(n)
			}
		}
		if !fitsFloat(number) {
			return fmt.Errorf("sprig.%s: argument %d: got %s, which a float cannot hold exactly", name, i+1, call.Describe(v))
		}
	}
	return nil
}
