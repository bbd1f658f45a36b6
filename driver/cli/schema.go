package cli

import (
	_ "embed" // the exporter file's schema
	"strings"

	"starproxy/driver/scenario"
)

type schemaCmd struct {
	Document string `arg:"" enum:"scenario,exporter" help:"Which document: scenario (what mocks answer) or exporter (which proxies there are)."`
}

// Help shows what it is good for.
func (schemaCmd) Help() string {
	return `An editor with a YAML language server then completes keys and marks mistakes:

    starproxy schema scenario > scenario.schema.json

and as the first line of a scenario:

    # yaml-language-server: $schema=scenario.schema.json

docs/editors.md has the settings of editors. The $id of a schema stays the same in all versions; it is no address.`
}

// exporterSchema is the JSON Schema of an exporter file.
//
//go:embed exporter.schema.json
var exporterSchema string

// Run prints the schema.
func (c *schemaCmd) Run(sys *System) error {
	text := exporterSchema
	if c.Document == "scenario" {
		text = string(scenario.Schema())
	}
	sys.out("%s", strings.TrimRight(text, "\n"))
	return nil
}
