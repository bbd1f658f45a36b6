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

// Recorder writes the traffic of the proxy to a flow file. Its methods return when the bytes
// are in the file. So once a device has its whole response, the exchange is in the
// recording, even if this process is killed. It may be used by any number of goroutines.
//
// The messages of an open WebSocket are written one by one, see sockets.
type Recorder struct {
	path  string
	lock  *disk.FileLock // says that path is being written; nil where there are no locks
	log   *slog.Logger
	space uuid.UUID
	// Fingerprint returns the TLS fingerprint of an entry's connection, which is noted in
	// its flow. Nil notes none. It is set before the recorder is used.
	Fingerprint func(*capture.Entry) Fingerprint

	mu      sync.Mutex
	file    *os.File
	w       *Writer
	size    int64 // of the file, up to the end of its last flow
	closed  bool
	sockets sockets

	tally   sync.Mutex // guards the fields below; never held during a write
	flows   int
	lost    uint64
	fault   error // of the last flow, nil when it was written
	last    error // the last fault
	changed follow.Signal
}

// RecorderStats are the figures of a recording.
type RecorderStats struct {
	// Flows counts the exchanges that were written. Lost counts those that are missing or
	// incomplete: without a body, or without a message of a WebSocket.
	Flows int    `json:"flows"`
	Lost  uint64 `json:"lost"`
	// Error is the reason why the last exchange could not be written, "" when it was.
	Error string `json:"error,omitempty"`
}

// Record begins a recording. It makes the directory dir, and in it a file that is named by
// the time. Only the owner may read the file, because recordings have passwords and cookies
// in them.
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
		path: file.Name(), lock: lock, log: log, space: uuid.New(), file: file, w: NewWriter(file),
		sockets: sockets{open: map[uint64]*openSocket{}},
	}, nil
}

// Path returns the path of the file.
func (r *Recorder) Path() string { return r.path }

// Stats returns the figures of the recording.
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

// Exchange writes an exchange. It ignores entries that are no flows.
func (r *Recorder) Exchange(e *capture.Entry) {
	f := r.flowOf(e, nil, nil)
	if f == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done(r.write(f))
}

// flowOf is [FromEntry] with the fingerprint of the connection.
func (r *Recorder) flowOf(e *capture.Entry, messages []Message, end *capture.Entry) *Flow {
	f := FromEntry(e, messages, end, r.space)
	if f != nil && r.Fingerprint != nil {
		f.SetFingerprint(r.Fingerprint(e))
	}
	return f
}

// done counts a flow, or a lost one.
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

// lose counts a lost flow and logs the first one. The lock tally is held.
func (r *Recorder) lose(err error) {
	if r.fault == nil {
		r.log.Error("flows are not recorded, or not whole", "file", r.path, "error", err)
	}
	r.lost++
	r.changed.Notify()
	r.fault, r.last = err, err
}

// write appends a flow. When it can't be written whole, its bytes are cut off, so that the
// file stays readable. The lock mu is held.
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

// cut removes an incomplete record from the end of the file.
func (r *Recorder) cut() error {
	if err := r.file.Truncate(r.size); err != nil {
		return err
	}
	_, err := r.file.Seek(r.size, io.SeekStart)
	return err
}

// Close completes the file and closes it. Later exchanges are lost.
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
