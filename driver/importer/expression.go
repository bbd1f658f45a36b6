package importer

import (
	"fmt"
	"strconv"
	"strings"
)

// A helper is one {{…}} of another tool's template, taken apart: a name, arguments
// and named arguments, as Handlebars has them.
type helper struct {
	name  string
	args  []argument
	named map[string]argument
}

// argument is a text, or a helper in parentheses or by its name.
type argument struct {
	text   string
	quoted bool
	inner  *helper
}

// translator returns the expression of Starlark for a helper, and whether its value
// is always a text. ok is false if there is none.
type translator func(h *helper) (expression string, isText, ok bool)

// translate translates the {{…}} of a text. computed is false if it has none. A helper
// that has no counterpart is sent as it is written; lost lists those.
func translate(s string, to translator) (out string, computed bool, lost []string) {
	var b strings.Builder
	for {
		start := strings.Index(s, "{{")
		if start < 0 {
			b.WriteString(s)
			return b.String(), computed, lost
		}
		b.WriteString(s[:start])
		whole, inside := helperAt(s[start:])
		s = s[start+len(whole):]
		expression, _, ok := "", false, false
		if inside != "" {
			if h := parseHelper(inside); h != nil {
				expression, _, ok = to(h)
			}
		}
		if !ok {
			lost = append(lost, whole)
			expression = strconv.Quote(whole)
		}
		if fixed, err := strconv.Unquote(expression); err == nil && !strings.Contains(fixed, "{{") {
			b.WriteString(fixed) // a constant
			continue
		}
		computed = true
		b.WriteString("{{" + expression + "}}")
	}
}

// helperAt returns the {{…}} or {{{…}}} at the beginning of s, and its inside. The
// whole is all of s if it is not closed.
func helperAt(s string) (whole, inside string) {
	opening, closing := "{{", "}}"
	if strings.HasPrefix(s, "{{{") {
		opening, closing = "{{{", "}}}"
	}
	quote := byte(0)
	if !strings.HasPrefix(s, "{{") {
		return "", ""
	}
	for i := len(opening); i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '\'' || c == '"') && strings.Contains(s[i+1:], string(c)):
			quote = c
		case strings.HasPrefix(s[i:], closing):
			return s[:i+len(closing)], strings.Trim(s[len(opening):i], "~ \t\r\n")
		}
	}
	if end := strings.Index(s, closing); end >= 0 { // a quote that is none
		return s[:end+len(closing)], strings.Trim(s[len(opening):end], "~ \t\r\n")
	}
	return s, ""
}

// parseHelper returns the parts of the inside of a helper, or nil if it is a block, a
// comment or a partial.
func parseHelper(s string) *helper {
	if s == "" || strings.IndexByte("#/!>^&", s[0]) >= 0 || s == "else" {
		return nil
	}
	p := &helperParser{rest: s}
	h := p.helper(0)
	if p.bad || strings.TrimSpace(p.rest) != "" {
		return nil
	}
	return h
}

type helperParser struct {
	rest string
	bad  bool
}

// maxHelperDepth bounds helpers in parentheses.
const maxHelperDepth = 20

func (p *helperParser) helper(depth int) *helper {
	h := &helper{named: map[string]argument{}}
	first := p.word()
	if first == "" || depth > maxHelperDepth {
		p.bad = true
		return h
	}
	h.name = first
	for !p.bad {
		p.rest = strings.TrimLeft(p.rest, " \t\r\n")
		if p.rest == "" || p.rest[0] == ')' {
			return h
		}
		if name, after, ok := strings.Cut(p.rest, "="); ok && name != "" && strings.Trim(name, letters) == "" {
			p.rest = after
			h.named[name] = p.argument(depth)
			continue
		}
		h.args = append(h.args, p.argument(depth))
	}
	return h
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

func (p *helperParser) argument(depth int) argument {
	if p.rest == "" {
		p.bad = true
		return argument{}
	}
	switch c := p.rest[0]; c {
	case '\'', '"':
		end := strings.IndexByte(p.rest[1:], c)
		if end < 0 {
			p.bad = true
			return argument{}
		}
		s := p.rest[1 : 1+end]
		p.rest = p.rest[end+2:]
		return argument{text: s, quoted: true}
	case '(':
		p.rest = strings.TrimLeft(p.rest[1:], " \t\r\n")
		h := p.helper(depth + 1)
		if !strings.HasPrefix(p.rest, ")") {
			p.bad = true
			return argument{}
		}
		p.rest = p.rest[1:]
		return argument{inner: h}
	}
	w := p.word()
	if w == "" {
		p.bad = true
	}
	return argument{text: w}
}

// word returns the text up to a blank or a parenthesis. Brackets may contain blanks.
func (p *helperParser) word() string {
	depth := 0
	for i := range len(p.rest) {
		c := p.rest[i]
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth <= 0 && strings.IndexByte(" \t\r\n()", c) >= 0:
			w := p.rest[:i]
			p.rest = p.rest[i:]
			return w
		}
	}
	w := p.rest
	p.rest = ""
	return w
}

