// Package access decides which files of this machine may be reached by clients
// and devices, and by the documents that clients send or name.
//
// The owner of the exporter names directories in the configuration and on the
// command line; a client reaches the files below those, and nothing else.
// Symbolic links are followed and count where they lead. Private keys are never
// opened for anybody, wherever they lie.
//
// A Policy is for any number of goroutines.
//
// driver makes one for each proxy; mock, scenario and script open files by it.
package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"starproxy/builtins/disk"
)

// ErrOutside is a path that lies in no directory of the configuration, that
// leads out of its directory, or that is a private key. It says nothing about
// whether there is such a file.
var ErrOutside = errors.New("not in a directory of the configuration")

// Policy is what the owner of an exporter allows clients to reach. A nil Policy
// allows everything: it is that of tools which the owner runs himself.
type Policy struct {
	dirs    []string // absolute, the longest first
	owned   []string // files that clients may not write
	secrets *Secrets
}

// New makes the policy of the directories dirs, which are absolute paths and
// need not exist yet. secrets may be nil.
func New(dirs []string, secrets *Secrets) *Policy {
	p := &Policy{secrets: secrets}
	for _, dir := range dirs {
		p.dirs = append(p.dirs, filepath.Clean(dir))
	}
	slices.SortFunc(p.dirs, func(a, b string) int { return len(b) - len(a) })
	p.dirs = slices.Compact(p.dirs)
	return p
}

// Own names files that clients may not write, wherever they lie: documents that
// the owner named. Scripts beside or below them count as theirs.
func (p *Policy) Own(paths ...string) { p.owned = append(p.owned, paths...) }

// Dir returns the directory path, if clients may reach it. It need not exist
// yet.
func (p *Policy) Dir(path string) (Dir, error) {
	if p == nil {
		return Dir{root: path, rel: "."}, nil
	}
	root, rel, err := p.find(path)
	if err != nil {
		return Dir{}, err
	}
	return Dir{root: root, rel: rel, secrets: p.secrets}, nil
}

// Owned returns the directory path, which the owner of the exporter named: it
// may lie anywhere. A nil Policy, that of a tool which its owner runs, knows no
// secrets.
func (p *Policy) Owned(path string) Dir {
	if p == nil {
		return Dir{root: path, rel: "."}
	}
	return Dir{root: path, rel: ".", secrets: p.secrets}
}

// Open opens the regular file at an absolute path. The error is an ErrOutside
// whether or not there is a file when the path leads outside.
func (p *Policy) Open(path string) (*os.File, fs.FileInfo, error) {
	_, f, info, err := p.open(path)
	return f, info, err
}

// Resolve returns the path, without symbolic links, of the regular file at an
// absolute path. Its errors are those of Open.
func (p *Policy) Resolve(path string) (string, error) {
	real, f, _, err := p.open(path)
	if err != nil {
		return "", err
	}
	return real, f.Close()
}

// open opens the file at path by the path without links: a link that is put on
// the way meanwhile is refused when it leads out.
func (p *Policy) open(path string) (real string, f *os.File, info fs.FileInfo, err error) {
	real = resolved(path)
	dir, err := p.Dir(filepath.Dir(real))
	if err == nil {
		f, info, err = dir.Open(filepath.Base(real))
	}
	if err != nil {
		return "", nil, nil, &fs.PathError{Op: "open", Path: path, Err: reason(err)}
	}
	return real, f, info, nil
}

// find returns the directory of the configuration in which path lies, as it is
// configured, and what leads from there to path. Of a path that exists, links
// are followed; one that does not exist yet is taken as it is written: when it
// is opened, links that lead out are refused.
func (p *Policy) find(path string) (root, rel string, err error) {
	if !filepath.IsAbs(path) {
		return "", "", ErrOutside
	}
	real := resolved(path)
	for _, dir := range p.dirs {
		if rel, ok := below(resolved(dir), real); ok {
			return dir, rel, nil
		}
	}
	return "", "", ErrOutside
}

// below returns the way from dir to path, if path is dir or lies below.
func below(dir, path string) (string, bool) {
	rel, err := filepath.Rel(dir, path)
	return rel, err == nil && filepath.IsLocal(rel)
}

// resolved returns an absolute path with the links of all of it that exists
// followed.
func resolved(path string) string {
	path = filepath.Clean(path)
	rest := ""
	for at := path; ; at = filepath.Dir(at) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest)
		}
		if at == filepath.Dir(at) {
			return path
		}
		// A link to nothing leads to where somebody may put something.
		if to, err := os.Readlink(at); err == nil {
			if !filepath.IsAbs(to) {
				to = filepath.Join(resolved(filepath.Dir(at)), to)
			}
			if to != at && len(to) < maxPath {
				return filepath.Join(to, rest)
			}
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// maxPath is the length up to which a path is looked at, in bytes.
const maxPath = 4096

// Writable reports whether a client may write the file name below dir: no key,
// and nothing that the owner named.
func (p *Policy) Writable(dir, name string) bool {
	if p == nil {
		return true
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	real := filepath.Join(resolved(filepath.Dir(path)), filepath.Base(path))
	if p.secrets.at(real) {
		return false
	}
	for _, own := range p.owned {
		own = filepath.Join(resolved(filepath.Dir(own)), filepath.Base(own))
		if strings.EqualFold(own, real) {
			return false
		}
		if _, in := below(filepath.Dir(own), real); in && strings.EqualFold(filepath.Ext(real), ".star") {
			return false
		}
	}
	return true
}

// Secret reports whether an open file is a private key.
func (p *Policy) Secret(info fs.FileInfo) bool { return p != nil && p.secrets.has(info) }

// Dir is a directory whose files may be reached, and those below it. The zero
// Dir has none.
type Dir struct {
	root    string // a directory that the owner named
	rel     string // from there to this one
	secrets *Secrets
}

// String returns its path.
func (d Dir) String() string { return filepath.Join(d.root, d.rel) }

// open opens the directory.
func (d Dir) open() (*os.Root, error) {
	if d.root == "" {
		return nil, fmt.Errorf("no directory is set: %w", fs.ErrNotExist)
	}
	root, err := os.OpenRoot(d.root)
	if err != nil || d.rel == "." {
		return root, err
	}
	defer root.Close()
	sub, err := root.OpenRoot(d.rel)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, ErrOutside
	}
	return sub, err
}

// Open opens the regular file name, a path with slashes, in the directory or
// below. Links that lead out of the directory are not followed.
func (d Dir) Open(name string) (*os.File, fs.FileInfo, error) {
	name = filepath.FromSlash(name)
	if !filepath.IsLocal(name) || keyName(name) {
		return nil, nil, ErrOutside
	}
	root, err := d.open()
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	f, info, err := disk.OpenIn(root, name)
	if err != nil {
		return nil, nil, outside(err)
	}
	if d.secrets.has(info) {
		f.Close()
		return nil, nil, ErrOutside
	}
	return f, info, nil
}

// Stat describes the file name, a path with slashes, as Open would find it.
func (d Dir) Stat(name string) (fs.FileInfo, error) {
	f, info, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	f.Close()
	return info, nil
}

// reason returns an error of the file system without the path, which others
// tell.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// outside returns the error of an [os.Root]: one that its links lead out has no
// value of its own there.
func outside(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) && strings.Contains(pe.Err.Error(), "escapes") {
		return ErrOutside
	}
	return err
}
