// Package call has the values that a builtin function gets: the environment that all
// scripts of a host share ([Env]), the run that calls it ([Call]), and its arguments
// ([Args]). It also has the limits of one operation and the charges for it.
package call

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// Bounds has the limits of a run. The host implements it.
type Bounds interface {
	// Waits is called before a builtin waits for something outside, Waited
	// after it.
	Waits()
	Waited()
	// Aside runs fn on another goroutine and waits for it. It is for a fn that
	// cannot be interrupted. If the run ends before fn, Aside returns the reason;
	// then the results of fn must not be used.
	Aside(fn func()) error
	// Charge adds steps for work outside the interpreter. If the run has not so
	// many steps left, Charge ends the run and returns an error.
	Charge(steps int) error
	// Ended returns the reason if the run was ended from outside, else nil.
	Ended() error
}

// Call is one run of a script, with its thread and its request. Its fields are set
// before the run and cleared after it.
type Call struct {
	Env    *Env
	Thread *starlark.Thread
	// Context ends the run.
	Context context.Context
	// Exchange is the request being answered, nil outside of requests.
	Exchange *exchange.Exchange
	// Deadline is the real time at which the run ends. Zero means none.
	Deadline time.Time
	// Defaults are the defaults of answers that the run makes. Nil means those of
	// the environment.
	Defaults *Defaults
	// Bounds has the limits of the run. Nil means that there are none.
	Bounds Bounds

	// Request is the Starlark value of the request. It is made when a script first
	// uses it, and stays the same value during the whole run.
	Request Ender

	forwarded []*Forwarded
}

// Ender is a value that belongs to one run.
type Ender interface {
	// End is called after the run.
	End()
}

// callKey is the thread-local name of the Call.
const callKey = "starproxy"

// Attach makes c the Call of its thread.
func (c *Call) Attach() { c.Thread.SetLocal(callKey, c) }

// Of finds the Call of a running thread.
func Of(thread *starlark.Thread) *Call {
	c, _ := thread.Local(callKey).(*Call)
	return c
}

// Clear removes the exchange, so that a pooled thread does not keep it in memory.
func (c *Call) Clear() {
	if c.Request != nil {
		c.Request.End()
	}
	c.Context, c.Exchange, c.Request, c.Defaults = nil, nil, nil, nil
}

// Settings returns the defaults of answers made here.
func (c *Call) Settings() *Defaults {
	if c.Defaults != nil {
		return c.Defaults
	}
	return &c.Env.Defaults
}

// Sleep waits, at most until the run's deadline. In a test it moves the test's clock
// forward instead.
func (c *Call) Sleep(d time.Duration) error {
	if c.Env.Manual {
		c.Waits()
		c.Env.Clock.Advance(d)
		c.Waited()
		return c.Alive()
	}
	if err := c.Alive(); err != nil {
		return err
	}
	late := false
	if !c.Deadline.IsZero() {
		if left := time.Until(c.Deadline); left < d {
			d, late = left, true
		}
	}
	c.Waits()
	err := exchange.Sleep(c.Context, d)
	c.Waited()
	if err == nil && late {
		return ErrTime
	}
	return err
}

func (c *Call) Waits() {
	if c != nil && c.Bounds != nil {
		c.Bounds.Waits()
	}
}

func (c *Call) Waited() {
	if c != nil && c.Bounds != nil {
		c.Bounds.Waited()
	}
}

// ErrTime ends a run that took too much real time.
var ErrTime = errors.New("time limit exceeded")

// PanicError is a panic inside a builtin.
type PanicError struct {
	Func  string
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("%s: internal error: %v", e.Func, e.Value) }

// Rescue turns a panic into an error of fn. It is deferred.
func Rescue(fn string, err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{Func: fn, Value: v, Stack: debug.Stack()}
	}
}

// maxLine bounds a line that a script logs, in characters.
const maxLine = 4096

// Print writes a script's line to the log and to the notes of the exchange.
func (c *Call) Print(text string) {
	if short := excerpt.Cut(text, maxLine); len(short) < len(text) {
		text = short + fmt.Sprintf(" (%d bytes)", len(text))
	}
	if c.Exchange == nil {
		c.Env.Log.Info(text)
		return
	}
	c.Exchange.Notes.Add("info", text)
	c.Env.Log.LogAttrs(context.Background(), slog.LevelInfo, text,
		slog.Uint64("exchange", c.Exchange.ID), slog.String("endpoint", c.Exchange.Endpoint))
}

// Alive returns the reason why the run must end, if there is one.
func (c *Call) Alive() error {
	if c.Bounds != nil {
		if err := c.Bounds.Ended(); err != nil {
			return err
		}
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if !c.Deadline.IsZero() && time.Now().After(c.Deadline) {
		return ErrTime
	}
	return nil
}
