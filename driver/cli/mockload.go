package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"starproxy/builtins/disk"
	"starproxy/driver/scenario"
	"starproxy/script"
)

type mockLoadCmd struct {
	Scenario string `arg:"" name:"file|dir" help:"Scenario file (YAML, JSON or Starlark), or a directory with scenario.yaml or scenario.star."`
}

// Help explains companions.
func (mockLoadCmd) Help() string {
	return `The file is read here and sent to the exporter, where it replaces all mock endpoints for the very next request. Files that it refers to with "file:" or "file_template:" are uploaded first, when they stand beside the scenario or below, or in its files_dir there; references that lead out of its directory are skipped. A Starlark scenario that is sent can load the standard library only: one of several files is loaded from the exporter's own disk, as mock_scenario in its configuration.

Examples:

    j proxy mock load happy-path.yaml
    j proxy mock load recorded/           # written by "capture save recorded/"`
}

// Run uploads the companions, then the scenario.
func (c *mockLoadCmd) Run(ctx context.Context, sys *System, p proxy) error {
	path := scenarioPath(c.Scenario)
	content, err := disk.ReadInput(path, disk.MaxDocument)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("File not found: " + path) // as the stock command says it
	}
	if err != nil {
		return fmt.Errorf("Error reading file: %w", err)
	}
	if err := p.uploadCompanions(ctx, sys, path, content); err != nil {
		return err
	}
	return p.say(ctx, sys, "load_mock_scenario_content", filepath.Base(path), string(content))
}

// uploadCompanions sends the files that the scenario with a content refers to, which is at
// path.
func (p proxy) uploadCompanions(ctx context.Context, sys *System, path string, content []byte) error {
	host := script.New(scriptOptions())
	defer host.Close()
	dir := filepath.Dir(path)
	sent := map[string]bool{}
	for _, name := range expanded(dir, scenario.Companions(path, content, host)) {
		local := filepath.FromSlash(name)
		if !filepath.IsAbs(local) {
			local = filepath.Join(dir, local)
		}
		if !within(dir, local) {
			sys.out("  skipped unsafe file path: %s", name)
			continue
		}
		if _, err := os.Stat(local); err != nil {
			continue // the exporter may have it
		}
		sys.out("  uploading %s", name)
		if sent[name] {
			continue // one transfer serves all that refer to it
		}
		sent[name] = true
		if err := p.upload(ctx, sys, name, local); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// expanded returns names, in which each name with a * is replaced by the files in dir
// that it matches.
func expanded(dir string, names []string) (all []string) {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil || !strings.Contains(name, "*") {
			all = append(all, name)
			continue
		}
		files, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(name)))
		for _, f := range files {
			if rel, err := filepath.Rel(dir, f); err == nil && disk.IsRegular(f) {
				all = append(all, filepath.ToSlash(rel))
			}
		}
	}
	return all
}

// scenarioPath returns the scenario file at path, which may be a directory.
func scenarioPath(path string) string {
	path = filepath.Clean(path)
	if st, err := os.Stat(path); err != nil || !st.IsDir() {
		return path
	}
	return scenario.DocumentIn(path)
}

// within reports whether path, symbolic links followed, is dir or below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(resolved(dir), resolved(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
