package export

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/document"
)

// maxCondition is the size of a body, in bytes, up to which it can become a condition.
const maxCondition = 8 << 10

// bodyCondition returns the condition on the body of a request: its key below match, and
// its value. The value is nil for a body that can't be a condition, and without a body.
func bodyCondition(e *capture.Entry) (key string, value *yaml.Node) {
	if e.RequestBody.Size == 0 || e.RequestBody.Truncated || e.RequestBody.Partial {
		return "", nil
	}
	data, more, err := capture.Decoded(e.RequestHeader, e.RequestBody, maxCondition)
	if err != nil || more {
		return "", nil
	}
	typ := e.RequestHeader.Get("Content-Type")
	text, _ := exchange.DecodeText(data, typ)
	if !utf8.Valid(text) || bytes.ContainsRune(text, 0) {
		return "", nil
	}
	if n := jsonNode(text, typ); n != nil {
		return "body_includes", n
	}
	if strings.Contains(typ, "x-www-form-urlencoded") {
		fields := exchange.Values(string(text))
		if len(fields) == 0 {
			return "", nil
		}
		for _, values := range fields {
			if !utf8.ValidString(strings.Join(values, "")) {
				return "", nil
			}
		}
		return "form", queryNode(fields)
	}
	if strings.HasPrefix(typ, "multipart/") { // its boundary differs each time
		return "", nil
	}
	n := document.Quoted(string(text))
	if bytes.ContainsRune(text, '\n') {
		n.Style = yaml.LiteralStyle
	}
	return "body", n
}

// identifier is a segment of a path that stands for one thing of many: a number, a UUID, a
// long hexadecimal number, or letters and digits in turns. An extension stays outside.
var identifier = regexp.MustCompile(
	`^(?:\d+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{12,}|[A-Za-z]*\d[A-Za-z0-9_-]*\d[A-Za-z0-9_-]*)(\.[A-Za-z][A-Za-z0-9]{0,4})?$`)

// version is a segment that looks like an identifier but names a version.
var version = regexp.MustCompile(`^[vV]\d+([._-]\d+)*$`)

// minMixed is the length from which letters and digits in turns count as an identifier.
const minMixed = 8

// placer counts the placeholders of a path.
type placer int

// place returns {id}, {id2} and so on for an identifier, and any other segment as it is.
func (p *placer) place(segment string) string {
	m := identifier.FindStringSubmatch(segment)
	if m == nil || version.MatchString(segment) {
		return segment
	}
	stem := strings.TrimSuffix(segment, m[1])
	if strings.Trim(stem, "0123456789") != "" && len(stem) < minMixed {
		return segment
	}
	*p++
	if *p == 1 {
		return "{id}" + m[1]
	}
	return fmt.Sprintf("{id%d}%s", *p, m[1])
}
