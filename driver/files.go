package driver

import (
	"errors"
	"io"
	"io/fs"
	"iter"

	"starproxy/driver/access"
)

// chunkSize is the size of a piece of a file, in bytes. In base64 it fits into a gRPC
// message of 4 MiB.
const chunkSize = 2 << 20

// chunks opens a file and yields its content in pieces. The reader must not return
// [io.ErrUnexpectedEOF] unwrapped: chunks takes that for the end of the file.
func chunks(open func() (io.ReadCloser, error)) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		f, err := open()
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		buf := make([]byte, chunkSize)
		for {
			n, err := io.ReadFull(f, buf)
			if n > 0 && !yield(buf[:n], nil) {
				return
			}
			switch err {
			case nil:
			case io.EOF, io.ErrUnexpectedEOF:
				return
			default:
				yield(nil, err)
				return
			}
		}
	}
}

// openIn opens a regular file below dir, a directory of the configuration. It returns
// invalid for a file that clients must not have, whether or not the file exists.
func openIn(p *access.Policy, dir, name string, invalid error) (io.ReadCloser, error) {
	f, _, err := p.Owned(dir).Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, err
	case err != nil:
		return nil, invalid
	}
	return f, nil
}
