package endpoints

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"starproxy/builtins/disk"
	"starproxy/driver/document"
	"starproxy/driver/scenario"
	"starproxy/script"
)

// saveFile is a scenario file that clients may write.
type saveFile struct {
	path  string
	shown string // the name for people
	dir   string // it is opened below this directory
	name  string // relative to dir
}

// saveFile returns the file of that name: one below the directory of scenarios, or the
// configured scenario if the owner lets clients write it.
func (s *Service) saveFile(name string) (saveFile, error) {
	if strings.EqualFold(filepath.Ext(name), script.Ext) {
		return saveFile{}, fmt.Errorf("%s is a script, which is edited by hand: name another file to save to, such as mine.yaml", name)
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.Scenarios, name)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = scenario.DocumentIn(path)
		return s.saveFile(path)
	}
	if !slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(path))) {
		return saveFile{}, fmt.Errorf("%s: want a name that ends in .yaml, .yml or .json", name)
	}
	if s.configuredFile(path) {
		if !s.Writable {
			return saveFile{}, fmt.Errorf("%s belongs to the owner of the exporter, whose configuration does not allow "+
				"to write it (writable_scenario): name another file to save to, such as mine.yaml", filepath.Base(path))
		}
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			real = path
		}
		return saveFile{path: real, shown: filepath.Base(path), dir: filepath.Dir(real), name: filepath.Base(real)}, nil
	}
	rel, err := filepath.Rel(s.Scenarios, path)
	if err != nil || !filepath.IsLocal(rel) || !s.Access.Writable(s.Scenarios, filepath.ToSlash(rel)) {
		return saveFile{}, fmt.Errorf("%s: want a file below the directory of scenarios, %s", name, s.Scenarios)
	}
	return saveFile{path: path, shown: filepath.ToSlash(rel), dir: s.Scenarios, name: rel}, nil
}

// configuredFile reports whether a path is that of the configured scenario.
func (s *Service) configuredFile(path string) bool {
	return s.Scenario != "" && slices.ContainsFunc(append(scenario.Documents(s.Scenario), s.Scenario), func(f string) bool {
		return sameFile(f, path)
	})
}

// read returns the text of the file. The error is an fs.ErrNotExist if there is none.
func (f saveFile) read() ([]byte, error) {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := f.regular(root); err != nil {
		return nil, err
	}
	in, info, err := disk.OpenIn(root, f.name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return disk.ReadAll(in, info, document.MaxBytes)
}

// regular returns an error if the file is there and is a link or no regular file.
func (f saveFile) regular(root *os.Root) error {
	info, err := root.Lstat(f.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link: name the file that it leads to", f.shown)
	}
	return err
}

// write replaces the text of the file in one step. Its mode stays.
func (f saveFile) write(text []byte) error {
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := f.regular(root); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info, err := root.Stat(f.name); err == nil {
		mode = info.Mode().Perm()
	} else if err := root.MkdirAll(filepath.Dir(f.name), 0o755); err != nil {
		return err
	}
	return disk.ReplaceIn(root, f.name, mode, disk.Bytes(text))
}
