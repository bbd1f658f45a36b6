package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"starproxy/driver/capture"
)

const (
	// maxPatience bounds how long an answer waits to be recorded.
	maxPatience = 5 * time.Second
	// maxDrain bounds how long the end waits for what is still to be recorded.
	maxDrain = 10 * time.Second
	// maxSockets bounds the messages of open WebSockets that are held, in bytes;
	// messageCost is what one costs beside its data.
	maxSockets  = 64 << 20
	messageCost = 128
)

// Recorder writes what is journaled to a flow file, exchange by exchange. Its
// methods are for any goroutine.
type Recorder struct {
	path              string
	log               *slog.Logger
	exchanges, frames *capture.Journal
	space             uuid.UUID
	cancel            context.CancelFunc
	followers         sync.WaitGroup

	settled atomic.Uint64 // the last exchange that was written, or could not be
	heard   atomic.Uint64 // the same of frames

	mu    sync.Mutex
	file  *os.File
	w     *Writer
	size  int64 // of the file, up to the end of its last flow
	flows int
	lost  uint64
	fault error         // of the last one; nil once another was written
	last  error         // the last fault ever
	tell  chan struct{} // closed at the next progress; nil when nobody waits

	// Of the goroutine that follows frames.
	sockets map[uint64]*WebSocket
	held    int
}

// RecorderStats tell how a recording goes.
type RecorderStats struct {
	// Flows is how many were written, Lost how many could not be.
	Flows int    `json:"flows"`
	Lost  uint64 `json:"lost"`
	// Error is why the last one could not be written, or empty.
	Error string `json:"error,omitempty"`
}

// Record begins a recording of what the journals get from here on: exchanges,
// and the messages of WebSockets. The file is made in dir, which is made if
// need be, and named by the time.
func Record(dir string, now time.Time, exchanges, frames *capture.Journal, log *slog.Logger) (*Recorder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	file, err := create(dir, now)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Recorder{
		path: file.Name(), log: log, exchanges: exchanges, frames: frames, space: uuid.New(), cancel: cancel,
		file: file, w: NewWriter(file), sockets: map[uint64]*WebSocket{},
	}
	r.settled.Store(exchanges.Last())
	r.heard.Store(frames.Last())
	r.followers.Go(func() { r.follow(ctx, r.exchanges, &r.settled, r.exchange) })
	r.followers.Go(func() { r.follow(ctx, r.frames, &r.heard, r.frame) })
	return r, nil
}

// create makes the file; what is there already is never touched.
func create(dir string, now time.Time) (*os.File, error) {
	stem := filepath.Join(dir, "capture_"+now.Local().Format("20060102_150405"))
	name := stem + ".bin"
	for n := 2; ; n++ {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
		name = fmt.Sprintf("%s_%d.bin", stem, n)
	}
}

// Path is the file.
func (r *Recorder) Path() string { return r.path }

// Stats tell how it goes.
func (r *Recorder) Stats() RecorderStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := RecorderStats{Flows: r.flows, Lost: r.lost}
	if r.fault != nil {
		s.Error = r.fault.Error()
	}
	return s
}

// follow writes what a journal gets and notes how far it is.
func (r *Recorder) follow(ctx context.Context, j *capture.Journal, done *atomic.Uint64, take func(*capture.Entry)) {
	for e, err := range j.Follow(ctx, nil, done.Load()) {
		var missed *capture.MissedError
		if errors.As(err, &missed) {
			r.mu.Lock()
			r.lose(err, missed.Entries)
			r.mu.Unlock()
			continue
		}
		if err != nil {
			return
		}
		take(e)
		r.mu.Lock()
		done.Store(e.Seq)
		if r.tell != nil {
			close(r.tell)
			r.tell = nil
		}
		r.mu.Unlock()
	}
}

