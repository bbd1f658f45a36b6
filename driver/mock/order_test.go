package mock

import (
	"encoding/json"
	"testing"
)

func TestPatchKeepsTheOrderOfKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, patch, want string }{
		{"flat", `{"z":1,"a":2,"m":3}`, `{"a":9}`, `{"z":1,"a":9,"m":3}`},
		{"new keys last", `{"z":1,"a":2}`, `{"b":3,"0":4}`, `{"z":1,"a":2,"0":4,"b":3}`},
		{"deep", `{"z":{"y":1,"x":{"w":1,"a":2}},"a":[]}`, `{"z":{"x":{"a":3}}}`, `{"z":{"y":1,"x":{"w":1,"a":3}},"a":[]}`},
		{"in lists", `{"l":[{"b":1,"a":2},{"d":3,"c":4}]}`, `{"l[1]":{"c":5},"l[3]":{"x":1}}`, `{"l":[{"b":1,"a":2},{"d":3,"c":5},{},{"x":1}]}`},
		{"replaced", `{"z":{"b":1,"a":2},"y":[{"b":1}],"a":1}`, `{"z":[1],"y":{"d":1,"c":2}}`, `{"z":[1],"y":{"c":2,"d":1},"a":1}`},
		{"list at the root", `[{"b":1,"a":2}]`, `{"[0]":{"a":3}}`, `[{"b":1,"a":3}]`},
		{"twice", `{"b":1,"a":2,"b":3}`, `{"c":4}`, `{"b":3,"a":2,"c":4}`},
		{"mark at the head", "\ufeff{\"b\":1,\"a\":2}", `{"a":1}`, `{"b":1,"a":1}`},
		{"not for HTML", `{"b":"<&>","a":1.50}`, `{"c":"é"}`, `{"b":"<&>","a":1.50,"c":"é"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, err := parseJSON([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			p, err := parseJSON([]byte(c.patch))
			if err != nil {
				t.Fatal(err)
			}
			got, err := appendOrdered(nil, Merge(v, p.(map[string]any)), readOrder([]byte(c.text)))
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v, expected %s", got, err, c.want)
			}
		})
	}
}

func FuzzOrder(f *testing.F) {
	for _, s := range []string{`{"b":[1,{"a":null}],"a":"x"}`, `[[],{}]`, `1`, `{"a":1,"a":{}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseJSON([]byte(text))
		if err != nil {
			return
		}
		got, err := appendOrdered(nil, v, readOrder([]byte(text)))
		if err != nil || !json.Valid(got) {
			t.Fatalf("%q gives %q, %v", text, got, err)
		}
		again, err := parseJSON(got)
		if err != nil || !equalJSON(v, again) {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	})
}
