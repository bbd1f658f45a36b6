package hook

import (
	"errors"
	"os"
	"time"
)

// How long a terminal is read after the hook has ended while a process that it
// left behind holds the terminal, so that there is no end of file. The hook's
// own output is in the terminal's buffer by then, which is far smaller than
// drainBytes.
const (
	drainQuiet = 200 * time.Millisecond // without output
	drainTime  = 2 * time.Second        // of waiting for output
	drainBytes = 256 << 10
)

// terminal is a pseudo-terminal on which a hook runs.
type terminal struct {
	master *os.File
	// slave is the hook's end. It is kept open until the hook has ended: a hook
	// that closes its own, for a while or for good, does not end the reading.
	slave    *os.File
	draining chan struct{} // closed when the hook has ended
	done     chan struct{} // closed when all has been read
}

// read hands the output to l until there is no more.
func (t *terminal) read(l *lines) {
	defer close(t.done)
	buf := make([]byte, 16<<10)
	wait, left, room := time.Duration(0), drainTime, drainBytes
	for {
		began := time.Now()
		n, err := t.master.Read(buf)
		waited := time.Since(began)
		l.add(buf[:n])
		// A time limit that was over before the read began says nothing about
		// the terminal.
		if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || wait > 0 && waited >= wait/2) {
			return // the system's error at the end of a terminal is EIO
		}
		select {
		case <-t.draining:
		default:
			continue
		}
		if wait > 0 {
			left, room = left-waited, room-n
		}
		if wait = min(drainQuiet, left); wait <= 0 || room <= 0 {
			return
		}
		if t.master.SetReadDeadline(time.Now().Add(wait)) != nil {
			return
		}
	}
}

// drain waits until the output of the hook, which has ended, has been read, and
// closes the terminal.
func (t *terminal) drain() {
	close(t.draining)
	t.slave.Close()
	// An error would say that the terminal has no time limits; start has tried.
	_ = t.master.SetReadDeadline(time.Now().Add(drainQuiet))
	<-t.done
	t.master.Close()
}
