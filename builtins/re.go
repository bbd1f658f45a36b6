package builtins

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"starproxy/builtins/call"
	"starproxy/builtins/pattern"
	"starproxy/builtins/value"

	"go.starlark.net/starlark"
)

func reModule() Module {
	return Module{
		Name: "re",
		Doc: "Regular expressions, in Go's RE2 syntax; they take time linear in the text. A match has " +
			".text, .start, .end, .groups (a tuple) and .named (a dict).",
		Funcs: []Func{
			{
				"search", "pattern, s",
				"The first match anywhere in s, or None.",
				"re.search(\"v([0-9]+)\", \"fw v12\").groups  # => (\"12\",)\n" +
					`re.search("x", "abc")  # => None`,
				reSearch,
			},
			{
				"match", "pattern, s",
				"The match at the start of s, or None.",
				"re.match(\"[a-z]+\", \"abc1\").text  # => \"abc\"\n" +
					`re.match("[0-9]", "abc1")  # => None`,
				reMatch,
			},
			{
				"fullmatch", "pattern, s",
				"The match that covers all of s, or None.",
				`re.fullmatch("(?P<id>[0-9]+)", "42").named  # => {"id": "42"}`,
				reFullMatch,
			},
			{
				"findall", "pattern, s",
				"All matches: their texts, or what the group matched if there is one group, or a tuple of " +
					"the groups.",
				`re.findall("[0-9]+", "1 and 22")  # => ["1", "22"]`,
				reFindAll,
			},
			{
				"sub", "pattern, repl, s",
				"s with every match replaced; $1 or ${name} in repl is a group of the pattern, $$ a dollar " +
					"sign; any other group is an error.",
				`re.sub("([a-z])([0-9])", "$2$1", "a1 b2")  # => "1a 2b"`,
				reSub,
			},
			{"split", "pattern, s", "The parts of s between the matches.", `re.split(", *", "a, b,c")  # => ["a", "b", "c"]`, reSplit},
			{"escape", "s", "s as a pattern that matches just s.", `re.escape("a.b")  # => "a\\.b"`, reEscape},
		},
	}
}

// The bounds of matching, in bytes of the text times instructions of the pattern.
const (
	quickMatch   = 10_000_000    // a match with more work runs on another goroutine
	longestMatch = 4_000_000_000 // a match with more work is an error
)

// matching charges for matching re against size bytes. long says that the match
// should run on another goroutine, because it cannot be interrupted.
func matching(c *call.Call, fn string, re *pattern.Pattern, size int) (long bool, err error) {
	work := call.Times(size, re.Size)
	if work > longestMatch {
		return false, fmt.Errorf("%s: %d bytes are too many for this pattern, want at most %d", fn, size, longestMatch/re.Size)
	}
	return work > quickMatch, c.Charge(work / 256)
}

// compiled returns the pattern of an expression; fn names the function in errors.
func compiled(c *call.Call, fn, expr string) (*pattern.Pattern, error) {
	p, err := c.Env.Patterns.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fn, err)
	}
	return p, nil
}

// search is one use of a regular expression. Its method aside runs a function that
// matches it.
type search struct {
	re *pattern.Pattern
	s  string
	c  *call.Call
	fn string
	on bool // matching takes so long that it runs on another goroutine
}

func reArgs(c *call.Call, a call.Args, wrap func(string) string) (m search, err error) {
	var expr, s string
	if err := a.Unpack("pattern", &expr, "s", &s); err != nil {
		return m, err
	}
	if wrap != nil {
		expr = wrap(expr)
	}
	return newSearch(c, a.Func, expr, s)
}

func newSearch(c *call.Call, fn, expr, s string) (m search, err error) {
	m = search{c: c, fn: fn, s: s}
	if m.re, err = compiled(c, fn, expr); err == nil {
		m.on, err = matching(c, fn, m.re, len(s))
	}
	return m, err
}

func (m search) run(fn func()) error { return m.c.Aside(m.on, m.fn, fn) }

func reFind(c *call.Call, a call.Args, wrap func(string) string) (starlark.Value, error) {
	m, err := reArgs(c, a, wrap)
	if err != nil {
		return nil, err
	}
	var loc []int
	if err := m.run(func() { loc = m.re.FindStringSubmatchIndex(m.s) }); err != nil {
		return nil, err
	}
	if loc == nil {
		return starlark.None, nil
	}
	return value.NewMatch(m.re.Regexp, m.s, loc), nil
}

func reSearch(c *call.Call, a call.Args) (starlark.Value, error) { return reFind(c, a, nil) }

func reMatch(c *call.Call, a call.Args) (starlark.Value, error) {
	return reFind(c, a, func(p string) string { return `\A(?:` + p + `)` })
}

func reFullMatch(c *call.Call, a call.Args) (starlark.Value, error) {
	return reFind(c, a, func(p string) string { return `\A(?:` + p + `)\z` })
}

