package export

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"starproxy/builtins/disk"
	"starproxy/driver/capture"
)

const (
	// maxHeld is the size up to which a body is held in memory while it is exported.
	maxHeld = 1 << 20
	// maxUnfolded is the largest size of a body without its content encoding. A
	// larger body is exported with its encoding.
	maxUnfolded = 1 << 30
)

// unreadable is the error for a captured body that can't be read any more.
type unreadable struct{ error }

// bodyFiles writes the bodies of an export, or finds the names that they would get. Every body gets a name of its
// own; bodies of one name with the same bytes share a file.
type bodyFiles struct {
	dir  string
	dry  bool // nothing is written: only the names are found
	root *os.Root
	list []string // names, in the order in which they were given

	taken map[string][32]byte // the hash of the content, by lower-case name
	dirs  map[string]bool     // the lower-case directories of those names
	next  map[string]int      // the number to try next for a name
	same  map[string]string   // name and content to file
}

func (f *bodyFiles) close() {
	if f.root != nil {
		f.root.Close()
	}
}

func (f *bodyFiles) open() error {
	if f.root != nil {
		return nil
	}
	if f.dir == "" {
		return errors.New("no files directory is set")
	}
	if !f.dry {
		if err := os.MkdirAll(f.dir, 0o755); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil && !(f.dry && errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	f.root = root
	f.taken, f.dirs = map[string][32]byte{}, map[string]bool{}
	f.next, f.same = map[string]int{}, map[string]string{}
	return nil
}

// body writes the response body of e and returns its file, empty for an empty
// body. encoded is true if the file still has its content encoding.
func (f *bodyFiles) body(e *capture.Entry) (file string, encoded bool, err error) {
	if e.ResponseBody.Size == 0 {
		return "", false, nil
	}
	if err := f.open(); err != nil {
		return "", false, err
	}
	if e.ResponseHeader.Get("Content-Encoding") != "" {
		r, err := capture.OpenDecoded(e.ResponseHeader, e.ResponseBody)
		if err == nil {
			file, err := f.save(e, r, maxUnfolded)
			if err == nil || !errors.As(err, new(unreadable)) {
				return file, false, err
			}
		}
		encoded = true // the body is written with its encoding
	}
	r, err := capture.OpenBody(e.ResponseBody)
	if err != nil {
		return "", false, unreadable{err}
	}
	file, err = f.save(e, r, e.ResponseBody.Size)
	return file, encoded, err
}

// save writes the bytes of r, at most limit. An error of r is an unreadable.
func (f *bodyFiles) save(e *capture.Entry, r io.ReadCloser, limit int64) (string, error) {
	defer r.Close()
	base, ext := fileName(e)
	data, err := io.ReadAll(io.LimitReader(r, min(maxHeld, limit)+1))
	if err != nil {
		return "", unreadable{err}
	}
	if int64(len(data)) > limit {
		return "", unreadable{fmt.Errorf("more than %d bytes", limit)}
	}
	if len(data) == 0 {
		return "", nil
	}
	if len(data) <= maxHeld {
		return f.place(base, ext, int64(len(data)), sha256.Sum256(data), func(name string) error { return f.write(name, data) })
	}
	if f.dry {
		return f.hashed(base, ext, io.MultiReader(bytes.NewReader(data), r), limit)
	}
	// Too large for memory. It goes into a file without a name first, since the name
	// depends on the content.
	if err := f.mkdir("responses"); err != nil {
		return "", err
	}
	part, err := disk.CreatePartIn(f.root, "responses/"+path.Base(base), 0o600)
	if err != nil {
		return "", err
	}
	defer part.Discard()
	hash := sha256.New()
	source := &source{r: io.MultiReader(bytes.NewReader(data), r)}
	n, err := io.Copy(io.MultiWriter(part, hash), io.LimitReader(source, limit+1))
	switch {
	case source.err != nil:
		return "", unreadable{source.err}
	case err != nil:
		return "", err
	case n > limit:
		return "", unreadable{fmt.Errorf("more than %d bytes", limit)}
	}
	return f.place(base, ext, n, [32]byte(hash.Sum(nil)), func(name string) error {
		if err := f.mkdir(path.Dir(name)); err != nil {
			return err
		}
		return part.CommitNew(name)
	})
}

// hashed returns the name of a large body, without writing it.
func (f *bodyFiles) hashed(base, ext string, r io.Reader, limit int64) (string, error) {
	hash := sha256.New()
	n, err := io.Copy(hash, io.LimitReader(r, limit+1))
	if err != nil {
		return "", unreadable{err}
	}
	if n > limit {
		return "", unreadable{fmt.Errorf("more than %d bytes", limit)}
	}
	return f.place(base, ext, n, [32]byte(hash.Sum(nil)), f.free)
}

// free returns an fs.ErrExist if there is a file of this name, and nil if one can be
// written.
func (f *bodyFiles) free(name string) error {
	if f.root == nil {
		return nil
	}
	_, err := f.root.Lstat(name)
	switch {
	case err == nil:
		return fs.ErrExist
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// source remembers the error of its reader.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// mkdir makes a directory. If a file has the name of the directory, the error is
// not fs.ErrExist: callers use that for the file that they write.
func (f *bodyFiles) mkdir(dir string) error {
	if err := f.root.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("directory %s: %v", dir, err)
	}
	return nil
}

func (f *bodyFiles) write(name string, data []byte) error {
	if f.dry {
		return f.free(name)
	}
	if err := f.mkdir(path.Dir(name)); err != nil {
		return err
	}
	part, err := disk.CreatePartIn(f.root, name, 0o600)
	if err != nil {
		return err
	}
	defer part.Discard()
	if _, err := part.Write(data); err != nil {
		return err
	}
	return part.CommitNew(name)
}

// place returns the file for a body. That is a file of the same name with the same
// bytes, or else the first free name, with which it calls write.
func (f *bodyFiles) place(base, ext string, size int64, sum [32]byte, write func(string) error) (string, error) {
	id := base + ext + "\x00" + string(sum[:])
	if name, ok := f.same[id]; ok {
		return name, nil
	}
	flat := false
	for n := max(f.next[base+ext], 1); ; n++ {
		name := base + ext
		if n > 1 {
			name = base + "_" + strconv.Itoa(n) + ext
		}
		low := strings.ToLower(name)
		if _, ok := f.taken[low]; ok || f.dirs[low] {
			continue
		}
		err := write(name)
		if errors.Is(err, fs.ErrExist) && !f.has(name, size, sum) {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			// A directory of that name may be a file already.
			if dir := path.Dir(name); !flat && strings.Count(dir, "/") > 1 && f.blocked(dir) {
				parts := strings.SplitN(base, "/", 3) // responses, the method, the path
				base, flat, n = parts[0]+"/"+parts[1]+"/"+strings.ReplaceAll(parts[2], "/", "_"), true, 0
				continue
			}
			return "", err
		}
		f.taken[low] = sum
		for dir := path.Dir(low); dir != "."; dir = path.Dir(dir) {
			f.dirs[dir] = true
		}
		f.next[base+ext], f.same[id] = n+1, name
		f.list = append(f.list, name)
		return name, nil
	}
}

// has reports whether there is a file of this name with these bytes.
func (f *bodyFiles) has(name string, size int64, sum [32]byte) bool {
	in, err := f.root.Open(name)
	if err != nil {
		return false
	}
	defer in.Close()
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() != size {
		return false
	}
	h := sha256.New()
	_, err = io.Copy(h, in)
	return err == nil && [32]byte(h.Sum(nil)) == sum
}

// blocked reports whether dir, or a directory above it, is a file.
func (f *bodyFiles) blocked(dir string) bool {
	for ; dir != "."; dir = path.Dir(dir) {
		if info, err := f.root.Stat(dir); err == nil && !info.IsDir() {
			return true
		}
	}
	return false
}
