package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs returns the text of each page of the documentation, by its path from
// the top of the checkout.
func docs(t *testing.T) map[string]string {
	t.Helper()
	const top = "../.."
	pages := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "driver/python/README.md"} {
		paths, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(top, path)
			if err != nil {
				t.Fatal(err)
			}
			pages[filepath.ToSlash(name)] = string(data)
		}
	}
	return pages
}

// The scripts and endpoints that the documentation shows load without a mistake.
func TestDocsScripts(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?s)```(python|yaml)\n(.*?)```")
	named := regexp.MustCompile(`^# (\S+\.star)\n`)
	dir := tempDir(t)
	var found []string
	args := []string{"script", "check"}
	for page, text := range docs(t) {
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			name := "template.yaml"
			if star := named.FindStringSubmatch(m[2]); star != nil {
				name = star[1]
			} else if m[1] != "yaml" || !strings.HasPrefix(m[2], "GET ") {
				continue
			}
			found = append(found, name)
			path := filepath.Join(dir, filepath.FromSlash(page), name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(m[2]), 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, path)
		}
	}
	slices.Sort(found)
	if want := []string{"addons/greeter.star", "device.star", "hooks.star", "template.yaml"}; !slices.Equal(found, want) {
		t.Fatalf("scripts and endpoints in the documentation: got %q, want %q", found, want)
	}
	c := newConsole()
	c.Name = "starproxy"
	if code := c.run(t.Context(), args); code != 0 {
		t.Errorf("exit code %d: %s", code, c.stderr.String())
	}
}

// Each relative link of the documentation leads to a file of the checkout, and
// its anchor to a heading of that file. README leads to every page of docs.
func TestDocsLinks(t *testing.T) {
	t.Parallel()
	pages := docs(t)
	link := regexp.MustCompile(`\]\(([^()\s]+)\)`)
	linked := map[string]bool{}
	for page, text := range pages {
		for _, m := range link.FindAllStringSubmatch(withoutCode(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, hasAnchor := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(page), file))
			}
			if page == "README.md" {
				linked[target] = true
			}
			if _, err := os.Stat(filepath.Join("../..", target)); err != nil {
				t.Errorf("%s: %s: %v", page, m[1], err)
			} else if hasAnchor && !slices.Contains(anchors(pages[target]), anchor) {
				t.Errorf("%s: %s: %s has no such heading, it has %q", page, m[1], target, anchors(pages[target]))
			}
		}
	}
	for page := range pages {
		if filepath.Dir(page) == "docs" && !linked[page] {
			t.Errorf("README.md has no link to %s", page)
		}
	}
}

// README is a first page and no manual.
func TestReadmeLength(t *testing.T) {
	t.Parallel()
	if lines := strings.Count(docs(t)["README.md"], "\n"); lines > 250 {
		t.Errorf("README.md: got %d lines, want at most 250", lines)
	}
}

// anchors returns the anchors that GitHub gives to the headings of a page.
func anchors(page string) []string {
	dropped := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#+ +(.*)$`).FindAllStringSubmatch(withoutCode(page), -1) {
		all = append(all, strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

// withoutCode returns a page without its blocks of code.
func withoutCode(page string) string {
	return regexp.MustCompile("(?ms)^ *```.*?^ *```$").ReplaceAllString(page, "")
}
