package part

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxLine bounds a line of a host, in bytes; a longer one is cut.
const maxLine = 256 << 10

// host is a process.
type host struct {
	program *Program
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	free    func() // what limits its memory; nil for nothing

	calling chan struct{} // holds a value while a command is under way
	next    int           // number of the next command
	replies chan reply

	dead   chan struct{} // closed when the process has ended
	reason error         // why; valid after dead

	log atomic.Pointer[slog.Logger] // of the session; nil for that of the program

	mu    sync.Mutex
	last  string // its last line on standard error, or that which tells of a crash of Go
	crash bool   // last is the latter
	fault string // why it was killed
}

// reply is a line of a host.
type reply struct {
	ID int `json:"id"`
	Refusal
	text []byte
}

// startHost starts a process and waits until it is ready.
func startHost(ctx context.Context, p *Program) (*host, error) {
	cmd, err := p.Command()
	if err != nil {
		return nil, err
	}
	h := &host{program: p, cmd: cmd, calling: make(chan struct{}, 1), replies: make(chan reply, 1), dead: make(chan struct{})}
	if h.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, outEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	log, logEnd, err := os.Pipe()
	if err != nil {
		out.Close()
		outEnd.Close()
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = outEnd, logEnd
	h.free = prepare(cmd, p.Limit)
	err = cmd.Start()
	outEnd.Close() // now: run waits until nobody has these ends
	logEnd.Close()
	if err != nil {
		out.Close()
		log.Close()
		h.release()
		return nil, err
	}
	go h.run(out, log)
	if err := h.await(ctx, newPatience(p.Patience), 0, nil); err != nil {
		h.stop()
		return nil, err
	}
	return h, nil
}

// run reads what the process says until it has ended.
func (h *host) run(out, log *os.File) {
	var readers sync.WaitGroup
	readers.Go(func() { h.readReplies(out) })
	readers.Go(func() { h.readLog(log) })
	err := h.cmd.Wait()
	killGroup(h.cmd) // what it started
	done := make(chan struct{})
	go func() { readers.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Second): // a process that left the group has the pipes
	}
	out.Close()
	log.Close()
	<-done
	h.release()
	h.reason = h.why(err)
	close(h.dead)
}

func (h *host) release() {
	if h.free != nil {
		h.free()
	}
}

// why returns the reason of the end.
func (h *host) why(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := "it ended"
	switch {
	case h.fault != "":
		text = h.fault
	case err != nil:
		text = "it ended with " + strings.TrimPrefix(err.Error(), "exec: ")
	}
	if h.last != "" {
		text += ": " + h.last
	}
	return errors.New(text)
}

func (h *host) alive() bool {
	select {
	case <-h.dead:
		return false
	default:
		return true
	}
}

// readReplies hands out the answers. Lines that are none are logged.
func (h *host) readReplies(r io.Reader) {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := readLine(lines)
		if len(line) > 0 {
			answer := reply{ID: -1, text: line}
			if json.Unmarshal(line, &answer) != nil || answer.ID < 0 {
				h.logger().Warn("a line that is no answer", "host", h.program.Name, "line", string(line))
			} else {
				select {
				case <-h.replies: // nobody waits for the old one
				default:
				}
				h.replies <- answer
			}
		}
		if err != nil {
			return
		}
	}
}

// readLog passes the lines of standard error to the log, and records to who
// takes them.
func (h *host) readLog(r io.Reader) {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := readLine(lines)
		if h.program.Record != nil && len(line) > 0 && line[0] == recordMark {
			h.program.Record(line[1:])
		} else if text := strings.TrimSpace(strings.ToValidUTF8(string(line), "\uFFFD")); text != "" {
			h.mu.Lock()
			if !h.crash {
				h.last = text[:min(len(text), 500)]
				h.crash = strings.HasPrefix(text, "panic: ") || strings.HasPrefix(text, "fatal error: ")
			}
			h.mu.Unlock()
			h.logger().Warn(text, "host", h.program.Name)
		}
		if err != nil {
			return
		}
	}
}

// logger returns where the lines of the host go now.
func (h *host) logger() *slog.Logger {
	if log := h.log.Load(); log != nil {
		return log
	}
	return h.program.Log
}

// readLine returns a line without its end, cut to maxLine bytes.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	kept := append([]byte(nil), line...)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.ReadSlice('\n')
	}
	return kept, err
}

// call sends a command, after the one that is under way, and decodes its answer
// into out, which may be nil. A host that takes longer than limit for both is
// killed.
func (h *host) call(ctx context.Context, limit time.Duration, command map[string]any, out any) error {
	late := newPatience(limit)
	select {
	case h.calling <- struct{}{}:
		defer func() { <-h.calling }()
	case <-h.dead:
		return h.reason
	case <-late.over:
		h.kill(late.fault())
		return h.reason
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	h.next++
	command["id"] = h.next
	line, err := json.Marshal(command)
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() { // a host that does not read would hold this up
		_, err := h.stdin.Write(append(line, '\n'))
		written <- err
	}()
	err = h.await(ctx, late, h.next, out)
	<-written // the host has read it, or is dead
	return err
}

// patience is how long a host may take from now on.
type patience struct {
	limit time.Duration
	over  <-chan time.Time
}

func newPatience(limit time.Duration) patience { return patience{limit, time.After(limit)} }

// fault returns why a host that took longer was killed.
func (p patience) fault() string {
	return fmt.Sprintf("it did not answer within %v and was killed", p.limit)
}

// await waits for the answer to a command. A host that takes too long is killed.
func (h *host) await(ctx context.Context, late patience, id int, out any) error {
	for {
		select {
		case r := <-h.replies:
			if r.ID != id {
				continue
			}
			if r.Message != "" {
				return &r.Refusal
			}
			if out == nil {
				return nil
			}
			return json.Unmarshal(r.text, out)
		case <-h.dead:
			return h.reason
		case <-late.over:
			h.kill(late.fault())
		case <-ctx.Done():
			h.kill("it was killed before it had answered")
			return context.Cause(ctx)
		}
	}
}

// kill ends the process at once; dead follows.
func (h *host) kill(why string) {
	h.mu.Lock()
	if h.fault == "" {
		h.fault = why
	}
	h.mu.Unlock()
	h.cmd.Process.Kill() // does nothing when the process has been waited for
	<-h.dead
}

// stopGrace is how long a host may take to end by itself. Its session is closed
// by then, unless it could not be opened.
const stopGrace = 2 * time.Second

// stop ends the process: by the end of its input, or else by force.
func (h *host) stop() {
	h.stdin.Close()
	select {
	case <-h.dead:
	case <-time.After(stopGrace):
		h.kill("it did not end and was killed")
	}
}
