package flow

import (
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
)

// charsetOf is the charset of a text: the one that its content type names, or
// else the one that it names itself, as HTML and XML can. It is nil for UTF-8,
// for none, and for one that is not known. Of a text its beginning is enough.
func charsetOf(contentType, text string) encoding.Encoding {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil && params == nil {
		kind, _, _ = strings.Cut(strings.ToLower(contentType), ";")
	}
	name, given := params["charset"]
	if !given {
		name = named(strings.TrimSpace(kind), text)
	}
	switch name := strings.ToLower(strings.TrimSpace(name)); name {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return nil
	default:
		found, err := htmlindex.Get(name)
		if err != nil {
			return nil
		}
		return found
	}
}

// xmlDeclaration is the beginning of an XML document that names its encoding.
var xmlDeclaration = regexp.MustCompile(`^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']`)

// maxNamed is how far into a text its charset is looked for, in bytes, as
// browsers do (https://html.spec.whatwg.org/#prescan-a-byte-stream-to-determine-its-encoding).
const maxNamed = 1000

// named is the charset that a text of a content type names itself, empty for none.
// A UTF-16 that is named so is none: a text in it could not have been read.
func named(kind, text string) string {
	begin := text[:min(len(text), maxNamed)]
	for !utf8.ValidString(begin) && len(begin) > maxNamed-utf8.UTFMax {
		begin = begin[:len(begin)-1]
	}
	name := ""
	switch {
	case kind == "text/html":
		// With a character that is not ASCII the answer is UTF-8 if nothing is named.
		_, name, _ = charset.DetermineEncoding([]byte(begin+"\u00fc"), "")
	case kind == "text/xml", kind == "application/xml", strings.HasSuffix(kind, "+xml"):
		if m := xmlDeclaration.FindStringSubmatch(begin); m != nil {
			name = m[1]
		}
	}
	if strings.HasPrefix(strings.ToLower(name), "utf-16") {
		return ""
	}
	return name
}

// namesItself reports whether a text of that content type can name its charset.
func namesItself(contentType string) bool {
	kind, params, _ := mime.ParseMediaType(contentType)
	_, given := params["charset"]
	return !given && (kind == "text/html" || strings.HasSuffix(kind, "xml"))
}

// inCharset is text in a charset, as it is where that can't be.
func inCharset(text string, charset encoding.Encoding) []byte {
	if charset != nil {
		if data, err := charset.NewEncoder().Bytes([]byte(text)); err == nil {
			return data
		}
	}
	return []byte(text)
}
