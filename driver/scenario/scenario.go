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

// The errors for documents that are not scenarios, for errors.Is.
var (
	// ErrNotObject is the error for a document that is not a map.
	ErrNotObject = errors.New("want a JSON/YAML object")
	// ErrNoEndpoints is the error for a document whose endpoints are not a map.
	ErrNoEndpoints = errors.New("want an object of endpoints")
)

// Env has the directories, defaults and services for compiling endpoints.
type Env struct {
	// FilesDir is the directory of the files that "file:" names.
	FilesDir string
	// AddonsDir is the directory of the scripts that "addon:" names.
	AddonsDir string
	// Access says which files a document may reach; nil sets no bounds but
	// those of [Parse]. Files of FilesDir and AddonsDir are reached in any case.
	Access *access.Policy
	// Owned is true if the owner of the exporter named the document. Then it, and
	// the directories of its config block, may be anywhere.
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
	// Mistake is called with the error of each endpoint that is wrong, and the
	// others are compiled. If it is nil, the first error ends the load.
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
	// Adversity is what the document sets against devices.
	Adversity Adversity
	// Hooks see all traffic; nil when there are none, as in YAML.
	Hooks *Hooks
	// Files are the files to watch for a reload; empty for a document that was sent.
	Files []string
}

// Documents returns the paths that may be the scenario of a directory, in the order
// in which they are tried.
func Documents(dir string) []string {
	paths := documentNames()
	for i, name := range paths {
		paths[i] = filepath.Join(dir, name)
	}
	return paths
}

// DocumentIn returns the path of the scenario of a directory; if there is none, the
// first of [Documents].
func DocumentIn(dir string) string {
	paths := Documents(dir)
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return paths[0]
}

// documentNames returns the names of the scenario in a directory, in the order
// in which they are tried.
func documentNames() []string {
	return []string{"scenario.yaml", "scenario.yml", "scenario.json", "scenario.star"}
}

// Load reads a scenario file, or a directory that holds scenario.yaml,
// scenario.yml, scenario.json or scenario.star. Relative directories in its
// config block are relative to the document. A missing file is an
// fs.ErrNotExist. A fault in the document is a [*document.Error]. A Scenario that is
// returned with an error has only Files: the files to watch for a repair.
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
	s.Files = append([]string{path}, s.Adversity.Contract.Watched()...)
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

// ParseAs reads a scenario as Load would read the file at path if data were its content.
func ParseAs(path string, data []byte, env Env) (*Scenario, error) {
	return parse(path, data, env, filepath.Dir(path))
}

// find returns the path of the document at path, a file or a directory.
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

// policy returns the policy for the files that Load reads; nil allows all.
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
	c := newCompiler(env, mock.Source{Name: filename, File: filename}, dir)
	eps, err := c.document(root)
	if err != nil {
		return nil, document.InFile(filename, err)
	}
	return &Scenario{Name: filepath.Base(filename), Path: filename, Endpoints: eps, Adversity: c.adversity}, nil
}
