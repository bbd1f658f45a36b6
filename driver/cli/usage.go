package cli

import (
	"regexp"
	"slices"
	"strings"

	"starproxy/driver/view"
)

// proxyWords returns the commands of a proxy, which j has behind the export's
// name.
func proxyWords() []string {
	return []string{
		"start", "stop", "restart", "status", "mock", "scenario", "script", "tls", "network", "expect", "contract", "faults", "clock",
		"state", "flow", "capture", "web",
		"intercept", "held", "cert", "doctor", "bundle", "session",
	}
}

// proxyWord returns the mistake of a command line that begins with a command of
// a proxy where j and the name of the export are missing; nil for another line.
func proxyWord(args []string, export string) error {
	if len(args) == 0 {
		return nil
	}
	rest := args
	switch {
	case slices.Contains(proxyWords(), args[0]):
	case args[0] == "proxy":
		rest = args[1:]
	default:
		return nil
	}
	words := []string{"j " + export}
	for _, word := range rest {
		words = append(words, view.ShellWord(word))
	}
	return usagef("unexpected argument %s, did you mean \"%s\"? (%s is the name of the export, see j --help)", args[0],
		strings.Join(words, " "), export)
}

// phrase is how the grammar tells of a mistake, and how we do.
type phrase struct{ theirs, ours string }

// plainError is a mistake in a command line in our words.
type plainError struct{ error }

func (e *plainError) Error() string { return plainUsage(e.error.Error()) }

// Unwrap returns the mistake as the grammar has it.
func (e *plainError) Unwrap() error { return e.error }

// plainUsage is what a user has to know of a mistake in a command line: what was
// given, and what is wanted.
func plainUsage(text string) string {
	for _, p := range []phrase{
		{`expected a valid \d+ bit int but got (".*")`, `got $1, want a whole number`},
		{`expected a valid \d+ bit uint but got (".*")`, `got $1, want a whole number from 0 on`},
		{`expected (?:a|an) float but got (".*?").*`, `got $1, want a number`},
		{`expected duration but got (".*?"): .*`, `got $1, want a duration such as 500ms or 30s`},
		{`expected [a-z]+ value but got "EOL" \(<EOL>\)`, `got nothing, want a value`},
	} {
		if re := regexp.MustCompile(p.theirs); re.MatchString(text) {
			return re.ReplaceAllString(text, p.ours)
		}
	}
	m := regexp.MustCompile(`^(\S+) must be one of (".*") but got (".*")$`).FindStringSubmatch(text)
	if m == nil {
		return text
	}
	words := strings.Split(strings.ReplaceAll(m[2], `"`, ""), ",")
	words = slices.DeleteFunc(words, func(word string) bool { return word == "" })
	return m[1] + ": got " + m[3] + ", want one of " + strings.Join(words, ", ")
}
