package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// lockName is the file in a private directory that its process holds a lock on.
const lockName = ".lock"

// Private is a directory that only this user can enter and that goes away with
// this process: by Remove, or, when the process is killed, by the next one that
// makes such a directory in the same place.
type Private struct {
	Path string
	lock *FileLock // nil where the file system has no locks
}

// MakePrivate makes a directory below base whose name begins with prefix. Before, it removes
// the private directories of processes that have ended without removing them.
func MakePrivate(base, prefix string) (*Private, error) {
	sweep(base, prefix)
	dir, err := os.MkdirTemp(base, prefix) // mode 0700
	if err != nil {
		return nil, err
	}
	// The lock is taken before the file has the name that sweep looks for, or
	// another process that sweeps now would take it and remove the directory.
	name := filepath.Join(dir, lockName)
	lock, err := Lock(name + ".new")
	if errors.Is(err, errors.ErrUnsupported) {
		return &Private{Path: dir}, nil
	}
	if err == nil {
		if err = os.Rename(lock.path, name); err == nil {
			lock.path = name
			return &Private{Path: dir, lock: lock}, nil
		}
		lock.Release()
	}
	os.RemoveAll(dir)
	return nil, err
}

// Remove removes the directory with all that is in it.
func (p *Private) Remove() error {
	err := os.RemoveAll(p.Path)
	if p.lock != nil {
		p.lock.Release()
	}
	return err
}

// sweep removes the private directories whose processes have ended. A directory without a
// lock file belongs to another program, or is being made now.
func sweep(base, prefix string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		dir := filepath.Join(base, e.Name())
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 || !ours(info) {
			continue
		}
		if !IsRegular(filepath.Join(dir, lockName)) {
			continue
		}
		// The file must not be made again while its process removes the directory.
		if held, err := lock(filepath.Join(dir, lockName), os.O_RDWR, false); err == nil {
			os.RemoveAll(dir)
			held.Release()
		}
	}
}
