// Package splice does with sockets what package net does not offer and what
// depends on the operating system: it moves a body from one socket to another
// without reading it, and it looks whether something has come on a socket.
//
// proxy moves large bodies that are plain on both sides, and looks at a kept
// connection before it is used again.
package splice

import (
	"bufio"
	"io"
	"net"
	"os"
)

// MinSize is the size in bytes from which moving a body by pages is cheaper than
// copying it. Moving saves 31 % of the CPU time of a body of 10 MiB that is recorded;
// docs/decisions/splice.md says when to delete it.
const MinSize = 128 << 10

// Record keeps a copy of a body that is moved.
type Record interface {
	// Write keeps bytes that were read into memory.
	io.Writer
	// Take returns the file to which the next n bytes are to be moved. Nil means
	// that they are not kept.
	Take(n int64) *os.File
	// Took follows Take: n bytes have passed, of which saved are in the file. An
	// error is that of writing the file.
	Took(n, saved int64, err error)
}

// Mover is a body on its way from one socket to another. It is for one body.
type Mover struct {
	// From is the socket that the body comes from.
	From *net.TCPConn
	// Buffered reads from the same socket. It holds the bytes that were read
	// already, which go first.
	Buffered *bufio.Reader
	// Left is how much is to be moved, in bytes.
	Left int64
	// Record keeps a copy; nil keeps none.
	Record Record
}

// WriteError is the error of the socket that a body goes to.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return e.Err.Error() }

func (e *WriteError) Unwrap() error { return e.Err }

// Read reads a part of the body into memory, for a destination that is no socket.
// A source that ends too early gives io.ErrUnexpectedEOF.
func (m *Mover) Read(b []byte) (int, error) {
	if m.Left == 0 {
		return 0, io.EOF
	}
	n, err := m.Buffered.Read(b[:min(int64(len(b)), m.Left)])
	m.Left -= int64(n)
	if m.Record != nil {
		m.Record.Write(b[:n])
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// MoveTo moves the rest of the body to a destination and returns the number of bytes
// that the destination took. It calls moved each time that it took some. A body goes
// through memory to a destination that is no socket, and then to the end. Else MoveTo
// asks stop now and then, and returns early when that is true. The error is a
// *[WriteError] when the destination takes no more, else that of the source.
func (m *Mover) MoveTo(to io.Writer, moved func(), stop func() bool) (int64, error) {
	tcp, ok := to.(*net.TCPConn)
	if !ok {
		return m.copyTo(to, moved, func() bool { return true })
	}
	total, err := m.copyTo(to, moved, func() bool { return m.Buffered.Buffered() > 0 })
	if err != nil {
		return total, err
	}
	n, err := m.moveTo(tcp, moved, stop)
	return total + n, err
}

// copyTo moves bytes through memory as long as more says so.
func (m *Mover) copyTo(to io.Writer, moved func(), more func() bool) (total int64, err error) {
	var b [4 << 10]byte
	for m.Left > 0 && more() {
		n, err := m.Read(b[:])
		k, writeErr := to.Write(b[:n])
		total += int64(k)
		moved()
		switch {
		case writeErr != nil:
			return total, &WriteError{writeErr}
		case err != nil:
			return total, err
		}
	}
	return total, nil
}

// Interface guards.
var (
	_ io.Reader = (*Mover)(nil)
	_ error     = (*WriteError)(nil)
)
