package bundle

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"starproxy/builtins/disk"
)

// DefaultMaxSize is the size of a bundle unless another is asked for, in bytes.
const DefaultMaxSize = 64 << 20

// spare is left of the size for the manifest, in bytes. Its parts are bounded, see
// [Writer.LeaveOut] and maxWritten.
const spare = 1 << 20

const (
	maxLeftOut = 1000 // parts that are named in the manifest; the rest is counted
	maxWritten = 2000 // files in a bundle
)

// Writer writes a bundle. Each file goes to the disk first, so that only those that fit
// are in the archive, whole.
type Writer struct {
	out      *zip.Writer
	sent     *counter
	max      int64
	own      *disk.Private
	manifest Manifest
	more     int // parts left out beyond maxLeftOut
	kept     map[string]*bytes.Buffer
}

// Keep makes [Writer.Kept] return the contents of files with these names that are added
// later.
func (b *Writer) Keep(names ...string) {
	if b.kept == nil {
		b.kept = map[string]*bytes.Buffer{}
	}
	for _, name := range names {
		b.kept[name] = &bytes.Buffer{}
	}
}

// Kept returns the content of a file that was added after [Writer.Keep], nil for none.
func (b *Writer) Kept(name string) []byte {
	if b.kept[name] == nil {
		return nil
	}
	return b.kept[name].Bytes()
}

// Create begins a bundle to w of at most limit bytes; 0 means [DefaultMaxSize]. Files,
// LeftOut, Format and Created of m are filled in.
func Create(w io.Writer, limit int64, m Manifest) (*Writer, error) {
	own, err := disk.MakePrivate(os.TempDir(), "starproxy-bundle-")
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	m.Format, m.Files, m.LeftOut = Format, []File{}, []LeftOut{}
	if m.Created.IsZero() {
		m.Created = time.Now()
	}
	m.Created = m.Created.UTC()
	sent := &counter{w: w}
	return &Writer{out: zip.NewWriter(sent), sent: sent, max: max(cmp.Or(limit, DefaultMaxSize)-spare, 0), own: own, manifest: m}, nil
}

// Manifest returns the manifest, whose other fields the caller may set until Close.
func (b *Writer) Manifest() *Manifest { return &b.manifest }

// Dir returns a private directory for files that are needed while the bundle is written.
func (b *Writer) Dir() string { return b.own.Path }

// Room returns how many bytes of the archive are left.
func (b *Writer) Room() int64 { return b.max - b.sent.n }

// LeaveOut notes in the manifest that a part of the session is not in the bundle.
func (b *Writer) LeaveOut(part, reason string) {
	if len(b.manifest.LeftOut) >= maxLeftOut {
		b.more++
		return
	}
	b.manifest.LeftOut = append(b.manifest.LeftOut, LeftOut{fmt.Sprintf("%.300s", part), fmt.Sprintf("%.300s", reason)})
}

// errNoRoom is the error for a file that does not fit.
var errNoRoom = errors.New("no room")

// Add adds a file, whose content write writes. f has its name and where it is from. A file
// that does not fit, or whose content can't be made, is left out, and the manifest tells
// why. An error means that the bundle can't be written.
func (b *Writer) Add(f File, write func(io.Writer) error) error {
	if len(b.manifest.Files) >= maxWritten {
		b.LeaveOut(f.Name, fmt.Sprintf("a bundle has at most %d files", maxWritten))
		return nil
	}
	part, err := os.Create(filepath.Join(b.own.Path, "part"))
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	defer part.Close()
	err = b.pack(part, &f, write)
	switch {
	case errors.Is(err, errNoRoom):
		b.LeaveOut(f.Name, fmt.Sprintf("it does not fit into the size of the bundle, of which %d bytes were left", max(b.Room(), 0)))
		return nil
	case err != nil:
		b.LeaveOut(f.Name, err.Error())
		return nil
	}
	if err := b.take(part); err != nil {
		return fmt.Errorf("bundle: write %s: %w", f.Name, err)
	}
	if f.Original == f.SHA256 {
		f.Original = ""
	}
	b.manifest.Files = append(b.manifest.Files, f)
	return nil
}

// pack writes an archive with one file to part, and fills in the size and hash of the file.
func (b *Writer) pack(part io.Writer, f *File, write func(io.Writer) error) error {
	// The entry of a file is in the archive twice, each with its name.
	room := &counter{w: part, limited: true, left: b.Room() - int64(2*len(f.Name)) - 256}
	one := zip.NewWriter(room)
	to, err := one.CreateHeader(b.header(f.Name))
	if err != nil {
		return err
	}
	if keep := b.kept[f.Name]; keep != nil {
		keep.Reset()
		to = io.MultiWriter(to, keep)
	}
	content := &digest{w: to, hash: sha256.New()}
	if err := write(content); err != nil {
		return err
	}
	if err := one.Close(); err != nil {
		return err
	}
	f.Size, f.SHA256 = content.n, hex.EncodeToString(content.hash.Sum(nil))
	return nil
}

func (b *Writer) header(name string) *zip.FileHeader {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: b.manifest.Created}
	h.SetMode(0o644)
	if strings.HasSuffix(name, ".sh") {
		h.SetMode(0o755)
	}
	return h
}

// take copies the file of the archive in part to the bundle, compressed as it is.
func (b *Writer) take(part *os.File) error {
	info, err := part.Stat()
	if err != nil {
		return err
	}
	one, err := zip.NewReader(part, info.Size())
	if err != nil {
		return err
	}
	return b.out.Copy(one.File[0])
}

// Text adds a file with that text.
func (b *Writer) Text(name, text string) error {
	return b.Add(File{Name: name}, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

// JSON adds a file with a value as indented JSON.
func (b *Writer) JSON(name string, v any) error {
	return b.Add(File{Name: name}, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	})
}

// Close adds the manifest, ends the archive and returns the manifest. The writer below
// stays open.
func (b *Writer) Close() (*Manifest, error) {
	defer b.own.Remove()
	if b.more > 0 {
		b.manifest.LeftOut = append(b.manifest.LeftOut, LeftOut{fmt.Sprintf("%d more", b.more), "only the first parts are named"})
	}
	to, err := b.out.CreateHeader(b.header(Manifests))
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := errors.Join(e.Encode(b.manifest), b.out.Close()); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return &b.manifest, nil
}

// Abort removes what is on the disk; it does nothing after Close.
func (b *Writer) Abort() { b.own.Remove() }

// counter counts what is written. It fails beyond left when it is limited.
type counter struct {
	w       io.Writer
	n       int64
	limited bool
	left    int64
}

func (c *counter) Write(p []byte) (int, error) {
	if c.limited && c.n+int64(len(p)) > c.left {
		return 0, errNoRoom
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// digest hashes and counts what is written.
type digest struct {
	w    io.Writer
	hash hash.Hash
	n    int64
}

func (d *digest) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	d.hash.Write(p[:n])
	d.n += int64(n)
	return n, err
}