// findAll returns the offsets of all matches. It is an error if their list would
// take too much memory.
func (m search) findAll() (found [][]int, err error) {
	most := min(call.MaxElements, m.c.Room()/(partSize+16*(m.re.NumSubexp()+1)))
	if err := m.run(func() { found = m.re.FindAllStringSubmatchIndex(m.s, most+1) }); err != nil {
		return nil, err
	}
	if len(found) > most {
		return nil, fmt.Errorf("%s: more than %d matches", m.fn, most)
	}
	if err := m.c.Charge(len(found)); err != nil {
		return nil, err
	}
	return found, m.c.Reserve(call.Times(len(found), partSize+16*(m.re.NumSubexp()+1)))
}

func reFindAll(c *call.Call, a call.Args) (starlark.Value, error) {
	m, err := reArgs(c, a, nil)
	if err != nil {
		return nil, err
	}
	found, err := m.findAll()
	if err != nil {
		return nil, err
	}
	list := make([]starlark.Value, 0, len(found))
	for _, loc := range found {
		one := value.NewMatch(m.re.Regexp, m.s, loc)
		switch m.re.NumSubexp() {
		case 0:
			list = append(list, one.Group(0))
		case 1:
			list = append(list, one.Group(1))
		default:
			list = append(list, one.Groups())
		}
	}
	return starlark.NewList(list), nil
}

func reSub(c *call.Call, a call.Args) (starlark.Value, error) {
	var expr, repl, s string
	if err := a.Unpack("pattern", &expr, "repl", &repl, "s", &s); err != nil {
		return nil, err
	}
	m, err := newSearch(c, a.Func, expr, s)
	if err != nil {
		return nil, err
	}
	if err := checkGroups(m.re.Regexp, repl); err != nil {
		return nil, fmt.Errorf("%s: argument \"repl\": %w", a.Func, err)
	}
	if !m.on && call.Times(len(s)+1, len(repl)+1) < 1<<20 {
		return starlark.String(m.re.ReplaceAllString(s, repl)), nil // short enough for any number of matches
	}
	found, err := m.findAll()
	if err != nil {
		return nil, err
	}
	var out []byte
	last, paid := 0, 0
	for _, loc := range found {
		out = append(out, s[last:loc[0]]...)
		out = m.re.ExpandString(out, repl, s, loc)
		last = loc[1]
		if len(out) > paid+call.Worthwhile {
			if err := c.Enough("re.sub", len(out)); err != nil {
				return nil, err
			}
			paid = 2 * len(out)
		}
	}
	return starlark.String(append(out, s[last:]...)), nil
}

// checkGroups returns an error if a replacement names a group that re does not have.
// [regexp.Regexp.Expand] would replace such a group by nothing.
func checkGroups(re *regexp.Regexp, repl string) error {
	for {
		_, rest, found := strings.Cut(repl, "$")
		if !found {
			return nil
		}
		if repl = rest; strings.HasPrefix(rest, "$") {
			repl = rest[1:] // a dollar sign
			continue
		}
		braced := strings.HasPrefix(rest, "{")
		rest = strings.TrimPrefix(rest, "{")
		name := rest[:len(rest)-len(strings.TrimLeftFunc(rest, inGroupName))]
		if name == "" || braced && !strings.HasPrefix(rest[len(name):], "}") {
			continue // Expand copies such a dollar sign
		}
		number := name[:len(name)-len(strings.TrimLeft(name, digits))]
		switch n, err := strconv.Atoi(number); {
		case number == name && (err != nil || n > re.NumSubexp() || name[0] == '0' && n > 0):
			return fmt.Errorf("$%s: got group %s, want 0 to %d; a dollar sign is $$", name, name, re.NumSubexp())
		case number == name, re.SubexpIndex(name) >= 0:
		case number != "" && !braced:
			return fmt.Errorf("$%s: the pattern has no group %q; group %s followed by %q is ${%s}%s", name, name, number,
				name[len(number):], number, name[len(number):])
		default:
			return fmt.Errorf("$%s: the pattern has no group %q; a dollar sign is $$", name, name)
		}
	}
}

// inGroupName reports whether r can be part of the name of a group.
func inGroupName(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func reSplit(c *call.Call, a call.Args) (starlark.Value, error) {
	m, err := reArgs(c, a, nil)
	if err != nil {
		return nil, err
	}
	most := min(call.MaxElements, c.Room()/partSize)
	var parts []string
	if err := m.run(func() { parts = m.re.Split(m.s, most+1) }); err != nil {
		return nil, err
	}
	if len(parts) > most {
		return nil, fmt.Errorf("re.split: more than %d parts", most)
	}
	if err := c.Enough("re.split", call.Times(len(parts), partSize)); err != nil {
		return nil, err
	}
	return value.FromGo(parts), nil
}

func reEscape(c *call.Call, a call.Args) (starlark.Value, error) {
	var s string
	if err := a.Unpack("s", &s); err != nil {
		return nil, err
	}
	return starlark.String(regexp.QuoteMeta(s)), nil
}
