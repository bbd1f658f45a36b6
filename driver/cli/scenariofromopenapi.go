package cli

import (
	"cmp"
	"io"
	"os"
	"path/filepath"
	"strings"

	"starproxy/builtins/disk"
	"starproxy/driver/contract"
	"starproxy/driver/document"
)

type scenarioFromOpenAPICmd struct {
	File string `arg:"" name:"FILE" help:"OpenAPI document of version 3.0 or 3.1, in YAML or JSON."`
	Out  string `short:"o" placeholder:"FILE" help:"Scenario to write; default standard output."`
	Base string `placeholder:"PATH" help:"Path before those of the document; default that of its first server."`
	Seed uint64 `default:"0" placeholder:"N" help:"Values that are made depend on this number alone (default ${default})."`
}

// Help explains where the answers come from.
func (scenarioFromOpenAPICmd) Help() string {
	return `Works on files of this machine and needs no exporter. Each operation gets an endpoint with the answer of its lowest successful status: an example of the document if it fits its schema, else values that are made of the schema. The scenario names the document as its contract, so that it is held against it.

Examples:

    starproxy scenario from-openapi openapi.yaml -o scenario.yaml
    starproxy scenario from-openapi openapi.yaml --seed 7 --base /v2`
}

// Run writes the scenario.
func (c *scenarioFromOpenAPICmd) Run(sys *System) error {
	if c.Base != "" && !strings.HasPrefix(c.Base, "/") {
		return usagef("--base: got %s, want a path that begins with /", c.Base)
	}
	path, err := filepath.Abs(c.File)
	if err != nil {
		return err
	}
	loaded, err := contract.Load(contract.Options{File: path, Base: c.Base, Read: readDocument})
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(filepath.Dir(cmp.Or(c.Out, "-")))
	if err != nil {
		return err
	}
	name, err := filepath.Rel(dir, path)
	if err != nil {
		name = path
	}
	got, err := loaded.Sample(filepath.ToSlash(name), c.Seed)
	if err != nil {
		return err
	}
	if c.Out == "" {
		sys.out("%s", strings.TrimRight(got.Text, "\n"))
	} else if err := saveFile(c.Out, public, disk.Bytes([]byte(got.Text))); err != nil {
		return err
	}
	for _, note := range append(loaded.Warnings, got.Notes...) {
		sys.note("warning: %s", note)
	}
	if c.Out != "" {
		sys.out("%s: %s", c.Out, plural(got.Endpoints, "endpoint"))
	}
	return nil
}

// readDocument reads a file of the size that documents may have.
func readDocument(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, document.MaxBytes+1))
}
