package hook

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine bounds a line of output, in bytes. A longer one comes in pieces.
const maxLine = 16 << 10

// lines cuts output into lines for emit, as Run documents.
type lines struct {
	begun []byte // of the line that is not complete, less than maxLine bytes
	emit  func(line string)
}

// add takes the next bytes of the output.
func (l *lines) add(data []byte) {
	for len(data) > 0 {
		line, _, ended := bytes.Cut(data, []byte("\n"))
		n := min(len(line), maxLine-len(l.begun))
		l.begun = append(l.begun, line[:n]...)
		data = data[n:]
		switch {
		case ended && n == len(line):
			data = data[1:] // the line feed
			l.send(len(l.begun))
		case len(l.begun) == maxLine:
			l.send(wholeRunes(l.begun))
		}
	}
}

// flush emits the last line, which has no line feed.
func (l *lines) flush() { l.send(len(l.begun)) }

// send emits the first n bytes of the line, unless they are blank.
func (l *lines) send(n int) {
	text := strings.ToValidUTF8(string(l.begun[:n]), "\uFFFD")
	l.begun = append(l.begun[:0], l.begun[n:]...)
	if text = strings.TrimRightFunc(text, unicode.IsSpace); text != "" {
		l.emit(text)
	}
}

// wholeRunes returns the length of b without an incomplete character at its end.
func wholeRunes(b []byte) int {
	for i := len(b) - 1; i >= max(0, len(b)-utf8.UTFMax); i-- {
		if utf8.RuneStart(b[i]) {
			if utf8.FullRune(b[i:]) {
				break
			}
			return i
		}
	}
	return len(b)
}
