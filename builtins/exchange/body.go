package exchange

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"time"
)

// Conn is the device's side of an exchange, seen by a Body that is being sent.
// Status line and header have been decided when a Body is asked to send itself.
type Conn interface {
	// Write sends body bytes; they may be held back until Flush or the end.
	io.Writer
	// ReadFrom sends all of r, by the fastest way the connection has.
	io.ReaderFrom
	// Flush sends what Write held back.
	Flush() error
	// Hijack takes an HTTP/1.1 connection out of the server's hands. Nothing
	// must have been written. The status line and header are then the
	// caller's to send.
	Hijack() (net.Conn, *bufio.ReadWriter, error)
}

// Body is the payload of a response: it knows how to send itself.
// SendTo returns when all is sent, the context ends, or the device has gone.
type Body interface {
	SendTo(ctx context.Context, c Conn) error
}

// Sized is a Body that knows its length in bytes; -1 means that it does not.
type Sized interface{ Size() int64 }

// Lasting is a Body that may take for ever to be sent, although it is Sized.
type Lasting interface{ Lasts() }

// Stored is a Body whose bytes stay available after it was sent, so that the
// record of the exchange refers to them instead of copying them.
type Stored interface {
	// Stored gives the bytes, or the path of the regular file that holds them
	// with the section that was sent.
	Stored() (data []byte, path string, off, n int64)
}

// Hijacker is a Body that wants the connection for itself before a status
// line is sent (a WebSocket, a raw fault).
type Hijacker interface {
	Body
	// Hijacks is a marker; SendTo calls Conn.Hijack.
	Hijacks()
}

// Bytes is a body held in memory. It is shared by all who send it: nobody
// changes it.
type Bytes []byte

// SendTo writes the bytes at once.
func (b Bytes) SendTo(_ context.Context, c Conn) error {
	_, err := c.Write(b)
	return err
}

// Size returns the number of bytes.
func (b Bytes) Size() int64 { return int64(len(b)) }

// Stored gives the bytes themselves.
func (b Bytes) Stored() ([]byte, string, int64, int64) { return b, "", 0, int64(len(b)) }

// File is a body streamed from an open regular file, or from a section of it.
// It is good for one response; Close is called by the proxy.
type File struct {
	F      *os.File
	Off, N int64
}

// SendTo streams the section; the kernel copies it where it can.
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

// Reader is a body that comes from elsewhere as it is sent. Whatever arrives
// is passed on without waiting for more. Close is called by the proxy.
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
