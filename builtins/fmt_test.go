package builtins

import (
	"math"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

// Numbers are written as printf writes them, whole ones exactly.
func TestFmt(t *testing.T) {
	t.Parallel()
	big := starlark.MakeUint64(math.MaxUint64)
	for _, c := range []struct {
		format string
		arg    starlark.Value
		want   string
	}{
		{"%05d", starlark.MakeInt(42), "00042"},
		{"%05d", starlark.MakeInt(-42), "-0042"},
		{"%+d", starlark.MakeInt(42), "+42"},
		{"% d", starlark.MakeInt(42), " 42"},
		{"%-5d|", starlark.MakeInt(42), "42   |"},
		{"%5d", starlark.MakeInt(42), "   42"},
		{"%d", big, "18446744073709551615"},
		{"%022d", big, "0018446744073709551615"},
		{"%d", starlark.Float(3), "3"},
		{"%d", starlark.String(" 18446744073709551616 "), "18446744073709551616"},
		{"%x", starlark.MakeInt(255), "ff"},
		{"%#06X", starlark.MakeInt(255), "0X00FF"},
		{"%o", starlark.MakeInt(8), "10"},
		{"%08b", starlark.MakeInt(5), "00000101"},
		{"%.2f", starlark.MakeInt(3), "3.00"},
		{"%.2f", starlark.Float(2.675), "2.67"},
		{"%08.3f", starlark.Float(-3.14159), "-003.142"},
		{"%.1f", big, "18446744073709551615.0"},
		{"%.2f", starlark.String("1e2"), "100.00"},
		{"%e", starlark.Float(1234.5), "1.234500e+03"},
		{"%g", starlark.Float(0.1), "0.1"},
		{"%,d", starlark.MakeInt(1234567), "1,234,567"},
		{"%,d", starlark.MakeInt(-123), "-123"},
		{"%,.2f", starlark.Float(-1234.5), "-1,234.50"},
		{"%,10d|", starlark.MakeInt(12345), "    12,345|"},
		{"%-,10d|", starlark.MakeInt(12345), "12,345    |"},
		{"%010,d", starlark.MakeInt(1), ""},
		{"%s%%", starlark.MakeInt(5), "5%"},
		{"%10s|", starlark.String("é"), "         é|"},
		{"%.1s", starlark.String("éa"), "é"},
		{"%f", starlark.Float(math.Inf(1)), "+Inf"},
	} {
		v, err := starlark.Call(&starlark.Thread{}, Names(Everywhere)["fmt"], starlark.Tuple{starlark.String(c.format), c.arg}, nil)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s of %s: %v, expected an error", c.format, c.arg, v)
			}
			continue
		}
		if got, _ := starlark.AsString(v); err != nil || got != c.want {
			t.Errorf("%s of %s: %q, %v, expected %q", c.format, c.arg, got, err, c.want)
		}
	}
	for _, c := range []struct {
		args []starlark.Value
		want string
	}{
		{[]starlark.Value{starlark.String("%d")}, "fmt: %d has no value"},
		{[]starlark.Value{starlark.String("%d"), starlark.MakeInt(1), starlark.MakeInt(2)}, "fmt: 2 values, but the format has room for 1"},
		{[]starlark.Value{starlark.String("%d"), starlark.String("x")}, `fmt: %d: got string "x", want a whole number`},
		{[]starlark.Value{starlark.String("%d"), starlark.Float(1.5)}, "want a whole number"},
		{[]starlark.Value{starlark.String("%d"), starlark.Float(math.NaN())}, "want a whole number"},
		{[]starlark.Value{starlark.String("%d"), starlark.Float(math.Inf(-1))}, "want a whole number"},
		{[]starlark.Value{starlark.String("%f"), starlark.None}, "fmt: %f: got NoneType, want a number"},
		{[]starlark.Value{starlark.String("%f"), starlark.String("1e999")}, "not so large"},
		{[]starlark.Value{starlark.String("%y"), starlark.MakeInt(1)}, `fmt: "%y": want one of d, x`},
		{[]starlark.Value{starlark.String("50%")}, `"%" ends the format; write %% for a percent sign`},
		{[]starlark.Value{starlark.String("%999999999d"), starlark.MakeInt(1)}, "the width and the precision are at most 1000"},
		{[]starlark.Value{starlark.String("%,x"), starlark.MakeInt(1)}, "a comma goes with d and f"},
	} {
		_, err := starlark.Call(&starlark.Thread{}, Names(Everywhere)["fmt"], c.args, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("fmt%v: %v, expected %s", c.args, err, c.want)
		}
	}
}
