package value

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"starproxy/builtins/jsonvalue"
)

// TestJSONWritersAgree checks that texts and numbers are written in the same way
// wherever they come from: a JSON value, a Go struct, a struct among JSON values, or
// a script.
func TestJSONWritersAgree(t *testing.T) {
	t.Parallel()
	texts := []string{"", "plain", `<b>&amp;</b> "q" \ /`, "\b\f\n\r\t\x00\x1f\x7f", "\u2028\u2029", `\u2028 \ufffd \\u2029`, "\ufffd",
		"a\xffb\xc3", "\xed\xa0\x80", "ä日🚗", "\u2028\xff<"}
	for _, s := range texts {
		want, err := jsonvalue.Append(nil, s)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, s, string(want))
		if back := ""; json.Unmarshal(want, &back) != nil || back != string([]rune(s)) {
			t.Errorf("%q: written as %s, read back as %q", s, want, back)
		}
	}
	for n, want := range map[any]string{
		int64(math.MinInt64):                "-9223372036854775808",
		json.Number("18446744073709551616"): "18446744073709551616",
		1.5:                                 "1.5",
		1e-7:                                "1e-7",
		-2.5e-10:                            "-2.5e-10",
		1e21:                                "1e+21",
		math.MaxFloat64:                     "1.7976931348623157e+308",
	} {
		agree(t, n, want)
	}
	sorted := map[string]any{"b": 1, "a": "<", "é": nil, "\u2028": true}
	agree(t, sorted, "{\"a\":\"<\",\"b\":1,\"é\":null,\"\u2028\":true}")
}

// agree writes v in each way.
func agree(t *testing.T, v any, want string) {
	t.Helper()
	type box struct {
		V any `json:"v"`
	}
	inside := fmt.Sprintf(`{"v":%s}`, want)
	for name, c := range map[string]struct {
		v    any
		want string
	}{
		"value":                 {v, want},
		"object":                {jsonvalue.Object{{Key: "v", Value: v}}, inside},
		"struct":                {box{v}, inside},
		"struct among values":   {[]any{&box{v}}, "[" + inside + "]"},
		"object in a struct":    {box{jsonvalue.Object{{Key: "v", Value: v}}}, `{"v":` + inside + `}`},
		"list that is no value": {[]box{{v}}, "[" + inside + "]"},
	} {
		if got, err := jsonvalue.Append(nil, c.v); err != nil || string(got) != c.want {
			t.Errorf("%s of %#v: got %s, %v, want %s", name, v, got, err, c.want)
		}
	}
	script, err := AppendJSON(nil, nil, FromGo(v))
	if err != nil || string(script) != want {
		t.Errorf("script value of %#v: got %s, %v, want %s", v, script, err, want)
	}
	g, err := ToGo(nil, FromGo(v))
	if again, aerr := jsonvalue.Append(nil, g); err != nil || aerr != nil || !bytes.Equal(again, script) {
		t.Errorf("script value of %#v, converted: got %s, %v, want %s", v, again, err, want)
	}
}
