package endpoints

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"starproxy/builtins/disk"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
	"starproxy/driver/scenario"
)

// The directories of [Sources].
const (
	scenarioDir = "scenario"
	scriptsDir  = "scripts"
)

// maxServed bounds the files that one name with a * stands for.
const maxServed = 500

// Sources are the files from which the endpoints in force come, with names below the
// directories scenario and scripts. Loaded from scenario/Document, with scenario as the
// directory of files and scripts as that of addons, they make the same endpoints.
type Sources struct {
	// Document is the scenario in force, below the directory scenario; empty for none.
	Document string
	Files    []Source
	// Laid has the definitions that the configuration and tests have laid over the
	// scenario, by key.
	Laid jsonvalue.Object
	// Removed are the keys of endpoints of the scenario that were removed.
	Removed []string
}

// Source is a file of [Sources].
type Source struct {
	// Name is its path with slashes.
	Name string
	// From is its path here; empty for a text that a client sent.
	From string
	// Open opens the content as it is now.
	Open func() (io.ReadCloser, error)
}

// Sources returns the files of the scenario in force with those that it loads, those of
// addons, and those that endpoints of the scenario serve.
func (s *Service) Sources() Sources {
	s.mu.Lock()
	var l *loaded
	if s.loaded != nil {
		now := *s.loaded // a reload changes it
		l = &now
	}
	layers := s.layers
	addons := s.addons.Files()
	list := overlay(layers.left(layers.config), layers.set)
	var out Sources
	for name := range layers.gone {
		out.Removed = append(out.Removed, name)
	}
	s.mu.Unlock()
	slices.Sort(out.Removed)
	for _, ep := range list {
		out.Laid = append(out.Laid, jsonvalue.Member{Key: ep.Name, Value: ep.Definition})
	}
	g := &gathered{service: s, out: &out, taken: map[string]bool{}}
	if l != nil {
		g.scenario(l)
	}
	for _, file := range addons {
		g.file(file, s.Addons, scriptsDir)
	}
	return out
}

// gathered is a list of sources that is being made.
type gathered struct {
	service *Service
	out     *Sources
	home    string          // the directory of the document
	taken   map[string]bool // names and paths of sources
}

// scenario adds the document of a scenario, and the files that it loads and serves.
func (g *gathered) scenario(l *loaded) {
	if l.path == "" {
		g.out.Document = path.Base(filepath.ToSlash(cmp.Or(l.name, "scenario.yaml")))
		g.add(Source{Name: path.Join(scenarioDir, g.out.Document), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(l.text)), nil
		}})
		g.served(l.name, l.text)
		return
	}
	g.home = filepath.Dir(l.source)
	for _, file := range append([]string{l.source}, l.files...) {
		g.file(file, g.home, scenarioDir)
	}
	g.out.Document = filepath.Base(l.source)
	if text, err := disk.Read(l.source, document.MaxBytes); err == nil {
		g.served(l.source, text)
	}
}

// add adds a source, unless there is one of its name.
func (g *gathered) add(s Source) {
	if !g.taken[s.Name] {
		g.taken[s.Name] = true
		g.out.Files = append(g.out.Files, s)
	}
}

// file adds a file that was read for the endpoints: below dir, or beside it when the file
// lies elsewhere.
func (g *gathered) file(at, home, dir string) {
	if g.taken[at] || !disk.IsRegular(at) {
		return
	}
	g.taken[at] = true
	name := filepath.Base(at)
	if rel, err := filepath.Rel(home, at); err == nil && filepath.IsLocal(rel) {
		name = filepath.ToSlash(rel)
	} else {
		name = path.Join("elsewhere", name)
		for n := 2; g.taken[path.Join(dir, name)]; n++ {
			name = path.Join("elsewhere", fmt.Sprint(n), filepath.Base(at))
		}
	}
	g.add(Source{Name: path.Join(dir, name), From: at, Open: func() (io.ReadCloser, error) {
		f, info, err := disk.Open(at)
		if err == nil && g.service.Access.Secret(info) {
			f.Close()
			err = &fs.PathError{Op: "open", Path: at, Err: fs.ErrPermission}
		}
		if err != nil {
			return nil, err
		}
		return f, nil
	}})
}

// served adds the files that the document serves.
func (g *gathered) served(filename string, text []byte) {
	for _, name := range scenario.Companions(filename, text, g.service.Script) {
		if filepath.IsAbs(name) {
			continue
		}
		for _, dir := range []string{g.service.Files, g.home} {
			if dir != "" && g.in(dir, filepath.ToSlash(name)) {
				break
			}
		}
	}
}

// in adds the files of a name, which may have *, below dir, and reports whether there are
// any.
func (g *gathered) in(dir, name string) bool {
	names := []string{name}
	if strings.Contains(name, "*") {
		found, err := fs.Glob(os.DirFS(dir), path.Clean(name))
		if err != nil {
			return false
		}
		names = found[:min(len(found), maxServed)]
	}
	any := false
	below := g.service.Access.Owned(dir)
	for _, name := range names {
		if _, err := below.Stat(name); err != nil {
			continue
		}
		any = true
		g.add(Source{Name: path.Join(scenarioDir, path.Clean(name)), From: filepath.Join(dir, filepath.FromSlash(name)),
			Open: func() (io.ReadCloser, error) {
				f, _, err := below.Open(name)
				if err != nil {
					return nil, err
				}
				return f, nil
			}})
	}
	return any
}
