package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"mime"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// Latin1 is the name of the charset in which every text can be read.
const Latin1 = "latin-1"

// DecodeText reads the bytes of a body as text, which it returns in UTF-8: in the
// charset that the content type names, else in that of a byte order mark, else in
// UTF-8, else in Latin-1. The mark is no part of the text. Where data is UTF-8
// already, text is data. charset is the name of the charset that was found, empty
// for UTF-8.
func DecodeText(data []byte, contentType string) (text []byte, charset string) {
	if name, enc := charsetOf(contentType); enc != nil {
		if text, name, err := decodeIn(data, name, enc); err == nil {
			return text, name
		}
	}
	if name, mark := byteOrderMark(data); mark > 0 {
		if name == "" {
			data = data[mark:]
		} else if text, name, err := decodeIn(data, name, charsetNamed(name)); err == nil {
			return text, name
		}
	}
	if utf8.Valid(data) {
		return data, ""
	}
	return latin1(data), Latin1
}

// FormPairs decodes the pairs of a form of the type
// application/x-www-form-urlencoded, see [Pairs]. Names and values are read as
// [DecodeText] reads a body; where the content type names a charset, the bytes
// that are escaped are characters of it, too.
func FormPairs(body []byte, contentType string) iter.Seq2[string, string] {
	_, enc := charsetOf(contentType)
	if enc == nil || wide(enc) || !bytes.Contains(body, []byte("%")) {
		text, _ := DecodeText(body, contentType)
		return Pairs(string(text))
	}
	read := func(s string) string {
		text, _ := DecodeText([]byte(s), contentType)
		return string(text)
	}
	return func(yield func(name, value string) bool) {
		for name, value := range Pairs(string(body)) {
			if !yield(read(name), read(value)) {
				return
			}
		}
	}
}

// wide reports whether a charset has more than one byte for characters of ASCII.
func wide(enc encoding.Encoding) bool {
	b, err := enc.NewEncoder().Bytes([]byte("%"))
	return err != nil || len(b) != 1 || b[0] != '%'
}

// EncodeText is text, which is UTF-8, as the bytes of a body of a content type: in
// the charset that the type names, in UTF-8 without one and for a charset that is
// not known. In JSON, characters that the charset does not have are escaped. ok is
// false when the charset can't say the text; data is in UTF-8 then.
func EncodeText(text []byte, contentType string) (data []byte, ok bool) {
	name, enc := charsetOf(contentType)
	if enc == nil || len(text) == 0 {
		return text, true
	}
	if name == "utf-16" || name == "utf-32" {
		// Both want a mark: without one, readers differ in the byte order.
		text = append([]byte("\ufeff"), bytes.TrimPrefix(text, []byte("\ufeff"))...)
	}
	return encodeIn(text, enc)
}

// EncodeMore is [EncodeText] for what follows in a body that has begun.
func EncodeMore(text []byte, contentType string) (data []byte, ok bool) {
	_, enc := charsetOf(contentType)
	if enc == nil || len(text) == 0 {
		return text, true
	}
	return encodeIn(text, enc)
}

func encodeIn(text []byte, enc encoding.Encoding) (data []byte, ok bool) {
	if data, err := enc.NewEncoder().Bytes(text); err == nil {
		return data, true
	}
	if enc == charmap.ISO8859_1 {
		// Browsers read this charset as the larger one.
		if data, err := charmap.Windows1252.NewEncoder().Bytes(text); err == nil {
			return data, true
		}
	}
	if json.Valid(text) {
		// Nothing but ASCII stands outside of strings.
		if data, err := enc.NewEncoder().Bytes(asciiJSON(text)); err == nil {
			return data, true
		}
	}
	return text, false
}

// asciiJSON is JSON with all other characters escaped.
func asciiJSON(text []byte) []byte {
	b := make([]byte, 0, 2*len(text))
	for _, r := range string(text) {
		switch {
		case r < utf8.RuneSelf:
			b = append(b, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, "\\u%04x\\u%04x", high, low)
		default:
			b = fmt.Appendf(b, "\\u%04x", r)
		}
	}
	return b
}

// EncodeBody is [EncodeText] by the content type of a header. Where the charset
// can't say the text, ok is false, and the header that is returned is a copy that
// tells UTF-8; else it is h itself.
func EncodeBody(h Header, text []byte) (data []byte, header Header, ok bool) {
	if !h.Has("Content-Type") {
		return text, h, true
	}
	if data, ok = EncodeText(text, h.Get("Content-Type")); ok {
		return data, h, true
	}
	h = h.Clone()
	h.Set("Content-Type", inUTF8(h.Get("Content-Type")))
	return data, h, false
}

