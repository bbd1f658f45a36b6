package driver

import (
	"errors"
	"io"
	"io/fs"
	"iter"

	"starproxy/driver/access"
)

// chunkSize is how much of a file goes into one message: in base64 it stays
// well below gRPC's 4 MiB.
const chunkSize = 2 << 20

// chunks streams what open opens, in pieces. An error of reading that is
// [io.ErrUnexpectedEOF] itself, unwrapped, counts as the end.
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

// openIn opens a regular file below dir, which the configuration names; invalid
// is the error for a file that clients can't have, whether or not it is there.
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
