package value

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

func TestDecodeJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`null`: "None", ` [1, -2, 2.5, 1e3, true, false] `: "[1, -2, 2.5, 1000.0, True, False]",
		`{"a": {"b": []}}`: `{"a": {"b": []}}`, `{"a": 1, "a": 2}`: `{"a": 2}`,
		`"\u00fc\n\ud83d\ude00\/"`: "\"ü\\n😀/\"", `"\ud83d"`: `"�"`, `"\ud83dx"`: `"�x"`,
		`123456789012345678901234567890`: "123456789012345678901234567890", `0`: "0", `-0`: "0",
	} {
		v, err := DecodeJSON(nil, []byte(in))
		if err != nil || v.String() != want {
			t.Errorf("%s: got %v, %v; want %s", in, v, err, want)
		}
	}
	for in, want := range map[string]string{
		``: "at offset 0: unexpected end", `[1`: "want ',' or ']'", `{1: 2}`: "want a key in double quotes",
		`{"a" 1}`: "want ':' after a key", `1 2`: "more after the end", `01`: "more after the end", `"a`: "string without an end",
		`"\x"`: "unknown escape", "\"\n\"": "control character", `nul`: "unexpected character", `1.`: "want a digit after the point",
		`1e`: "want a digit in the exponent", `1e999`: "number out of range", `'a'`: "unexpected character",
		strings.Repeat("[", 2000): "nested deeper than 1000 levels",
	} {
		if v, err := DecodeJSON(nil, []byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s: got %v, %v; want an error with %s", in, v, err, want)
		}
	}
}

// FuzzJSON compares with encoding/json: the same texts are accepted, and what
// is decoded and encoded again means the same.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a": [1, 2.5, null, "\u00fc\ud83d\ude00"]}`, `1e5`, `-0.0`, `"\ud800\u0041"`, "\"\xff\"", `[[],{}]`, `1E-7`, `12345678901234567890`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := DecodeJSON(nil, data)
		var want any
		wantErr := json.Unmarshal(data, &want)
		if err != nil {
			if wantErr == nil && !strings.Contains(err.Error(), "nested deeper") && !strings.Contains(err.Error(), "1000 digits") {
				t.Fatalf("%q: %v, encoding/json accepts it", data, err)
			}
			return
		}
		if wantErr != nil {
			// An integer too big for a float64 is one that Starlark can hold.
			if strings.Contains(wantErr.Error(), "cannot unmarshal number") {
				return
			}
			t.Fatalf("%q: accepted, encoding/json says %v", data, wantErr)
		}
		out, err := AppendJSON(nil, nil, v)
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		var got any
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q became %q: %v", data, out, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q became %q", data, out)
		}
		g, err := ToGo(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		// Both encoders agree but for the order of keys.
		again, err := AppendGoJSON(nil, g)
		if err != nil {
			t.Fatal(err)
		}
		if sorted, _ := AppendJSON(nil, nil, FromGo(g)); !bytes.Equal(again, sorted) {
			t.Fatalf("%q is %q as Starlark and %q as Go", data, sorted, again)
		}
	})
}

// FuzzScan holds that looking a path up in the text finds what Dig finds in
// the decoded value.
func FuzzScan(f *testing.F) {
	for _, c := range [][2]string{
		{`{"user": {"name": "ada", "tags": [1, {"x": 2.5}]}}`, "user.name"},
		{`{"user": {"name": "ada", "tags": [1, {"x": 2.5}]}}`, "user.tags.1.x"},
		{`{"a": {"b": 1}, "a.b": 2, "a": {"c": 3}}`, "a.b"}, {`{"a": {"b": 1}, "a": 5}`, "a.b"},
		{`{"a.b": {"c": 1}, "a": {"b": {"d": 1}}}`, "a.b.c"}, {`{"\u0061": [null]}`, "a.0"}, {`[[1], 2`, "0"},
		{`{"a": 1e999, "b": 1}`, "b"}, {`{"a": 01, "b": 1}`, "b"}, {`{"": {"": 1}}`, "."}, {`{"a": "x"} x`, "a"}, {`{"ü": "\ud83d\ude00"}`, "ü"},
		{`{"a": {}}`, "a."}, {`[0, -0, 1.5, true, false, null, "\n"]`, "6"}, {`{"a": [}`, "b"}, {"7", ""}, {`[1, 2]`, "+1"}, {`{"@odata.type": 1, "@odata": {"type": 2}}`, "@odata.type"}, {`[[1]]`, "0.00"}, {`{"a.b.c.d": {"e": 1}}`, "a.b.c.d.e"},
	} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		if !scannable(path) {
			return
		}
		got, err := scanJSON(nil, []byte(text), path)
		whole, bad := DecodeJSON(nil, []byte(text))
		if (err == nil) != (bad == nil) {
			t.Fatalf("%q: %v, but decoding it: %v", text, err, bad)
		}
		if err != nil {
			return
		}
		want := Dig(whole, path)
		if got == nil || want == nil {
			if got != want {
				t.Fatalf("%q in %q: %v, want %v", path, text, got, want)
			}
			return
		}
		if got.String() != want.String() {
			t.Fatalf("%q in %q: %s, want %s", path, text, got, want)
		}
	})
}

func TestToGoRefuses(t *testing.T) {
	t.Parallel()
	circle := starlark.NewList(nil)
	circle.Append(circle)
	for want, v := range map[string]starlark.Value{
		"has no JSON form": starlark.Universe["len"], "nested deeper": circle, "key is int": func() starlark.Value {
			d := new(starlark.Dict)
			d.SetKey(starlark.MakeInt(1), starlark.None)
			return d
		}(), "+Inf has": starlark.Float(inf()),
	} {
		if _, err := ToGo(nil, v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ToGo: error is %v, want %s", err, want)
		}
		if _, err := AppendJSON(nil, nil, v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("AppendJSON: error is %v, want %s", err, want)
		}
	}
}

func inf() float64 { zero := 0.0; return 1 / zero }
