package value

import (
	"encoding/json"
	"fmt"
	"testing"

	"starproxy/builtins/jsonvalue"
)

// TestPaths looks paths up in all values that have them.
func TestPaths(t *testing.T) {
	t.Parallel()
	const text = `{"user": {"tags": ["x", {"y": 2}], "a.b": {"c": [3]}}, "@odata.type": "T", "x.y": 1, "x": {"y": 2, "z": 5},
		"l": [[1, 2], [3, 4]], "k[0]": 6, "m": {"-1": 7, "0": 8}, "back\\slash": 9, "n": null, "": {"": 10}}`
	v, err := DecodeJSON(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal([]byte(text), &plain); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"user.tags.0": `"x"`, "user.tags.-2": `"x"`, "user.tags[0]": `"x"`, "user.tags.-1.y": "2", "user.tags[-1].y": "2", "user.tags[1].y": "2",
		"user.tags.2": "", "user.tags.-3": "", "user.tags[2]": "", "user.tags[]": "", "user.tags[x]": "", "user.tags[0": "", "user.tags[0]x": "", "user.tags.+0": "",
		"@odata.type": `"T"`, `@odata\.type`: `"T"`, `\@odata.type`: "",
		"user.a.b.c.0": "3", `user.a\.b.c[0]`: "3", `user.a\.b.c.-1`: "3",
		"x.y": "1", `x\.y`: "1", "x.z": "5", `x\.z`: "",
		"l.0.1": "2", "l[0][1]": "2", "l[-1].-1": "4", "l.1[0]": "3", "l[1].0": "3", "l.-1.-2": "3",
		"k[0]": "6", `k\[0\]`: "6", "m.-1": "7", "m.0": "8", `back\slash`: "9", `back\\slash`: "9",
		"n": "null", "n.x": "", "none": "", "user.none.x": "", ".": `{"":10}`, "..": "10",
	} {
		got := ""
		if found := Dig(v, path); found != nil {
			b, _ := AppendJSON(nil, nil, found)
			got = string(b)
		}
		if got != want {
			t.Errorf("Dig(%q): got %s, want %s", path, got, want)
		}
		got = ""
		if found, ok := jsonvalue.Dig(plain, path); ok {
			b, _ := json.Marshal(found)
			got = string(b)
		}
		if got != want {
			t.Errorf("jsonvalue.Dig(%q): got %s, want %s", path, got, want)
		}
		if !scannable(path) {
			continue
		}
		found, err := scanJSON(nil, []byte(text), path)
		if got = ""; found != nil {
			b, _ := AppendJSON(nil, nil, found)
			got = string(b)
		}
		if err != nil || got != want {
			t.Errorf("scanJSON(%q): got %s, %v; want %s", path, fmt.Sprint(got), err, want)
		}
	}
}
