package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFaultsSet sends plans of a file and of the standard input.
func TestFaultsSet(t *testing.T) {
	t.Parallel()
	const text = "- do: reset\n"
	path := filepath.Join(tempDir(t), "faults.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"faults", "set", path}, {"faults", "set", "-"}, {"faults", "set", "-", "--name", "a"}} {
		f := &fake{answers: map[string]any{"set_fault_plan": "Fault plan set: a → reset"}}
		c := newConsole("COLUMNS=100")
		c.Stdin = strings.NewReader(text)
		code := c.exit(c.dispatch(t.Context(), "j proxy", &proxyCommands{}, args, proxy{f}))
		name := ""
		if len(args) > 3 {
			name = "a"
		}
		if want := "set_fault_plan " + name + " " + strings.TrimSpace(text); code != 0 || c.stdout.String() != "Fault plan set: a → reset\n" || len(f.calls) != 1 || f.calls[0] != want {
			t.Errorf("%v: exit code %d, %q, calls %q, want %q", args, code, c.stdout.String(), f.calls, want)
		}
	}
}
