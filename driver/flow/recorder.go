package flow

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	"starproxy/builtins/disk"
	"starproxy/builtins/follow"
	"starproxy/driver/capture"
)

// Recorder writes what passes through the proxy to a flow file. It returns when
// the file has it, so a device that has its whole answer is in the recording,
// whatever happens to this process next. Its methods are for any goroutine.
//
// The messages of an open WebSocket are written one by one, see sockets.
type Recorder struct {
	path  string
	lock  *disk.FileLock // says that path is written; nil where there are no locks
	log   *slog.Logger
	space uuid.UUID

	mu      sync.Mutex
	file    *os.File
	w       *Writer
	size    int64 // of the file, up to the end of its last flow
	closed  bool
	sockets sockets

	tally   sync.Mutex // of what follows; never held while something is written
	flows   int
	lost    uint64
	fault   error // of the last one; nil once another was written
	last    error // the last fault ever
	changed follow.Signal
}

// RecorderStats tell how a recording goes.
type RecorderStats struct {
	// Flows is how many exchanges were written, Lost how many are not in the file
	// or not whole: without a body, or without a message of a WebSocket.
	Flows int    `json:"flows"`
	Lost  uint64 `json:"lost"`
	// Error is why the last one could not be written, or empty.
	Error string `json:"error,omitempty"`
}

// Record begins a recording. The file is made in dir, which is made if need be,
// and named by the time. Nobody but the owner may read it: recordings hold
// passwords and cookies.
func Record(dir string, now time.Time, log *slog.Logger) (*Recorder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	sweep(dir)
	file, lock, err := create(dir, now)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return &Recorder{
		path: file.Name(), lock: lock, log: log, space: uuid.New(), file: file, w: NewWriter(file), sockets: sockets{open: map[uint64]*openSocket{}},
	}, nil
}

// Path is the file.
func (r *Recorder) Path() string { return r.path }

// Stats tell how it goes.
func (r *Recorder) Stats() RecorderStats {
	r.tally.Lock()
	defer r.tally.Unlock()
	s := RecorderStats{Flows: r.flows, Lost: r.lost}
	if r.fault != nil {
		s.Error = r.fault.Error()
	}
	return s
}

// Changed returns a channel that is closed when [Recorder.Stats] change next.
func (r *Recorder) Changed() <-chan struct{} {
	r.tally.Lock()
	defer r.tally.Unlock()
	return r.changed.Changed()
}

// Exchange writes an exchange. Entries that are no flows are passed over.
func (r *Recorder) Exchange(e *capture.Entry) {
	f := FromEntry(e, nil, nil, r.space)
	if f == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done(r.write(f))
}

// done counts a flow, or what is missing of it.
func (r *Recorder) done(err error) {
	r.tally.Lock()
	defer r.tally.Unlock()
	if unstored := (*unstoredError)(nil); err == nil || errors.As(err, &unstored) {
		r.flows++
		r.changed.Notify()
	}
	if err != nil {
		r.lose(err)
		return
	}
	if r.fault != nil {
		r.fault = nil
		r.changed.Notify()
		r.log.Info("the recording goes on", "file", r.path, "lost", r.lost)
	}
}

// lose counts what can't be recorded; tally is held. The log hears of the first.
func (r *Recorder) lose(err error) {
	if r.fault == nil {
		r.log.Error("flows are not recorded, or not whole", "file", r.path, "error", err)
	}
	r.lost++
	r.changed.Notify()
	r.fault, r.last = err, err
}

// write appends a flow; mu is held. What is left of one that could not be
// written whole is cut off, so that the file stays readable.
func (r *Recorder) write(f *Flow) error {
	if r.closed {
		return errors.New("the recording is closed")
	}
	before := r.w.written
	err := r.w.Write(f)
	if partial := (*PartialError)(nil); errors.As(err, &partial) {
		return errors.Join(err, r.cut())
	}
	r.size += r.w.written - before
	if err == nil && r.w.unstored != "" {
		err = &unstoredError{f.Request.Method + " " + f.Request.Path, r.w.unstored}
	}
	return err
}

// unstoredError says that a flow was written, but not all of its bodies.
type unstoredError struct{ flow, message string }

func (e *unstoredError) Error() string {
	return fmt.Sprintf("%s: the body of the %s was not kept whole", e.flow, e.message)
}

// cut takes an incomplete record off the file.
func (r *Recorder) cut() error {
	if err := r.file.Truncate(r.size); err != nil {
		return err
	}
	_, err := r.file.Seek(r.size, io.SeekStart)
	return err
}

// Close completes the file and closes it. What comes later is lost.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.endSockets()
	r.closed = true
	err := r.file.Close()
	if r.lock != nil {
		r.lock.Remove()
	}
	r.tally.Lock()
	defer r.tally.Unlock()
	if r.lost > 0 {
		err = errors.Join(err, fmt.Errorf("recording %s: %d flow(s) are missing or not whole: %w", r.path, r.lost, r.last))
	}
	return err
}
