package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/disk"
)

type mockLoadCmd struct {
	Scenario string `arg:"" name:"file|dir" help:"Scenario file (YAML, JSON or Starlark), or a directory with scenario.yaml or scenario.star."`
}

// Help tells about companions.
func (mockLoadCmd) Help() string {
	return `The file is read here and sent to the exporter, where it replaces all mock endpoints for the very next request. Files that it refers to with "file:" are uploaded first, when they stand beside the scenario or below; references that lead out of its directory are skipped. A Starlark scenario that is sent can load the standard library only: one of several files is loaded from the exporter's own disk, as mock_scenario in its configuration.

Examples:

    j proxy mock load happy-path.yaml
    j proxy mock load recorded/           # written by "capture save recorded/"`
}

// Run uploads the companions, then the scenario.
func (c *mockLoadCmd) Run(ctx context.Context, sys *System, p proxy) error {
	path := scenarioPath(c.Scenario)
	content, err := disk.ReadInput(path, disk.MaxDocument)
	if errors.Is(err, fs.ErrNotExist) {
		return failure("File not found: " + path)
	}
	if err != nil {
		return failure("Error reading file: " + err.Error())
	}
	sent := map[string]bool{}
	for _, name := range companions(path, content) {
		local := filepath.FromSlash(name)
		if !filepath.IsAbs(local) {
			local = filepath.Join(filepath.Dir(path), local)
		}
		if !within(filepath.Dir(path), local) {
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
	return p.say(ctx, sys, "Loaded", "load_mock_scenario_content", filepath.Base(path), string(content))
}

// scenarioPath is the scenario file meant by a file or directory.
func scenarioPath(path string) string {
	path = filepath.Clean(path)
	if st, err := os.Stat(path); err != nil || !st.IsDir() {
		return path
	}
	for _, name := range []string{"scenario.yaml", "scenario.yml", "scenario.json", "scenario.star"} {
		if _, err := os.Stat(filepath.Join(path, name)); err == nil {
			return filepath.Join(path, name)
		}
	}
	return filepath.Join(path, "scenario.yaml")
}

// companions is the value of every "file" key that an endpoint, a response, a
// rule or a step of the scenario has, in their order. A document that
//
//	can't be read has none: the exporter says what is wrong with it.
func companions(path string, content []byte) []string {
	var doc yaml.Node // JSON is YAML too
	if yaml.Unmarshal(content, &doc) != nil || len(doc.Content) == 0 {
		return nil
	}
	endpoints := doc.Content[0]
	for _, wrapper := range []string{"endpoints", "mocks"} {
		if n := value(endpoints, wrapper); n != nil {
			endpoints = n
			break
		}
	}
	var files []string
	add := func(n *yaml.Node) {
		if f := value(n, "file"); f != nil && f.Kind == yaml.ScalarNode && f.Tag == "!!str" {
			files = append(files, f.Value)
		}
	}
	for _, endpoint := range values(endpoints) {
		items := []*yaml.Node{endpoint}
		if endpoint.Kind == yaml.SequenceNode {
			items = endpoint.Content
		}
		for _, item := range items {
			item = followed(item)
			add(item)
			add(value(item, "response"))
			for _, list := range []string{"rules", "sequence"} {
				if l := value(item, list); l != nil && l.Kind == yaml.SequenceNode {
					for _, n := range l.Content {
						add(followed(n))
						add(value(followed(n), "response"))
					}
				}
			}
		}
	}
	return files
}

// value is what a mapping has under a key, or nil.
func value(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return followed(n.Content[i+1])
		}
	}
	return nil
}

// values is all that a mapping has.
func values(n *yaml.Node) (all []*yaml.Node) {
	if n.Kind == yaml.MappingNode {
		for i := 1; i < len(n.Content); i += 2 {
			all = append(all, followed(n.Content[i]))
		}
	}
	return all
}

// followed is the node that an alias stands for.
func followed(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// within says whether path, symbolic links followed, is dir or below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(resolved(dir), resolved(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