// steps returns the parts of a name such as request.headers.[X-Id].[0].
func steps(name string) []string {
	var parts []string
	for name != "" {
		if name[0] == '[' {
			end := strings.IndexByte(name, ']')
			if end < 0 {
				return append(parts, name)
			}
			parts = append(parts, name[1:end])
			name = strings.TrimPrefix(name[end+1:], ".")
			continue
		}
		end := strings.IndexAny(name, ".[")
		if end < 0 {
			return append(parts, name)
		}
		parts = append(parts, name[:end])
		name = strings.TrimPrefix(name[end:], ".")
	}
	return parts
}

// value returns the expression of an argument: a text as a literal, a helper as
// itself. Without quotes, a number stays one.
func (a argument) value(to translator) (expression string, ok bool) {
	if a.inner != nil {
		expression, _, ok = to(a.inner)
		return expression, ok
	}
	if !a.quoted {
		if _, err := strconv.ParseFloat(a.text, 64); err == nil || a.text == "" {
			return a.text, a.text != ""
		}
		expression, _, ok = to(&helper{name: a.text})
		return expression, ok
	}
	return strconv.Quote(a.text), true
}

// number returns an argument that is a whole number.
func (a argument) number() (int, bool) {
	i, err := strconv.Atoi(strings.TrimSpace(a.text))
	return i, err == nil && a.inner == nil
}

// arg returns the nth argument, or the one of that name.
func (h *helper) arg(n int, name string) (argument, bool) {
	if a, ok := h.named[name]; ok && name != "" {
		return a, true
	}
	if n >= 0 && n < len(h.args) {
		return h.args[n], true
	}
	return argument{}, false
}

// verbatim returns a text for a place where {{…}} is computed, so that it is sent as
// it is.
func verbatim(s string) string {
	return strings.ReplaceAll(s, "{{", `{{"{{"}}`)
}

// Expressions that several tools have.

// cookieExpression returns the value of a cookie of the request, "" without it.
func cookieExpression(name string) string {
	return fmt.Sprintf(`"".join([c.strip()[%d:] for c in request_header("Cookie").split(";") if c.strip().startswith(%q)][:1])`,
		len(name)+1, name+"=")
}

// dateLayout returns the layout of Go for a format of Java's SimpleDateFormat or of
// date-fns. ok is false if it has letters that have no counterpart.
func dateLayout(format string) (layout string, ok bool) {
	parts := dateParts()
	var b strings.Builder
	for i := 0; i < len(format); {
		c := format[i]
		if c == '\'' {
			end := strings.IndexByte(format[i+1:], '\'')
			if end < 0 {
				return "", false
			}
			literal := format[i+1 : i+1+end]
			if end == 0 {
				literal = "'"
			}
			b.WriteString(literal)
			i += end + 2
			continue
		}
		if c|0x20 < 'a' || c|0x20 > 'z' {
			b.WriteByte(c)
			i++
			continue
		}
		n := 1
		for i+n < len(format) && format[i+n] == c {
			n++
		}
		part, known := parts[format[i:i+n]]
		if !known {
			return "", false
		}
		b.WriteString(part)
		i += n
	}
	return b.String(), true
}

// dateParts returns the parts of layouts for runs of letters.
func dateParts() map[string]string {
	return map[string]string{
		"yyyy": "2006", "yy": "06", "y": "2006", "MM": "01", "M": "1", "MMM": "Jan", "MMMM": "January", "dd": "02", "d": "2",
		"HH": "15", "hh": "03", "h": "3", "mm": "04", "m": "4", "ss": "05", "s": "5", "SSS": "000", "a": "PM", "EEE": "Mon",
		"EEEE": "Monday", "Z": "-0700", "XXX": "Z07:00", "xxx": "-07:00", "X": "Z07", "z": "MST",
	}
}
