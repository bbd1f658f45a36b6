package cli

import (
	"bytes"
	"io"
	"regexp"
	"unicode/utf8"
)

// screen is a terminal to which texts of strangers are printed. Only line ends, tabs and our
// own colours get through; any other character that plays with a terminal is U+FFFD.
type screen struct {
	io.Writer
	fd uintptr
	// rest is the beginning of a character whose end was not written yet.
	rest []byte
}

// onScreen returns w, guarded when it is a terminal.
func onScreen(w io.Writer) io.Writer {
	if f, ok := w.(descriptor); ok && terminal(w) {
		return &screen{Writer: w, fd: f.Fd()}
	}
	return w
}

// Fd returns the descriptor of the terminal.
func (s *screen) Fd() uintptr { return s.fd }

// ourColour matches a sequence that [palette] writes, at the beginning of a text.
var ourColour = regexp.MustCompile(`^\x1b\[(0|1|3[0-7]|90)m`)

// Write writes p as a terminal may see it.
func (s *screen) Write(p []byte) (int, error) {
	text := append(s.rest, p...)
	s.rest = nil
	var out bytes.Buffer
	for len(text) > 0 {
		if !utf8.FullRune(text) {
			s.rest = bytes.Clone(text)
			break
		}
		if colour := ourColour.Find(text); colour != nil {
			out.Write(colour)
			text = text[len(colour):]
			continue
		}
		r, n := utf8.DecodeRune(text)
		if r == '\n' || r == '\t' {
			out.WriteRune(r)
		} else {
			out.WriteString(printable(string(r)))
		}
		text = text[n:]
	}
	if _, err := s.Writer.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

var _ descriptor = (*screen)(nil)
