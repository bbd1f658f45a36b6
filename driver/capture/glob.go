package capture

import (
	"regexp"
	"strings"
)

// Glob makes a test for texts from a shell pattern: * is any run of characters,
// "/" too, ? is any one, [a-z] one of a set and [!a-z] one outside it. A "["
// that opens no set stands for itself, and the empty pattern is for everything.
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
	if err != nil { // a range that runs backwards fits nothing
		return func(string) bool { return false }
	}
	return compiled.MatchString
}

// globSet turns the set at the start of s into a regular expression and tells
// its length, 0 when it isn't one. A "]" that comes first belongs to the set.
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
