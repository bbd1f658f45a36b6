package cli

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"starproxy/builtins/disk"
	"starproxy/script"
)

type scriptStubsCmd struct {
	Dir string `arg:"" help:"The directory to write to; it is made if it is not there."`
}

// Help tells who reads the files.
func (scriptStubsCmd) Help() string {
	return `Language servers for Starlark read them, and then complete and explain what scripts can call:

    starproxy script stubs ~/.local/share/starproxy/stubs
    starlark-lsp start --builtin-paths ~/.local/share/starproxy/stubs/starlark-lsp

The directory starlark-lsp is for starlark-lsp of Tilt, and the file starpls.json for a starpls that takes dialects, which no release does yet. docs/editors.md has the settings of editors. Write them again after an update of starproxy.`
}

// Run writes the files. What else is in the directory stays.
func (c *scriptStubsCmd) Run(sys *System) error {
	files, err := script.Stubs()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(c.Dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := disk.Replace(path, 0o644, disk.Bytes(files[name])); err != nil {
			return err
		}
	}
	sys.out("%s", filepath.Join(c.Dir, "starlark-lsp"))
	sys.out("%s", filepath.Join(c.Dir, "starpls.json"))
	return nil
}
