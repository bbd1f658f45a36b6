package flow

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/capture"
)

const (
	// maxInMemory is the largest body that is read once and kept until it is written, in
	// bytes. Larger bodies are read twice.
	maxInMemory = 1 << 20
	// maxUnfolded is the largest decoded size of an encoded body, in bytes. A larger body
	// is exported in its encoding.
	maxUnfolded = 1 << 30
)

// harBody is a body that is being exported.
type harBody struct {
	size    int64
	base64  bool
	missing bool
	comment string
	data    []byte // the whole body, when open is nil
	open    func() (io.ReadCloser, error)
}

// measure reads a body and undoes its content encodings if that is possible.
func measure(header exchange.Header, b Body) (harBody, error) {
	m, err := unfold(header, b)
	// An import writes text in the charset of its type, see harBytes.
	if typ := header.Get("Content-Type"); err == nil && !m.base64 && m.size > 0 {
		if m.open != nil {
			m.base64 = exchange.HasCharset(typ) || namesItself(typ)
		} else {
			m.base64 = !bytes.Equal(harBytes(string(m.data), typ), m.data)
		}
	}
	return m, err
}

func unfold(header exchange.Header, b Body) (harBody, error) {
	if b.Missing || b.Truncated {
		return harBody{missing: true, comment: notStored}, nil
	}
	m := harBody{open: func() (io.ReadCloser, error) { return capture.OpenDecoded(header, b.Blob) }}
	if header.Has("Content-Encoding") && b.Size > 0 {
		err := m.read()
		if err == nil {
			return m, nil
		}
		m = harBody{comment: fmt.Sprintf("%s: %v", stillIn, err)}
	}
	m.open = func() (io.ReadCloser, error) { return capture.OpenBody(b.Blob) }
	err := m.read()
	if errors.Is(err, capture.ErrNotKept) {
		return harBody{missing: true, comment: notStored}, nil
	}
	m.base64 = m.base64 || m.comment != ""
	return m, err
}

// read reads the body once, for its size and its form.
func (m *harBody) read() error {
	r, err := m.open()
	if err != nil {
		return err
	}
	defer r.Close()
	var check utf8Check
	m.data, err = io.ReadAll(io.LimitReader(r, maxInMemory+1))
	check.Write(m.data)
	m.size = int64(len(m.data))
	binary := mostlyBinary(m.data)
	switch {
	case err != nil:
		return err
	case m.size <= maxInMemory:
		m.open = nil
	default:
		m.data = nil
		n, err := io.Copy(&check, io.LimitReader(r, maxUnfolded))
		if err != nil {
			return err
		}
		if m.size += n; n == maxUnfolded {
			return fmt.Errorf("more than %d bytes", maxUnfolded)
		}
	}
	m.base64 = binary || !check.valid()
	return nil
}

// writeTo writes the body as the inside of a JSON string.
func (m *harBody) writeTo(w io.Writer) error {
	var out io.Writer = &escaper{w: w}
	var end io.Closer
	if m.base64 {
		e := base64.NewEncoder(base64.StdEncoding, w)
		out, end = e, e
	}
	if m.open == nil {
		if _, err := out.Write(m.data); err != nil {
			return err
		}
	} else {
		r, err := m.open()
		if err != nil {
			return err
		}
		defer r.Close()
		n, err := io.Copy(out, io.LimitReader(r, m.size))
		if err == nil && n < m.size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	if end != nil {
		return end.Close()
	}
	return nil
}

// mostlyBinary reports whether more than 30 % of the beginning of data are control
// characters.
func mostlyBinary(data []byte) bool {
	data = data[:min(len(data), 512)]
	odd := 0
	for _, c := range data {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			odd++
		}
	}
	return odd*10 > len(data)*3
}

// utf8Check checks that all bytes written to it are UTF-8.
type utf8Check struct {
	bad  bool
	part []byte // beginning of a character that the last Write cut
}

func (c *utf8Check) Write(p []byte) (int, error) {
	n := len(p)
	for !c.bad && len(c.part) > 0 && len(p) > 0 {
		c.part, p = append(c.part, p[0]), p[1:]
		if utf8.FullRune(c.part) {
			c.bad = !utf8.Valid(c.part)
			c.part = c.part[:0]
		}
	}
	if c.bad || len(p) == 0 {
		return n, nil
	}
	end := len(p)
	for i := 1; i <= min(utf8.UTFMax, len(p)); i++ {
		if rest := p[len(p)-i:]; utf8.RuneStart(rest[0]) {
			if !utf8.FullRune(rest) {
				end -= i
			}
			break
		}
	}
	c.bad = !utf8.Valid(p[:end])
	c.part = append(c.part[:0], p[end:]...)
	return n, nil
}

func (c *utf8Check) valid() bool { return !c.bad && len(c.part) == 0 }

// escaper writes UTF-8 as the inside of a JSON string. A character must not be cut by
// the end of the last Write.
type escaper struct {
	w    io.Writer
	part []byte // of a character that the last Write cut
	out  []byte
}

func (e *escaper) Write(p []byte) (int, error) {
	text := append(e.part, p...)
	whole := len(text)
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if last := text[len(text)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				whole -= i
			}
			break
		}
	}
	e.out = jsonvalue.AppendEscaped(e.out[:0], string(text[:whole]))
	e.part = append(e.part[:0], text[whole:]...)
	_, err := e.w.Write(e.out)
	return len(p), err
}
