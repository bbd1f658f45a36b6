package flow

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"starproxy/builtins/disk"
)

// File is a recording on disk. Bodies of some size stay there: a flow says
// where they are, so they can be read as long as the File is open.
type File struct {
	path  string // as it was given, or the name of the options
	f     *os.File
	at    string        // absolute path of f
	own   *disk.Private // holds f when it is ours, else nil
	bad   []harError
	max   int64
	tally *tally
	pool  sync.Pool
	parts parts

	streams bool // see Options
}

// harError is an entry that could not be turned into a flow, and where in the
// flow file it would be.
type harError struct {
	off int64
	err error
}

// Open opens a recording, which is a flow file or a HAR document. A document
// is turned into a flow file for as long as it is open, and so is what can't be
// read twice.
func Open(path string) (*File, error) {
	return OpenWith(path, Options{})
}

// OpenWith is Open with options.
func OpenWith(path string, o Options) (_ *File, err error) {
	open := disk.Open
	if o.Piped {
		open = disk.OpenInput
	}
	in, info, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	name := cmp.Or(o.Name, path)
	f := &File{path: name, f: in, max: cmp.Or(o.maxRecord, maxRecord), tally: &tally{path: name}, streams: o.Streams}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if f.at, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	if !info.Mode().IsRegular() {
		if err := f.replace(f.copy); err != nil {
			return nil, fmt.Errorf("read recording %s: %w", name, err)
		}
	}
	var head [headHAR]byte
	n, err := f.f.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	if startsHAR(head[:n]) {
		if err := f.replace(f.convert); err != nil {
			return nil, fmt.Errorf("read recording %s: %w", name, err)
		}
	}
	return f, nil
}

// Flows yields the flows in the order of the file. A record that can't be used is a
// *[RecordError] in its place, and the next records follow, unless the end of the
// record can't be found. Other errors, those of reading, end the sequence. Each use
// begins at the beginning.
func (f *File) Flows() iter.Seq2[*Flow, error] {
	return func(yield func(*Flow, error) bool) {
		r := f.reader(window)
		bad := f.bad
		for {
			for len(bad) > 0 && bad[0].off <= r.off {
				if !yield(nil, bad[0].err) {
					return
				}
				bad = bad[1:]
			}
			flow, err := r.next()
			if err == io.EOF {
				return
			}
			if isPart(flow) {
				if flow, err = f.join(flow); flow == nil && err == nil {
					continue // another record has it
				}
			}
			if !yield(flow, f.named(err)) {
				return
			}
		}
	}
}

// FlowAt gives the flow whose record begins at off; see [Flow.Offset].
func (f *File) FlowAt(off int64) (*Flow, error) {
	flow, err := f.recordAt(off)
	if err == nil && isPart(flow) {
		flow, err = f.join(flow)
	}
	if err == nil && flow == nil {
		err = &RecordError{Path: f.path, Offset: off, Err: errors.New("expected an HTTP flow")}
	}
	return flow, f.named(err)
}

// recordAt returns the flow of a record, which may be a part of one.
func (f *File) recordAt(off int64) (*Flow, error) {
	r, ok := f.pool.Get().(*reader)
	if !ok {
		r = f.reader(glance)
	}
	defer f.pool.Put(r)
	r.s.buf = r.s.buf[:0] // the file may have changed
	flow, _, err := r.record(off)
	return flow, err
}

// Skipped counts the flows that were passed over because they are not HTTP, by
// their type, as far as the file was read.
func (f *File) Skipped() map[string]int { return f.tally.skips() }

// Warnings are what was read although it may not be what it seems.
func (f *File) Warnings() []string { return f.tally.warned() }

// Close closes the recording. The bodies that are in its file can still be read
// when it is one of the user's.
func (f *File) Close() error {
	err := f.f.Close()
	if f.own != nil {
		err = errors.Join(err, f.own.Remove())
		f.own = nil
	}
	return err
}

func (f *File) reader(ahead int) *reader {
	s := newSource(f.f, f.at)
	s.ahead = ahead
	return &reader{s: s, max: f.max, ahead: ahead, tally: f.tally, streams: f.streams}
}

// named names the recording as the user did.
func (f *File) named(err error) error {
	if e := (*RecordError)(nil); errors.As(err, &e) {
		e.Path = f.path
	}
	return err
}

// replace goes over to a file of our own that fill writes from what is open. It
// is in a private directory, which the next process removes when this one is
// killed.
func (f *File) replace(fill func(in io.Reader, out *os.File) error) error {
	own, err := disk.MakePrivate(os.TempDir(), "starproxy-flow-")
	if err != nil {
		return err
	}
	out, err := os.OpenFile(filepath.Join(own.Path, "recording"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return errors.Join(err, own.Remove())
	}
	in := io.Reader(f.f)
	if info, serr := f.f.Stat(); serr == nil && info.Mode().IsRegular() {
		in = io.NewSectionReader(f.f, 0, info.Size())
	}
	if err := fill(in, out); err != nil {
		out.Close()
		return errors.Join(err, own.Remove())
	}
	f.f.Close()
	if f.own != nil {
		err = f.own.Remove()
	}
	f.f, f.at, f.own = out, out.Name(), own
	return err
}

func (f *File) copy(in io.Reader, out *os.File) error {
	_, err := io.Copy(out, in)
	return err
}

// convert writes the flows of a HAR document and remembers those that are none.
func (f *File) convert(in io.Reader, out *os.File) error {
	w := NewWriter(out)
	for flow, err := range readHAR(in, f.path) {
		if err != nil {
			f.bad = append(f.bad, harError{w.written, err})
			continue
		}
		f.tally.doubted(flow)
		if err := w.Write(flow); err != nil {
			return err
		}
	}
	return nil
}
