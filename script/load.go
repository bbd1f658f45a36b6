package script

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/stdlib"
)

// dialect is Starlark as scripts may use it.
func dialect() *syntax.FileOptions {
	return &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, Recursion: true}
}

// module is a loaded file: its globals, or why there are none.
type module struct {
	globals starlark.StringDict
	err     error
	loading bool
}

const stdlibPrefix = "@stdlib//"

// load is the load statement of threads.
func (h *Host) load(_ *starlark.Thread, name string) (starlark.StringDict, error) {
	if !strings.HasPrefix(name, stdlibPrefix) {
		return nil, fmt.Errorf("only %sNAME.star can be loaded here", stdlibPrefix)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.loadStdlib(name)
}

// Stdlib gives the globals of a module of the standard library: "rules.star".
func (h *Host) Stdlib(name string) (starlark.StringDict, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.loadStdlib(stdlibPrefix + name)
}

// loadStdlib loads a module once per host; h.mu is held.
func (h *Host) loadStdlib(name string) (starlark.StringDict, error) {
	m := h.stdlib[name]
	if m == nil {
		m = &module{loading: true}
		h.stdlib[name] = m
		src, err := stdlib.FS.ReadFile(strings.TrimPrefix(name, stdlibPrefix))
		if err != nil {
			m.err = fmt.Errorf("no module %s", name)
		} else {
			m.globals, m.err = h.exec(name, src, h.scripts, func(_ *starlark.Thread, name string) (starlark.StringDict, error) {
				if !strings.HasPrefix(name, stdlibPrefix) {
					return nil, fmt.Errorf("the standard library can't load %q", name)
				}
				return h.loadStdlib(name)
			})
		}
		m.loading = false
	}
	if m.loading {
		return nil, fmt.Errorf("%s loads itself", name)
	}
	return m.globals, m.err
}

// exec runs the top level of a script and freezes what it leaves.
func (h *Host) exec(name string, src []byte, names starlark.StringDict, load func(*starlark.Thread, string) (starlark.StringDict, error)) (starlark.StringDict, error) {
	globals, _, err := h.execFile(name, src, execution{names: names, load: load, deadline: time.Now().Add(h.maxTime)})
	return globals, err
}

// The bounds of a script's text: the parser recurses.
const (
	maxNesting = 500 // of brackets, and signs in a row
	maxSource  = 1 << 20
)

// nesting refuses what would exhaust the parser's stack.
func nesting(src []byte) error {
	if len(src) > maxSource {
		return errors.New("script is larger than 1 MiB")
	}
	depth, run := 0, 0
	for _, c := range src {
		switch c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(depth-1, 0)
		case '-', '+', '~':
			run++
			if run > maxNesting {
				return fmt.Errorf("more than %d signs in a row", maxNesting)
			}
			continue
		case ' ':
			continue
		}
		run = 0
		if depth > maxNesting {
			return fmt.Errorf("brackets are nested deeper than %d", maxNesting)
		}
	}
	return nil
}
