package bundle

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/flow"
)

// sample returns n exchanges whose answers have size bytes that can't be compressed.
func sample(n, size int) iter.Seq2[*flow.Flow, error] {
	return func(yield func(*flow.Flow, error) bool) {
		at := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
		x := uint64(1)
		for i := range n {
			body := make([]byte, size)
			for k := range body {
				x ^= x << 13
				x ^= x >> 7
				x ^= x << 17
				body[k] = byte(x)
			}
			f := &flow.Flow{
				Created: at.Add(time.Duration(i) * time.Second),
				Request: flow.Request{Method: "GET", Scheme: "http", Host: "api.example.com", Port: 80, Path: fmt.Sprintf("/item/%d", i),
					Proto: "HTTP/1.1", Start: at.Add(time.Duration(i) * time.Second)},
				Response: &flow.Response{Status: 200, Reason: "OK", Proto: "HTTP/1.1",
					Header: exchange.HeaderOf("Content-Type", "application/octet-stream"),
					Body:   flow.Body{Blob: capture.Blob{Data: body, Size: int64(size)}}},
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

// save writes a file of the test.
func save(t *testing.T, name string, fill func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := fill(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeFlows(w io.Writer) error {
	out := flow.NewWriter(w)
	for f := range sample(3, 10) {
		if err := out.Write(f); err != nil {
			return err
		}
	}
	return nil
}

func writeHAR(w io.Writer) error { return flow.WriteHAR(w, sample(3, 10), "") }

func TestOpenTellsByContent(t *testing.T) {
	t.Parallel()
	bundle := func(w io.Writer) error {
		b, err := Create(w, 0, Manifest{Mode: "mock"})
		if err != nil {
			return err
		}
		if err := b.Add(File{Name: Flows}, writeFlows); err != nil {
			return err
		}
		_, err = b.Close()
		return err
	}
	archiveOf := func(name string, fill func(io.Writer) error) func(io.Writer) error {
		return func(w io.Writer) error {
			z := zip.NewWriter(w)
			to, err := z.Create(name)
			if err == nil {
				err = fill(to)
			}
			return errors.Join(err, z.Close())
		}
	}
	for _, tt := range []struct {
		name     string
		fill     func(io.Writer) error
		manifest bool
	}{
		{"bundle", bundle, true},
		{"flow file", writeFlows, false},
		{"HAR document", writeHAR, false},
		{"archive with a flow file", archiveOf(Flows, writeFlows), false},
		{"archive with a HAR document", archiveOf(HAR, writeHAR), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := save(t, "session.dat", tt.fill) // the name tells nothing
			s, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			var paths []string
			for f, err := range s.Flows() {
				if err != nil {
					t.Fatal(err)
				}
				paths = append(paths, f.Request.Path)
			}
			if want := []string{"/item/0", "/item/1", "/item/2"}; !slices.Equal(paths, want) {
				t.Errorf("flows: got %v, want %v", paths, want)
			}
			if got := s.Manifest() != nil; got != tt.manifest {
				t.Errorf("manifest: got %v, want %v", got, tt.manifest)
			}
			unpacked := s.recorded
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(unpacked); unpacked != path && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the unpacked recording after Close: got %v, want none", err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	archived := func(names ...string) func(io.Writer) error {
		return func(w io.Writer) error {
			z := zip.NewWriter(w)
			for _, name := range names {
				if _, err := z.Create(name); err != nil {
					return err
				}
			}
			return z.Close()
		}
	}
	for _, tt := range []struct {
		name string
		fill func(io.Writer) error
		want string
	}{
		{"a way out", archived(Manifests, "../evil"), `file "../evil": want a path with slashes that stays inside the archive`},
		{"an absolute path", archived("/etc/passwd"), `file "/etc/passwd": want a path`},
		{"a path of Windows", archived(`a\..\..\b`), `want a path with slashes`},
		{"a drive", archived(`c:/b`), `want a path with slashes`},
		{"two of a name", archived(Flows, Flows), `file "session.flow": got it twice`},
		{"a link", func(w io.Writer) error {
			z := zip.NewWriter(w)
			h := &zip.FileHeader{Name: Flows}
			h.SetMode(fs.ModeSymlink | 0o777)
			if _, err := z.CreateHeader(h); err != nil {
				return err
			}
			return z.Close()
		}, `file "session.flow": want a regular file`},
		{"another archive", archived("word/document.xml"), "got an archive without manifest.json, session.flow and session.har"},
		{"too many files", func(w io.Writer) error {
			var names []string
			for i := range maxFiles + 1 {
				names = append(names, fmt.Sprint(i))
			}
			return archived(names...)(w)
		}, "got 20001 files, want at most 20000"},
		{"a longer list than is read", func(w io.Writer) error {
			var names []string
			for i := range 300 {
				names = append(names, strings.Repeat("x", 60_000)+fmt.Sprint(i))
			}
			return archived(names...)(w)
		}, "its list of files is too long"},
		{"a newer bundle", func(w io.Writer) error {
			z := zip.NewWriter(w)
			to, err := z.Create(Manifests)
			if err == nil {
				_, err = io.WriteString(to, `{"format": 99}`)
			}
			return errors.Join(err, z.Close())
		}, "format: got 99, want at most 1: a newer starproxy has written it"},
		{"a manifest that is too large", func(w io.Writer) error {
			return bomb(w, Manifests, 10, maxText+1)
		}, `file "manifest.json": got more than 256 MiB`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(save(t, "evil.zip", tt.fill))
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open: got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// bomb writes an archive with a file of size zeros, of which the archive says that it has
// said.
func bomb(w io.Writer, name string, size int, said uint64) error {
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	to, err := z.Create(name)
	if err == nil {
		_, err = to.Write(make([]byte, size))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		return err
	}
	r, err := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	if err != nil {
		return err
	}
	r.File[0].UncompressedSize64 = said
	out := zip.NewWriter(w)
	return errors.Join(out.Copy(r.File[0]), out.Close())
}

// A file that has more bytes than the archive says is not read beyond the limit.
func TestBomb(t *testing.T) {
	t.Parallel()
	f, err := os.Open(save(t, "bomb.zip", func(w io.Writer) error { return bomb(w, Flows, 3<<20, 10) }))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	a, err := openArchive("bomb.zip", f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.open(Flows, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := io.Copy(io.Discard, r); err == nil || n > 1<<20 {
		t.Errorf("a bomb: got %d bytes and error %v, want an error within 1 MiB", n, err)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	path := save(t, "b.zip", func(w io.Writer) error {
		b, err := Create(w, 0, Manifest{})
		if err == nil {
			err = b.Text(Readme, "hello\n")
		}
		if err == nil {
			_, err = b.Close()
		}
		return err
	})
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if text, err := s.Read(Readme); string(text) != "hello\n" || err != nil {
		t.Errorf("Read: got %q and %v, want the text", text, err)
	}
	if _, err := s.Read(Flows); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of a missing file: got %v, want fs.ErrNotExist", err)
	}
	if got, want := s.Names(), []string{Readme, Manifests}; !slices.Equal(got, want) {
		t.Errorf("Names: got %v, want %v", got, want)
	}
	for range s.Flows() {
		t.Error("Flows of a bundle without a recording: got one, want none")
	}
}

func TestErrorsNameTheBundle(t *testing.T) {
	t.Parallel()
	path := save(t, "b.zip", func(w io.Writer) error {
		z := zip.NewWriter(w)
		to, err := z.Create(Flows)
		if err == nil {
			_, err = io.WriteString(to, "this is no flow")
		}
		return errors.Join(err, z.Close())
	})
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, err := range s.Flows() {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Flows: got error %v, want one that names %s", err, path)
		}
		return
	}
	t.Error("Flows: got none, want an error")
}

func FuzzOpen(f *testing.F) {
	for _, fill := range []func(io.Writer) error{writeFlows, writeHAR, func(w io.Writer) error {
		b, err := Create(w, 0, Manifest{})
		if err == nil {
			err = b.Add(File{Name: Flows}, writeFlows)
		}
		if err == nil {
			_, err = b.Close()
		}
		return err
	}} {
		var b bytes.Buffer
		if err := fill(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "session")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path)
		if err != nil {
			return
		}
		defer s.Close()
		for range s.Flows() {
		}
		for _, name := range s.Names() {
			if strings.Contains(name, "..") && !filepath.IsLocal(name) {
				t.Errorf("name %q leads out of the archive", name)
			}
			_, _ = s.Read(name)
		}
	})
}
