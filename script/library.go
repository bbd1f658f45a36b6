package script

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"starproxy/stdlib"
)

const stdlibPrefix = "@stdlib//"

// InLibrary reports whether a place is in a module of the standard library.
func (p Position) InLibrary() bool { return strings.HasPrefix(p.File, stdlibPrefix) }

// load returns the load statement of threads from the pool.
func (h *Host) load(_ *starlark.Thread, name string) (starlark.StringDict, error) {
	if !strings.HasPrefix(name, stdlibPrefix) {
		return nil, fmt.Errorf("only %sNAME.star can be loaded here", stdlibPrefix)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.loadStdlib(name)
}

// Stdlib returns the globals of a module of the standard library, such as
// "rules.star".
func (h *Host) Stdlib(name string) (starlark.StringDict, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.loadStdlib(stdlibPrefix + name)
}

// loadStdlib loads a module, once for each host. h.mu is held.
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
