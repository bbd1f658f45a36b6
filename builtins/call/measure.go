package call

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Fits refuses to write the text of values that is too long, or too deep.
func (c *Call) Fits(what string, before int, values ...starlark.Value) error {
	size, err := c.Measured(what, values)
	if err != nil {
		return err
	}
	return c.Enough(what, before+size)
}

// Measured is how long the text of values would be, or what is wrong with it.
func (c *Call) Measured(what string, values []starlark.Value) (int, error) {
	m := measure{room: c.Room()}
	for _, v := range values {
		m.add(v)
	}
	switch {
	case m.deep:
		return 0, fmt.Errorf("%s: %w", what, ErrDepth)
	case m.bad != nil:
		return 0, fmt.Errorf("%s: %w", what, m.bad)
	}
	size := c.Room() - m.room
	if m.room < 0 {
		return size, c.Enough(what, size)
	}
	return size, nil
}

// perContainer is what each list, dict and so on counts for: more than its
// text, because to go through it takes time as well.
const perContainer = 64

// Written is a value whose text may be long.
type Written interface {
	starlark.Value
	// Written is how long the text is, in bytes, without that of the value which
	// it holds, and this value; nil when there is none.
	Written() (size int, holds starlark.Value)
}

// measure counts how long the text of values would be.
type measure struct {
	room int // that is left
	deep bool
	bad  error // there is a number that is too long
	path []starlark.Value
}

func (m *measure) add(v starlark.Value) {
	switch v := v.(type) {
	case starlark.String:
		m.room -= len(v) + 2
	case starlark.Bytes:
		m.room -= len(v) + 3
	case starlark.Int:
		m.room -= 8
		if _, ok := v.Int64(); !ok {
			m.room -= v.BigInt().BitLen() / 3
			if err := Printable(v); err != nil {
				m.bad = err
			}
		}
	case *starlark.List:
		if m.enter(v) {
			for i := 0; i < v.Len() && m.room >= 0 && !m.deep; i++ {
				m.add(v.Index(i))
			}
			m.leave()
		}
	case starlark.Tuple:
		m.room -= perContainer
		if len(m.path) >= MaxDepth {
			m.deep = true
			return
		}
		m.path = append(m.path, nil)
		for i := 0; i < len(v) && m.room >= 0 && !m.deep; i++ {
			m.add(v[i])
		}
		m.leave()
	case *starlark.Dict:
		if m.enter(v) {
			for k, v := range v.Entries() {
				m.add(k)
				m.add(v)
				if m.room < 0 || m.deep {
					break
				}
			}
			m.leave()
		}
	case *starlark.Set:
		m.room -= perContainer
		for e := range v.Elements() {
			if m.add(e); m.room < 0 || m.deep {
				break
			}
		}
	case *starlarkstruct.Struct:
		if !m.enter(v) {
			return
		}
		for _, name := range v.AttrNames() {
			if field, err := v.Attr(name); err == nil {
				m.room -= len(name) + 2
				m.add(field)
			}
			if m.room < 0 || m.deep {
				break
			}
		}
		m.leave()
	case Written:
		size, holds := v.Written()
		m.room -= size
		if holds == nil {
			return
		}
		if len(m.path) >= MaxDepth {
			m.deep = true
			return
		}
		m.path = append(m.path, v)
		m.add(holds)
		m.leave()
	default:
		m.room -= 16
	}
}

// enter notes a container that is gone into, unless it is inside of itself.
func (m *measure) enter(v starlark.Value) bool {
	m.room -= perContainer
	if len(m.path) >= MaxDepth {
		m.deep = true
		return false
	}
	for _, outer := range m.path {
		if outer == v {
			return false
		}
	}
	m.path = append(m.path, v)
	return true
}

func (m *measure) leave() { m.path = m.path[:len(m.path)-1] }
