package flow

import (
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"

	"starproxy/builtins/exchange"
)

// xmlDeclaration matches the beginning of an XML document that names its encoding.
var xmlDeclaration = regexp.MustCompile(`^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']`)

// maxNamed is how far into a text its charset is looked for, in bytes, as browsers
// do (https://html.spec.whatwg.org/#prescan-a-byte-stream-to-determine-its-encoding).
const maxNamed = 1000

// harBytes returns the bytes that a text of a HAR document had on the wire. Its
// charset is the one that its content type names. Without one, HTML and XML name
// it themselves. A text that the charset can't express is returned in UTF-8.
func harBytes(text, contentType string) []byte {
	if namesItself(contentType) {
		contentType += "; charset=" + named(contentType, text)
	}
	data, _ := exchange.EncodeText([]byte(text), contentType)
	return data
}

// namesItself reports whether a text of that content type can name its charset.
func namesItself(contentType string) bool {
	kind, params, _ := mime.ParseMediaType(contentType)
	_, given := params["charset"]
	return !given && (kind == "text/html" || isXML(kind))
}

func isXML(kind string) bool {
	return kind == "text/xml" || kind == "application/xml" || strings.HasSuffix(kind, "+xml")
}

// named returns the charset that a text names itself, "" for none. UTF-16 does not
// count: a text in UTF-16 is read without knowing its name, or not at all.
func named(contentType, text string) string {
	begin := text[:min(len(text), maxNamed)]
	for !utf8.ValidString(begin) && len(begin) > maxNamed-utf8.UTFMax {
		begin = begin[:len(begin)-1]
	}
	name := ""
	if kind, _, _ := mime.ParseMediaType(contentType); isXML(kind) {
		if m := xmlDeclaration.FindStringSubmatch(begin); m != nil {
			name = m[1]
		}
	} else {
		// A character that is not ASCII makes the answer UTF-8 if nothing is named.
		_, name, _ = charset.DetermineEncoding([]byte(begin+"\u00fc"), "")
	}
	if strings.HasPrefix(strings.ToLower(name), "utf-16") {
		return ""
	}
	return name
}
