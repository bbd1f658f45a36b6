package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"starproxy/builtins/disk"
	"starproxy/driver/document"
	"starproxy/script"
)

type scriptFmtCmd struct {
	Paths []string `arg:"" name:"path" help:"Scripts, or directories of them; - is standard input, which is printed formatted."`
	Check bool     `help:"Change nothing: print the names of the files that are not formatted, and fail if there is one."`
	Diff  bool     `help:"Change nothing: print what would change."`
}

// Help tells what a layout is.
func (scriptFmtCmd) Help() string {
	return `The layout is that of buildifier (of Bazel) for .star files: four spaces, double quotes, load statements at the top, a line for each element of a list that has more than one line. The names of the files that change are printed.

A file with an error of syntax, or one that the formatter can't read, stays as it is: its place is printed as FILE:LINE:COLUMN: MESSAGE, and the exit code is 1. --check and --diff together print the changes and fail if there are any.`
}

// Run formats each file.
func (c *scriptFmtCmd) Run(ctx context.Context, sys *System) error {
	paths, stdin := c.Paths, false
	if len(paths) == 1 && paths[0] == "-" {
		paths, stdin = nil, true
	}
	files, err := sources(paths, func(path string) bool { return filepath.Ext(path) == script.Ext })
	if err != nil {
		return err
	}
	if len(files) == 0 && !stdin {
		return fmt.Errorf("no scripts below %s", strings.Join(paths, ", "))
	}
	changed, failed := 0, 0
	note := func(differs bool, err error) {
		if err != nil {
			failed++
			sys.note("%s", oneLine(err))
		} else if differs {
			changed++
		}
	}
	if stdin {
		note(c.input(ctx, sys))
	}
	for _, f := range files {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		note(c.file(sys, f.path()))
	}
	if failed > 0 || c.Check && changed > 0 {
		return exitCode(exitFailure)
	}
	return nil
}

// input prints standard input formatted, or what would change, and reports whether it is not
// formatted.
func (c *scriptFmtCmd) input(ctx context.Context, sys *System) (differs bool, err error) {
	const name = "standard input"
	var src []byte
	_, err = wait(ctx, func() (string, error) {
		var err error
		src, err = io.ReadAll(io.LimitReader(sys.Stdin, disk.MaxDocument+1))
		return "", err
	})
	if err != nil {
		return false, err
	}
	formatted, err := script.Format(name, src)
	if err != nil {
		return false, err
	}
	differs = string(formatted) != string(src)
	if c.Check || c.Diff {
		c.tell(sys, name, src, formatted)
		return differs, nil
	}
	_, err = sys.Stdout.Write(formatted)
	return differs, err
}

// file formats a file, and reports whether it was not formatted. The file is replaced as a
// whole.
func (c *scriptFmtCmd) file(sys *System, path string) (differs bool, err error) {
	src, err := disk.Read(path, disk.MaxDocument)
	if err != nil {
		return false, err
	}
	formatted, err := script.Format(path, src)
	if err != nil || string(formatted) == string(src) {
		return false, err
	}
	c.tell(sys, path, src, formatted)
	if c.Check || c.Diff {
		return true, nil
	}
	target, err := filepath.EvalSymlinks(path) // a link stays one
	if err != nil {
		return false, err
	}
	info, err := os.Stat(target)
	if err != nil {
		return false, err
	}
	return true, disk.Replace(target, info.Mode().Perm(), func(w io.Writer) error {
		if part, ok := w.(*disk.Part); ok { // whatever the umask is
			if err := part.File().Chmod(info.Mode().Perm()); err != nil {
				return err
			}
		}
		_, err := w.Write(formatted)
		return err
	})
}

// tell prints the name of a file that is not formatted, or what would change in it.
func (c *scriptFmtCmd) tell(sys *System, path string, before, after []byte) {
	switch {
	case string(before) == string(after):
	case c.Diff:
		sys.out("%s", strings.TrimSuffix(diffColours(palette(sys.colours()), document.Unified(path, before, after)), "\n"))
	default:
		sys.out("%s", path)
	}
}
