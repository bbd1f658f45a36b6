package builtins

import (
	"strings"
	"testing"

	"github.com/Masterminds/sprig/v3"
)

// TestCostsAreOfFunctions checks that every row is for a function that sprig
// has, so that a name that changes there loses no bound.
func TestCostsAreOfFunctions(t *testing.T) {
	t.Parallel()
	funcs := sprig.GenericFuncMap()
	for name := range costs {
		if funcs[name] == nil {
			t.Errorf("costs: sprig has no function %s", name)
		}
	}
	for name := range shortText {
		if funcs[name] == nil {
			t.Errorf("shortText: sprig has no function %s", name)
		}
	}
	for name := range funcs {
		switch {
		case strings.Contains(strings.ToLower(name), "regex") && name != "regexQuoteMeta" && !costs[sprigBase(name)].pattern && sprigBase(name) != "regexQuoteMeta":
			t.Errorf("%s takes a regular expression, but has no row that says so", name)
		case strings.HasPrefix(name, "gen") && !costs[name].slow:
			t.Errorf("%s makes keys, but has no row that says that it is slow", name)
		case strings.HasPrefix(name, "must"):
			if _, plain := funcs[sprigBase(name)]; !plain {
				t.Errorf("%s: there is no function without must", name)
			}
		}
	}
}
