package importer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/disk"
	"starproxy/driver/document"
)

// The bounds of an import.
const (
	maxRules     = 5_000      // rules in all files
	maxBodyFiles = 10_000     // files with bodies
	maxBodyBytes = 256 << 20  // their bytes
	maxNotes     = 10_000     // notes; the rest is counted
	maxBodyFile  = 64 << 20   // bytes of one of them
	maxHARBytes  = 1024 << 20 // of a HAR document
)

// Kind names the tool that a file was written for.
type Kind = document.Tool

// The kinds of files.
const (
	WireMock   = document.WireMock
	MockServer = document.MockServer
	Postman    = document.Postman
	Mockoon    = document.Mockoon
	HAR        = document.HAR
)

// Options say how files are read and in which form the scenario is written.
type Options struct {
	// From is the kind of all files. If it is empty, the content of each file tells
	// its kind.
	From Kind
	// Starlark writes a script instead of YAML. A script can pass requests on to
	// another server.
	Starlark bool
	// FilesDir is the name of the directory of body files, as the scenario has it,
	// relative to the scenario. Default "files".
	FilesDir string
}

// Note is a thing that could not be carried over, or was carried over differently.
type Note struct {
	// File, Line and Column are the place in the file of the other tool. Line and
	// Column are 0 for a note about a whole file.
	File         string
	Line, Column int
	Text         string
}

// String returns "file:line:column: text".
func (n Note) String() string {
	return (&document.Error{File: n.File, Line: n.Line, Column: n.Column, Message: n.Text}).Error()
}

// BodyFile is the body of an answer that the scenario has as a file.
type BodyFile struct {
	// Name is the path in the files directory, with slashes.
	Name string
	Data []byte
}

// Result is the scenario that was made of the files.
type Result struct {
	// Text is the document. Comments in it have the notes.
	Text string
	// Endpoints is the number of endpoints in it.
	Endpoints int
	// Files have to be written below the files directory.
	Files []BodyFile
	// Notes tell what could not be carried over, in the order of the files.
	Notes []Note
}

// Import reads the files and returns one scenario for all of them. A path may be a
// directory of WireMock, which has mappings and __files. A fault in a file is a
// [*document.Error].
func Import(paths []string, o Options) (*Result, error) {
	if o.FilesDir == "" {
		o.FilesDir = "files"
	}
	c := newConversion(o)
	for _, path := range paths {
		if err := c.path(path); err != nil {
			return nil, err
		}
	}
	return c.result()
}

// conversion is an import under way.
type conversion struct {
	options Options
	rules   []*rule
	count   int    // of the rules that were read
	notes   []Note // about files as a whole
	files   []BodyFile
	bytes   int64             // of the files
	taken   map[string]string // the content of each file, by its lower-case name
	whole   yaml.Node         // endpoints that are complete
}

func newConversion(o Options) *conversion {
	return &conversion{options: o, taken: map[string]string{}, whole: yaml.Node{Kind: yaml.MappingNode}}
}

// path reads a file or a directory.
func (c *conversion) path(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		if c.options.From != "" && c.options.From != WireMock {
			return fmt.Errorf("%s: got a directory, want a file of %s", path, c.options.From)
		}
		return c.wireMockDir(path)
	}
	if c.options.From == HAR || c.options.From == "" && strings.EqualFold(filepath.Ext(path), ".har") {
		return c.har(path)
	}
	data, err := disk.ReadInput(path, document.MaxBytes)
	if err != nil {
		return err
	}
	root, err := document.Read(path, data)
	if err != nil {
		return err
	}
	kind := c.options.From
	if kind == "" {
		if kind = document.ToolOf(root); kind == "" {
			return document.InFile(path, document.Errorf(root, "got %s, want mappings of WireMock, expectations of MockServer, "+
				"a collection of Postman, an environment of Mockoon or a HAR document", document.Describe(root)))
		}
	}
	if kind == HAR {
		return c.har(path)
	}
	return c.document(kind, root, source{file: path, dir: filepath.Dir(path)})
}

// document reads the document of a kind.
func (c *conversion) document(kind Kind, root *yaml.Node, s source) error {
	var err error
	switch kind {
	case WireMock:
		// Beside the directory mappings of a file are the bodies.
		if s.bodies == "" {
			s.bodies = filepath.Join(filepath.Dir(s.dir), "__files")
			if _, err := os.Stat(filepath.Join(s.dir, "__files")); err == nil {
				s.bodies = filepath.Join(s.dir, "__files")
			}
		}
		err = c.wireMock(root, s)
	case MockServer:
		err = c.mockServer(root, s)
	case Postman:
		err = c.postman(root, s)
	case Mockoon:
		s.bodies = s.dir
		err = c.mockoon(root, s)
	default:
		err = fmt.Errorf("kind of the files: got %q, want wiremock, mockserver, postman, mockoon or har", kind)
	}
	return document.InFile(s.file, err)
}

// source is a file of another tool.
type source struct {
	file string
	dir  string // in which it lies
	// bodies is the directory of its body files.
	bodies string
}

// next returns the number of the next rule, in the order of the files.
func (c *conversion) next() int {
	c.count++
	return c.count
}

// note adds a note about a place of s that belongs to no rule.
func (c *conversion) note(s source, at *yaml.Node, format string, args ...any) {
	if len(c.notes) < maxNotes {
		c.notes = append(c.notes, s.note(at, format, args...))
	}
}

// note returns a note about a place.
func (s source) note(at *yaml.Node, format string, args ...any) Note {
	n := Note{File: s.file, Text: fmt.Sprintf(format, args...)}
	if at != nil {
		n.Line, n.Column = at.Line, at.Column
	}
	return n
}

// add adds a rule. Rules are asked in the order in which they are added.
func (c *conversion) add(r *rule) error {
	if len(c.rules) == maxRules {
		return document.Errorf(r.at, "got more than %d rules in all files, want fewer", maxRules)
	}
	c.rules = append(c.rules, r)
	return nil
}

// read returns the content of a body file, a path with slashes in the directory of
// bodies.
func (s source) read(name string) ([]byte, error) {
	root, err := os.OpenRoot(s.bodies)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, info, err := disk.OpenIn(root, filepath.FromSlash(strings.TrimPrefix(name, "/")))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return disk.ReadAll(f, info, maxBodyFile)
}

// keep adds a body file and returns its name. Another file that has that name gets
// a number.
func (c *conversion) keep(name string, data []byte) (string, error) {
	name = strings.TrimPrefix(filepath.ToSlash(filepath.Clean("/"+name)), "/")
	ext := filepath.Ext(name)
	base := strings.TrimSuffix(name, ext)
	for n := 2; ; n++ {
		low := strings.ToLower(name)
		old, ok := c.taken[low]
		if ok && old == string(data) {
			return name, nil
		}
		if !ok {
			if len(c.files) == maxBodyFiles || c.bytes+int64(len(data)) > maxBodyBytes {
				return "", fmt.Errorf("body files: got more than %d files or %d bytes, want fewer", maxBodyFiles, maxBodyBytes)
			}
			c.taken[low] = string(data)
			c.bytes += int64(len(data))
			c.files = append(c.files, BodyFile{name, data})
			return name, nil
		}
		name = fmt.Sprintf("%s_%d%s", base, n, ext)
	}
}
