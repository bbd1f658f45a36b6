package interop

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// recipe is a section of the cookbook: its title, the scenario in YAML or Starlark, commands,
// and what they print.
var recipe = regexp.MustCompile("(?m)^### (.+)\n\n.+\n\n```(yaml|python)\n((?:.*\n)*?)```\n\n```shell\n((?:.*\n)*?)```\n\n```text\n((?:.*\n)*?)```\n")

// Each recipe of docs/cookbook.md prints what the page says.
func TestCookbook(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	program(t, "curl")
	page, err := os.ReadFile(filepath.Join(root(t), "docs", "cookbook.md"))
	if err != nil {
		t.Fatal(err)
	}
	recipes := recipe.FindAllStringSubmatch(string(page), -1)
	if titles := strings.Count(string(page), "\n### "); len(recipes) != titles || titles < 20 {
		t.Errorf("%d of %d sections are recipes, want all of 20 or more", len(recipes), titles)
	}
	for _, m := range recipes {
		t.Run(m[1], func(t *testing.T) {
			t.Parallel()
			dir, port := tempDir(t), freePort(t)
			scenario := filepath.Join(dir, map[string]string{"yaml": "mocks.yaml", "python": "mocks.star"}[m[2]])
			write(t, scenario, m[3])
			address := fmt.Sprintf("127.0.0.1:%d", port)
			env := environ([]string{bin}, "HOME="+dir, "http_proxy=http://"+address, "https_proxy=http://"+address)
			if out := run(t, dir, env, "starproxy", "script", "check", scenario); out.code != 0 {
				t.Fatal(out)
			}
			start(t, dir, env, []int{0}, "starproxy", "run", "--scenario", scenario, "--port", fmt.Sprint(port), "--unmatched", "reject", "--quiet")
			eventually(t, "the proxy takes connections", func() bool {
				conn, err := net.Dial("tcp", address)
				if err == nil {
					conn.Close()
				}
				return err == nil
			})
			out := run(t, dir, env, "sh", "-c", m[4])
			if got := strings.TrimRight(strings.ReplaceAll(out.stdout, "\r", ""), "\n") + "\n"; got != m[5] {
				t.Errorf("want:\n%s\ngot %s", m[5], out)
			}
		})
	}
}
