package exchange

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"time"
)

// Conn is the device's side of an exchange, to which a Body is sent. Status line and
// header cannot be changed any more then.
type Conn interface {
	// Write sends bytes of the body. They may be buffered until Flush or the end.
	io.Writer
	// ReadFrom sends all bytes of r, in the fastest way of the connection.
	io.ReaderFrom
	// Flush sends the buffered bytes.
	Flush() error
	// Hijack takes over an HTTP/1.1 connection from the server. Nothing may have
	// been written before. After it, the caller must send the status line and the
	// header.
	Hijack() (net.Conn, *bufio.ReadWriter, error)
}

// Body is the payload of a response: it knows how to send itself.
// SendTo returns when all is sent, the context ends, or the device has gone.
type Body interface {
	SendTo(ctx context.Context, c Conn) error
}

// Sized is a Body with a length in bytes. -1 means that the length is unknown.
type Sized interface{ Size() int64 }

// Lasting is a Body that may never end, although it is Sized.
type Lasting interface{ Lasts() }

// Stored is a Body whose bytes stay available after it was sent. The record of the
// exchange refers to them instead of copying them.
type Stored interface {
	// Stored returns the bytes, or else the path of the regular file that has them,
	// with the offset and length of the section that was sent.
	Stored() (data []byte, path string, off, n int64)
}

// Hijacker is a Body that takes over the connection before a status line is sent, such
// as a WebSocket or a bare fault.
type Hijacker interface {
	Body
	// Hijacks is a marker; SendTo calls Conn.Hijack.
	Hijacks()
}

// Bytes is a body in memory. Responses share it, so it must not be changed.
type Bytes []byte

// SendTo writes the bytes at once.
func (b Bytes) SendTo(_ context.Context, c Conn) error {
	_, err := c.Write(b)
	return err
}

// Size returns the number of bytes.
func (b Bytes) Size() int64 { return int64(len(b)) }

// Stored returns the bytes.
func (b Bytes) Stored() ([]byte, string, int64, int64) { return b, "", 0, int64(len(b)) }

// File is a body streamed from an open regular file, or from a section of it.
// It is for one response. The proxy calls Close.
type File struct {
	F      *os.File
	Off, N int64
}

// SendTo streams the section. If possible, the kernel copies it.
func (f *File) SendTo(ctx context.Context, c Conn) error {
	if _, err := f.F.Seek(f.Off, io.SeekStart); err != nil {
		return err
	}
	n, err := c.ReadFrom(io.LimitReader(f.F, f.N))
	if err == nil && n < f.N {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Size returns the length of the section.
func (f *File) Size() int64 { return f.N }

// Stored refers to the file by its path.
func (f *File) Stored() ([]byte, string, int64, int64) { return nil, f.F.Name(), f.Off, f.N }

// Close closes the file.
func (f *File) Close() error { return f.F.Close() }

// Reader is a body that is read while it is sent. Bytes that arrive are passed on at
// once. The proxy calls Close.
type Reader struct {
	R io.ReadCloser
	// N is the length in bytes, -1 when unknown.
	N int64
}

// SendTo copies until the source ends.
func (r *Reader) SendTo(ctx context.Context, c Conn) error {
	_, err := c.ReadFrom(r.R)
	return err
}

// Size returns N.
func (r *Reader) Size() int64 { return r.N }

// Close closes the source.
func (r *Reader) Close() error { return r.R.Close() }

// Sleep waits for d or until ctx ends, whose error it then returns.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Interface guards.
var (
	_ Body   = Bytes(nil)
	_ Stored = Bytes(nil)
	_ Sized  = (*File)(nil)
	_ Stored = (*File)(nil)
	_ Sized  = (*Reader)(nil)
)
