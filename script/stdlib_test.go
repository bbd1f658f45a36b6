package script_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"starproxy/script"
	"starproxy/stdlib"
)

// TestStdlib runs the Starlark tests of the standard library.
func TestStdlib(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(stdlib.FS, "*.star")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name, isTest := strings.CutSuffix(file, "_test.star")
		if !isTest {
			if !slices.Contains(files, strings.TrimSuffix(file, ".star")+"_test.star") {
				t.Errorf("%s has no tests", file)
			}
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, err := stdlib.FS.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range script.RunTests(t.Context(), testOptions(), "@stdlib//"+file, src) {
				var e *script.Error
				if errors.As(r.Err, &e) {
					t.Errorf("%s: %s", r.Name, e.Backtrace())
				} else if r.Err != nil {
					t.Errorf("%s: %v", r.Name, r.Err)
				}
			}
		})
	}
}
