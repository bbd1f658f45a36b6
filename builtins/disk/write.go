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
	return replace(p, err, fill)
}

// ReplaceIn is [Replace] for a name below root, whose directory is there.
func ReplaceIn(root *os.Root, name string, mode fs.FileMode, fill func(io.Writer) error) error {
	p, err := CreatePartIn(root, name, mode)
	return replace(p, err, fill)
}

func replace(p *Part, err error, fill func(io.Writer) error) error {
	if err != nil {
		return err
	}
	if err := fill(p); err != nil {
		p.Discard()
		return err
	}
	return p.Commit()
}

// Bytes fills a file with data, for [Replace].
func Bytes(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// CreateNew puts a whole file with data at path in one step, unless there is a
// file already, which then stays. Of two processes that do so at once one wins,
// on file systems without hard links too. When it fails nothing is left at path
// or beside it.
func CreateNew(path string, mode fs.FileMode, data []byte) error {
	return createNew(anywhere{}, path, mode, data)
}

func createNew(in tree, path string, mode fs.FileMode, data []byte) error {
	p, err := createPart(in, path, mode)
	if err != nil {
		return err
	}
	defer p.Discard()
	if _, err := p.Write(data); err != nil {
		return err
	}
	if err := p.CommitNew(path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
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

// maxStem bounds what the name of a part has of that of its file, in bytes: with
// the rest it stays within the 255 that file systems allow.
const maxStem = 200

// Part is a file that is being written: it lies beside its final name, under a
// name that begins with a dot, until Commit renames it. It is for one goroutine.
type Part struct {
	in         tree
	f          *os.File
	temp, path string
	finished   bool // closed, with its bytes on the disk
}

// tree is where files are made and renamed: an [os.Root], or the whole file
// system.
type tree interface {
	place
	Link(old, new string) error
	Lstat(name string) (fs.FileInfo, error)
	Rename(old, new string) error
	Remove(name string) error
}

func (anywhere) Link(old, new string) error             { return os.Link(old, new) }
func (anywhere) Lstat(name string) (fs.FileInfo, error) { return os.Lstat(name) }
func (anywhere) Rename(old, new string) error           { return os.Rename(old, new) }
func (anywhere) Remove(name string) error               { return os.Remove(name) }

// CreatePart begins the file at path, which gets the permissions mode. It ends
// with one call of Commit or Discard, or with CommitNew.
func CreatePart(path string, mode fs.FileMode) (*Part, error) {
	return createPart(anywhere{}, path, mode)
}

// CreatePartIn is [CreatePart] for a name below root, whose directory is there.
func CreatePartIn(root *os.Root, name string, mode fs.FileMode) (*Part, error) {
	return createPart(root, name, mode)
}

func createPart(in tree, path string, mode fs.FileMode) (*Part, error) {
	// A name may be as long as the file system allows; that of the part is not longer.
	base := filepath.Base(path)
	temp := filepath.Join(filepath.Dir(path), "."+base[:min(len(base), maxStem)]+".part-"+rand.Text())
	f, err := in.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, named(err, path)
	}
	p := &Part{in: in, f: f, temp: temp, path: path}
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
	if p.finished {
		return nil
	}
	p.finished = true
	err := p.f.Sync()
	if cerr := p.f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		p.in.Remove(p.temp)
	}
	return named(err, p.path)
}

// Commit puts the file in place; the part is over then, also when it fails.
func (p *Part) Commit() error {
	if err := p.finish(); err != nil {
		return err
	}
	if err := p.in.Rename(p.temp, p.path); err != nil {
		p.in.Remove(p.temp)
		return named(err, p.path)
	}
	return nil
}

// CommitNew puts the file in place under name, unless there is a file already:
// then the error is [fs.ErrExist], and the part can be tried under another name
// or has to be discarded. After any other result it is over. Of two processes
// that do so at once one wins, on file systems without hard links too, unless
// the part lies below a root.
func (p *Part) CommitNew(name string) error {
	if err := p.finish(); err != nil {
		return err
	}
	err := p.in.Link(p.temp, name)
	if err != nil && !errors.Is(err, fs.ErrExist) && linkless(err) {
		err = p.renameNew(name)
	}
	if errors.Is(err, fs.ErrExist) {
		return named(err, name)
	}
	p.in.Remove(p.temp)
	return named(err, name)
}

// renameNew renames the file to name unless there is a file already. Processes
// that do so at once take turns by a lock, where the file system has locks.
func (p *Part) renameNew(name string) error {
	if _, below := p.in.(*os.Root); !below { // a lock has a path
		lock, err := Lock(name + ".lock")
		switch {
		case err == nil:
			defer lock.Remove()
		case !errors.Is(err, errors.ErrUnsupported):
			return err
		}
	}
	if _, err := p.in.Lstat(name); err == nil {
		return fs.ErrExist
	}
	return p.in.Rename(p.temp, name)
}

// Discard gives the file up.
func (p *Part) Discard() {
	p.f.Close()
	p.in.Remove(p.temp)
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

// Interface guards.
var (
	_ io.Writer = (*Part)(nil)
	_ tree      = (*os.Root)(nil)
	_ tree      = anywhere{}
)
