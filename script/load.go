package script

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins/disk"
	"starproxy/builtins/nearest"
)

// module is a loaded file: its globals, or the error of loading it.
type module struct {
	globals starlark.StringDict
	err     error
	loading bool
}

// Script is a file that has been loaded, with the files that it loads.
type Script struct {
	// File is its path.
	File string
	// Globals are the names that its top level defines, with their frozen values.
	// Names that begin with an underscore are among them.
	Globals starlark.StringDict
	// Files are the paths of the script and of the files that it loads from disk,
	// even of those that do not exist. After a change of one of them, loading the
	// script again can have another result.
	Files []string
	// Syntax is the parsed script. It tells the places of values.
	Syntax *syntax.File
}

// Lookalike returns the global whose name is nearest to name and begins with the
// same letter, or "".
func (s *Script) Lookalike(name string) string {
	return nearest.Name(name, slices.DeleteFunc(s.Globals.Keys(), func(global string) bool {
		return !strings.EqualFold(global[:1], name[:1])
	}))
}

// Ext is the end of the name of every script.
const Ext = ".star"

// The bounds of one load.
const (
	maxFiles = 1000 // files in all
	maxChain = 100  // files of which each loads the next
)

// Load runs the script at file, a path with slashes below the directory root, and
// freezes its globals. Its load statements can name the standard library and files
// below root: by a path from the loading file or, after "//", from root. Links that
// lead out of root are refused.
//
// Each Load runs all files anew: two scripts that load the same file share none of
// its cells. If Load fails, the error is an *Error with the place, and the Script
// has only Files.
func (h *Host) Load(root, file string) (*Script, error) {
	s := &Script{File: filepath.Join(root, filepath.FromSlash(file))}
	dir, err := os.OpenRoot(root)
	if err != nil {
		s.Files = []string{s.File}
		return s, &Error{Pos: Position{File: s.File}, Message: "script not read: " + reason(err), Err: err}
	}
	defer dir.Close()
	l := &loader{host: h, root: root, dir: dir, deadline: time.Now().Add(h.maxTime), modules: map[string]*module{}}
	file = path.Clean(file)
	src, err := l.read(file)
	if err != nil {
		err = &Error{Pos: Position{File: s.File}, Message: "script not read: " + reason(err), Err: err}
	} else {
		s.Globals, s.Syntax, err = l.run(file, s.File, src)
	}
	s.Files = l.files
	return s, err
}

// LoadText runs a script that is no file, such as one that a client sent. It can
// load the standard library only. Errors call it name.
func (h *Host) LoadText(name string, src []byte) (*Script, error) {
	l := &loader{host: h, deadline: time.Now().Add(h.maxTime), modules: map[string]*module{}}
	s := &Script{File: name}
	var err error
	s.Globals, s.Syntax, err = l.run(name, name, src)
	return s, err
}

// loader is the state of one load.
type loader struct {
	host     *Host
	root     string
	dir      *os.Root // nil when there are no files
	deadline time.Time
	modules  map[string]*module // by path below the root
	files    []string
	chain    []string // the files that are being loaded, the outermost first
}

// run executes a module. file is its path below the root, shown its path in errors.
func (l *loader) run(file, shown string, src []byte) (starlark.StringDict, *syntax.File, error) {
	l.chain = append(l.chain, file)
	defer func() { l.chain = l.chain[:len(l.chain)-1] }()
	names := l.host.scripts
	if l.host.tests != nil && strings.HasSuffix(file, testSuffix) {
		names = l.host.tests
	}
	e := execution{names: names, deadline: l.deadline, load: func(_ *starlark.Thread, name string) (starlark.StringDict, error) {
		return l.load(file, name)
	}}
	return l.host.execFile(shown, src, e)
}

// load returns the load statement in the file from.
func (l *loader) load(from, name string) (starlark.StringDict, error) {
	if strings.HasPrefix(name, stdlibPrefix) {
		return l.host.load(nil, name)
	}
	if l.dir == nil {
		return nil, fmt.Errorf("a script that is no file can load only %sNAME%s", stdlibPrefix, Ext)
	}
	file, err := l.resolve(from, name)
	if err != nil {
		return nil, err
	}
	if i := slices.Index(l.chain, file); i >= 0 {
		return nil, fmt.Errorf("load cycle: %s -> %s", strings.Join(l.chain[i:], " -> "), file)
	}
	if m := l.modules[file]; m != nil {
		return m.globals, m.err
	}
	switch {
	case len(l.chain) >= maxChain:
		return nil, fmt.Errorf("more than %d files load each other", maxChain)
	case len(l.modules) >= maxFiles:
		return nil, fmt.Errorf("more than %d files", maxFiles)
	}
	m := &module{}
	l.modules[file] = m
	src, err := l.read(file)
	if err != nil {
		m.err = errors.New(reason(err))
	} else {
		m.globals, _, m.err = l.run(file, filepath.Join(l.root, filepath.FromSlash(file)), src)
	}
	return m.globals, m.err
}

// resolve returns the path below the root that a load statement names.
func (l *loader) resolve(from, name string) (string, error) {
	file, fromRoot := strings.CutPrefix(name, "//")
	switch {
	case !strings.HasSuffix(name, Ext):
		return "", fmt.Errorf("want a name that ends in %s", Ext)
	case strings.HasPrefix(name, "@"):
		return "", fmt.Errorf("the only library is %sNAME%s", stdlibPrefix, Ext)
	case strings.Contains(name, "://"):
		return "", errors.New("scripts are loaded from disk, not from the network")
	case path.IsAbs(file):
		return "", fmt.Errorf("want a path from this file, or //path from %s", l.root)
	case !fromRoot:
		file = path.Join(path.Dir(from), file)
	}
	file = path.Clean(file)
	if !filepath.IsLocal(filepath.FromSlash(file)) {
		return "", fmt.Errorf("leads out of %s", l.root)
	}
	return file, nil
}

// read reads a file below the root.
func (l *loader) read(file string) ([]byte, error) {
	name := filepath.FromSlash(file)
	l.files = append(l.files, filepath.Join(l.root, name))
	f, info, err := disk.OpenIn(l.dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if secret := l.host.secret; secret != nil && secret(info) {
		return nil, fs.ErrNotExist
	}
	return disk.ReadAll(f, info, maxSource)
}

// reason returns the text of an error of the file system without the path, which is
// elsewhere in the message.
func reason(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "no such file"
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
