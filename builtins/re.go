package builtins

import (
	"errors"
	"fmt"
	"regexp"

	"go.starlark.net/starlark"
)

func reModule() Module {
	return Module{
		Name: "re",
		Doc:  "Regular expressions, in Go's RE2 syntax; they take time linear in the text. A match has .text, .start, .end, .groups (a tuple) and .named (a dict).",
		Funcs: []Func{
			{"search", "pattern, s", "The first match anywhere in s, or None.", "re.search(\"v([0-9]+)\", \"fw v12\").groups  # => (\"12\",)\nre.search(\"x\", \"abc\")  # => None", reSearch},
			{"match", "pattern, s", "The match at the start of s, or None.", "re.match(\"[a-z]+\", \"abc1\").text  # => \"abc\"\nre.match(\"[0-9]\", \"abc1\")  # => None", reMatch},
			{"fullmatch", "pattern, s", "The match that covers all of s, or None.", "re.fullmatch(\"(?P<id>[0-9]+)\", \"42\").named  # => {\"id\": \"42\"}", reFullMatch},
			{"findall", "pattern, s", "All matches: their texts, or what the group matched if there is one group, or a tuple of the groups.", `re.findall("[0-9]+", "1 and 22")  # => ["1", "22"]`, reFindAll},
			{"sub", "pattern, repl, s", "s with every match replaced; $1 or ${name} in repl is a group.", `re.sub("([a-z])([0-9])", "$2$1", "a1 b2")  # => "1a 2b"`, reSub},
			{"split", "pattern, s", "The parts of s between the matches.", `re.split(", *", "a, b,c")  # => ["a", "b", "c"]`, reSplit},
			{"escape", "s", "s as a pattern that matches just s.", `re.escape("a.b")  # => "a\\.b"`, reEscape},
		},
	}
}

// pattern compiles an expression once; a script that makes patterns of what
// clients send can't fill the memory with them.
func (e *Env) pattern(fn, expr string) (*regexp.Regexp, error) {
	e.mu.Lock()
	re := e.patterns[expr]
	e.mu.Unlock()
	if re != nil {
		return re, nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fn, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.patterns == nil || len(e.patterns) >= 500 {
		e.patterns = map[string]*regexp.Regexp{}
	}
	e.patterns[expr] = re
	return re, nil
}

func reArgs(c *Call, a Args, wrap func(string) string) (*regexp.Regexp, string, error) {
	var pattern, s string
	if err := a.Unpack("pattern", &pattern, "s", &s); err != nil {
		return nil, "", err
	}
	if wrap != nil {
		pattern = wrap(pattern)
	}
	re, err := c.Env.pattern(a.fn, pattern)
	return re, s, err
}

func reFind(c *Call, a Args, wrap func(string) string) (starlark.Value, error) {
	re, s, err := reArgs(c, a, wrap)
	if err != nil {
		return nil, err
	}
	loc := re.FindStringSubmatchIndex(s)
	if loc == nil {
		return starlark.None, nil
	}
	return &match{re, s, loc}, nil
}

func reSearch(c *Call, a Args) (starlark.Value, error) { return reFind(c, a, nil) }

func reMatch(c *Call, a Args) (starlark.Value, error) {
	return reFind(c, a, func(p string) string { return `\A(?:` + p + `)` })
}

func reFullMatch(c *Call, a Args) (starlark.Value, error) {
	return reFind(c, a, func(p string) string { return `\A(?:` + p + `)\z` })
}

func reFindAll(c *Call, a Args) (starlark.Value, error) {
	re, s, err := reArgs(c, a, nil)
	if err != nil {
		return nil, err
	}
	var list []starlark.Value
	found := re.FindAllStringSubmatchIndex(s, maxElements+1)
	if len(found) > maxElements {
		return nil, fmt.Errorf("re.findall: more than %d matches", maxElements)
	}
	for _, loc := range found {
		m := &match{re, s, loc}
		switch re.NumSubexp() {
		case 0:
			list = append(list, m.group(0))
		case 1:
			list = append(list, m.group(1))
		default:
			list = append(list, m.groups())
		}
	}
	return starlark.NewList(list), nil
}

func reSub(c *Call, a Args) (starlark.Value, error) {
	var pattern, repl, s string
	if err := a.Unpack("pattern", &pattern, "repl", &repl, "s", &s); err != nil {
		return nil, err
	}
	re, err := c.Env.pattern(a.fn, pattern)
	if err != nil {
		return nil, err
	}
	if times(len(s)+1, len(repl)+1) < 1<<20 {
		return starlark.String(re.ReplaceAllString(s, repl)), nil // no matter how often
	}
	var out []byte
	last := 0
	for _, loc := range re.FindAllStringSubmatchIndex(s, -1) {
		out = append(out, s[last:loc[0]]...)
		out = re.ExpandString(out, repl, s, loc)
		last = loc[1]
		if err := c.enough("re.sub", len(out)); err != nil {
			return nil, err
		}
	}
	return starlark.String(append(out, s[last:]...)), nil
}

func reSplit(c *Call, a Args) (starlark.Value, error) {
	re, s, err := reArgs(c, a, nil)
	if err != nil {
		return nil, err
	}
	parts := re.Split(s, maxElements+1)
	if len(parts) > maxElements {
		return nil, fmt.Errorf("re.split: more than %d parts", maxElements)
	}
	return FromGo(parts), nil
}

func reEscape(c *Call, a Args) (starlark.Value, error) {
	var s string
	if err := a.Unpack("s", &s); err != nil {
		return nil, err
	}
	return starlark.String(regexp.QuoteMeta(s)), nil
}

// match is what a pattern found. It is immutable.
type match struct {
	re  *regexp.Regexp
	s   string
	loc []int
}

func (m *match) String() string        { return fmt.Sprintf("match(%q)", m.s[m.loc[0]:m.loc[1]]) }
func (m *match) Type() string          { return "match" }
func (m *match) Freeze()               {}
func (m *match) Truth() starlark.Bool  { return true }
func (m *match) Hash() (uint32, error) { return 0, errors.New("unhashable: match") }

// group is what group i matched, None if it took no part.
func (m *match) group(i int) starlark.Value {
	if m.loc[2*i] < 0 {
		return starlark.None
	}
	return starlark.String(m.s[m.loc[2*i]:m.loc[2*i+1]])
}

func (m *match) groups() starlark.Tuple {
	t := make(starlark.Tuple, m.re.NumSubexp())
	for i := range t {
		t[i] = m.group(i + 1)
	}
	return t
}

// AttrNames lists the fields.
func (m *match) AttrNames() []string { return []string{"end", "groups", "named", "start", "text"} }

// Attr gives a field.
func (m *match) Attr(name string) (starlark.Value, error) {
	switch name {
	case "text":
		return m.group(0), nil
	case "start":
		return starlark.MakeInt(m.loc[0]), nil
	case "end":
		return starlark.MakeInt(m.loc[1]), nil
	case "groups":
		return m.groups(), nil
	case "named":
		d := new(starlark.Dict)
		for i, name := range m.re.SubexpNames() {
			if name != "" {
				d.SetKey(starlark.String(name), m.group(i))
			}
		}
		return d, nil
	}
	return nil, nil
}

// Interface guard.
var _ starlark.HasAttrs = (*match)(nil)
