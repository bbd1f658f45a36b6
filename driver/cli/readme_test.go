package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The scripts and endpoints that the README shows load without a mistake.
func TestReadmeScripts(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := tempDir(t)
	args := []string{"script", "check"}
	for _, block := range regexp.MustCompile("(?s)```(python|yaml)\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		name, _, _ := strings.Cut(strings.TrimPrefix(block[2], "# "), "\n")
		switch {
		case strings.HasSuffix(name, ".star"):
		case block[1] == "yaml" && strings.HasPrefix(block[2], "GET "):
			name = "template.yaml"
		default:
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(block[2]), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if len(args) != 6 {
		t.Fatalf("found %q in the README, expected four files", args[2:])
	}
	c := newConsole()
	c.Name = "starproxy"
	if code := c.run(t.Context(), args); code != 0 {
		t.Errorf("exit code %d: %s", code, c.stderr.String())
	}
}
