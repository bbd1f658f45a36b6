package exporter

import (
	"os"
	"slices"
	"testing"
)

// The names are those of the files that Find finds, each once.
func TestNames(t *testing.T) {
	t.Parallel()
	user, system := t.TempDir(), t.TempDir()
	for _, path := range []string{user + "/b.yaml", user + "/a.yaml", system + "/b.yaml", system + "/c.yaml", system + "/.yaml", system + "/d.txt"} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := namesIn(system, user, user+"/none"); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("got %q, want a, b and c", got)
	}
}
