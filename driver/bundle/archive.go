package bundle

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The limits of archives that are opened, in bytes unless they are numbers.
const (
	maxDirectory = 16 << 20  // the list of files in an archive
	maxFiles     = 20_000    // number of files
	maxText      = 256 << 20 // a file that is read into memory
	maxRecording = 2 << 30   // a recording, which is unpacked to the disk
)

// archive is an open ZIP archive. Its names are checked.
type archive struct {
	path  string // as it was given
	files map[string]*zip.File
	names []string // in the order of the archive
}

// openArchive reads the list of files in f. path is for errors.
func openArchive(path string, f *os.File, size int64) (*archive, error) {
	list := &frugal{f: f, left: maxDirectory}
	r, err := zip.NewReader(list, size)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: read the archive: %w", path, err)
	}
	list.listed = true
	if len(r.File) > maxFiles {
		return nil, fmt.Errorf("bundle %s: got %d files, want at most %d", path, len(r.File), maxFiles)
	}
	a := &archive{path: path, files: make(map[string]*zip.File, len(r.File))}
	for _, file := range r.File {
		if err := a.add(file); err != nil {
			return nil, fmt.Errorf("bundle %s: %w", path, err)
		}
	}
	return a, nil
}

// add checks the name of a file. Directories have no content and are skipped.
func (a *archive) add(file *zip.File) error {
	name := file.Name
	if strings.HasSuffix(name, "/") {
		return nil
	}
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\\:\x00") || !filepath.IsLocal(filepath.FromSlash(name)) {
		return fmt.Errorf("file %.200q: want a path with slashes that stays inside the archive", name)
	}
	if !file.Mode().IsRegular() {
		return fmt.Errorf("file %.200q: want a regular file", name)
	}
	if a.files[name] != nil {
		return fmt.Errorf("file %.200q: got it twice", name)
	}
	a.files[name] = file
	a.names = append(a.names, name)
	return nil
}

// open returns the content of a file, which may have at most max bytes. The error is a
// [fs.ErrNotExist] when there is no such file.
func (a *archive) open(name string, limit int64) (io.ReadCloser, error) {
	file := a.files[name]
	if file == nil {
		return nil, fmt.Errorf("bundle %s: file %.200q: %w", a.path, name, fs.ErrNotExist)
	}
	tooLarge := fmt.Errorf("bundle %s: file %.200q: got more than %d MiB", a.path, name, limit>>20)
	if file.UncompressedSize64 > uint64(limit) {
		return nil, tooLarge
	}
	r, err := file.Open()
	if err != nil {
		return nil, fmt.Errorf("bundle %s: file %.200q: %w", a.path, name, err)
	}
	return &capped{ReadCloser: r, left: limit, beyond: tooLarge}, nil
}

// errManyFiles is the error for an archive whose list of files is too long.
var errManyFiles = errors.New("its list of files is too long")

// frugal is a file of which only so many bytes are read until its list is there.
type frugal struct {
	f      io.ReaderAt
	left   int64
	listed bool
}

func (f *frugal) ReadAt(p []byte, off int64) (int, error) {
	if !f.listed {
		if f.left -= int64(len(p)); f.left < 0 {
			return 0, errManyFiles
		}
	}
	return f.f.ReadAt(p, off)
}

// capped ends with an error beyond so many bytes, whatever the archive says of the size.
type capped struct {
	io.ReadCloser
	left   int64
	beyond error
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, c.beyond
	}
	return n, err
}
