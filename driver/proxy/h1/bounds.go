package h1

import "starproxy/builtins/exchange"

// Bounded returns an *[Error] when a header that was not read by a [Reader] is
// over the bounds of a message. First is the size of the first line, in bytes.
func Bounded(first int, h exchange.Header) error {
	if len(h) > MaxLines {
		return tooManyLines()
	}
	size := first
	for i := range h {
		size += len(h[i].Name) + len(h[i].Value) + len(": \r\n")
	}
	if size > MaxHead {
		return tooLong()
	}
	return nil
}

func tooManyLines() error { return &Error{431, "header: got over 1000 lines, want less"} }
