package builtins

import (
	"fmt"
	"math"
	"math/big"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
)

func mathModule() Module {
	m := Module{
		Name: "math",
		Doc:  "Mathematical functions over floats.",
		Consts: []Const{
			{"e", "Euler's number.", starlark.Float(math.E)},
			{"pi", "The ratio of a circle's circumference to its diameter.", starlark.Float(math.Pi)},
		},
		Funcs: []Func{
			{"ceil", "x", "The smallest int that is not less than x.", `math.ceil(1.2)  # => 2`, mathRounding("ceil", math.Ceil)},
			{"floor", "x", "The largest int that is not more than x.", `math.floor(1.8)  # => 1`, mathRounding("floor", math.Floor)},
			{
				"round", "x, digits=0",
				"x rounded to a number of decimals, halves away from zero.",
				"math.round(2.345, 1)  # => 2.3\n" +
					"math.round(2.5)  # => 3.0",
				exactly(mathRound),
			},
			{"pow", "x, y", "x to the power of y.", `math.pow(2, 10)  # => 1024.0`, mathBinary(math.Pow)},
			{"atan2", "x, y", "The angle whose tangent is x/y.", `math.atan2(0, 1)  # => 0.0`, mathBinary(math.Atan2)},
			{"hypot", "x, y", "The square root of x*x + y*y.", `math.hypot(3, 4)  # => 5.0`, mathBinary(math.Hypot)},
			{
				"mod", "x, y",
				"The floating-point remainder of x/y, with the sign of x.",
				"math.mod(7, 4)  # => 3.0",
				exactly(mathBinary(math.Mod)),
			},
			{"fabs", "x", "The absolute value of x.", `math.fabs(-2)  # => 2.0`, exactly(mathUnary(math.Abs))},
			{"copysign", "x, y", "x with the sign of y.", `math.copysign(2, -1)  # => -2.0`, exactly(mathBinary(math.Copysign))},
		},
	}
	for _, f := range []struct {
		name, doc, example string
		fn                 func(float64) float64
	}{
		{"sqrt", "The square root of x.", `math.sqrt(9)  # => 3.0`, math.Sqrt},
		{"exp", "e to the power of x.", `math.exp(0)  # => 1.0`, math.Exp},
		{"log", "The natural logarithm of x.", `math.log(1)  # => 0.0`, math.Log},
		{"log10", "The decimal logarithm of x.", `math.log10(100)  # => 2.0`, math.Log10},
		{"log2", "The binary logarithm of x.", `math.log2(8)  # => 3.0`, math.Log2},
		{"sin", "The sine of x, in radians.", `math.sin(0)  # => 0.0`, math.Sin},
		{"cos", "The cosine of x, in radians.", `math.cos(0)  # => 1.0`, math.Cos},
		{"tan", "The tangent of x, in radians.", `math.tan(0)  # => 0.0`, math.Tan},
		{"asin", "The arcsine of x.", `math.asin(0)  # => 0.0`, math.Asin},
		{"acos", "The arccosine of x.", `math.acos(1)  # => 0.0`, math.Acos},
		{"atan", "The arctangent of x.", `math.atan(0)  # => 0.0`, math.Atan},
		{"degrees", "An angle in radians as degrees.", `math.degrees(math.pi)  # => 180.0`, func(x float64) float64 { return x * 180 / math.Pi }},
		{"radians", "An angle in degrees as radians.", `math.radians(180) == math.pi  # => True`, func(x float64) float64 { return x * math.Pi / 180 }},
	} {
		m.Funcs = append(m.Funcs, Func{f.name, "x", f.doc, f.example, mathUnary(f.fn)})
	}
	m.Funcs = sortedFuncs(m.Funcs)
	return m
}

func mathUnary(fn func(float64) float64) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(c *call.Call, a call.Args) (starlark.Value, error) {
		var x float64
		if err := a.Unpack("x", &x); err != nil {
			return nil, err
		}
		return starlark.Float(fn(x)), nil
	}
}

// exactly returns fn with a check before it: an int that a float cannot hold exactly
// is an error. Without the check, the result would be that of another number.
func exactly(fn func(*call.Call, call.Args) (starlark.Value, error)) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(c *call.Call, a call.Args) (starlark.Value, error) {
		for i, v := range a.Given() {
			if !fitsFloat(v) {
				return nil, fmt.Errorf("%s: argument %d: got %s, which a float cannot hold exactly", a.Func, i+1, call.Describe(v))
			}
		}
		return fn(c, a)
	}
}

// fitsFloat reports whether a float can hold a number exactly.
func fitsFloat(v starlark.Value) bool {
	n, ok := v.(starlark.Int)
	if !ok {
		return true
	}
	_, accuracy := new(big.Float).SetInt(n.BigInt()).Float64()
	return accuracy == big.Exact
}

func mathBinary(fn func(x, y float64) float64) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(c *call.Call, a call.Args) (starlark.Value, error) {
		var x, y float64
		if err := a.Unpack("x", &x, "y", &y); err != nil {
			return nil, err
		}
		return starlark.Float(fn(x, y)), nil
	}
}

func mathRounding(name string, fn func(float64) float64) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(c *call.Call, a call.Args) (starlark.Value, error) {
		var v starlark.Value
		if err := a.Unpack("x", &v); err != nil {
			return nil, err
		}
		if n, ok := v.(starlark.Int); ok {
			return n, nil
		}
		x, ok := starlark.AsFloat(v)
		if !ok {
			return nil, fmt.Errorf("math.%s: argument \"x\": got %s, want float", name, call.Describe(v))
		}
		n, err := starlark.NumberToInt(starlark.Float(fn(x)))
		if err != nil {
			return nil, fmt.Errorf("math.%s: %w", name, err)
		}
		return n, nil
	}
}

func mathRound(_ *call.Call, a call.Args) (starlark.Value, error) {
	var x float64
	digits := 0
	if err := a.Unpack("x", &x, "digits?", &digits); err != nil {
		return nil, err
	}
	if digits < 0 || digits > 15 {
		return nil, fmt.Errorf("math.round: digits is %d, want 0 to 15", digits)
	}
	scale := math.Pow10(digits)
	if r := math.Round(x*scale) / scale; !math.IsInf(r, 0) {
		x = r
	}
	return starlark.Float(x), nil
}
