package mock

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"starproxy/builtins/jsonvalue"
)

func TestMerge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, target, patch, want string
		refused                   string
	}{
		{"scalar replaces", `{"a":1,"b":2}`, `{"a":3}`, `{"a":3,"b":2}`, ""},
		{"new key", `{}`, `{"a":null}`, `{"a":null}`, ""},
		{"deep", `{"a":{"b":{"c":1,"d":2}}}`, `{"a":{"b":{"c":9}}}`, `{"a":{"b":{"c":9,"d":2}}}`, ""},
		{"list replaces", `{"a":[1,2,3]}`, `{"a":[4]}`, `{"a":[4]}`, ""},
		{"map over scalar", `{"a":1}`, `{"a":{"b":2}}`, `{"a":{"b":2}}`, ""},
		{"scalar over map", `{"a":{"b":2}}`, `{"a":1}`, `{"a":1}`, ""},
		{"map over list", `{"a":[1]}`, `{"a":{"b":2}}`, `{"a":{"b":2}}`, ""},
		{"element merges", `{"m":[{"a":1,"b":2},{"a":3}]}`, `{"m[0]":{"a":9}}`, `{"m":[{"a":9,"b":2},{"a":3}]}`, ""},
		{"element replaces", `{"m":[1,2]}`, `{"m[1]":"x"}`, `{"m":[1,"x"]}`, ""},
		{"missing list", `{}`, `{"m[0]":{"a":1}}`, `{"m":[{"a":1}]}`, ""},
		{"null is no list yet", `{"m":null}`, `{"m[0]":1}`, `{"m":[1]}`, ""},
		{"filled up", `{"m":[1]}`, `{"m[3]":{"a":1}}`, `{"m":[1,{},{},{"a":1}]}`, ""},
		{"several elements", `{}`, `{"m[2]":2,"m[0]":0}`, `{"m":[0,{},2]}`, ""},
		{"list and its element", `{"m":[7,7]}`, `{"m[1]":2,"m":[1]}`, `{"m":[1,2]}`, ""},
		{"below a missing map", `{}`, `{"a":{"m[0]":{"b[1]":5}}}`, `{"a":{"m":[{"b":[{},5]}]}}`, ""},
		{"two indexes", `{"g":[[1,2],[3,4]]}`, `{"g[1][0]":9,"g[2][1]":8}`, `{"g":[[1,2],[9,4],[{},8]]}`, ""},
		{"map over scalar element", `{"m":[1]}`, `{"m[0]":{"a":1}}`, `{"m":[{"a":1}]}`, ""},
		{"a key that looks so", `{"m[0]":1}`, `{"m[0]":2}`, `{"m[0]":2}`, ""},
		{"no index", `{}`, `{"m[x]":1,"[0]":2,"n[-1]":3,"o[]":4}`, `{"m[x]":1,"[0]":2,"o[]":4}`, "n[-1]: index -1 in a list of 0"},
		{"from the end", `{"l":[1,{"a":2}],"m":[[1,2],[3]]}`, `{"l[-1]":{"b":3},"m[-1][-1]":4,"m[-2][1]":5}`, `{"l":[1,{"a":2,"b":3}],"m":[[1,5],[4]]}`, ""},
		{"path", `{"user":{"name":"a","tags":[1,2]},"l":[{"id":1},{"id":2}]}`, `{"user.name":"b","user.tags.-1":3,"l.0.id":4,"l[-1].id":{"x":5}}`, `{"user":{"name":"b","tags":[1,3]},"l":[{"id":4},{"id":{"x":5}}]}`, ""},
		{"path to nothing", `{"user":{}}`, `{"user.name":"b","a\\.b":1}`, `{"user":{},"user.name":"b","a.b":1}`, ""},
		{"index beyond, key with a dot", `{"u.l":[1]}`, `{"u.l[1]":2}`, `{"u.l":[1,2]}`, ""},
		{"keys with dots", `{"@odata.type":"T","x":{"y":1},"x.y":2}`, `{"@odata.type":"U","x.y":3}`, `{"@odata.type":"U","x":{"y":1},"x.y":3}`, ""},
		{"from before the first", `{"l":[1]}`, `{"l[-2]":2}`, `{"l":[1]}`, "l[-2]: index -2 in a list of 1"},
		{"not a list", `{"m":{"a":1},"k":1}`, `{"m[0]":2,"k":3}`, `{"m":{"a":1},"k":3}`, "m[0]: not a list"},
		{"huge index", `{}`, `{"m[65536]":1}`, `{}`, "m[65536]: index beyond 65535"},
		{"beyond int", `{}`, `{"m[99999999999999999999]":1}`, `{"m[99999999999999999999]":1}`, ""},
		{"nothing", `[1]`, `{}`, `[1]`, ""},
		{"list at the root", `[{"a":1},2]`, `{"[0]":{"a":5},"[2]":3}`, `[{"a":5},2,3]`, ""},
		{"map over a root list", `[1]`, `{"a":1}`, `[1]`, "a: the target is a list, expected a key such as [0]"},
		{"map over a root scalar", `1`, `{"a":1}`, `{"a":1}`, ""},
		{"numbers as written", `{"a":1.0,"b":12345678901234567890}`, `{"c":1}`, `{"a":1.0,"b":12345678901234567890,"c":1}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			target, err := jsonvalue.Parse([]byte(c.target))
			if err != nil {
				t.Fatal(err)
			}
			patch, err := jsonvalue.Parse([]byte(c.patch))
			if err != nil {
				t.Fatal(err)
			}
			merged, refused := merge(target, patch.(jsonvalue.Object))
			got, err := json.Marshal(merged)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want || strings.Join(refused, "; ") != c.refused {
				t.Errorf("%s %q\nexpected %s %q", got, refused, c.want, c.refused)
			}
			if before, _ := json.Marshal(target); string(before) != c.target {
				t.Errorf("the target became %s", before)
			}
			if before, _ := json.Marshal(patch); string(before) != c.patch {
				t.Errorf("the patch became %s", before)
			}
		})
	}
}

func TestPatchKeepsTheOrderOfKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, patch, want string }{
		{"flat", `{"z":1,"a":2,"m":3}`, `{"a":9}`, `{"z":1,"a":9,"m":3}`},
		{"new keys last", `{"z":1,"a":2}`, `{"b":3,"0":4}`, `{"z":1,"a":2,"b":3,"0":4}`},
		{"deep", `{"z":{"y":1,"x":{"w":1,"a":2}},"a":[]}`, `{"z":{"x":{"a":3}}}`, `{"z":{"y":1,"x":{"w":1,"a":3}},"a":[]}`},
		{"in lists", `{"l":[{"b":1,"a":2},{"d":3,"c":4}]}`, `{"l[1]":{"c":5},"l[3]":{"x":1}}`, `{"l":[{"b":1,"a":2},{"d":3,"c":5},{},{"x":1}]}`},
		{"replaced", `{"z":{"b":1,"a":2},"y":[{"b":1}],"a":1}`, `{"z":[1],"y":{"d":1,"c":2}}`, `{"z":[1],"y":{"d":1,"c":2},"a":1}`},
		{"a new list", `{}`, `{"z":1,"l[1]":{"y":1,"b":2},"l":[0],"a":2}`, `{"z":1,"l":[0,{"y":1,"b":2}],"a":2}`},
		{"list at the root", `[{"b":1,"a":2}]`, `{"[0]":{"a":3}}`, `[{"b":1,"a":3}]`},
		{"twice", `{"b":1,"a":2,"b":3}`, `{"c":4}`, `{"b":3,"a":2,"c":4}`},
		{"not for HTML", `{"b":"<&>","a":1.50}`, `{"c":"é"}`, `{"b":"<&>","a":1.50,"c":"é"}`},
		{"numbers", `{"a":1e400,"b":-0,"c":18446744073709551616}`, `{"d":0.10,"c":-1.00E+2}`, `{"a":1e400,"b":-0,"c":-1.00E+2,"d":0.10}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, err := jsonvalue.Parse([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			p, err := jsonvalue.Parse([]byte(c.patch))
			if err != nil {
				t.Fatal(err)
			}
			got, err := jsonvalue.Append(nil, Merge(v, p.(jsonvalue.Object)))
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v, expected %s", got, err, c.want)
			}
		})
	}
}

