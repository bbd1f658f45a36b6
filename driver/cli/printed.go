package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// loss is the first error of a standard output: what was printed since is not
// where it should be.
type loss struct {
	mu    sync.Mutex
	err   error
	wrote bool
}

// note takes up the outcome of a write. A reader that has gone, as head does
// when it has seen enough, is no error.
func (l *loss) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrote = true
	if l.err == nil && !errors.Is(err, syscall.EPIPE) {
		l.err = err
	}
}

// fault is the error, nil when all was written.
func (l *loss) fault() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		return nil
	}
	var pe *fs.PathError
	if errors.As(l.err, &pe) {
		return fmt.Errorf("standard output: %w", pe.Err) // without "write /dev/stdout"
	}
	return fmt.Errorf("standard output: %w", l.err)
}

// printed is a standard output that notes its errors.
type printed struct {
	io.Writer
	loss *loss
}

func (p *printed) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	p.loss.note(err)
	return n, err
}

// Fd is the descriptor of what is written to; one that nobody has when that is
// no file.
func (p *printed) Fd() uintptr {
	if f, ok := p.Writer.(descriptor); ok {
		return f.Fd()
	}
	return ^uintptr(0)
}

// raw is the output that w notes the errors of, for a child process.
func raw(w io.Writer) io.Writer {
	if p, ok := w.(*printed); ok {
		return p.Writer
	}
	return w
}

// closePrinted ends the output of a process, since some file systems tell only
// then that they have no room.
func (l *loss) closePrinted(w io.Writer) {
	if f, ok := w.(*os.File); ok && l.wrote {
		l.note(f.Close())
	}
}
