package cli

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestExampleScripts runs the tests that lie beside the examples.
func TestExampleScripts(t *testing.T) {
	t.Parallel()
	c := newConsole()
	if code := c.exit((&scriptTestCmd{Paths: []string{filepath.Join("..", "..", "examples")}}).Run(t.Context(), &c.System)); code != 0 || !strings.Contains(c.stdout.String(), "passed") {
		t.Errorf("exit code %d\n%s%s", code, &c.stdout, &c.stderr)
	}
}
