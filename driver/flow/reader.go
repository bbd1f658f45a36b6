package flow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
)

const (
	// maxRecord is how long a record may be, in bytes. Its bodies stay in the file.
	maxRecord = 2 << 30
	// maxWarned is how many warnings of one kind there are at most.
	maxWarned = 8
)

// Options say how a recording is read.
type Options struct {
	// Piped allows the file to be a pipe of the shell, see [disk.OpenInput]. It is
	// meant for paths that the user gave on the command line. Default false.
	Piped bool
	// Streams includes TCP streams, which are skipped otherwise. Default false.
	Streams bool
	// Name is the name of the recording in errors and warnings. Default: its path.
	Name string

	maxRecord int64 // instead of the constant maxRecord, unless 0
}

// RecordError says that a record can't be used. Other records may follow, unless
// the end of this one can't be found.
type RecordError struct {
	Path string // of the recording
	// Offset is where the record begins, Index its number in a HAR document, from 0.
	Offset int64
	Index  int
	// HAR says that it is an entry of a HAR document.
	HAR bool
	Err error
}

func (e *RecordError) Error() string {
	name := "recording"
	if e.Path != "" {
		name += " " + e.Path
	}
	switch {
	case e.HAR && e.Index < 0:
		return fmt.Sprintf("%s: %v", name, e.Err)
	case e.HAR:
		return fmt.Sprintf("%s: entry %d: %v", name, e.Index, e.Err)
	}
	return fmt.Sprintf("%s: record at byte %d: %v", name, e.Offset, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

// errFraming says that the end of a record can't be found.
var errFraming = errors.New("what comes next is no record")

// reader reads the records of a flow file in their order.
type reader struct {
	s     *source
	max   int64 // size of a record
	ahead int   // see source.ahead
	off   int64 // of the next record
	done  bool
	tally *tally

	streams bool // see Options
}

// next returns the next flow, or an error as [File.Flows] does. At the end the
// error is [io.EOF].
func (r *reader) next() (*Flow, error) {
	for !r.done {
		f, next, err := r.record(r.off)
		off := r.off
		if next > off {
			r.off = next
		} else {
			r.done = true
		}
		if f != nil || err != nil {
			return f, err
		}
	}
	return nil, io.EOF
}

// headHAR is how much of a file [startsHAR] looks at, in bytes.
const headHAR = 64

// startsHAR reports whether head begins a HAR document. A record begins with a digit.
func startsHAR(head []byte) bool {
	if len(head) >= 4 && (bytes.HasPrefix(head, []byte("\xff\xfe{\x00")) || bytes.HasPrefix(head, []byte("\xfe\xff\x00{"))) {
		return true
	}
	return bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n"), []byte("{"))
}

// record reads the record at off. next is the offset of the next record, off when there is
// none. Without a flow and an error, the record has another type, or off is the end.
func (r *reader) record(off int64) (f *Flow, next int64, err error) {
	s := r.s
	bad := func(err error) (*Flow, int64, error) {
		return nil, next, &RecordError{Path: s.path, Offset: off, Err: err}
	}
	next = off
	s.held = 0
	head, err := s.peek(off, maxTop)
	if err != nil {
		return nil, off, fmt.Errorf("recording %s: read at byte %d: %w", s.path, off, err)
	}
	if len(head) == 0 {
		return nil, off, nil
	}
	n, size, err := prefix(head)
	if err != nil {
		if len(head) < maxTop && bytes.Trim(head, "0123456789") == nil {
			err = io.ErrUnexpectedEOF
		}
		return bad(err)
	}
	v := value{off: off + int64(size), n: n}
	end := v.off + n + 1
	if n > r.max {
		return bad(fmt.Errorf("it has %d bytes: expected at most %d", n, r.max))
	}
	whole, err := s.reaches(end)
	if err != nil {
		return nil, off, fmt.Errorf("recording %s: read record at byte %d: %w", s.path, off, err)
	}
	if !whole {
		return bad(fmt.Errorf("it is cut short, expected %d bytes: %w", n, io.ErrUnexpectedEOF))
	}
	s.ahead = r.ahead
	if n > int64(r.ahead) { // most of it is probably bodies
		s.ahead = min(glance, r.ahead)
	} else if _, err := s.peek(off, int(end-off)); err != nil {
		return bad(err)
	}
	flow, kind, err := r.decode(off, v)
	tag, terr := s.exact(end-1, 1)
	switch {
	case terr != nil:
		return bad(terr)
	case !isTag(tag[0]):
		return bad(errFraming)
	}
	next = end
	switch {
	case tag[0] != tagDict:
		return bad(fmt.Errorf("expected a dictionary, got %s", tagName(tag[0])))
	case err != nil:
		return bad(err)
	case flow == nil:
		r.tally.skip(off, kind)
	}
	return flow, next, nil
}

// decode reads the record with the payload v. Without a flow and an error it has another
// kind.
func (r *reader) decode(off int64, v value) (f *Flow, kind string, err error) {
	v.tag = tagDict
	rec, err := r.s.open(v)
	if err != nil {
		return nil, "", err
	}
	version, err := r.s.format(rec.version)
	switch {
	case err != nil:
		return nil, "", err
	case rec.kind == "":
		return nil, "", errors.New("it has no type")
	case rec.kind != "http" && !(rec.kind == "tcp" && r.streams):
		return nil, rec.kind, nil
	}
	if version > newest {
		r.tally.newer(version)
	}
	f = &Flow{Version: version, Offset: off}
	if err := r.s.flow(&rec, f); err != nil {
		return nil, "", err
	}
	return f, "", nil
}

// tally has the warnings about a file, and counts the records that were skipped. All readers
// of a file share one.
type tally struct {
	path string

	mu       sync.Mutex
	end      int64 // records before it are counted
	skipped  map[string]int
	warnings []string
	versions map[int]bool
	doubts   int
}

// skip counts the record at off, once.
func (t *tally) skip(off int64, kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if off < t.end {
		return
	}
	t.end = off + 1
	if t.skipped == nil {
		t.skipped = map[string]int{}
	}
	if _, ok := t.skipped[kind]; !ok && len(t.skipped) >= maxWarned {
		kind = "other"
	}
	t.skipped[kind]++
}

func (t *tally) skips() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.skipped)
}

// newer warns of an unknown format version, once.
func (t *tally) newer(version int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.versions[version] || len(t.versions) >= maxWarned {
		return
	}
	if t.versions == nil {
		t.versions = map[int]bool{}
	}
	t.versions[version] = true
	t.warnings = append(t.warnings, fmt.Sprintf("recording %s: format %d is newer than %d, the newest that is known: something "+
		"may be missing", t.path, version, newest))
}

// doubted warns of the parts of an entry that are left out.
func (t *tally) doubted(f *Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, doubt := range f.doubts {
		if t.doubts++; t.doubts <= maxWarned {
			t.warnings = append(t.warnings, fmt.Sprintf("recording %s: %s", t.path, doubt))
		}
	}
}

func (t *tally) warned() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := append([]string(nil), t.warnings...)
	if t.doubts > maxWarned {
		list = append(list, fmt.Sprintf("recording %s: of %d more entries something is left out", t.path, t.doubts-maxWarned))
	}
	return list
}
