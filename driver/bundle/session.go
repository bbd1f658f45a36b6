package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"starproxy/builtins/disk"
	"starproxy/driver/flow"
)

// Session is an open file of a session: a bundle, a HAR document or a flow file.
type Session struct {
	path     string
	file     *os.File // the archive; nil for a recording
	archive  *archive // nil for a recording
	manifest *Manifest
	own      *disk.Private // holds the recording of a bundle
	flows    *flow.File    // nil for a bundle without a recording
	recorded string        // the path of flows
}

// Open opens the file of a session. Its kind is told by its content: an archive is a
// bundle, all else is read as a recording, see [flow.Open]. The recording of a bundle is
// unpacked into a private directory, which Close removes. path may be a pipe of the shell,
// unless it is a bundle. Errors name path.
func Open(path string) (*Session, error) {
	s := &Session{path: path}
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Session) open() error {
	path := s.path
	f, info, err := disk.Open(path)
	if kind := (disk.KindError)(0); errors.As(err, &kind) {
		return s.record(path)
	}
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	s.file = f
	var head [4]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return fmt.Errorf("session: read %s: %w", path, err)
	}
	if !startsArchive(head[:n]) {
		return s.record(path)
	}
	if s.archive, err = openArchive(path, f, info.Size()); err != nil {
		return err
	}
	if err := s.readManifest(); err != nil {
		return err
	}
	return s.unpack()
}

// startsArchive reports whether a file that begins with head is a ZIP archive: the
// signatures of a file in it, and of the end of one without files.
func startsArchive(head []byte) bool {
	return string(head) == "PK\x03\x04" || string(head) == "PK\x05\x06"
}

// record opens the recording at path.
func (s *Session) record(path string) (err error) {
	s.recorded = path
	s.flows, err = flow.OpenWith(path, flow.Options{Piped: path == s.path, Streams: true, Name: s.path})
	return err
}

// readManifest reads the manifest, if there is one.
func (s *Session) readManifest() error {
	text, err := s.Read(Manifests)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	m := &Manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return fmt.Errorf("bundle %s: %s: %w", s.path, Manifests, err)
	}
	if m.Format < 1 || m.Format > Format {
		return fmt.Errorf("bundle %s: %s: format: got %d, want at most %d: a newer starproxy has written it", s.path, Manifests,
			m.Format, Format)
	}
	s.manifest = m
	return nil
}

// unpack opens the recording of a bundle. An archive without one is a bundle only when it
// has a manifest.
func (s *Session) unpack() error {
	name := Flows
	if s.archive.files[name] == nil {
		name = HAR
	}
	if s.archive.files[name] == nil {
		if s.manifest == nil {
			return fmt.Errorf("bundle %s: got an archive without %s, %s and %s", s.path, Manifests, Flows, HAR)
		}
		return nil
	}
	in, err := s.archive.open(name, maxRecording)
	if err != nil {
		return err
	}
	defer in.Close()
	if s.own, err = disk.MakePrivate(os.TempDir(), "starproxy-session-"); err != nil {
		return fmt.Errorf("bundle %s: %w", s.path, err)
	}
	to := filepath.Join(s.own.Path, name)
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("bundle %s: %w", s.path, err)
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("bundle %s: unpack %s: %w", s.path, name, err)
	}
	return s.record(to)
}

// Path returns the path that Open was given.
func (s *Session) Path() string { return s.path }

// Manifest returns the manifest of a bundle; nil when the file has none.
func (s *Session) Manifest() *Manifest { return s.manifest }

// Flows yields the exchanges in the order of the file, see [flow.File.Flows]. TCP streams
// are among them.
func (s *Session) Flows() iter.Seq2[*flow.Flow, error] {
	if s.flows == nil {
		return func(func(*flow.Flow, error) bool) {}
	}
	return s.flows.Flows()
}

// Warnings are what was read although it may not be what it seems, as far as the flows
// were read.
func (s *Session) Warnings() []string {
	if s.flows == nil {
		return nil
	}
	return s.flows.Warnings()
}

// Names returns the names of all files of a bundle in their order; none for a recording.
func (s *Session) Names() []string {
	if s.archive == nil {
		return nil
	}
	return slices.Clone(s.archive.names)
}

// Read returns the content of a file of a bundle, at most 256 MiB. The error is a
// [fs.ErrNotExist] when there is no such file, as in each recording.
func (s *Session) Read(name string) ([]byte, error) {
	if s.archive == nil {
		return nil, fmt.Errorf("%s is no bundle: file %.200q: %w", s.path, name, fs.ErrNotExist)
	}
	r, err := s.archive.open(name, maxText)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: file %.200q: %w", s.path, name, err)
	}
	return data, nil
}

// Close releases the file, and what was unpacked of it.
func (s *Session) Close() error {
	var errs []error
	if s.flows != nil {
		errs = append(errs, s.flows.Close())
	}
	if s.own != nil {
		errs = append(errs, s.own.Remove())
	}
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}
