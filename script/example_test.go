package script_test

import (
	"testing"

	"starproxy/builtins"
	"starproxy/script"
)

// TestExamples runs the example of every builtin, as the documentation has it.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, m := range builtins.Modules() {
		for _, f := range m.Funcs {
			name := f.Name
			if m.Name != "" {
				name = m.Name + "." + f.Name
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if f.Doc == "" || f.Example == "" {
					t.Fatal("has no documentation or no example")
				}
				if got := f.Signature(); got != f.Params {
					t.Errorf("documented as (%s), unpacks (%s)", f.Params, got)
				}
				n, err := script.Example(t.Context(), testOptions(), f.Example, exampleExchange())
				if err != nil {
					t.Errorf("%v\n%s", err, f.Example)
				}
				if n == 0 {
					t.Errorf("the example states no result:\n%s", f.Example)
				}
			})
		}
	}
}
