package flow

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"starproxy/builtins/disk"
)

// A recording has a lock file beside it while it is written. When the lock can be taken,
// the process that wrote the recording was killed.

// lockOf returns the path of the lock file of the recording at path.
func lockOf(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".lock")
}

// create makes the file of a recording in dir, with its lock. The lock is nil on a file
// system without locks. Files that are there already are never touched.
func create(dir string, now time.Time) (*os.File, *disk.FileLock, error) {
	stem := filepath.Join(dir, "capture_"+now.Local().Format("20060102_150405"))
	name := stem + ".bin"
	for n := 2; ; n++ {
		f, lock, err := createAs(name)
		if !errors.Is(err, os.ErrExist) && !errors.Is(err, disk.ErrLocked) {
			return f, lock, err
		}
		name = fmt.Sprintf("%s_%d.bin", stem, n)
	}
}

// createAs takes the lock first: a sweep removes nothing without it.
func createAs(name string) (*os.File, *disk.FileLock, error) {
	lock, err := disk.TryLock(lockOf(name))
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, nil, err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil && lock != nil {
		lock.Remove()
	}
	return f, lock, err
}

// sweep removes from dir what processes that were killed left there, apart from
// flows: empty recordings, files that were being written, and locks.
func sweep(dir string) {
	locks, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range locks {
		base, locked := strings.CutSuffix(e.Name(), ".bin.lock")
		base, hidden := strings.CutPrefix(base, ".")
		if !locked || !hidden || !strings.HasPrefix(base, "capture_") || !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(dir, base+".bin")
		lock, err := disk.TryLock(lockOf(path))
		if err != nil {
			continue // it is in use, or locks do not work here
		}
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Size() == 0 {
			os.Remove(path)
		}
		lock.Remove()
	}
	if root, err := os.OpenRoot(dir); err == nil {
		disk.SweepParts(root, ".")
		root.Close()
	}
}
