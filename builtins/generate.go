package builtins

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
)

// allowedEnv are the environment variables that env() may read.
var allowedEnv = []string{
	"JUMPSTARTER_ENV", "JUMPSTARTER_DEVICE_ID", "JUMPSTARTER_MOCK_PROFILE",
	"JUMPSTARTER_REGION", "NODE_ENV", "MOCK_SCENARIO",
}

func generateModule() Module {
	return Module{
		Doc: "Generated values. Each driver has one random source and one clock, so a run with a seed can be " +
			"repeated.",
		Funcs: []Func{
			{"uuid", "", "A random UUID (version 4).", `len(uuid())  # => 36`, callUUID},
			{"now_iso", "", "The time as ISO 8601 in UTC, with microseconds.", `now_iso()[-6:]  # => "+00:00"`, callNowISO},
			{"now_epoch", "", "The time in whole seconds since 1970.", `type(now_epoch())  # => "int"`, callNowEpoch},
			{"random_int", "a, b", "A random whole number from a to b, both included.", `random_int(3, 3)  # => 3`, callRandomInt},
			{
				"random_float", "a, b, digits=2",
				"A random number from a to b, rounded to a number of decimals.",
				"0.5 <= random_float(0.5, 1.5) and random_float(0.5, 1.5) <= 1.5  # => True",
				callRandomFloat,
			},
			{
				"random_choice", "*items",
				"One of the arguments, chosen at random.",
				`random_choice("sunny", "rain") in ["sunny", "rain"]  # => True`,
				callRandomChoice,
			},
			{
				"counter", "name",
				"Counts its calls with this name: 1, 2, 3 and so on. A start of the proxy counts from 1 " +
					"again.",
				"counter(\"docs\")  # => 1\n" +
					`counter("docs")  # => 2`,
				callCounter,
			},
			{
				"env", "name",
				"An environment variable, \"\" when unset. Only " + strings.Join(allowedEnv, ", ") +
					" can be read; any other reads as \"\".",
				`env("SECRET")  # => ""`,
				callEnv,
			},
			{
				"sleep", "duration",
				`Waits: "250ms", "1.5s", or a number of seconds. It ends early, with an error, when the ` +
					"client goes away.",
				`sleep("1ms")  # => None`,
				callSleep,
			},
		},
	}
}

func callUUID(c *call.Call, a call.Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	return starlark.String(c.Env.Random.UUID()), nil
}

func callNowISO(c *call.Call, a call.Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	return starlark.String(c.Env.Clock.Now().UTC().Format("2006-01-02T15:04:05.000000+00:00")), nil
}

func callNowEpoch(c *call.Call, a call.Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	return starlark.MakeInt64(c.Env.Clock.Now().Unix()), nil
}

func callRandomInt(c *call.Call, a call.Args) (starlark.Value, error) {
	var x, y starlark.Value
	if err := a.Unpack("a", &x, "b", &y); err != nil {
		return nil, err
	}
	from, ok := call.Integer(x)
	to, also := call.Integer(y)
	if span := uint64(to) - uint64(from); ok && also && from <= to && span < math.MaxInt64 { // nearly always
		return starlark.MakeInt64(from + c.Env.Random.Int64N(int64(span)+1)), nil
	}
	lo, hi, err := span(a.Func, x, y)
	if err != nil {
		return nil, err
	}
	if hi.Cmp(lo) < 0 {
		return nil, fmt.Errorf("random_int: %d is more than %d", lo, hi)
	}
	return c.Env.Random.Between(lo, hi.Add(hi, big.NewInt(1))), nil
}

// span returns the bounds of a random number as ints of any size. fn is the function
// for errors.
func span(fn string, x, y starlark.Value) (lo, hi *big.Int, err error) {
	bounds := [2]*big.Int{}
	for i, v := range []starlark.Value{x, y} {
		n, ok := v.(starlark.Int)
		if f, isFloat := v.(starlark.Float); isFloat && float64(f) == math.Trunc(float64(f)) {
			n, err = starlark.NumberToInt(f)
			ok = err == nil
		}
		if ok && call.Printable(n) != nil {
			return nil, nil, fmt.Errorf("%s: argument %q: %w", fn, "ab"[i:i+1], call.Printable(n))
		}
		if !ok {
			return nil, nil, fmt.Errorf("%s: argument %q: got %s, want int", fn, "ab"[i:i+1], call.Describe(v))
		}
		bounds[i] = n.BigInt()
	}
	return bounds[0], bounds[1], nil
}

func callRandomFloat(c *call.Call, a call.Args) (starlark.Value, error) {
	var lo, hi float64
	digits := 2
	if err := a.Unpack("a", &lo, "b", &hi, "digits?", &digits); err != nil {
		return nil, err
	}
	if !(lo <= hi) || math.IsInf(hi-lo, 0) {
		return nil, fmt.Errorf("random_float: no numbers between %v and %v", lo, hi)
	}
	if digits < 0 || digits > 15 {
		return nil, fmt.Errorf("random_float: digits is %d, want 0 to 15", digits)
	}
	f := lo + c.Env.Random.Float64()*(hi-lo)
	scale := math.Pow10(digits)
	if r := math.Round(f*scale) / scale; !math.IsInf(r, 0) && !math.IsNaN(r) {
		f = r
	}
	return starlark.Float(min(max(f, lo), hi)), nil
}

func callRandomChoice(c *call.Call, a call.Args) (starlark.Value, error) {
	var items starlark.Tuple
	if err := a.Unpack("*items", &items); err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, errors.New("random_choice: nothing to choose from")
	}
	return items[c.Env.Random.Int64N(int64(len(items)))], nil
}

func callCounter(c *call.Call, a call.Args) (starlark.Value, error) {
	var name string
	if err := a.Unpack("name", &name); err != nil {
		return nil, err
	}
	n, err := c.Env.Count(name)
	return starlark.MakeInt64(n), err
}

func callEnv(c *call.Call, a call.Args) (starlark.Value, error) {
	var name string
	if err := a.Unpack("name", &name); err != nil {
		return nil, err
	}
	if !slices.Contains(allowedEnv, name) {
		c.Env.Log.Warn("env: variable is not on the list of those that may be read", "name", name)
		return starlark.String(""), nil
	}
	return starlark.String(c.Env.Getenv(name)), nil
}

func callSleep(c *call.Call, a call.Args) (starlark.Value, error) {
	var d time.Duration
	if err := a.Unpack("duration", &d); err != nil {
		return nil, err
	}
	if err := c.Sleep(d); err != nil {
		return nil, err
	}
	return starlark.None, nil
}
