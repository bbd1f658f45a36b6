package capture

import (
	"os"

	"golang.org/x/sys/unix"
)

const canRecycle = true

// alone reports whether nobody else has the file open. Only then does the kernel give a
// write lease on it (fcntl(2), F_SETLEASE).
func alone(f *os.File) bool {
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		return false
	}
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	return err == nil
}
