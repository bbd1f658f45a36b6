// Package disk opens and writes files for all other packages, so that two rules
// hold everywhere:
//
//   - A path that a person or a client names never makes the program wait. Only
//     regular files are opened; a named pipe, a socket, a directory or a device
//     is an error that says so, and a document has a size limit.
//   - A file appears under its name whole or not at all. A full disk, a crash or
//     a second process leaves no half file there.
//
// The functions keep no state and are safe for any number of goroutines.
package disk

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// MaxDocument is the largest document that is read into memory, in bytes: a
// scenario, an exporter file, a CA file. It is 64 MiB.
const MaxDocument = 64 << 20

// KindError is the error for a path that is not a regular file. It has the mode of the file
// that is there. The functions return it within an [fs.PathError].
type KindError fs.FileMode

func (e KindError) Error() string { return "got " + kind(fs.FileMode(e)) + ", want a regular file" }

// SizeError is the error about a file that is larger than that many bytes.
type SizeError int64

func (e SizeError) Error() string {
	return fmt.Sprintf("got a larger file, want at most %d bytes", int64(e))
}

// kind names the type of a file, with its article.
func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	}
	return "a special file"
}

// Open opens the regular file at path for reading; symbolic links are followed.
// For anything else the error holds a [KindError]. Open never waits for another
// process, as opening a named pipe would.
func Open(path string) (*os.File, fs.FileInfo, error) { return open(anywhere{}, path) }

// OpenIn is [Open] for a name below root. Names and links that lead out of root
// are refused as [os.Root] does.
func OpenIn(root *os.Root, name string) (*os.File, fs.FileInfo, error) { return open(root, name) }

// Read returns the content of the regular file at path, which may have at most
// max bytes; for a longer one the error holds a [SizeError].
func Read(path string, max int64) ([]byte, error) {
	f, info, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAll(f, info, max)
}

// OpenInput is [Open] for a file that the person at the command line names: it
// also accepts a pipe that the shell has connected already, as
// /dev/stdin in "cmd | starproxy … /dev/stdin" and /dev/fd/63 for "<(cmd)". The
// size in the [fs.FileInfo] of a pipe is 0.
func OpenInput(path string) (*os.File, fs.FileInfo, error) {
	if handedOver(path) {
		info, err := os.Stat(path)
		if err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
			f, err := os.Open(path)
			return f, info, err
		}
	}
	return Open(path)
}

// ReadInput is [Read] for files that [OpenInput] opens.
func ReadInput(path string, max int64) ([]byte, error) {
	f, info, err := OpenInput(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAll(f, info, max)
}

// handedOver reports whether path names a descriptor of this process.
func handedOver(path string) bool {
	return path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/self/fd/")
}

// IsRegular reports whether there is a regular file at path.
func IsRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// place is where names are looked up: an [os.Root], or the whole file system.
type place interface {
	Stat(name string) (fs.FileInfo, error)
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
}

// anywhere is the whole file system.
type anywhere struct{}

func (anywhere) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

func (anywhere) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, perm)
}

// open checks the kind of the file before it opens it, because opening some devices has an
// effect. Another file may take the place in between. That file is opened without waiting,
// and a second check finds it.
func open(p place, name string) (*os.File, fs.FileInfo, error) {
	info, err := p.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if err := regular(name, info); err != nil {
		return nil, nil, err
	}
	f, err := p.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = regular(name, info)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// regular returns a KindError unless info is that of a regular file.
func regular(name string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &fs.PathError{Op: "open", Path: name, Err: KindError(info.Mode())}
}

// ReadAll reads an open file with at most max bytes. It does not rely on the size that the file
// tells, which may change meanwhile and is 0 for files in /proc.
func ReadAll(f *os.File, info fs.FileInfo, max int64) ([]byte, error) {
	if info.Size() > max {
		return nil, &fs.PathError{Op: "read", Path: f.Name(), Err: SizeError(max)}
	}
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > max:
		return nil, &fs.PathError{Op: "read", Path: f.Name(), Err: SizeError(max)}
	}
	return data, nil
}

// Interface guards.
var (
	_ place = (*os.Root)(nil)
	_ place = anywhere{}
)
