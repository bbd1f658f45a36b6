package endpoints

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"starproxy/builtins/disk"
	"starproxy/driver/access"
	"starproxy/driver/scenario"
)

// PathError says that a client can't load a scenario from a path. It is an
// fs.ErrNotExist, or an [access.ErrOutside] for a relative path that leads out of
// Dir.
type PathError struct {
	Path, Dir string
	Err       error
}

func (e *PathError) Error() string { return fmt.Sprintf("scenario %s: %v", e.Path, e.Err) }

// Unwrap returns Err.
func (e *PathError) Unwrap() error { return e.Err }

// locate finds the scenario file that a client names. Of a path outside of the
// directories of the configuration, the error does not depend on whether there
// is a file.
func (s *Service) locate(name string) (string, error) {
	if !filepath.IsAbs(name) {
		path := filepath.Join(s.Scenarios, name)
		outside := &PathError{Path: path, Dir: s.Scenarios, Err: access.ErrOutside}
		if name != "" && !filepath.IsLocal(name) {
			return "", outside
		}
		file, err := resolve(access.New([]string{s.Scenarios}, nil), path)
		if errors.Is(err, access.ErrOutside) {
			return "", outside
		}
		return file, err
	}
	file, err := resolve(s.Access, name)
	if errors.Is(err, access.ErrOutside) {
		s.Log.Warn("scenario not loaded: its path lies outside of the directories of the configuration", "path", file)
		return "", &PathError{Path: file, Err: fs.ErrNotExist}
	}
	return file, err
}

// resolve returns the scenario file that path means, which may be a directory, if
// p allows it.
func resolve(p *access.Policy, path string) (string, error) {
	_, err := p.Dir(path)
	if err == nil {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			path = scenario.DocumentIn(path)
		}
		_, err = p.Resolve(path)
	}
	switch {
	case err == nil || errors.As(err, new(disk.KindError)): // a load says what it is
		return path, nil
	case errors.Is(err, access.ErrOutside):
		return path, access.ErrOutside
	}
	return "", &PathError{Path: path, Err: fs.ErrNotExist}
}
