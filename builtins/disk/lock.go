package disk

import (
	"errors"
	"os"
)

// ErrLocked is the error of [TryLock] when another process, or another part of this
// process, holds the lock.
var ErrLocked = errors.New("locked by another process")

// FileLock is a lock on a file. The system releases it when the process ends, also when
// the process is killed. So a process that can take the lock knows that no other owner of
// the lock is alive.
type FileLock struct {
	f    *os.File
	path string
}

// Lock waits for the lock on the file at path. It creates the file if there is none. If
// the file system has no locks, the error is [errors.ErrUnsupported] and no file is
// left.
func Lock(path string) (*FileLock, error) { return lock(path, os.O_RDWR|os.O_CREATE, true) }

// TryLock is [Lock] without waiting: while somebody else holds the lock the
// error is [ErrLocked].
func TryLock(path string) (*FileLock, error) { return lock(path, os.O_RDWR|os.O_CREATE, false) }

// TryLockDir is [TryLock] for a directory, which must exist. Network file systems can't
// lock directories: the error is [errors.ErrUnsupported].
func TryLockDir(path string) (*FileLock, error) { return lock(path, os.O_RDONLY, false) }

func lock(path string, flag int, wait bool) (*FileLock, error) {
	for {
		f, err := os.OpenFile(path, flag, 0o600)
		if err != nil {
			return nil, err
		}
		if err := flock(f, wait); err != nil {
			f.Close()
			if flag&os.O_CREATE != 0 && errors.Is(err, errors.ErrUnsupported) {
				os.Remove(path)
			}
			return nil, err
		}
		// The process that held the lock before may have removed the file.
		mine, err := f.Stat()
		if err == nil {
			var now os.FileInfo
			if now, err = os.Stat(path); err == nil && os.SameFile(mine, now) {
				return &FileLock{f: f, path: path}, nil
			}
		}
		f.Close()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
}

// Hold takes the lock of an open file until the file is closed. The errors are those of
// [TryLock].
func Hold(f *os.File) error { return flock(f, false) }

// Release releases the lock. The file stays.
func (l *FileLock) Release() { l.f.Close() }

// Remove removes the file and releases the lock.
func (l *FileLock) Remove() {
	// An open file can't be removed everywhere.
	if err := os.Remove(l.path); err != nil {
		l.f.Close()
		os.Remove(l.path)
		return
	}
	l.f.Close()
}