// inUTF8 returns a content type whose charset is UTF-8.
func inUTF8(contentType string) string {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind, _, _ = strings.Cut(contentType, ";")
		return strings.TrimSpace(kind) + "; charset=utf-8"
	}
	params["charset"] = "utf-8"
	return mime.FormatMediaType(kind, params)
}

// decodeIn reads data in a charset and returns the name of that, which for UTF-16
// tells the byte order: the one of the mark, without a mark the one in which more
// characters are ASCII.
func decodeIn(data []byte, name string, enc encoding.Encoding) (text []byte, charset string, err error) {
	switch name {
	case "utf-16", "utf-16le", "utf-16be":
		mark, n := byteOrderMark(data)
		switch {
		case n == 2:
			name, data = mark, data[n:]
		case name == "utf-16" && bigEndian(data):
			name = "utf-16be"
		case name == "utf-16":
			name = "utf-16le"
		}
		enc = charsetNamed(name)
	case "utf-32":
		if len(data) > 0 && data[0] != 0 {
			enc = utf32.UTF32(utf32.LittleEndian, utf32.UseBOM)
		}
	}
	text, err = enc.NewDecoder().Bytes(data)
	return bytes.TrimPrefix(text, []byte("\ufeff")), name, err
}

// bigEndian reports whether more zeros stand in the first bytes of the
// characters than in the second.
func bigEndian(data []byte) bool {
	n := 0
	for i, c := range data[:min(len(data), 512)] {
		if c == 0 {
			n += 1 - 2*(i%2)
		}
	}
	return n > 0
}

// byteOrderMark returns the charset that a mark at the beginning of data names,
// empty for UTF-8, and the length of the mark, 0 for none.
func byteOrderMark(data []byte) (name string, length int) {
	if len(data) < 2 || data[0] < 0xef && data[0] != 0 {
		return "", 0
	}
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return "", 3
	case bytes.HasPrefix(data, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(data, []byte("\x00\x00\xfe\xff")):
		return "utf-32", 4
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return "utf-16le", 2
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		return "utf-16be", 2
	}
	return "", 0
}

// HasCharset reports whether a content type names a charset other than UTF-8.
func HasCharset(contentType string) bool {
	_, enc := charsetOf(contentType)
	return enc != nil
}

// charsetOf returns the charset that a content type names, nil for UTF-8, for
// none, and for one that is not known.
func charsetOf(contentType string) (string, encoding.Encoding) {
	name := charsetParam(contentType)
	if name == "" {
		return "", nil
	}
	return name, charsetNamed(name)
}

// UnknownCharset returns the charset that a content type names, when it is none
// that is known; else "".
func UnknownCharset(contentType string) string {
	name, enc := charsetOf(contentType)
	if enc != nil || isUTF8(name) {
		return ""
	}
	return name
}

// isUTF8 reports whether a lower-case name is one of UTF-8, or of ASCII, which is
// a part of it, or empty.
func isUTF8(name string) bool {
	switch name {
	case "", "utf-8", "utf8", "utf-8-sig", "us-ascii", "ascii":
		return true
	}
	return false
}

// charsetParam returns the charset parameter of a content type in lower case.
// The rest of the type may be wrong.
func charsetParam(contentType string) string {
	_, params, more := strings.Cut(contentType, ";")
	for more {
		var p string
		p, params, more = strings.Cut(params, ";")
		if key, value, ok := strings.Cut(p, "="); ok && strings.EqualFold(strings.TrimSpace(key), "charset") {
			return strings.ToLower(strings.Trim(value, " \t\"'"))
		}
	}
	return ""
}

// charsetNamed returns the charset of a lower-case name, nil where [isUTF8]
// holds and for a name that is not known.
func charsetNamed(name string) encoding.Encoding {
	if isUTF8(name) {
		return nil
	}
	switch name {
	case "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1", "l1", "cp819":
		return charmap.ISO8859_1
	case "utf-16", "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case "utf-16be":
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case "utf-32":
		return utf32.UTF32(utf32.BigEndian, utf32.UseBOM)
	case "utf-32le":
		return utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
	case "utf-32be":
		return utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	case "cp1252":
		return charmap.Windows1252
	}
	enc, err := htmlindex.Get(name)
	if err != nil {
		enc, err = ianaindex.IANA.Encoding(name)
	}
	if err != nil || enc == encoding.Replacement {
		return nil
	}
	return enc
}

// latin1 reads each byte as the character of its number.
func latin1(data []byte) []byte {
	b := make([]byte, 0, len(data)+len(data)/2)
	for _, c := range data {
		b = utf8.AppendRune(b, rune(c))
	}
	return b
}
