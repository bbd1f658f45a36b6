package h1

import (
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// cutLine cuts the first line off, without its end.
func cutLine(s string) (line, rest string) {
	line, rest, _ = strings.Cut(s, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// requestLine takes the request line apart (RFC 9112 section 3). One blank parts
// its three words: other readers would take more of them for part of the target.
func (q *Request) requestLine(line string) error {
	method, rest, ok := strings.Cut(line, " ")
	q.Method = intern(method)
	if !isToken(method) {
		return bad("method: got " + excerpt.QuoteASCII(method) + ", want a token")
	}
	i := strings.LastIndexByte(rest, ' ')
	if !ok || i < 0 {
		q.Target = rest
		return bad("request line: got " + excerpt.QuoteASCII(exchange.HideUser(line)) + ", want METHOD TARGET HTTP/1.1")
	}
	q.Target = rest[:i]
	var err error
	if q.Proto, err = version(rest[i+1:]); err != nil {
		return err
	}
	if q.Target == "" && method != "CONNECT" { // ParseTarget says what that one wants
		return bad("target: got nothing, want a path")
	}
	for i := range len(q.Target) {
		if c := q.Target[i]; c <= ' ' || c == 0x7f {
			return bad("target: got " + excerpt.QuoteASCII(exchange.HideUser(q.Target)) + ", want no blanks and no control characters")
		}
	}
	return nil
}

// version returns the version of a message. A minor one that is not known
// counts as the highest that is (RFC 9110 section 2.5).
func version(s string) (string, error) {
	switch {
	case s == "HTTP/1.1":
		return "HTTP/1.1", nil
	case s == "HTTP/1.0":
		return "HTTP/1.0", nil
	case len(s) == len("HTTP/1.1") && strings.HasPrefix(s, "HTTP/") && isDigit(s[5]) && s[6] == '.' && isDigit(s[7]):
		if s[5] == '1' {
			return "HTTP/1.1", nil
		}
		return "", &Error{505, "version: got " + excerpt.QuoteASCII(s) + ", want HTTP/1.1"}
	}
	return "", bad("version: got " + excerpt.QuoteASCII(s) + ", want HTTP/1.1")
}

// statusLine takes the status line apart (RFC 9112 section 4). The reason and the
// blank before it may be missing.
func (r *Response) statusLine(line string) error {
	proto, rest, _ := strings.Cut(line, " ")
	var err error
	if r.Proto, err = version(proto); err != nil {
		return err
	}
	rest = strings.TrimLeft(rest, " ")
	code, reason, _ := strings.Cut(rest, " ")
	if len(code) != 3 || !isDigit(code[0]) || !isDigit(code[1]) || !isDigit(code[2]) || code[0] == '0' {
		return bad("status: got " + excerpt.QuoteASCII(code) + ", want three digits")
	}
	r.Status = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	if strings.IndexByte(reason, 0) >= 0 {
		return bad("reason phrase: got " + excerpt.QuoteASCII(reason) + ", want no NUL")
	}
	r.Reason = reason
	if strings.ContainsAny(reason, "\r\v\f") {
		r.Reason = withoutBreaks(reason)
	}
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isToken reports whether s is a token (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if !tokens[s[i]] {
			return false
		}
	}
	return s != ""
}

// tokens are the characters of a token.
var tokens = func() (t [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" {
		t[c] = true
	}
	return t
}()

// intern returns a usual method as a constant, so that a count by methods does not
// keep the head of a message in memory.
func intern(method string) string {
	for _, m := range [...]string{"GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "CONNECT"} {
		if m == method {
			return m
		}
	}
	return method
}
