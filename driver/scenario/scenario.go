package scenario

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/mock"
	"starproxy/script"
)

// The ways in which a document can be no scenario at all, for errors.Is.
var (
	// ErrNotObject is a document that is no map.
	ErrNotObject = errors.New("expected a JSON/YAML object")
	// ErrNoEndpoints is a document whose endpoints are no map.
	ErrNoEndpoints = errors.New("expected an object of endpoints")
	// ErrUnimplemented is a document that asks for what this build can't do.
	ErrUnimplemented = errors.New("not implemented")
)

// Env is what endpoints are compiled against.
type Env struct {
	// FilesDir is where the files that "file:" names lie.
	FilesDir string
	// AddonsDir is where the scripts that "addon:" names lie.
	AddonsDir string
	// DefaultLatency is the delay of a response without latency_ms; default none.
	DefaultLatency time.Duration
	// DefaultContentType is the type of a response without content_type;
	// default application/json.
	DefaultContentType string
	// Script runs rules, sequences and templates; without it they are refused.
	Script *script.Host
	// Log gets warnings about documents that load all the same; nil for none.
	Log *slog.Logger
}

// Scenario is a document ready to answer.
type Scenario struct {
	// Name is the file's own name: "happy-path.yaml".
	Name string
	// Path is where the document was read from, or the name Parse was given.
	Path string
	// Endpoints in the document's order; their Source.Name is Path.
	Endpoints []*mock.Endpoint
	// Files is what a reload watches; empty for a document that is no file.
	Files []string
}

// documentNames are what a scenario directory may hold, in the order they are tried.
func documentNames() []string { return []string{"scenario.yaml", "scenario.yml", "scenario.json"} }

// Load reads a scenario file, or a directory that holds scenario.yaml,
// scenario.yml or scenario.json. Relative directories in its config block are
// relative to the document. A missing file is an fs.ErrNotExist; a fault in the
// document is an [*Error], and nothing of it is used.
func Load(path string, env Env) (*Scenario, error) {
	path, err := find(path)
	if err != nil {
		return nil, err
	}
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	s, err := parse(path, data, env, filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	s.Files = []string{path}
	return s, nil
}

// Parse reads a scenario that somebody sent; filename decides between YAML and
// JSON and is used in errors. Directories in its config block must lie within
// those of env if a file is asked from them, so that a sender can't read others.
func Parse(filename string, data []byte, env Env) (*Scenario, error) {
	return parse(filename, data, env, "")
}

// find gives the document that path means.
func find(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return path, nil
	}
	for _, name := range documentNames() {
		p := filepath.Join(path, name)
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("scenario directory %s has no %s: %w", path, strings.Join(documentNames(), ", "), fs.ErrNotExist)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("scenario %s: expected a regular file", path)
	}
	return io.ReadAll(io.LimitReader(f, maxBytes+1))
}

// parse compiles a document; dir is where it lies, empty when it was sent.
func parse(filename string, data []byte, env Env, dir string) (*Scenario, error) {
	if strings.EqualFold(filepath.Ext(filename), ".star") {
		return nil, &Error{File: filename, Message: "a .star scenario needs Starlark scripts, which this build does not run yet", Err: ErrUnimplemented}
	}
	root, err := read(filename, data)
	if err != nil {
		return nil, err
	}
	eps, err := document(root, newCompiler(env, mock.Source{Name: filename, File: filename}, dir))
	if err != nil {
		return nil, inFile(filename, err)
	}
	return &Scenario{Name: filepath.Base(filename), Path: filename, Endpoints: eps}, nil
}

// document compiles the map at the top: {config, endpoints}, {config, mocks},
// or the endpoints themselves with config among them.
func document(root *yaml.Node, c *compiler) ([]*mock.Endpoint, error) {
	if root.Kind != yaml.MappingNode {
		return nil, sentinel(root, ErrNotObject)
	}
	endpoints, wrapper := root, (*yaml.Node)(nil)
	for i := 0; i+1 < len(root.Content); i += 2 {
		k, v := root.Content[i], root.Content[i+1]
		switch k.Value {
		case "endpoints", "mocks":
			if wrapper != nil {
				return nil, faultf(k, "both endpoints and mocks: expected one of them")
			}
			endpoints, wrapper = v, k
		case "config":
			if err := c.configure(v); err != nil {
				return nil, err
			}
		}
	}
	if endpoints.Kind != yaml.MappingNode {
		return nil, sentinel(endpoints, ErrNoEndpoints)
	}
	if wrapper != nil {
		for i := 0; i+1 < len(root.Content); i += 2 {
			switch k := root.Content[i]; k.Value {
			case wrapper.Value, "config":
			case "name", "description", "version", "$schema": // remarks
			default:
				if isKey(k.Value) {
					return nil, faultf(k, "endpoint %q stands beside %s: expected it inside", k.Value, wrapper.Value)
				}
				return nil, unknownKey(k, "", []string{"config", "endpoints", "mocks", "name", "description", "version"})
			}
		}
		return c.endpoints(endpoints, false)
	}
	return c.endpoints(endpoints, true)
}

func sentinel(n *yaml.Node, err error) error {
	return &Error{Line: n.Line, Column: n.Column, Message: err.Error() + ", found " + describe(n), Err: err}
}

// isKey tells whether s looks like an endpoint's key rather than a setting.
func isKey(s string) bool { return strings.ContainsAny(s, " /") }

// config is the document's config block.
type config struct {
	FilesDir           string   `yaml:"files_dir"`
	AddonsDir          string   `yaml:"addons_dir"`
	DefaultLatencyMS   *float64 `yaml:"default_latency_ms"`
	DefaultContentType string   `yaml:"default_content_type"`
}

func (c *compiler) configure(n *yaml.Node) error {
	var cfg config
	if err := assign(n, reflect.ValueOf(&cfg).Elem(), "config"); err != nil {
		return err
	}
	if cfg.DefaultLatencyMS != nil {
		d, ok := milliseconds(*cfg.DefaultLatencyMS)
		if !ok {
			return wrong(field(n, "default_latency_ms"), "config.default_latency_ms", latencyRange)
		}
		c.env.DefaultLatency = d
	}
	if cfg.DefaultContentType != "" {
		if !validValue(cfg.DefaultContentType) {
			return wrong(field(n, "default_content_type"), "config.default_content_type", "one line of text")
		}
		c.env.DefaultContentType = cfg.DefaultContentType
	}
	if cfg.FilesDir != "" {
		c.env.FilesDir, c.filesFault = c.directory(cfg.FilesDir, c.env.FilesDir, field(n, "files_dir"))
	}
	if cfg.AddonsDir != "" {
		c.env.AddonsDir, c.addonsFault = c.directory(cfg.AddonsDir, c.env.AddonsDir, field(n, "addons_dir"))
	}
	return nil
}

// directory resolves a directory of the config block. The fault counts only
// once something is asked from there: scenarios written for another machine
// name directories that nobody uses.
func (c *compiler) directory(dir, base string, at *yaml.Node) (string, error) {
	if c.dir != "" {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(c.dir, dir)
		}
		return dir, nil
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(base, dir)
	}
	if rel, err := filepath.Rel(base, dir); err != nil || !filepath.IsLocal(rel) {
		return base, faultf(at, "config: directory %q: expected one within %s, since the scenario was sent and not read from disk", dir, base)
	}
	return dir, nil
}

// field gives the value of a key that is there.
func field(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return n
}
