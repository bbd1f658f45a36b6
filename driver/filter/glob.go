package filter

import (
	"regexp"
	"strings"
)

// Glob returns a function that reports whether a text matches a shell pattern: *
// matches any number of characters, "/" included, ? any one, [a-z] one of a set and
// [!a-z] one outside the set. A "[" that opens no set matches itself. The empty
// pattern matches everything.
func Glob(pattern string) func(string) bool {
	if pattern == "" {
		return func(string) bool { return true }
	}
	var re strings.Builder
	re.WriteString(`(?s)\A`)
	for i := 0; i < len(pattern); {
		n := 1
		switch pattern[i] {
		case '*':
			re.WriteString(".*")
		case '?':
			re.WriteString(".")
		case '[':
			var set string
			if set, n = globSet(pattern[i:]); n == 0 {
				set, n = `\[`, 1
			}
			re.WriteString(set)
		default:
			if n = strings.IndexAny(pattern[i:], "*?["); n < 0 {
				n = len(pattern) - i
			}
			re.WriteString(regexp.QuoteMeta(strings.ToValidUTF8(pattern[i:i+n], "\uFFFD")))
		}
		i += n
	}
	re.WriteString(`\z`)
	compiled, err := regexp.Compile(re.String())
	if err != nil { // a range that runs backwards matches nothing
		return func(string) bool { return false }
	}
	return compiled.MatchString
}

// globSet returns the set at the start of s as a regular expression, and its length
// in s, 0 when s starts with no set. A "]" that comes first belongs to the set.
func globSet(s string) (re string, n int) {
	start := 1
	not := ""
	if strings.HasPrefix(s[start:], "!") {
		not = "^"
		start++
	}
	if len(s) <= start+1 {
		return "", 0
	}
	end := strings.IndexByte(s[start+1:], ']')
	if end < 0 {
		return "", 0
	}
	end += start + 1
	members := strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `^`, `\^`, `&`, `\&`).Replace(strings.ToValidUTF8(s[start:end], "\uFFFD"))
	return "[" + not + members + "]", end + 1
}
