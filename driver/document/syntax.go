package document

import (
	"bytes"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxSought is the size up to which the place of a syntax error is looked for:
// that takes some twenty attempts to parse.
const maxSought = 1 << 20

var yamlMessage = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?((?s).*)$`)

// yamlFault is a syntax error with its place. The parser tells no columns, and
// of lines sometimes the one where the construct began, sometimes the one
// before, or none.
func yamlFault(data []byte, err error) error {
	m := yamlMessage.FindStringSubmatch(err.Error())
	message := "not a YAML document: " + m[2] + yamlHint(m[2])
	if len(data) > maxSought {
		line, _ := strconv.Atoi(m[1])
		return &Error{Line: line, Message: message}
	}
	at := place{data: data, line: 1, column: 1}
	at.advance(faultOffset(data))
	return &Error{Line: at.line, Column: at.column, Message: message}
}

// faultOffset finds the shortest beginning of data that is refused in the same
// words: it ends where the parser saw that something is wrong, or, for what is
// never closed, behind where it was opened.
func faultOffset(data []byte) int {
	// Behind an empty line: the parser says where a construct began unless that
	// is in the first line, and these words must not depend on where data ends.
	lead := append([]byte("\n"), data...)
	message := parseFault(lead)
	n := sort.Search(len(data), func(n int) bool { return parseFault(lead[:n+1]) == message })
	if _, name, ok := strings.Cut(message, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		return max(0, n-len("*")-len(name))
	}
	n = max(0, n-1)
	for n > 0 && strings.IndexByte("\r\n", data[n]) >= 0 {
		n-- // seen at the end of the line: it is the line that is wrong
	}
	return n
}

// parseFault is the parser's message for data, empty if it has none.
func parseFault(data []byte) (message string) {
	defer func() {
		if recover() != nil {
			message = ""
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for range 2 { // as read does: a second document is an error of its own
		var n yaml.Node
		switch err := dec.Decode(&n); {
		case err == io.EOF:
			return ""
		case err != nil:
			return err.Error()
		}
	}
	return ""
}

// yamlHint says what helps with the errors that scenarios run into.
func yamlHint(message string) string {
	switch {
	case strings.Contains(message, "alphabetic or numeric character"):
		return `; text that begins with * or & needs quotes, as in "* /path"`
	case strings.Contains(message, "cannot start any token"):
		return "; text that begins with @, ` or % needs quotes, and lines are indented with spaces, not tabs"
	case strings.Contains(message, "expected key"):
		return "; keys of one map begin in the same column"
	case strings.Contains(message, "mapping values are not allowed"):
		return `; text with ": " in it needs quotes, and keys of one map begin in the same column`
	}
	return ""
}
