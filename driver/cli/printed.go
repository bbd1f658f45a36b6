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

// loss is the first error of a standard output. Text that was printed after it is
// lost.
type loss struct {
	mu    sync.Mutex
	err   error
	wrote bool
}

// note notes the outcome of a write. A reader that ends early, as head does, is no
// error.
func (l *loss) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrote = true
	if l.err == nil && !errors.Is(err, syscall.EPIPE) {
		l.err = err
	}
}

// fault returns the error, nil when all was written.
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

// Fd returns the descriptor of the file that is written to, an invalid one when it
// is no file.
func (p *printed) Fd() uintptr {
	if f, ok := p.Writer.(descriptor); ok {
		return f.Fd()
	}
	return ^uintptr(0)
}

// raw returns the output behind w, for a child process.
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
