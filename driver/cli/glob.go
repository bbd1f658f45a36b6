package cli

import (
	"fmt"
	"regexp"
	"strings"
)

// pathFilter is a predicate on the paths of requests, query left off. The glob
// is that of shells, except that "*" and "?" match slashes too: "*" any run of
// characters, "?" one, "[ab]" and "[!ab]" a set. An empty glob matches all.
func pathFilter(glob string) (func(path string) bool, error) {
	if glob == "" {
		return func(string) bool { return true }, nil
	}
	re, err := regexp.Compile(globPattern(glob))
	if err != nil {
		return nil, fmt.Errorf("filter %q: not a glob: expected *, ?, [set] or [!set]", glob)
	}
	return func(path string) bool {
		path, _, _ = strings.Cut(path, "?")
		return re.MatchString(path)
	}, nil
}

// globPattern is the regular expression of a glob.
func globPattern(glob string) string {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; c {
		case '*':
			b.WriteString(`.*`)
		case '?':
			b.WriteString(`.`)
		case '[':
			set, end := globSet(glob[i:])
			b.WriteString(set)
			i += end
		default:
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	b.WriteString(`\z`)
	return b.String()
}

// globSet is the pattern of the set that s begins with, and the index of its
// closing bracket. A bracket that is never closed stands for itself.
func globSet(s string) (pattern string, end int) {
	i := 1
	if i < len(s) && s[i] == '!' {
		i++
	}
	if i < len(s) && s[i] == ']' { // a bracket in first place is a member
		i++
	}
	for i < len(s) && s[i] != ']' {
		i++
	}
	if i == len(s) {
		return `\[`, 0
	}
	set := s[1:i]
	negate := strings.HasPrefix(set, "!")
	set = strings.TrimPrefix(set, "!")
	set = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `^`, `\^`).Replace(set)
	if negate {
		set = "^" + set
	}
	return "[" + set + "]", i
}
