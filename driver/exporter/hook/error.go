package hook

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// Error is the failure of a hook. Its text is that of Jumpstarter's own exporter
// where that has one.
type Error struct {
	// Code is the exit code, or, for a hook that a signal ended, minus the
	// signal's number. It is 0 for a hook that did not run, that exceeded its
	// time limit, or that was cancelled.
	Code int
	// Timeout is the time limit that the hook exceeded, else 0. Err is
	// context.DeadlineExceeded then.
	Timeout time.Duration
	// Cancelled means that the context of Run ended; Err is the cause.
	Cancelled bool
	// Err is nil for a hook that ended by itself; otherwise it tells why the
	// hook could not run, or why it was ended.
	Err error
	// Process is the id of the hook's process if it could not be ended, as one
	// of another user can't be, else 0.
	Process int
}

func (e *Error) Error() string {
	var text string
	switch {
	case e.Timeout > 0:
		text = fmt.Sprintf("Hook timed out after %s seconds", strconv.FormatFloat(e.Timeout.Seconds(), 'f', -1, 64))
	case e.Cancelled:
		text = fmt.Sprintf("Hook was cancelled: %v", e.Err)
	case e.Err != nil:
		text = fmt.Sprintf("Error executing hook: %v", e.Err)
	case e.Code < 0:
		text = fmt.Sprintf("Hook failed with exit code %d (%v)", e.Code, syscall.Signal(-e.Code))
	default:
		text = fmt.Sprintf("Hook failed with exit code %d", e.Code)
	}
	if e.Process != 0 {
		text += fmt.Sprintf("; process %d could not be ended and is still running", e.Process)
	}
	return text
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// exitError returns the Error for what exec.Cmd.Wait returned, nil for success.
func exitError(err error) *Error {
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return &Error{Err: err}
	}
	if st, ok := exit.Sys().(syscall.WaitStatus); ok && st.Signaled() {
		return &Error{Code: -int(st.Signal())}
	}
	return &Error{Code: exit.ExitCode()}
}

var _ error = (*Error)(nil)
