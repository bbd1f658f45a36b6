package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
)

// bodyName matches the names of bodyPath: number of the entry, side, and the
// beginning of the journal's id.
var bodyName = regexp.MustCompile(`^(\d{6,})_(request|response)(_decoded)?_([A-Z2-7]{8})\.bin$`)

// bodyPath returns a path in the spool directory that names a body of e for
// [Journal.OpenPath]. No file is there. Decoded names the body with its content
// encoding undone. ok is false when the journal has no spool directory, or no
// longer has the entry.
func (j *Journal) bodyPath(e *Entry, resp, decoded bool) (path string, ok bool) {
	j.mu.Lock()
	_, _, ok = j.find(e.Seq)
	j.mu.Unlock()
	if !ok || j.spool.home.root == "" {
		return "", false
	}
	side, form := "request", ""
	if resp {
		side = "response"
	}
	if decoded {
		form = "_decoded"
	}
	return filepath.Join(j.spool.home.root, fmt.Sprintf("%06d_%s%s_%s.bin", e.Seq, side, form, j.id[:8])), true
}

// OpenPath opens a body by a path of an event. The error is [fs.ErrNotExist] when
// the path names no body that the journal has. It may be the path of a file then.
func (j *Journal) OpenPath(path string) (body io.ReadCloser, err error) {
	m := bodyName.FindStringSubmatch(filepath.Base(path))
	if m == nil || j.spool.home.root == "" || filepath.Dir(path) != filepath.Clean(j.spool.home.root) || m[4] != j.id[:8] {
		return nil, fs.ErrNotExist
	}
	seq, _ := strconv.ParseUint(m[1], 10, 64) // none beyond uint64 is there
	e, ok := j.Get(seq)
	if !ok {
		return nil, fs.ErrNotExist
	}
	resp, decoded := m[2] == "response", m[3] != ""
	h, b := e.RequestHeader, e.RequestBody
	if resp {
		h, b = e.ResponseHeader, e.ResponseBody
	}
	switch {
	case e.Stream():
		return io.NopCloser(bytes.NewReader(j.streamBytes(seq, !resp))), nil
	case decoded:
		body, err = OpenDecoded(h, b)
		body = broken{body}
	default:
		body, err = OpenBody(b)
	}
	if errors.Is(err, ErrNotKept) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	return body, nil
}

// streamBytes returns what is held of one direction of a stream, as its event has
// it.
func (j *Journal) streamBytes(seq uint64, fromClient bool) []byte {
	if j.sockets == nil {
		return nil
	}
	pieces, _ := j.sockets.Stream(seq)
	return Bytes(pieces, fromClient, j.inline).Data
}

// broken reads as much as can be decoded: an error ends the body.
type broken struct{ io.ReadCloser }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}
