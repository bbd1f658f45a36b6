package script

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/nearest"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Position is a place in a document or script. Line and Column count from 1
// and are 0 when unknown.
type Position struct {
	File         string
	Line, Column int
}

// String returns file:line:col, without the parts that are unknown.
func (p Position) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
		if p.Column > 0 {
			s += fmt.Sprintf(":%d", p.Column)
		}
	}
	return s
}

// Error is an error in a script or in a template expression, with its place.
type Error struct {
	// Pos is the innermost place in a script; it may be unknown.
	Pos Position
	// Message says what is wrong.
	Message string
	// Hint says how to correct the mistake; it may be empty.
	Hint string
	// Frames are the calls that led to Pos, the outermost first; nil for an error
	// of syntax. For a deep recursion they are the first and the last calls.
	Frames []Frame
	// Err is the cause, or nil.
	Err error
}

// Frame is one call that led to an error. If Omitted is set, the frame stands for
// that number of calls that are left out, and its other fields are empty.
type Frame struct {
	Func    string
	Pos     Position
	Omitted int
}

// Error returns one line: file:line:col: message (hint).
func (e *Error) Error() string {
	s := e.Message
	if at := e.Pos.String(); at != "" {
		s = at + ": " + s
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Paths returns the files that the error names.
func (e *Error) Paths() []string {
	paths := []string{e.Pos.File}
	for _, f := range e.Frames {
		paths = append(paths, f.Pos.File)
	}
	return paths
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Backtrace returns the calls that led to the error and its message, on several
// lines.
func (e *Error) Backtrace() string {
	var b strings.Builder
	if len(e.Frames) > 0 {
		b.WriteString("Traceback (most recent call last):\n")
	}
	for _, f := range e.Frames {
		if f.Omitted > 0 {
			fmt.Fprintf(&b, "  ... %d more calls ...\n", f.Omitted)
			continue
		}
		fmt.Fprintf(&b, "  %s: in %s\n", f.Pos, f.Func)
	}
	b.WriteString(e.Error())
	return b.String()
}

// newError converts an error of the interpreter to an *Error.
func newError(err error) *Error {
	var done *Error
	if errors.As(err, &done) {
		return done
	}
	e := &Error{Message: err.Error(), Err: err}
	var eval *starlark.EvalError
	var parse syntax.Error
	var unresolved resolve.ErrorList
	switch {
	case errors.As(err, &unresolved) && len(unresolved) > 0:
		e.Pos, e.Message = position(unresolved[0].Pos), unresolved[0].Msg
	case errors.As(err, &parse):
		e.Pos, e.Message = position(parse.Pos), parse.Msg
	case errors.As(err, &eval):
		e.Frames = frames(eval.CallStack)
		if n := len(e.Frames); n > 0 {
			e.Pos = e.Frames[n-1].Pos
		}
	}
	e.Message = told(e.Message)
	e.Hint = hint(e.Message)
	return e
}

// maxMessage is the longest message of an error, in characters. A message may quote a
// value of any length.
const maxMessage = 8 << 10

// told shortens a message that is longer than maxMessage.
func told(message string) string {
	short := excerpt.Cut(message, maxMessage)
	if len(short) >= len(message) {
		return message
	}
	return fmt.Sprintf("%s (%d bytes)", short, len(message))
}

// newErrorAmong is newError for a script that does not compile. For an undefined
// name the hint is the nearest of names.
func newErrorAmong(err error, names []string) *Error {
	e := newError(err)
	name, ok := strings.CutPrefix(e.Message, "undefined: ")
	if ok && e.Hint == "" && !strings.Contains(name, " ") {
		if near := nearest.Name(name, append(names, starlark.Universe.Keys()...)); near != "" {
			e.Hint = "did you mean " + near + "?"
		}
	}
	return e
}

// The numbers of the first and the last calls that an Error keeps of a deep recursion.
const (
	outerFrames = 10
	innerFrames = 20
)

// frames returns the calls of a stack that are in scripts.
func frames(stack starlark.CallStack) []Frame {
	var all []Frame
	for _, f := range stack {
		if f.Pos.Filename() != "<builtin>" {
			all = append(all, Frame{Func: f.Name, Pos: position(f.Pos)})
		}
	}
	if n := len(all) - outerFrames - innerFrames; n > 0 {
		all = slices.Replace(all, outerFrames, outerFrames+n, Frame{Omitted: n})
	}
	return all
}

func position(p syntax.Position) Position {
	return Position{p.Filename(), int(p.Line), int(p.Col)}
}

// hints has mistakes that people make who know JSON and Python, and for each the
// text that says how to correct it.
var hints = []struct {
	pattern *regexp.Regexp
	hint    string
}{
	{regexp.MustCompile(`undefined: true\b`), "write True"},
	{regexp.MustCompile(`undefined: false\b`), "write False"},
	{regexp.MustCompile(`undefined: (null|nil|undefined)\b`), "write None"},
	{regexp.MustCompile(`undefined: import\b|got import|'import'`), "there is no import: use load(\"file.star\", \"name\")"},
	{regexp.MustCompile(`(undefined: |got |')(try|except|finally)\b`), "there are no exceptions: r = try_(fn, arg), then r.ok, r.value and r.error"},
	{regexp.MustCompile(`(undefined: |got |')(raise|assert)\b`), "there are no exceptions: use fail(message)"},
	{regexp.MustCompile(`(undefined: |got |')class\b`), "there are no classes: use functions and struct(x = 1), and state or a cell for what changes"},
	{regexp.MustCompile(`(undefined: |got |')with\b`), "there is no with: use read_file(\"name\")"},
	{regexp.MustCompile(`(undefined: |got |')(global|nonlocal)\b`), "a function can't assign to a global: keep what changes in state or in a cell"},
	{regexp.MustCompile(`(undefined: |got |')is\b`), "there is no is: write == or !="},
	{regexp.MustCompile(`(undefined: |got |')del\b`), "there is no del: use d.pop(key) or l.pop(i)"},
	{regexp.MustCompile(`(undefined: |got |')(yield|async|await)\b|keyword`), "Starlark has no such statement"},
	{regexp.MustCompile(`undefined: f\b|got (string|bytes) literal`), "there are no f-strings: use \"%s\" % x or \"{}\".format(x)"},
	{regexp.MustCompile(`frozen|cannot reassign (global|local)`), "globals are frozen once a script is loaded, and so is what a cell holds: keep what changes in state, or in a cell and use its update(fn)"},
	{regexp.MustCompile(`global variable .* referenced before assignment`), "a function can't assign to a global: keep what changes in state or in a cell"},
	{regexp.MustCompile(`local variable .* referenced before assignment`), "if a global is meant, a function can't assign to it: keep what changes in state or in a cell"},
	{regexp.MustCompile(`key .* not in dict`), "d.get(key, default) is no error"},
	{regexp.MustCompile(`(operation NoneType|^NoneType has no )`), "the value is None: what it came from found nothing, or has no return"},
	{regexp.MustCompile(`step limit exceeded`), "an endless loop?"},
	{regexp.MustCompile(`string has no \.format_map|string has no \.decode`), "strings are text already"},
	{regexp.MustCompile(`stack overflow`), "the recursion has no end"},
}

// hint returns the hint for a message, or "".
func hint(message string) string {
	for _, h := range hints {
		if h.pattern.MatchString(message) {
			return h.hint
		}
	}
	return ""
}
