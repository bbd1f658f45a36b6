package script

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins/call"
	"starproxy/builtins/value"
)

// execution says how to run the top level of a script.
type execution struct {
	names    starlark.StringDict
	deadline time.Time
	load     func(*starlark.Thread, string) (starlark.StringDict, error)
}

// execFile runs the top level of a script and freezes its globals.
func (h *Host) execFile(name string, src []byte, e execution) (globals starlark.StringDict, file *syntax.File, err error) {
	r := h.newRunner() // not from the pool: its load statement is another one
	r.thread.Load = r.loading(e.load)
	r.begin(context.Background(), nil, e.deadline)
	defer r.bounds.Finish()
	defer func() {
		if p := recover(); p != nil {
			r.failed = &call.PanicError{Func: "starlark", Value: p, Stack: debug.Stack()}
			err = h.explain(r, r.failed)
		}
	}()
	if err := nesting(src); err != nil {
		return nil, nil, &Error{Pos: Position{File: name}, Message: err.Error()}
	}
	file, err = dialect().Parse(name, src, 0)
	if err != nil {
		return nil, nil, newError(err)
	}
	prog, err := program(file, e.names)
	if err != nil {
		return nil, nil, newError(err)
	}
	globals, err = prog.Init(&r.thread, e.names)
	if err != nil {
		return nil, file, h.loadError(r, err)
	}
	for _, name := range globals.Keys() {
		if err := value.Freeze(globals[name]); err != nil {
			return nil, file, &Error{Pos: Position{File: file.Path}, Message: fmt.Sprintf("global %s: %v", name, err), Err: err}
		}
	}
	return globals, file, nil
}

// loadError explains err. If the error is in a file that was loaded, the load
// statements that led there are among its frames.
func (h *Host) loadError(r *runner, err error) error {
	var inner *Error
	var eval *starlark.EvalError
	if r.ended() != nil || !errors.As(err, &inner) || !errors.As(err, &eval) {
		return h.explain(r, err)
	}
	e := *inner
	e.Frames = append(frames(eval.CallStack), e.Frames...)
	return &e
}

// exec is execFile without a deadline of the caller's: the script gets maxTime.
func (h *Host) exec(name string, src []byte, names starlark.StringDict,
	load func(*starlark.Thread, string) (starlark.StringDict, error)) (starlark.StringDict, error) {
	globals, _, err := h.execFile(name, src, execution{names: names, load: load, deadline: time.Now().Add(h.maxTime)})
	return globals, err
}
