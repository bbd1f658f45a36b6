package filter

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pattern is a regular expression that ignores the case of letters.
type pattern struct {
	re *regexp.Regexp
	// must is an ASCII text in lower case that each match contains, nil for none. To
	// look for it first makes a search in bodies 20 to 1,000 times faster: see
	// docs/decisions/body-search.md for when it should go.
	must []byte
	// whole says that the expression is must and nothing else.
	whole bool
	// raw says that the expression may mean bytes that are not UTF-8, as in \xff.
	raw bool
	// ends says that the expression may mean the end of a line.
	ends bool
	// seen makes the pattern match nothing, and gets each text that it should match
	// instead. It is nil for a pattern of an expression. See [SubjectsOf].
	seen func(text []byte)
}

// newPattern compiles a regular expression with the given flags of RE2. The error
// is the reason without the expression.
func newPattern(text, mode string) (*pattern, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	p := &pattern{raw: strings.Contains(text, `\x`), ends: strings.Contains(text, "$")}
	if err == nil {
		p.re, err = regexp.Compile("(?i" + mode + ")" + text)
	}
	if err != nil {
		return nil, reason(err, text)
	}
	p.must = required(tree)
	p.whole = p.must != nil && text == regexp.QuoteMeta(text)
	return p, nil
}

// reason returns an error that says why text is no regular expression. It repeats
// only the part of text that is wrong.
func reason(err error, text string) error {
	var e *syntax.Error
	if !errors.As(err, &e) {
		return err
	}
	why := string(e.Code)
	if e.Code == syntax.ErrInvalidPerlOp {
		why = "RE2 has no such group (look-around, for one)"
	}
	if e.Code != syntax.ErrInvalidUTF8 && e.Expr != text && !strings.HasSuffix(e.Expr, ")"+text) {
		why += ": " + e.Expr
	}
	return errors.New(why)
}

// required returns the longest ASCII text, in lower case, that it finds in all
// matches of re, nil for none.
func required(re *syntax.Regexp) (longest []byte) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if r >= utf8.RuneSelf {
				return nil
			}
			longest = append(longest, byte(unicode.ToLower(r)))
		}
	case syntax.OpConcat, syntax.OpCapture, syntax.OpPlus:
		for _, sub := range re.Sub {
			if text := required(sub); len(text) > len(longest) {
				longest = text
			}
		}
	}
	return longest
}

// assets has the content types of mitmproxy's ~a.
var assets = &pattern{re: regexp.MustCompile(`text/javascript|application/x-javascript|application/javascript|text/css|image/|font/|application/font`)}

func (p *pattern) text(s string) bool {
	if p.seen != nil {
		p.seen([]byte(s))
		return false
	}
	return p.re.MatchString(s)
}

func (p *pattern) bytes(b []byte) bool {
	switch {
	case p.seen != nil:
		p.seen(b)
		return false
	case p.must != nil && !containsFold(b, p.must):
		return false
	case p.whole, p.re.Match(b):
		return true
	}
	return p.raw && !utf8.Valid(b) && p.re.MatchReader(&latin1Reader{b: b})
}

// containsFold reports whether b contains lower, a text in lower case. The ASCII
// letters of b may be in any case.
func containsFold(b, lower []byte) bool {
	first := lower[0]
	upper := first
	if 'a' <= first && first <= 'z' {
		upper -= 'a' - 'A'
	}
	next := func(from int, c byte) int {
		if i := bytes.IndexByte(b[from:], c); i >= 0 {
			return from + i
		}
		return len(b)
	}
	at, atUpper := next(0, first), len(b)
	if upper != first {
		atUpper = next(0, upper)
	}
	for {
		i := min(at, atUpper)
		if i+len(lower) > len(b) {
			return false
		}
		if equalFold(b[i:i+len(lower)], lower) {
			return true
		}
		if i == at {
			at = next(i+1, first)
		} else {
			atUpper = next(i+1, upper)
		}
	}
}

func equalFold(b, lower []byte) bool {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// latin1Reader reads each byte as the Unicode character with the same number.
type latin1Reader struct{ b []byte }

func (r *latin1Reader) ReadRune() (rune, int, error) {
	if len(r.b) == 0 {
		return 0, 0, io.EOF
	}
	c := r.b[0]
	r.b = r.b[1:]
	return rune(c), 1, nil
}
