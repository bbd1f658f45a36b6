package jsonvalue

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want any
	}{
		{"null", nil}, {" true ", true}, {`"é\n"`, "é\n"}, {"0", int64(0)}, {"-9223372036854775808", int64(math.MinInt64)},
		{"-0", json.Number("-0")}, {"1.50", json.Number("1.50")}, {"1E2", json.Number("1E2")},
		{"9223372036854775808", json.Number("9223372036854775808")},
		{`{"b":1,"a":[{}],"b":2}`, Object{{"b", int64(2)}, {"a", []any{Object{}}}}},
	} {
		got, err := Parse([]byte(c.text))
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", c.text, err, diff)
		}
	}
	for text, want := range map[string]string{
		"": "no value", "{": "byte 2: unexpected EOF", "[1,]": "byte 3: invalid character ',' at start of value", "{1:2}": "byte 2: object member name must be a string",
		"1 2": "more after the first value", "01": "more after the first value", `{"a":1}}`: "more after the first value", `{"a" 1}`: "byte 6: invalid character '1' after object name (expecting ':')",
	} {
		if got, err := Parse([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %#v, %v, want the error %q", text, got, err, want)
		}
	}
}

// TestManyKeys goes past the size from which a map finds keys.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	var b Builder
	for round := range 2 {
		for i := range 3 * manyKeys {
			b.Set(fmt.Sprint(i), round)
		}
	}
	o := b.Object()
	if len(o) != 3*manyKeys || o[0].Key != "0" || o[40].Key != "40" {
		t.Fatalf("got %v", o)
	}
	for _, m := range o {
		if m.Value != 1 {
			t.Errorf("%s is %v, want the later value", m.Key, m.Value)
		}
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	n := func(s string) json.Number { return json.Number(s) }
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{n("1"), 1, true}, {n("1.50"), 1.5, true}, {n("1e2"), 100, true}, {n("-0"), 0, true}, {n("-0"), n("0"), true}, {n("0.0"), n("-0e9"), true},
		{n("1"), uint8(1), true}, {n("1"), "1", false}, {n("1"), true, false}, {n("1"), nil, false},
		{n("18446744073709551615"), uint64(18446744073709551615), true},
		{n("18446744073709551615"), n("18446744073709551616"), false},
		{n("18446744073709551616"), n("1.8446744073709552e19"), true},
		{n("18446744073709551615"), n("1.8446744073709552e19"), false},
		{n("18446744073709551615"), n("1.8446744073709551615e19"), true},
		{n("9007199254740993"), 9007199254740992.0, false},
		{n("0.1"), n("0.10000000000000001"), true}, {n("0.1"), n("0.2"), false},
		{n("1e400"), n("10e399"), true}, {n("1e400"), n("1e401"), false}, {n("1e400"), n("1" + strings.Repeat("0", 400)), true},
		{n("1e999999999"), 1, false}, {n("1e99999999999999999999"), n("1e99999999999999999998"), false},
		{new(big.Int).Lsh(big.NewInt(1), 70), n("1180591620717411303424"), true},
		{"a", "a", true}, {nil, nil, true}, {nil, false, false}, {math.NaN(), math.NaN(), false},
		{[]any{}, []any{1}, false}, {map[string]any{"a": nil}, map[string]any{"b": nil}, false},
		{Object{{"a", 1}, {"b", 2.0}}, Object{{"b", 2}, {"a", n("1.0")}}, true},
		{Object{{"a", 1}}, map[string]any{"a": n("1")}, true}, {Object{{"a", 1}}, Object{{"a", 1}, {"b", nil}}, false},
	} {
		if Equal(c.a, c.b) != c.want || Equal(c.b, c.a) != c.want {
			t.Errorf("%v and %v: want %v", c.a, c.b, c.want)
		}
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	large, _ := new(big.Int).SetString("18446744073709551616", 10)
	for text, want := range map[string]any{
		"7": int64(7), "-0": int64(0), "18446744073709551616": large, "7.0": 7.0, "1e3": 1000.0, "1e-400": 0.0,
	} {
		got, err := Value(json.Number(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, %v, want %#v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{"1e400": "the number 1e400 is out of range", strings.Repeat("9", MaxDigits+1): "more than 1000 digits"} {
		if got, err := Value(json.Number(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s: got %v, %v, want %q", text, got, err, want)
		}
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v    any
		want string
	}{
		{Object{{"z", json.Number("1.50")}, {"a", []any{2.0, 1e22, -1e-7, int64(3), 4}}}, `{"z":1.50,"a":[2.0,1e+22,-1e-7,3,4]}`},
		{map[string]any{"b": Object{}, "a": nil}, `{"a":null,"b":{}}`},
		{"<&>\x01\xff\u2028", `"<&>\u0001` + "\ufffd\u2028" + `"`},
	} {
		got, err := Append(nil, c.v)
		if err != nil || string(got) != c.want {
			t.Errorf("got %s, %v, want %s", got, err, c.want)
		}
		if again, err := json.Marshal(c.v); err != nil || !json.Valid(again) {
			t.Errorf("encoding/json writes %s, %v", again, err)
		}
	}
	for _, v := range []any{math.NaN(), Object{{"a", math.Inf(1)}}, func() {}} {
		if got, err := Append(nil, v); err == nil {
			t.Errorf("%v: got %s, want an error", v, got)
		}
	}
	if _, err := AppendMax(nil, []any{"long", "text"}, 8); err != ErrLong {
		t.Errorf("a text beyond the bound: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"b":[1,{"a":null}],"a":"x"}`, `[[],{}]`, `1.50`, `{"a":1,"a":{}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Parse([]byte(text))
		if err != nil {
			return
		}
		got, err := Append(nil, v)
		if err != nil || !json.Valid(got) {
			t.Fatalf("%q gives %q, %v", text, got, err)
		}
		again, err := Parse(got)
		if err != nil || !Equal(v, again) {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	})
}

func TestShort(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value any
		max   int
		want  string
	}{
		{Object{{Key: "z", Value: int64(1)}, {Key: "a", Value: "<ö>"}}, 40, `{"z":1,"a":"<ö>"}`},
		{"aöb", 2, `"a…`},
		{"aöb", 3, `"aö…`},
		{"aöb", 4, `"aöb…`},
		{math.NaN(), 40, "NaN"},
		{nil, 40, "null"},
	} {
		if got := Short(test.value, test.max); got != test.want {
			t.Errorf("Short(%v, %d): got %s, want %s", test.value, test.max, got, test.want)
		}
	}
}