func FuzzMerge(f *testing.F) {
	f.Add(`{"a":[1,{"b":2}]}`, `{"a[1]":{"b":3},"c[2][1]":4}`)
	f.Add(`[1,[2]]`, `{"[1][0]":{"x[1]":null}}`)
	f.Add(`null`, `{"a":{"b":{}}}`)
	f.Fuzz(func(t *testing.T, target, patch string) {
		if len(target)+len(patch) > 1<<12 {
			return
		}
		v, err := jsonvalue.Parse([]byte(target))
		if err != nil {
			return
		}
		w, err := jsonvalue.Parse([]byte(patch))
		p, ok := w.(jsonvalue.Object)
		if err != nil || !ok {
			return
		}
		before, _ := json.Marshal([]any{v, p})
		merged, refused := merge(v, p)
		after, _ := json.Marshal([]any{v, p})
		if string(before) != string(after) {
			t.Errorf("merge changed its arguments: %s became %s", before, after)
		}
		if len(refused) > 0 {
			return
		}
		// Laid over its own result once more, a patch changes nothing, but where
		// it says one thing twice or a key turns into an index the second time.
		if strings.Contains(patch, "[") || len(p) == 0 {
			return
		}
		if again := Merge(merged, p); !reflect.DeepEqual(again, merged) {
			t.Errorf("%s over %s: a second time gives another result", patch, target)
		}
	})
}
