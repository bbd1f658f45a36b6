package script_test

import (
	"encoding/json"
	"strings"
	"testing"

	"starproxy/script"
)

// Each function of the reference that scripts can call has a stub with its parameters.
func TestStubs(t *testing.T) {
	t.Parallel()
	files, err := script.Stubs()
	if err != nil {
		t.Fatal(err)
	}
	sections, err := script.Reference()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range sections {
		for _, e := range s.Entries {
			name, params, function := strings.Cut(strings.TrimSuffix(e.Signature, ")"), "(")
			file := "starlark-lsp/__init__.py"
			if module, member, ok := strings.Cut(name, "."); ok {
				name = member
				if files["starlark-lsp/"+module+"/__init__.py"] != nil {
					file = "starlark-lsp/" + module + "/__init__.py"
				} else if params = strings.TrimSuffix("self, "+params, ", "); !function {
					continue // a field
				}
			}
			if lib, ok := strings.CutPrefix(s.Name, "@stdlib//"); ok {
				file = "starlark-lsp/stdlib/" + strings.TrimSuffix(lib, ".star") + ".py"
			}
			if !function || s.Name == "script" || strings.HasPrefix(name, "request_") {
				continue // what scripts define, constants, and the functions of templates
			}
			n++
			if want := "def " + name + "(" + params + "):"; !strings.Contains(string(files[file]), want) {
				t.Errorf("%s lacks %s", file, want)
			}
		}
	}
	if n < 300 {
		t.Errorf("%d functions, want more", n)
	}
	var starpls struct {
		Symbols []struct{ Name, Kind string }
	}
	if err := json.Unmarshal(files["starpls.json"], &starpls); err != nil || len(starpls.Symbols) < 30 {
		t.Errorf("starpls.json: %v, %d symbols", err, len(starpls.Symbols))
	}
}
