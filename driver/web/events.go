package web

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"sync"
	"time"

	"starproxy/driver/rpc"
)

// events writes server-sent events (WHATWG HTML section 9.2). Events that
// come within a short time are sent together.
type events struct {
	mu    sync.Mutex
	w     http.ResponseWriter
	rc    *http.ResponseController
	buf   []byte
	dirty bool // something is written but not flushed
	err   error
	tick  *time.Timer
	done  bool
}

// gather is how long an event waits for others.
const gather = 20 * time.Millisecond

func newEvents(w http.ResponseWriter) *events {
	e := &events{w: w, rc: http.NewResponseController(w)}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tick = time.AfterFunc(beat, e.pulse)
	e.w.Write([]byte("retry: 1000\n\n"))
	e.err = e.rc.Flush()
	return e
}

// pulse sends the events that wait, or else a comment that keeps the connection open.
func (e *events) pulse() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done || e.err != nil {
		return
	}
	if !e.dirty {
		_, e.err = e.w.Write([]byte(":\n\n"))
	}
	e.dirty = false
	if err := e.rc.Flush(); e.err == nil {
		e.err = err
	}
	e.tick.Reset(beat)
}

// send writes an item as JSON. The number of a [Numbered] item is the event's id.
func (e *events) send(item any) error {
	text, err := rpc.JSON(item)
	if err != nil {
		return err
	}
	var id uint64
	if n, ok := item.(Numbered); ok {
		id = n.Number()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return e.err
	}
	e.buf = e.buf[:0]
	if id > 0 {
		e.buf = strconv.AppendUint(append(e.buf, "id: "...), id, 10)
		e.buf = append(e.buf, '\n')
	}
	e.buf = append(e.buf, "data: "...)
	e.buf = append(e.buf, text...)
	e.buf = append(e.buf, "\n\n"...)
	if _, e.err = e.w.Write(e.buf); e.err == nil && !e.dirty {
		e.dirty = true
		e.tick.Reset(gather)
	}
	return e.err
}

// end tells the browser that there are no more events.
func (e *events) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.w.Write([]byte("event: end\ndata: {}\n\n"))
	e.rc.Flush()
}

func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.done = true
	e.tick.Stop()
}

func etag(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}
