package cli

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"starproxy/builtins/disk"
	"starproxy/driver/importer"
	"starproxy/script"
)

type scenarioImportCmd struct {
	Paths  []string `arg:"" name:"file" help:"Files of the other tool; for WireMock also a directory with mappings and __files."`
	Out    string   `short:"o" placeholder:"FILE" help:"Scenario to write; default standard output. Bodies go into the directory FILE-files beside it, FILE without its ending."`
	Format string   `enum:"auto,yaml,starlark" default:"auto" help:"yaml or starlark; default: by the ending of the output, else yaml."`
	From   string   `enum:"auto,wiremock,mockserver,postman,mockoon,har" default:"auto" help:"Tool of the files: wiremock, mockserver, postman, mockoon or har; default: told by the content of each file."`
}

// Help explains what happens with the things that have no counterpart.
func (scenarioImportCmd) Help() string {
	return `Works on files of this machine and needs no exporter. Conditions, priorities, states, sequences, delays, faults, body files and the usual helpers of templates are translated.

What could not be carried over is printed, with its place in the source, and stands as a comment at its place in the scenario. The exit code is 0 all the same. A rule that lost a condition is asked after all others.

Examples:

    starproxy scenario import wiremock/ -o scenario.yaml
    starproxy scenario import shop.postman_collection.json --format starlark > shop.star`
}

// Run writes the scenario.
func (c *scenarioImportCmd) Run(sys *System) error {
	o := importer.Options{Starlark: c.Format == "starlark" || c.Format == "auto" && filepath.Ext(c.Out) == script.Ext}
	if c.From != "auto" {
		o.From = importer.Kind(c.From)
	}
	stem := strings.TrimSuffix(c.Out, filepath.Ext(c.Out))
	if c.Out != "" {
		o.FilesDir = filepath.Base(stem) + "-files"
	}
	got, err := importer.Import(c.Paths, o)
	if err != nil {
		return err
	}
	if c.Out == "" {
		if len(got.Files) > 0 {
			return usagef("%s cannot be written to standard output: name the scenario with -o FILE",
				plural(len(got.Files), "body file"))
		}
		sys.out("%s", strings.TrimRight(got.Text, "\n"))
	} else if err := c.write(got, stem+"-files"); err != nil {
		return err
	}
	for _, n := range got.Notes {
		sys.note("warning: %s", n)
	}
	if c.Out != "" {
		sys.out("%s: %s, %s", c.Out, plural(got.Endpoints, "endpoint"), plural(len(got.Files), "body file"))
	}
	return nil
}

// write writes the scenario and the files of its bodies.
func (c *scenarioImportCmd) write(got *importer.Result, dir string) error {
	if len(got.Files) > 0 {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return err
		}
		defer root.Close()
		for _, f := range got.Files {
			err := root.MkdirAll(filepath.FromSlash(path.Dir(f.Name)), 0o755)
			if err == nil {
				err = disk.ReplaceIn(root, filepath.FromSlash(f.Name), 0o644, disk.Bytes(f.Data))
			}
			if err != nil {
				return fmt.Errorf("body file %s: %w", f.Name, err)
			}
		}
	}
	return disk.Replace(c.Out, 0o644, disk.Bytes([]byte(got.Text)))
}
