package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// maxStem is the number of bytes of the file's name that the name of its part has. So the
// whole name has at most the 255 bytes that file systems allow.
const maxStem = 200

// partName matches the names of parts.
var partName = regexp.MustCompile(`^\..*\.part-[A-Z2-7]{26,}$`)

// Part is a file that is being written. Until it is committed it lies beside its
// final name, under a name that begins with a dot. Its process holds a lock on
// it, so that [SweepParts] can tell it from the parts of processes that died. It is
// for one goroutine.
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

// CreatePart begins the file at path, which gets the permissions mode as far as the
// umask allows. The part must be ended by Commit, Keep, Discard or CommitNew.
func CreatePart(path string, mode fs.FileMode) (*Part, error) {
	return createPart(anywhere{}, path, mode)
}

// CreatePartIn is [CreatePart] for a name below root, whose directory is there.
func CreatePartIn(root *os.Root, name string, mode fs.FileMode) (*Part, error) {
	return createPart(root, name, mode)
}

func createPart(in tree, path string, mode fs.FileMode) (*Part, error) {
	base := filepath.Base(path)
	stem := filepath.Join(filepath.Dir(path), "."+base[:min(len(base), maxStem)]+".part-")
	for {
		temp := stem + rand.Text()
		f, err := in.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return nil, named(err, path)
		}
		p := &Part{in: in, f: f, temp: temp, path: path}
		// SweepParts may have come between. Where the file system has no locks,
		// nobody sweeps.
		locked := Hold(f)
		if _, gone := in.Lstat(temp); gone == nil && !errors.Is(locked, ErrLocked) {
			return p, nil
		}
		p.Discard()
	}
}

// SweepParts removes from the directory dir below root the parts of processes that
// died. It needs locks: on a file system without them it removes nothing.
func SweepParts(root *os.Root, dir string) {
	entries, err := fs.ReadDir(root.FS(), filepath.ToSlash(dir))
	if err != nil {
		return
	}
	for _, e := range entries {
		if !partName.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		name := filepath.Join(dir, e.Name())
		f, _, err := OpenIn(root, name)
		if err != nil {
			continue
		}
		if Hold(f) == nil {
			root.Remove(name)
		}
		f.Close()
	}
}

// Write writes to the file. Errors name the file that it is to become.
func (p *Part) Write(data []byte) (int, error) {
	n, err := p.f.Write(data)
	return n, named(err, p.path)
}

// File returns the open file, for callers that need more than Write.
func (p *Part) File() *os.File { return p.f }

// sync puts the bytes on the disk. When it fails, the part is discarded.
func (p *Part) sync() error {
	if err := p.f.Sync(); err != nil {
		p.Discard()
		return named(err, p.path)
	}
	return nil
}

// Commit puts the file in place. The part is over then, also when it fails.
func (p *Part) Commit() error {
	if err := p.sync(); err != nil {
		return err
	}
	// The file is still open, because its lock holds off SweepParts. Not all
	// systems rename an open file.
	err := p.in.Rename(p.temp, p.path)
	p.f.Close() // Sync has reported the error, if there was one
	if err != nil {
		err = p.in.Rename(p.temp, p.path)
	}
	if err != nil {
		p.in.Remove(p.temp)
	}
	return named(err, p.path)
}

// Keep is [Part.Commit] that returns the file, still open, where the system
// renames open files. When it fails, the file is closed.
func (p *Part) Keep() (*os.File, error) {
	if err := p.sync(); err != nil {
		return nil, err
	}
	if err := p.in.Rename(p.temp, p.path); err != nil {
		p.Discard()
		return nil, named(err, p.path)
	}
	return p.f, nil
}

// finish closes the file once its bytes are on the disk. It may be called again.
func (p *Part) finish() error {
	if p.finished {
		return nil
	}
	if err := p.sync(); err != nil {
		return err
	}
	p.finished = true
	p.f.Close()
	return nil
}

// CommitNew puts the file in place under name, unless there is a file already. Then
// the error is [fs.ErrExist]: the part can be tried under another name, or must be
// discarded. After any other result it is over. Of two processes that do so at the
// same time one wins, on file systems without hard links too, unless the part lies
// below a root.
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

// renameNew renames the file to name unless there is a file already. Processes that
// do so at the same time take turns by a lock, where the file system has locks.
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

// Discard closes and removes the file.
func (p *Part) Discard() {
	p.f.Close()
	p.in.Remove(p.temp)
}

// named returns err with the name of the file that the user knows, instead of the
// name of the part.
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
