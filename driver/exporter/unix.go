package exporter

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// listenUnix listens at path, so that no other user can connect at any time:
// the socket is made in a folder that only this user can enter, gets its mode
// there, and then its place.
func listenUnix(path string) (net.Listener, error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s") // mode 0700
	if err != nil {
		return nil, err
	}
	defer os.Remove(dir)
	made := filepath.Join(dir, "s")
	ln, err := bind(dir, "s")
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false) // it would look for the socket where it was made
	defer os.Remove(made)
	if err = os.Chmod(made, 0o600); err == nil {
		err = place(made, path)
	}
	var info fs.FileInfo
	if err == nil {
		info, err = os.Lstat(path)
	}
	if err != nil {
		ln.Close()
		return nil, err
	}
	return &unixListener{ln, path, info}, nil
}

// bind listens at a name in dir. A path that is too long for a socket's address
// is reached through the descriptor of dir, where the system has that.
func bind(dir, name string) (*net.UnixListener, error) {
	path := filepath.Join(dir, name)
	if len(path) > maxSocketPath {
		d, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		path = fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), name)
	}
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

// place gives a socket its name. One that another process has made there
// meanwhile stays, unless the file system knows no hard links.
func place(made, path string) error {
	err := os.Link(made, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Rename(made, path)
}

// unixListener removes its socket at the end.
type unixListener struct {
	*net.UnixListener
	path string
	info fs.FileInfo // of the socket
}

// Close stops listening and removes the socket, unless another one is there by
// now.
func (l *unixListener) Close() error {
	err := l.UnixListener.Close()
	if now, lerr := os.Lstat(l.path); err == nil && lerr == nil && os.SameFile(now, l.info) {
		os.Remove(l.path)
	}
	return err
}

// Addr returns where the socket lies.
func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }
