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

// NewMatch returns a match of re in s; loc are the places of its groups.
func NewMatch(re *regexp.Regexp, s string, loc []int) *Match { return &Match{re, s, loc} }

func (m *Match) String() string        { return fmt.Sprintf("match(%q)", m.s[m.loc[0]:m.loc[1]]) }
func (m *Match) Type() string          { return "match" }
func (m *Match) Freeze()               {}
func (m *Match) Truth() starlark.Bool  { return true }
func (m *Match) Hash() (uint32, error) { return 0, errors.New("unhashable: match") }

// Written returns the size of the text that was matched.
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

// AttrNames lists the fields and methods.
func (m *Match) AttrNames() []string { return matches.AttrNames() }

// Attr gives a field or method.
func (m *Match) Attr(name string) (starlark.Value, error) { return matches.Attr(m, name) }

var matches = NewTable("match", "match", "What re.search, re.match and re.fullmatch found.",
	Field("text", "What the pattern matched.", func(m *Match) (starlark.Value, error) {
		return m.Group(0), nil
	}),
	Field("start", "Where the match begins, in bytes.", func(m *Match) (starlark.Value, error) {
		return starlark.MakeInt(m.loc[0]), nil
	}),
	Field("end", "Where it ends.", func(m *Match) (starlark.Value, error) {
		return starlark.MakeInt(m.loc[1]), nil
	}),
	Field("groups", "What the groups matched, a tuple; None for one that took no part.", func(m *Match) (starlark.Value, error) {
		return m.Groups(), nil
	}),
	Field("named", "What the named groups matched, a dict.", (*Match).named),
)

func (m *Match) named() (starlark.Value, error) {
	d := new(starlark.Dict)
	for i, name := range m.re.SubexpNames() {
		if name != "" {
			d.SetKey(starlark.String(name), m.Group(i))
		}
	}
	return d, nil
}

// Interface guard.
var _ starlark.HasAttrs = (*Match)(nil)
