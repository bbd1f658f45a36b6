package value

import (
	"errors"
	"fmt"
	"regexp"

	"go.starlark.net/starlark"
)

// Match is what a pattern found. It is immutable.
type Match struct {
	re  *regexp.Regexp
	s   string
	loc []int
}

// NewMatch is a match of re in s; loc are the places of its groups.
func NewMatch(re *regexp.Regexp, s string, loc []int) *Match { return &Match{re, s, loc} }

func (m *Match) String() string        { return fmt.Sprintf("match(%q)", m.s[m.loc[0]:m.loc[1]]) }
func (m *Match) Type() string          { return "match" }
func (m *Match) Freeze()               {}
func (m *Match) Truth() starlark.Bool  { return true }
func (m *Match) Hash() (uint32, error) { return 0, errors.New("unhashable: match") }

// Written is the size of the text that was matched.
func (m *Match) Written() (int, starlark.Value) { return m.loc[1] - m.loc[0], nil }

// Group is what group i matched, None if it took no part.
func (m *Match) Group(i int) starlark.Value {
	if m.loc[2*i] < 0 {
		return starlark.None
	}
	return starlark.String(m.s[m.loc[2*i]:m.loc[2*i+1]])
}

// Groups are what all groups matched.
func (m *Match) Groups() starlark.Tuple {
	t := make(starlark.Tuple, m.re.NumSubexp())
	for i := range t {
		t[i] = m.Group(i + 1)
	}
	return t
}

// AttrNames lists the fields.
func (m *Match) AttrNames() []string { return []string{"end", "groups", "named", "start", "text"} }

// Attr gives a field.
func (m *Match) Attr(name string) (starlark.Value, error) {
	switch name {
	case "text":
		return m.Group(0), nil
	case "start":
		return starlark.MakeInt(m.loc[0]), nil
	case "end":
		return starlark.MakeInt(m.loc[1]), nil
	case "groups":
		return m.Groups(), nil
	case "named":
		d := new(starlark.Dict)
		for i, name := range m.re.SubexpNames() {
			if name != "" {
				d.SetKey(starlark.String(name), m.Group(i))
			}
		}
		return d, nil
	}
	return nil, nil
}

// Interface guard.
var _ starlark.HasAttrs = (*Match)(nil)
