package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starproxy/script"
)

// docs/reference.md has the reference as the tool prints it. UPDATE=1 writes it anew.
func TestReference(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "reference.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), "<!-- reference begins")
	mark, rest, ok2 := strings.Cut(rest, "-->\n")
	was, after, ok3 := strings.Cut(rest, "<!-- reference ends -->")
	if !ok || !ok2 || !ok3 {
		t.Fatal("docs/reference.md lacks the marks of the reference")
	}
	sections, err := script.Reference()
	if err != nil {
		t.Fatal(err)
	}
	is := "\n" + strings.TrimSpace(markdown(sections)) + "\n\n"
	if was == is {
		return
	}
	if os.Getenv("UPDATE") != "1" {
		t.Fatal("the reference in docs/reference.md is not what \"starproxy script doc --markdown\" prints: UPDATE=1 go test ./driver/cli -run Reference")
	}
	text := before + "<!-- reference begins" + mark + "-->\n" + is + "<!-- reference ends -->" + after
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
