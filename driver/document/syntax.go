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

// maxSought is the largest document, in bytes, in which the place of a syntax error
// is looked for. The search parses the document about twenty times.
const maxSought = 1 << 20

var yamlMessage = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?((?s).*)$`)

// yamlFault returns a syntax error with its place. The parser reports no columns.
// Its line may be the one where the construct begins, the line before, or missing.
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

// faultOffset returns the offset of a syntax error. It looks for the shortest prefix
// of data for which the parser has the same message. The prefix ends where the
// parser noticed the error, or just behind a bracket or quote that is never closed.
func faultOffset(data []byte) int {
	// An empty line comes first: the parser does not say where a construct begins
	// that is in the first line, and so its message would depend on the prefix.
	lead := append([]byte("\n"), data...)
	message := parseFault(lead)
	n := sort.Search(len(data), func(n int) bool { return parseFault(lead[:n+1]) == message })
	if _, name, ok := strings.Cut(message, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		return max(0, n-len("*")-len(name))
	}
	n = max(0, n-1)
	for n > 0 && strings.IndexByte("\r\n", data[n]) >= 0 {
		n-- // noticed at the end of a line: the place is in that line
	}
	return n
}

// parseFault returns the message of the parser for data, empty without an error.
func parseFault(data []byte) (message string) {
	defer func() {
		if recover() != nil {
			message = ""
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for range 2 { // as in readYAML: a second document is an error too
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

// yamlHint returns advice for the usual errors in scenarios.
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
