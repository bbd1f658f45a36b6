package h1

import (
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// fields takes the lines of a header apart (RFC 9112 section 5).
//
// A line that goes on with the one before is joined to it by a blank, in requests
// too, where section 5.2 lets us refuse it: old devices send such lines, and
// behind the blank nothing is left that could be read in two ways. Only lines on
// which the end or the way of a request depends have to be whole.
//
// Where lenient, as for responses, a blank between a name and its colon is left
// out (section 5.1) and a CR in a value becomes a blank (RFC 9110 section 5.5), but
// not where the end of the message depends on it; else the message is refused.
func fields(block string, lenient bool) (exchange.Header, error) {
	count := strings.Count(block, "\n")
	if count > MaxLines {
		return nil, tooManyLines()
	}
	h := make(exchange.Header, 0, count)
	for n := 1; block != ""; n++ {
		var line string
		line, block = cutLine(block)
		if line == "" { // only behind a last chunk; a header ends there
			return h, badLine(n, "got an empty line")
		}
		if line[0] == ' ' || line[0] == '\t' {
			if err := goOn(h, line, n, lenient); err != nil {
				return h, err
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return h, badLine(n, "got no colon, want NAME: VALUE")
		}
		if lenient {
			name = strings.TrimRight(name, " \t")
		}
		if !isToken(name) {
			return h, badLine(n, "name: got "+excerpt.QuoteASCII(name)+", want a token")
		}
		if value, ok = safeValue(value, lenient && !isKey(name)); !ok {
			return h, badLine(n, name+": "+unsafe)
		}
		h = append(h, exchange.Field{Name: name, Value: value})
	}
	return h, nil
}

// goOn joins line n, which begins with a blank, to the last field of h.
func goOn(h exchange.Header, line string, n int, lenient bool) error {
	if len(h) == 0 {
		return badLine(n, "got a blank before the first name")
	}
	last := &h[len(h)-1]
	if !lenient && isKey(last.Name) {
		return badLine(n, last.Name+": got a value of two lines, want one")
	}
	more, ok := safeValue(line, lenient && !isKey(last.Name))
	if !ok {
		return badLine(n, last.Name+": "+unsafe)
	}
	last.Value = trim(last.Value + " " + more)
	return nil
}

// trim cuts the blanks around a value off.
func trim(s string) string {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

const unsafe = "want a value without CR and NUL, VT and FF"

// safeValue cuts the blanks off a value and reports whether it stays as it is for
// all readers (RFC 9110 section 5.5). Some take a vertical tab and a form feed for
// a blank or for the end of a line. Other control characters are the sender's
// affair.
func safeValue(v string, lenient bool) (string, bool) {
	v = trim(v)
	for i := range len(v) {
		if isBreak(v[i]) {
			if !lenient || strings.IndexByte(v, 0) >= 0 {
				return v, false
			}
			return trim(withoutBreaks(v)), true
		}
	}
	return v, true
}

func isBreak(c byte) bool { return c == '\r' || c == 0 || c == '\v' || c == '\f' }

// withoutBreaks replaces characters that end a line for some readers by blanks.
func withoutBreaks(s string) string {
	b := []byte(s)
	for i, c := range b {
		if isBreak(c) {
			b[i] = ' '
		}
	}
	return string(b)
}

// isAuthority reports whether s has nothing in it that is behind or before a
// host, or between two, for some readers.
func isAuthority(s string) bool { return !strings.ContainsAny(s, " \t/?#@\\,") }

// isKey reports whether the end or the way of a message depends on lines with that
// name.
func isKey(name string) bool {
	return isWord(name, "Host") || isWord(name, "Content-Length") || isWord(name, "Transfer-Encoding")
}

// checkHost refuses a request that RFC 9112 section 3.2 wants to be refused: one
// with several Host lines or, since HTTP/1.1, with none. A CONNECT names its host
// in the target, and old clients leave it at that.
func checkHost(q *Request) error {
	seen := false
	for i := range q.Header {
		if !isWord(q.Header[i].Name, "Host") {
			continue
		}
		if seen {
			return bad("Host: got several, want one")
		}
		seen = true
		if v := q.Header[i].Value; !isAuthority(v) {
			return bad("Host: got " + excerpt.QuoteASCII(exchange.HideUser(v)) + ", want a host and port")
		}
	}
	if !seen && q.Proto != "HTTP/1.0" && q.Method != "CONNECT" {
		return bad("Host: got none, want one")
	}
	return nil
}
