package scenario

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"starproxy/builtins/call"
	"starproxy/builtins/disk"
	"starproxy/driver/access"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/script"
)

// The ways in which a document can be no scenario at all, for errors.Is.
var (
	// ErrNotObject is a document that is no map.
	ErrNotObject = errors.New("want a JSON/YAML object")
	// ErrNoEndpoints is a document whose endpoints are no map.
	ErrNoEndpoints = errors.New("want an object of endpoints")
)

// Env is what endpoints are compiled against.
type Env struct {
	// FilesDir is where the files that "file:" names lie.
	FilesDir string
	// AddonsDir is where the scripts that "addon:" names lie.
	AddonsDir string
	// Access says which files a document may reach; nil sets no bounds but
	// those of [Parse]. Files of FilesDir and AddonsDir are reached in any case.
	Access *access.Policy
	// Owned says that the owner of the exporter named the document that is
	// loaded: it, and the directories of its config block, may lie anywhere.
	Owned bool
	// DefaultLatency is the delay of a response without latency_ms; default none.
	DefaultLatency call.Latency
	// DefaultContentType is the type of a response without content_type;
	// default application/json.
	DefaultContentType string
	// Addons holds the addons that are loaded already; nil loads them anew.
	Addons *Addons
	// Script runs scripts, rules, sequences and templates; without it they are refused.
	Script *script.Host
	// Log gets warnings about documents that load all the same; nil for none.
	Log *slog.Logger
	// Mistake gets the error of each endpoint that is wrong; the others are
	// compiled all the same. Without it the first error ends the load.
	Mistake func(error)
}

// Scenario is a document ready to answer.
type Scenario struct {
	// Name is the file's own name: "happy-path.yaml".
	Name string
	// Path is where the document was read from, or the name Parse was given.
	Path string
	// Endpoints in the document's order; their Source.Name is Path.
	Endpoints []*mock.Endpoint
	// Hooks see all traffic; nil when there are none, as in YAML.
	Hooks *Hooks
	// Files is what a reload watches; empty for a document that is no file.
	Files []string
}

// Documents are the paths of the files that may be the scenario of a directory,
// in the order in which they are tried.
func Documents(dir string) []string {
	paths := documentNames()
	for i, name := range paths {
		paths[i] = filepath.Join(dir, name)
	}
	return paths
}

// DocumentIn is the path of the scenario of a directory, or of the first that is
// tried when there is none.
func DocumentIn(dir string) string {
	paths := Documents(dir)
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return paths[0]
}

// documentNames are what a scenario directory may hold, in the order they are tried.
func documentNames() []string {
	return []string{"scenario.yaml", "scenario.yml", "scenario.json", "scenario.star"}
}

// Load reads a scenario file, or a directory that holds scenario.yaml,
// scenario.yml, scenario.json or scenario.star. Relative directories in its
// config block are relative to the document. A missing file is an
// fs.ErrNotExist; a fault in the document is an [*Error], and nothing of it is
// used: a Scenario that comes with it holds only Files, where a repair may be.
func Load(path string, env Env) (*Scenario, error) {
	path, err := find(path)
	if err != nil {
		return nil, err
	}
	if isScript(path) {
		return loadScript(path, env)
	}
	data, err := env.readFile(path)
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
// JSON and is used in errors. Directories in its config block count only where
// env.Access allows them, or, without that, within those of env, so that a
// sender can't read others; the log warns.
func Parse(filename string, data []byte, env Env) (*Scenario, error) {
	if isScript(filename) {
		return parseScript(filename, data, env)
	}
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
	doc := DocumentIn(path)
	if _, err := os.Stat(doc); err == nil {
		return doc, nil
	}
	return "", fmt.Errorf("scenario directory %s has no %s: %w", path, strings.Join(documentNames(), ", "), fs.ErrNotExist)
}

// policy says which files Load may read.
func (e *Env) policy() *access.Policy {
	if e.Owned {
		return nil
	}
	return e.Access
}

func (e *Env) readFile(path string) ([]byte, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	f, info, err := e.policy().Open(abs)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return disk.ReadAll(f, info, document.MaxBytes)
}

// parse compiles a document; dir is where it lies, empty when it was sent.
func parse(filename string, data []byte, env Env, dir string) (*Scenario, error) {
	root, err := document.Read(filename, data)
	if err != nil {
		return nil, err
	}
	eps, err := newCompiler(env, mock.Source{Name: filename, File: filename}, dir).document(root)
	if err != nil {
		return nil, document.InFile(filename, err)
	}
	return &Scenario{Name: filepath.Base(filename), Path: filename, Endpoints: eps}, nil
}
