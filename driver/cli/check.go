package cli

import (
	"context"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/exporter"
)

type checkCmd struct {
	File   string `completion:"exporters" arg:"" name:"FILE|NAME" help:"Exporter file, or NAME of NAME.yaml in ~/.config/jumpstarter/exporters or /etc/jumpstarter/exporters."`
	Python string `placeholder:"PATH" help:"Python interpreter, or virtual environment, that hosts the drivers which are no proxies (default: as with run)."`
	Format string `aliases:"output" short:"o" enum:"text,json" default:"text" placeholder:"FORMAT" help:"Form of the findings, text or json (default ${default})."`
}

// exitUnreadable is the exit code when there is no file to check.
const exitUnreadable = 2

// Help explains what is checked.
func (checkCmd) Help() string {
	return `Everything that an exporter file says and names is looked at: endpoint, token (whose it is, when it expires), certificates, programs of hooks, and for each proxy its values, directories, CA, scenario, mocks and addons. Drivers that Python hosts are looked for in its packages. Nothing is started or written, no port is bound and no server is asked.

Each finding is a line FILE:LINE:COLUMN: SEVERITY: MESSAGE. The exit code is 1 when one is an error or a warning, 0 when there are notes at most, 2 when the file can't be read.

Examples:

    starproxy check exporter.yaml
    starproxy check bench1 --python /opt/venv/bin/python
    starproxy check exporter.yaml --format json | jq -r '.[].message'`
}

// Run prints what it finds.
func (c *checkCmd) Run(ctx context.Context, sys *System) error {
	path, err := exporter.FindFile(c.File)
	var findings []exporter.Finding
	if err == nil {
		findings, err = exporter.Check(ctx, path, exporter.CheckOptions{Python: c.Python})
	}
	if err != nil {
		sys.note("%s: %s", sys.Name, oneLine(err))
		return exitCode(exitUnreadable)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	bad := 0
	for _, f := range findings {
		if f.Severity != exporter.Known {
			bad++
		}
		if c.Format == "text" {
			sys.out("%s", f)
		}
	}
	if c.Format == "json" {
		text, err := jsonvalue.Append(nil, append([]exporter.Finding{}, findings...))
		if err != nil {
			return err
		}
		sys.out("%s", text)
	}
	if bad > 0 {
		sys.note("%s: %s in %s", sys.Name, plural(bad, "problem"), path)
		return exitCode(exitFailure)
	}
	sys.note("%s: %s is all right", sys.Name, path)
	return nil
}
