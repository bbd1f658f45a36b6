//go:build unix

package cli

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// outlet is a standard stream of a server. A write to a pipe that nobody reads
// any more ends a process by SIGPIPE if it goes to descriptor 1 or 2, and what
// the server has on disk would stay; here it only calls gone.
type outlet struct {
	*os.File
	gone func()
}

// newOutlet makes an outlet of w, or returns w where there is no need.
func newOutlet(w io.Writer, gone func()) io.Writer {
	f, ok := w.(*os.File)
	if !ok {
		return w
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return w
	}
	return &outlet{os.NewFile(uintptr(fd), f.Name()), gone}
}

func (o *outlet) Write(p []byte) (int, error) {
	n, err := o.File.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		o.gone()
	}
	return n, err
}
