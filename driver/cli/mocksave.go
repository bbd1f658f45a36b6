package cli

import (
	"context"
	"strings"
)

type mockSaveCmd struct {
	mockKeyArg
	To   string `name:"to" placeholder:"FILE" help:"The scenario file on the exporter, relative to its directory of scenarios, in YAML or JSON. It is made if need be. Default: the file that is loaded."`
	Diff bool   `name:"diff" help:"Only show how the file would change."`
}

// Help explains the edit.
func (mockSaveCmd) Help() string {
	return `The file then says what is in force for the key: the endpoint is written to it, or removed from it if it was removed. Comments and the layout of all else stay. The change is printed as a diff. The loaded scenario is read again by itself.

A scenario that is a script is edited by hand. The file of mock_scenario is written only if the configuration of the exporter says writable_scenario: true, or if "starproxy run" has no configuration.

Examples:

    j proxy mock save GET /api/v1/status --diff
    j proxy mock save GET /api/v1/status
    j proxy mock save GET /api/v1/status --to mine.yaml`
}

// Run shows the change, and makes it.
func (c *mockSaveCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var preview struct {
		Name string `json:"name"`
		Diff string `json:"diff"`
		Hash string `json:"hash"`
	}
	if err := p.document(ctx, &preview, "preview_mock_save", c.text(), c.To); err != nil {
		return err
	}
	if preview.Diff == "" {
		sys.out("%s has it already.", preview.Name)
	} else {
		sys.out("%s", strings.TrimSuffix(diffColours(palette(sys.colours()), preview.Diff), "\n"))
	}
	if c.Diff {
		return nil
	}
	return p.say(ctx, sys, "save_mock", c.text(), c.To, preview.Hash)
}

// diffColours returns a unified diff with the lines that go and come in colours.
func diffColours(p palette, diff string) string {
	lines := strings.Split(diff, "\n")
	for i, l := range lines {
		switch {
		case strings.HasPrefix(l, "+"):
			lines[i] = p.paint(l, green)
		case strings.HasPrefix(l, "-"):
			lines[i] = p.paint(l, red)
		}
	}
	return strings.Join(lines, "\n")
}
