package script

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins"
)

// Session runs statements one after the other, as a user types them. It has the
// names of tests. Its clock goes with the time and can be moved on, too. A Session
// may be used by one goroutine only.
type Session struct {
	t       *test
	globals starlark.StringDict
	files   *loader
	last    time.Time // when the clock was set last
}

// NewSession begins a session with the file path: the session has the globals of a
// script, and call() asks a scenario. If path is empty, it has the builtins alone.
// The log of scripts is written to out. Close ends the session.
func NewSession(o TestOptions, path string, out io.Writer) (*Session, error) {
	root := filepath.Dir(path)
	s := &Session{t: newTest(o, filepath.Join(root, "repl"), out), last: time.Now()}
	s.t.host.env.Clock.Advance(time.Since(testStart))
	s.globals = maps.Clone(s.t.host.tests)
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	s.files = &loader{host: s.t.host, root: root, dir: dir, modules: map[string]*module{}}
	if path == "" {
		return s, nil
	}
	if err := s.open(path); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Session) open(path string) error {
	isScenario := true
	if filepath.Ext(path) == Ext {
		loaded, err := s.t.host.Load(filepath.Dir(path), filepath.Base(path))
		if err != nil {
			return err
		}
		_, isScenario = loaded.Globals["endpoints"]
		maps.Copy(s.globals, loaded.Globals)
	}
	if !isScenario {
		return nil
	}
	return s.t.Serve(starlark.String(filepath.Base(path)), nil)
}

// Close ends the session.
func (s *Session) Close() error { return s.files.dir.Close() }

// Defined reports whether a name has a value in the session.
func (s *Session) Defined(name string) bool {
	return s.globals.Has(name) || starlark.Universe.Has(name)
}

// Doc returns the documentation of a function that the session, or a script in it, defines.
func (s *Session) Doc(name string) (text string, ok bool) {
	fn, ok := s.globals[name].(*starlark.Function)
	if !ok {
		return "", false
	}
	text = fn.Name() + "(" + parameters(fn) + ")"
	if doc, _ := docstring(fn.Doc()); doc != "" {
		text += "\n    " + strings.ReplaceAll(doc, "\n", "\n    ")
	}
	return text, true
}

// Eval reads one statement and runs it. It calls read for each line; more is true if
// the line continues a statement. The text is the value of an expression, or "" if
// that is None. The error is io.EOF if read returns that at the begin of a statement.
func (s *Session) Eval(ctx context.Context, read func(more bool) (string, error)) (text string, err error) {
	var src []byte
	var stopped error // by read, or because the text is too deep
	file, err := s.dialect().ParseCompoundStmt("repl", func() ([]byte, error) {
		line, err := read(len(src) > 0)
		if err == nil {
			src = append(append(src, line...), '\n')
			err = nesting(src)
		}
		if err != nil {
			if stopped = err; errors.Is(err, io.EOF) {
				return nil, io.EOF
			}
			return nil, err
		}
		return []byte(line + "\n"), nil
	})
	switch {
	case stopped != nil && (len(src) == 0 || !errors.Is(stopped, io.EOF)):
		return "", stopped
	case stopped != nil && err != nil:
		return "", errors.New("the input ends in the middle of a statement")
	case err != nil:
		return "", newError(err)
	}
	return s.run(ctx, file)
}

// dialect returns the options of Starlark for sessions, which can assign a global again.
func (s *Session) dialect() *syntax.FileOptions {
	opts := dialect()
	opts.GlobalReassign, opts.LoadBindsGlobally = true, true
	return opts
}

// run runs a file with one statement. The value of an expression is named _ from then
// on, unless it is None.
func (s *Session) run(ctx context.Context, file *syntax.File) (text string, err error) {
	guardOperands(file)
	now := time.Now()
	s.t.host.env.Clock.Advance(now.Sub(s.last))
	s.last = now
	r := s.t.host.get(ctx, nil)
	defer s.t.host.put(r)
	s.files.deadline = r.call.Deadline
	load := r.thread.Load
	defer func() { r.thread.Load = load }()
	r.thread.Load = r.loading(func(_ *starlark.Thread, name string) (starlark.StringDict, error) { return s.files.load("repl", name) })
	err = s.t.host.within(r, func() error {
		if expr := only(file); expr != nil {
			v, err := starlark.EvalExprOptions(file.Options, &r.thread, expr, s.globals)
			if err == nil && v != starlark.None {
				text, s.globals["_"] = v.String(), v
			}
			return err
		}
		return starlark.ExecREPLChunk(file, &r.thread, s.globals)
	})
	return text, err
}

// only returns the expression that a statement consists of, or nil.
func only(f *syntax.File) syntax.Expr {
	if len(f.Stmts) == 1 {
		if stmt, ok := f.Stmts[0].(*syntax.ExprStmt); ok {
			return stmt.X
		}
	}
	return nil
}

// Complete lists the candidates for the name at the end of a line: names or, after a
// dot, the fields of a value.
func (s *Session) Complete(line string) (word string, candidates []string) {
	i := strings.LastIndexFunc(line, func(r rune) bool {
		return r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	word = line[i+1:]
	var names []string
	prefix := ""
	if dot := strings.LastIndexByte(word, '.'); dot >= 0 {
		prefix = word[:dot+1]
		path := strings.Split(word[:dot], ".")
		v := s.globals[path[0]]
		for _, name := range path[1:] {
			if x, ok := v.(starlark.HasAttrs); ok {
				v, _ = x.Attr(name)
			} else {
				v = nil
			}
		}
		if x, ok := v.(starlark.HasAttrs); ok {
			names = x.AttrNames()
		}
	} else {
		names = append(builtins.Visible(s.globals), starlark.Universe.Keys()...)
	}
	for _, name := range names {
		if full := prefix + name; strings.HasPrefix(full, word) {
			candidates = append(candidates, full)
		}
	}
	slices.Sort(candidates)
	return word, slices.Compact(candidates)
}
