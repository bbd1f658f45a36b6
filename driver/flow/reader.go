package flow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"sync"
)

const (
	// maxFileRecord is how long a record of a file may be; its bodies stay there.
	maxFileRecord = 2 << 30
	// maxStreamRecord is the same for a stream, where all is held in memory.
	maxStreamRecord = 256 << 20
	// maxWarned bounds how many warnings of one kind there are.
	maxWarned = 8
)

// Options are for readers. Zero is a good choice.
type Options struct {
	// Path names what is read, for messages.
	Path string
	// MaxRecord is how many bytes a record may have: by default 2 GiB in a file,
	// whose bodies stay there, and 256 MiB in a stream.
	MaxRecord int64
	// Piped says that a file may be a pipe of the shell, see [disk.OpenInput]. It
	// counts for a path that the person at the command line names. Default false.
	Piped bool
	// Streams gives TCP streams, too, which are passed over otherwise.
	Streams bool
}

// RecordError says that a record can't be used. Others may follow it, unless
// nobody can tell where they begin.
type RecordError struct {
	// Path is empty for a stream without a name.
	Path string
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

// Reader reads a recording from its beginning to its end.
type Reader struct {
	s     *source
	max   int64
	ahead int
	off   int64
	done  bool
	tally *tally

	streams bool // are given, too
}

// NewReader reads a recording from a stream, a HAR document too. It keeps no
// more than a record in memory, whose bodies are there as well.
func NewReader(r io.Reader, o Options) *Reader {
	s := newSource(nil, o.Path)
	s.r = r
	max := o.MaxRecord
	if max <= 0 {
		max = maxStreamRecord
	}
	return &Reader{s: s, max: max, ahead: window, tally: &tally{path: o.Path}, streams: o.Streams}
}

// Flows gives the flows that are still to be read, in their order. A record
// that can't be used is a *[RecordError] in its place, and what follows comes
// nevertheless, unless the end of the record couldn't be found. Other errors,
// those of reading, end it.
func (r *Reader) Flows() iter.Seq2[*Flow, error] {
	return func(yield func(*Flow, error) bool) {
		if r.off == 0 && !r.done {
			if har, err := r.isHAR(); err != nil {
				r.done = true
				yield(nil, err)
				return
			} else if har {
				r.done = true
				rest := io.MultiReader(bytes.NewReader(r.s.buf), r.s.r)
				for f, err := range readHAR(rest, r.s.path) {
					if !yield(f, err) {
						return
					}
				}
				return
			}
		}
		for {
			f, err := r.Next()
			if err == io.EOF || !yield(f, err) {
				return
			}
		}
	}
}

// Next gives the next flow of a flow file, or an error as Flows does; the end
// is [io.EOF].
func (r *Reader) Next() (*Flow, error) {
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

// Skipped counts the flows that were passed over because they are not HTTP, by
// their type.
func (r *Reader) Skipped() map[string]int { return r.tally.skips() }

// Warnings are what was read although it may not be what it seems.
func (r *Reader) Warnings() []string { return r.tally.warned() }

func (r *Reader) isHAR() (bool, error) {
	head, err := r.s.peek(0, headHAR)
	return startsHAR(head), err
}

// headHAR is how much of a file [startsHAR] looks at, in bytes.
const headHAR = 64

// startsHAR tells a HAR document by its beginning; a record has a digit there.
func startsHAR(head []byte) bool {
	if len(head) >= 4 && (bytes.HasPrefix(head, []byte("\xff\xfe{\x00")) || bytes.HasPrefix(head, []byte("\xfe\xff\x00{"))) {
		return true
	}
	return bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n"), []byte("{"))
}

// record reads the record at off. next is where the one after it begins, off
// when there is none. No flow and no error is a record of another type, or the
// end.
func (r *Reader) record(off int64) (f *Flow, next int64, err error) {
	s := r.s
	bad := func(err error) (*Flow, int64, error) {
		return nil, next, &RecordError{Path: s.path, Offset: off, Err: err}
	}
	next = off
	s.pin, s.held, s.lend = off, 0, false
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
	s.lend, s.ahead = n > window, r.ahead
	if n > int64(r.ahead) { // then most of it is bodies, as a rule
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

// decode reads the record with the payload v. Without a flow it is one of
// another kind.
func (r *Reader) decode(off int64, v value) (f *Flow, kind string, err error) {
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

// tally is what a reader has to say about what it did not give. Those that read
// the same file share one.
type tally struct {
	path string

	mu       sync.Mutex
	end      int64 // up to where records are counted
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

// newer warns of a format that is not known, once.
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
	t.warnings = append(t.warnings, fmt.Sprintf("recording %s: format %d is newer than %d, the newest that is known: something may be missing", t.path, version, newest))
}

// doubted warns of what of an entry is left out.
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
