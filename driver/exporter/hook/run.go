package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"starproxy/builtins/disk"
)

const (
	// grace is how long a hook that is ended may take after SIGTERM.
	grace = 2 * time.Second
	// killed is how long Run waits for the hook to end after SIGKILL.
	killed = 2 * time.Second
	// maxMOTD bounds the message of the day, in bytes.
	maxMOTD = 64 << 10
)

// Run runs a hook for a lease and returns when it has ended and all of its
// output has been handed over. The hook has a terminal and a session of its own,
// but no controlling terminal, so a program that asks for a password fails
// instead of waiting.
//
// Every line of its output becomes one call of output, without spaces at its
// end. Blank lines are left out, bytes that are not UTF-8 are replaced, and a
// line of more than 16 KiB comes in pieces. The calls come one after another,
// from another goroutine, and none after Run has returned. While a call lasts
// the hook waits when it writes more.
//
// At the time limit, and when ctx ends, the process group of the hook gets
// SIGTERM, and SIGKILL two seconds later. A process that a hook leaves behind
// otherwise goes on; Run waits for its output for two seconds at most.
//
// The message of the day, empty unless env.MOTD is set, has no spaces around it
// and at most 64 KiB; the rest of a longer one is dropped, and a last line of
// output says so. It is returned for a hook that failed as well. The error is
// nil or an *Error.
func Run(ctx context.Context, h Hook, env Env, output func(line string)) (motd string, err error) {
	if err := h.Complete(); err != nil {
		return "", &Error{Err: err}
	}
	if ctx.Err() != nil {
		return "", &Error{Cancelled: true, Err: context.Cause(ctx)}
	}
	bin := env.Bin
	if bin == "" {
		dir, err := LinkJ()
		if err != nil {
			return "", &Error{Err: err}
		}
		defer dir.Remove()
		bin = dir.Path
	}
	var motdFile string
	if env.MOTD {
		f, err := os.CreateTemp(bin, "motd-")
		if err != nil {
			return "", &Error{Err: err}
		}
		f.Close()
		motdFile = f.Name()
		defer os.Remove(motdFile)
	}
	python := env.Python
	if python == "" {
		python = "python3"
	}
	argv := h.argv(python)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = env.environ(os.Environ(), bin, motdFile)
	failure := runCommand(ctx, cmd, h.limit(), output)
	if env.MOTD {
		motd = readMOTD(motdFile, output)
	}
	if failure != nil {
		return motd, failure
	}
	return motd, nil
}

// runCommand runs cmd on a terminal, within the time limit.
func runCommand(ctx context.Context, cmd *exec.Cmd, limit time.Duration, output func(string)) *Error {
	t, err := start(cmd)
	if err != nil {
		return &Error{Err: err}
	}
	p := &process{id: cmd.Process.Pid, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	l := &lines{emit: output}
	go t.read(l)
	failure := p.supervise(ctx, limit)
	t.drain()
	l.flush()
	return failure
}

// process is the process of a hook, which leads a process group.
type process struct {
	id    int
	ended chan struct{} // closed when the process has ended
	err   error         // of exec.Cmd.Wait, once ended is closed
}

// supervise waits until the process has ended, or ends it and its group.
func (p *process) supervise(ctx context.Context, limit time.Duration) *Error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var failure *Error
	select {
	case <-p.ended:
		return exitError(p.err)
	case <-timer.C:
		failure = &Error{Timeout: limit, Err: context.DeadlineExceeded}
	case <-ctx.Done():
		failure = &Error{Cancelled: true, Err: context.Cause(ctx)}
	}
	// An error means that no process is there that could be signalled.
	_ = signalGroup(p.id, syscall.SIGTERM)
	if p.vanish(grace) {
		return failure
	}
	_ = signalGroup(p.id, syscall.SIGKILL)
	late := time.NewTimer(killed)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		failure.Process = p.id
	}
	return failure
}

// vanish waits until the process and its group have ended, and reports whether
// they have in time. The system does not tell when a group ends, hence the
// ticker. A group lasts until its orphans have been waited for: where process 1
// is slow to do so, the whole time passes.
func (p *process) vanish(within time.Duration) bool {
	late := time.NewTimer(within)
	defer late.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-late.C:
			return false
		}
		select {
		case <-p.ended:
			if signalGroup(p.id, 0) != nil {
				return true
			}
		default:
		}
	}
}

// readMOTD returns the message of the day in the file at path, which the hook
// may have replaced by anything. Output gets a line about one that is not usable.
func readMOTD(path string, output func(string)) string {
	f, info, err := disk.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		output(fmt.Sprintf("%s: message of the day: %v", motdVariable, err))
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxMOTD))
	if err != nil {
		output(fmt.Sprintf("%s: message of the day: %v", motdVariable, err))
		return ""
	}
	if info.Size() > maxMOTD {
		output(fmt.Sprintf("%s: message of the day: got %d bytes, want at most %d: the rest is dropped", motdVariable, info.Size(),
			maxMOTD))
		data = data[:wholeRunes(data)]
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(data), "\uFFFD"))
}
