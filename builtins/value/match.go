package value

import (
	"errors"
	"fmt"
	"regexp"

	"go.starlark.net/starlark"
)

// Match is a match of a regular expression. It is immutable.
type Match struct {
	re  *regexp.Regexp
	s   string
	loc []int
}

// NewMatch returns a match of re in s. loc has the offsets of the groups, as
// [regexp.Regexp.FindStringSubmatchIndex] returns them.
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

// Attr returns the field or method with that name.
func (m *Match) Attr(name string) (starlark.Value, error) { return matches.Attr(m, name) }

var matches = NewTable("match", "match", "A match that re.search, re.match or re.fullmatch found.",
	Field("text", "The text that the pattern matched.", func(m *Match) (starlark.Value, error) {
		return m.Group(0), nil
	}),
	Field("start", "The offset in the text at which the match begins, in bytes.", func(m *Match) (starlark.Value, error) {
		return starlark.MakeInt(m.loc[0]), nil
	}),
	Field("end", "The offset at which the match ends, in bytes.", func(m *Match) (starlark.Value, error) {
		return starlark.MakeInt(m.loc[1]), nil
	}),
	Field("groups", "The texts of the groups, a tuple; None for a group that took no part.", func(m *Match) (starlark.Value, error) {
		return m.Groups(), nil
	}),
	Field("named", "The texts of the named groups, a dict.", (*Match).named),
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
