package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Replace writes the file at path through fill and puts it there in one step,
// in place of the file that is there. When anything fails, a full disk for
// instance, path is as it was and nothing is left beside it. A symbolic link at
// path is replaced, not followed.
func Replace(path string, mode fs.FileMode, fill func(io.Writer) error) error {
	p, err := CreatePart(path, mode)
	if err != nil {
		return err
	}
	if err := fill(p); err != nil {
		p.Discard()
		return err
	}
	return p.Commit()
}

// CreateNew puts a whole file with data at path in one step, unless there is a
// file already, which then stays. Of two processes that do so at once one wins,
// on file systems without hard links too. When it fails nothing is left at path
// or beside it.
func CreateNew(path string, mode fs.FileMode, data []byte) error {
	return createNew(path, mode, data, os.Link)
}

// createNew is CreateNew with the function that makes hard links.
func createNew(path string, mode fs.FileMode, data []byte, link func(old, new string) error) error {
	p, err := CreatePart(path, mode)
	if err != nil {
		return err
	}
	if _, err := p.Write(data); err != nil {
		p.Discard()
		return err
	}
	if err := p.finish(); err != nil {
		return err
	}
	defer os.Remove(p.temp)
	err = link(p.temp, path)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if linkless(err) {
		return renameNew(p.temp, path)
	}
	return err
}

// linkless reports whether a hard link failed because the file system has none:
// FAT says EPERM, network file systems say one of the others.
func linkless(err error) bool {
	for _, e := range []error{syscall.EPERM, syscall.ENOTSUP, syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EMLINK, syscall.EXDEV, syscall.EINVAL, syscall.EACCES} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// renameNew moves temp to path unless there is a file already. Processes that do
// so at once take turns by a lock, where the file system has locks.
func renameNew(temp, path string) error {
	lock, err := Lock(path + ".lock")
	switch {
	case err == nil:
		defer lock.Remove()
	case !errors.Is(err, errors.ErrUnsupported):
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	return os.Rename(temp, path)
}

// Part is a file on its way to its name: it is written beside it, under a name
// that begins with a dot, and put in place by Commit. It is for one goroutine.
type Part struct {
	f          *os.File
	temp, path string
}

// CreatePart begins the file at path, which gets the permissions mode. It ends
// with one call of Commit or Discard.
func CreatePart(path string, mode fs.FileMode) (*Part, error) {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".part-"+rand.Text())
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, named(err, path)
	}
	p := &Part{f: f, temp: temp, path: path}
	// FAT and some network file systems have no permissions.
	if err := f.Chmod(mode); err != nil && !linkless(err) {
		p.Discard()
		return nil, named(err, path)
	}
	return p, nil
}

// Write writes to the file. Errors name the file that it is to become.
func (p *Part) Write(data []byte) (int, error) {
	n, err := p.f.Write(data)
	return n, named(err, p.path)
}

// finish closes the file, once its bytes are on the disk; when it fails the file
// is gone.
func (p *Part) finish() error {
	err := p.f.Sync()
	if cerr := p.f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(p.temp)
	}
	return named(err, p.path)
}

// Commit puts the file in place; the part is over then, also when it fails.
func (p *Part) Commit() error {
	if err := p.finish(); err != nil {
		return err
	}
	if err := os.Rename(p.temp, p.path); err != nil {
		os.Remove(p.temp)
		return named(err, p.path)
	}
	return nil
}

// Discard gives the file up.
func (p *Part) Discard() {
	p.f.Close()
	os.Remove(p.temp)
}

// named is err about the file that the user knows, and not about the one that
// is written in its stead.
func named(err error, path string) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return &fs.PathError{Op: pe.Op, Path: path, Err: pe.Err}
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return &fs.PathError{Op: le.Op, Path: path, Err: le.Err}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Interface guard.
var _ io.Writer = (*Part)(nil)
