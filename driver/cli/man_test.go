package cli

import (
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// Each command has a manual page, or a section of one, with all of its flags.
func TestManPages(t *testing.T) {
	t.Parallel()
	sys := &newConsole().System
	pages, err := manPages(t.Context(), sys)
	if err != nil {
		t.Fatal(err)
	}
	for program, grammar := range map[string]any{"starproxy": &program{}, "j": &proxyCommands{}} {
		app, _, err := sys.parser(t.Context(), program, grammar, proxy{})
		if err != nil {
			t.Fatal(err)
		}
		for _, node := range app.Model.Children {
			page := pages[program+"-"+node.Name+".1"]
			if page == "" != node.Hidden {
				t.Errorf("%s %s: got a page of %d bytes, hidden: %t", program, node.Name, len(page), node.Hidden)
			}
			if node.Hidden {
				continue
			}
			for _, leaf := range node.Leaves(true) {
				checkMan(t, page, leaf)
			}
		}
	}
	request := regexp.MustCompile(`^\.(TH|SH|SS|TP|PP|RS 4|RE|nf|fi)\b`)
	for name, page := range pages {
		for line := range strings.Lines(page) {
			if (line[0] == '.' || line[0] == '\'') && !request.MatchString(line) {
				t.Errorf("%s: got the line %q, want a request that the page uses", name, line)
			}
		}
	}
}

// checkMan compares the flags of a command with a page.
func checkMan(t *testing.T, page string, node *kong.Node) {
	t.Helper()
	if !strings.Contains(page, escaped(node.Help)) {
		t.Errorf("%s: the page lacks %q", node.Path(), node.Help)
	}
	for _, f := range node.Flags {
		if f.Name != "help" && !f.Hidden && (!strings.Contains(page, escaped(f.Name)) || !strings.Contains(page, escaped(f.Help))) {
			t.Errorf("%s: the page lacks --%s", node.Path(), f.Name)
		}
	}
}
