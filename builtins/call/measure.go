package call

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Fits returns an error if the text of values would be too long, or if they are nested
// too deep.
func (c *Call) Fits(what string, before int, values ...starlark.Value) error {
	size, err := c.Measured(what, values)
	if err != nil {
		return err
	}
	return c.Enough(what, before+size)
}

// Measured returns the length of the text of values. It returns an error if they
// cannot be written.
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

// perContainer is the length that counts for each list, dict and other container. It
// is more than the length of its text, because going through it also takes time.
const perContainer = 64

// Written is a value whose text may be long.
type Written interface {
	starlark.Value
	// Written returns the value inside, or nil, and the length of the text without
	// that value, in bytes.
	Written() (size int, holds starlark.Value)
}

// measure counts the length of the text of values.
type measure struct {
	room int // that is left
	deep bool
	bad  error // there is a number that is too long
	path []starlark.Value
}

// over reports whether measuring can stop, because the text is too long or too deep.
func (m *measure) over() bool { return m.room < 0 || m.deep }

// add counts v and the values in it, until the room is used up.
func (m *measure) add(v starlark.Value) {
	switch v := v.(type) {
	case starlark.String:
		m.room -= len(v) + 2
	case starlark.Bytes:
		m.room -= len(v) + 3
	case starlark.Int:
		m.int(v)
	case *starlark.List:
		m.list(v)
	case starlark.Tuple:
		m.tuple(v)
	case *starlark.Dict:
		m.dict(v)
	case *starlark.Set:
		m.set(v)
	case *starlarkstruct.Struct:
		m.fields(v)
	case Written:
		m.written(v)
	default:
		m.room -= 16
	}
}

func (m *measure) int(v starlark.Int) {
	m.room -= 8
	if _, ok := v.Int64(); ok {
		return
	}
	m.room -= v.BigInt().BitLen() / 3
	if err := Printable(v); err != nil {
		m.bad = err
	}
}

func (m *measure) list(v *starlark.List) {
	if !m.enter(v) {
		return
	}
	for i := 0; i < v.Len() && !m.over(); i++ {
		m.add(v.Index(i))
	}
	m.leave()
}

// tuple counts a tuple. A tuple cannot contain itself.
func (m *measure) tuple(v starlark.Tuple) {
	m.room -= perContainer
	if !m.goInto(nil) {
		return
	}
	for i := 0; i < len(v) && !m.over(); i++ {
		m.add(v[i])
	}
	m.leave()
}

func (m *measure) dict(v *starlark.Dict) {
	if !m.enter(v) {
		return
	}
	for k, e := range v.Entries() {
		m.add(k)
		if m.add(e); m.over() {
			break
		}
	}
	m.leave()
}

// set counts a set. Tuples are the only containers in it.
func (m *measure) set(v *starlark.Set) {
	m.room -= perContainer
	for e := range v.Elements() {
		if m.add(e); m.over() {
			break
		}
	}
}

func (m *measure) fields(v *starlarkstruct.Struct) {
	if !m.enter(v) {
		return
	}
	for _, name := range v.AttrNames() {
		if field, err := v.Attr(name); err == nil {
			m.room -= len(name) + 2
			m.add(field)
		}
		if m.over() {
			break
		}
	}
	m.leave()
}

func (m *measure) written(v Written) {
	size, holds := v.Written()
	m.room -= size
	if holds != nil && m.goInto(v) {
		m.add(holds)
		m.leave()
	}
}

// enter counts a container and goes into it, unless it contains itself.
func (m *measure) enter(v starlark.Value) bool {
	m.room -= perContainer
	for _, outer := range m.path {
		if outer == v {
			return false
		}
	}
	return m.goInto(v)
}

// goInto notes that the next values are inside v. It reports false if that is too
// deep.
func (m *measure) goInto(v starlark.Value) bool {
	if len(m.path) >= MaxDepth {
		m.deep = true
		return false
	}
	m.path = append(m.path, v)
	return true
}

func (m *measure) leave() { m.path = m.path[:len(m.path)-1] }
