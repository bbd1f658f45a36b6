// Package h1 reads and writes messages of HTTP/1.0 and HTTP/1.1 (RFC 9112):
// requests and responses alike, from devices and from servers.
//
// A message is kept as it came: the target raw, header lines in their order and
// spelling, the reason phrase too. A message that two readers could understand in two
// ways (RFC 9112 section 11.2) is refused with an [Error]. The connection can't be
// used after that.
package h1

import "strconv"

// Bounds of a message.
const (
	// MaxHead bounds the first line and the header together, in bytes, and the
	// trailers.
	MaxHead = 1 << 20
	// MaxLines bounds the lines of a header, and of the trailers.
	MaxLines = 1000
	// maxBlank bounds the empty lines before a message (RFC 9112 section 2.2).
	maxBlank = 16
)

// Error says why a message is refused.
type Error struct {
	// Status is that of the answer to a device: 400, 431 or 505.
	Status int
	// Reason is one line that names the place and the fault.
	Reason string
}

func (e *Error) Error() string { return e.Reason }

func bad(reason string) error { return &Error{400, reason} }

func badLine(n int, reason string) error {
	return bad("header line " + strconv.Itoa(n) + ": " + reason)
}
