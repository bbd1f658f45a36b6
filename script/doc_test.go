package script_test

import (
	"strings"
	"testing"

	"starproxy/script"
)

// Everything that scripts can use is described, and every function of the
// standard library has an example that runs.
func TestReference(t *testing.T) {
	t.Parallel()
	sections, err := script.Reference()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sections {
		if s.Doc == "" || s.Title == "" || len(s.Entries) == 0 {
			t.Errorf("section %q: no description or no entries", s.Name)
		}
		for _, e := range s.Entries {
			if e.Summary() == "" || !strings.HasSuffix(e.Summary(), ".") {
				t.Errorf("%s: %q is no sentence", e.Name, e.Summary())
			}
			if !strings.HasPrefix(s.Name, "@stdlib//") && s.Name != "script" {
				continue
			}
			t.Run(e.Name, func(t *testing.T) {
				t.Parallel()
				if e.Example == "" {
					t.Fatal("has no Example: in its docstring")
				}
				src := e.Example
				if s.Name != "script" {
					src = "load(\"" + s.Name + "\", \"" + e.Name + "\")\n" + src
				}
				if _, err := script.Example(t.Context(), testOptions(), src, exampleExchange()); err != nil {
					t.Errorf("%v\n%s", err, src)
				}
			})
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	sections, err := script.Reference()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"state":               "state.get",
		"state.incr":          "state.incr",
		"uuid":                "uuid",
		"uuid()":              "uuid",
		"sequence":            "sequence",
		"rules.star":          "conditional",
		"@stdlib//rules.star": "conditional",
		"req":                 "req.method",
		"cookies":             "req.cookies",
		"hooks":               "hooks",
		"endpoints":           "endpoints",
		"handle":              "handle",
		"addon":               "addon",
		"config":              "config",
	} {
		found, err := script.Find(sections, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := found[0].Entries[0].Name; got != want {
			t.Errorf("%s: found %s first, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"state.inc": `no builtin or module "state.inc" (did you mean state.incr?)`,
		"":          `no builtin or module ""`,
	} {
		if _, err := script.Find(sections, name); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}