// exchange writes an exchange; a WebSocket comes when it has ended.
func (r *Recorder) exchange(e *capture.Entry) {
	if e.Kind == capture.HTTP && e.Status != 101 {
		r.write(FromEntry(e, nil, nil, r.space))
	}
}

// frame takes a message or the end of a WebSocket.
func (r *Recorder) frame(e *capture.Entry) {
	ws := r.sockets[e.Socket]
	if ws == nil {
		ws = &WebSocket{}
		r.sockets[e.Socket] = ws
	}
	if e.Kind == capture.Message {
		m := FromMessage(e)
		if r.held += len(m.Data) + messageCost; r.held > maxSockets {
			r.mu.Lock()
			r.lose(fmt.Errorf("WebSocket messages: more than %d MiB of sockets that are still open", maxSockets>>20), 1)
			r.mu.Unlock()
			r.held -= len(m.Data) + messageCost
			return
		}
		ws.Messages = append(ws.Messages, m)
		return
	}
	delete(r.sockets, e.Socket)
	for _, m := range ws.Messages {
		r.held -= len(m.Data) + messageCost
	}
	r.write(FromEntry(e, ws.Messages, e, r.space))
}

// write appends a flow. What is left of one that could not be written whole is
// cut off, so that the file stays readable.
func (r *Recorder) write(f *Flow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.w.written
	err := r.w.Write(f)
	if err == nil {
		r.size += r.w.written - before
		r.flows++
		if r.fault != nil {
			r.fault = nil
			r.log.Info("the recording goes on", "file", r.path, "lost", r.lost)
		}
		return
	}
	var partial *PartialError
	if errors.As(err, &partial) {
		if terr := r.cut(); terr != nil {
			err = errors.Join(err, terr)
		}
	}
	r.lose(err, 1)
}

// cut takes an incomplete record off the file.
func (r *Recorder) cut() error {
	if err := r.file.Truncate(r.size); err != nil {
		return err
	}
	_, err := r.file.Seek(r.size, io.SeekStart)
	return err
}

// lose counts what can't be recorded; mu is held. The log hears of the first.
func (r *Recorder) lose(err error, n uint64) {
	if r.fault == nil {
		r.log.Error("flows are not recorded", "file", r.path, "error", err)
	}
	r.lost += n
	r.fault, r.last = err, err
}

// Settle waits until an exchange is in the file, so that a device which has
// its whole answer is in the recording, whatever happens next. It does not wait
// for a disk that fails, nor for ever.
func (r *Recorder) Settle(ctx context.Context, seq uint64) {
	r.wait(ctx, maxPatience, func() bool { return r.fault != nil || r.settled.Load() >= seq })
}

// wait waits until done, which is called with mu held.
func (r *Recorder) wait(ctx context.Context, most time.Duration, done func() bool) bool {
	var timer <-chan time.Time
	for {
		r.mu.Lock()
		if done() {
			r.mu.Unlock()
			return true
		}
		if r.tell == nil {
			r.tell = make(chan struct{})
		}
		tell := r.tell
		r.mu.Unlock()
		if timer == nil {
			t := time.NewTimer(most)
			defer t.Stop()
			timer = t.C
		}
		select {
		case <-tell:
		case <-ctx.Done():
			return false
		case <-timer:
			return false
		}
	}
}

// Close writes what is journaled already and closes the file. Nothing must be
// added to the journals meanwhile.
func (r *Recorder) Close() error {
	exchanges, frames := r.exchanges.Last(), r.frames.Last()
	whole := r.wait(context.Background(), maxDrain, func() bool {
		return r.settled.Load() >= exchanges && r.heard.Load() >= frames
	})
	r.cancel()
	r.followers.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.file.Close()
	if !whole {
		err = errors.Join(err, errors.New("recording: gave up on the flows that are still to be written"))
	}
	if r.lost > 0 {
		err = errors.Join(err, fmt.Errorf("recording %s: %d flow(s) are missing: %w", r.path, r.lost, r.last))
	}
	return err
}
