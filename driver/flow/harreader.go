package flow

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

const (
	// maxEntry is the largest entry of a HAR document, in bytes. It is in memory while it
	// is read.
	maxEntry = 512 << 20
	// maxNesting is how deep values that are skipped may be nested.
	maxNesting = 10000
)

// readHAR yields the flows of a HAR document. An entry that can't be used is a *RecordError
// in its place. An error without an index ends the document.
func readHAR(r io.Reader, path string) iter.Seq2[*Flow, error] {
	return func(yield func(*Flow, error) bool) {
		// A byte order mark is removed. With one, the document may be UTF-16.
		br := bufio.NewReaderSize(transform.NewReader(r, unicode.BOMOverride(encoding.Nop.NewDecoder())), 64<<10)
		in := &lines{r: br}
		h := &harReader{in: in, dec: json.NewDecoder(in), path: path, yield: yield}
		if err := h.document(); err != nil && err != errStop {
			yield(nil, &RecordError{Path: path, HAR: true, Index: -1, Offset: h.dec.InputOffset(), Err: h.place(err)})
		}
	}
}

// errStop says that no more flows are wanted.
var errStop = errors.New("stop")

type harReader struct {
	in    *lines
	dec   *json.Decoder
	path  string
	yield func(*Flow, error) bool
	found bool // the entries
}

// document reads the document down to its entries.
func (h *harReader) document() error {
	err := h.object(func(key string) error {
		switch key {
		case "entries": // without a log around them
			return h.entries()
		case "log":
		default:
			return h.skip()
		}
		return h.object(func(key string) error {
			if key != "entries" {
				return h.skip()
			}
			return h.entries()
		})
	})
	if err == nil && !h.found {
		err = errors.New("it has no log.entries")
	}
	return err
}

// object calls f for each key. f reads the value.
func (h *harReader) object(f func(key string) error) error {
	if err := h.delim('{'); err != nil {
		return err
	}
	for h.dec.More() {
		key, err := h.dec.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		if err := f(name); err != nil {
			return err
		}
		h.in.forget(h.dec.InputOffset())
	}
	return h.delim('}')
}

func (h *harReader) delim(want json.Delim) error {
	token, err := h.dec.Token()
	if err == nil && token != want {
		err = fmt.Errorf("expected %s, got %s", inWords(want), inWords(token))
	}
	return err
}

// inWords names a token of JSON in words.
func inWords(token json.Token) string {
	switch token {
	case json.Delim('{'):
		return "an object"
	case json.Delim('['):
		return "a list"
	case nil:
		return "null"
	}
	switch t := token.(type) {
	case json.Delim:
		return t.String()
	case string:
		return fmt.Sprintf("the text %.40q", t)
	case float64:
		return fmt.Sprintf("the number %v", t)
	}
	return fmt.Sprintf("%.40v", token)
}

// skip skips a value.
func (h *harReader) skip() error {
	for depth := 0; ; {
		token, err := h.dec.Token()
		if err != nil {
			return err
		}
		h.in.forget(h.dec.InputOffset())
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxNesting {
				return fmt.Errorf("nested more than %d deep", maxNesting)
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

func (h *harReader) entries() error {
	h.found = true
	if err := h.delim('['); err != nil {
		return err
	}
	for i := 0; h.dec.More(); i++ {
		var e harEntry
		off := h.dec.InputOffset()
		err := h.dec.Decode(&e)
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &kind):
			err = fmt.Errorf("got a JSON %s, want an object", kind.Value)
			if kind.Field != "" {
				err = fmt.Errorf("%s: got a JSON %s", kind.Field, kind.Value)
			}
		case h.broken(err):
			return fmt.Errorf("entry %d: %w", i, err)
		}
		var f *Flow
		if err == nil {
			f, err = e.flow()
		}
		if err != nil {
			f, err = nil, &RecordError{Path: h.path, HAR: true, Index: i, Offset: off, Err: err}
		}
		if f != nil {
			for n, doubt := range f.doubts {
				f.doubts[n] = fmt.Sprintf("entry %d: %s", i, doubt)
			}
		}
		if !h.yield(f, err) {
			return errStop
		}
		h.in.forget(h.dec.InputOffset())
	}
	return h.delim(']')
}

// broken reports whether an error of decoding an entry is one of reading or of the syntax.
// No entry can follow then. Other errors are about one entry.
func (h *harReader) broken(err error) bool {
	var syntax *json.SyntaxError
	return errors.As(err, &syntax) || h.in.err != nil && err != nil || errors.Is(err, io.ErrUnexpectedEOF)
}

// place adds the place in the document to an error.
func (h *harReader) place(err error) error {
	off := h.dec.InputOffset()
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		// A Decoder does not tell its place inside a value, so the value is decoded once
		// more.
		data, _ := io.ReadAll(h.dec.Buffered())
		if errors.As(json.Unmarshal(data, new(json.RawMessage)), &syntax) {
			off += max(syntax.Offset-1, 0)
		}
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		off = h.in.read
	}
	line, column := h.in.at(off)
	return fmt.Errorf("line %d:%d: %w", line, column, err)
}

// lines is a reader that knows where lines begin, back to the last forget. It limits how
// much is read from there.
type lines struct {
	r      io.Reader
	read   int64
	kept   int64   // lines that begin before are forgotten
	line   int     // lines that are forgotten
	begin  int64   // of the last of them
	starts []int64 // of the others
	err    error
}

func (l *lines) Read(p []byte) (int, error) {
	if l.read-l.kept > maxEntry {
		l.err = fmt.Errorf("more than %d MiB in one piece", maxEntry>>20)
		return 0, l.err
	}
	n, err := l.r.Read(p)
	for i, c := range p[:n] {
		if c == '\n' {
			l.starts = append(l.starts, l.read+int64(i)+1)
		}
	}
	l.read += int64(n)
	if err != nil && err != io.EOF {
		l.err = err
	}
	return n, err
}

func (l *lines) forget(before int64) {
	n := 0
	for n < len(l.starts) && l.starts[n] <= before {
		l.begin = l.starts[n]
		n++
	}
	l.line += n
	l.starts = append(l.starts[:0], l.starts[n:]...)
	l.kept = before
}

// at returns the line and the column of an offset, both counted from 1.
func (l *lines) at(off int64) (line, column int64) {
	begin := l.begin
	line = int64(l.line) + 1
	for _, start := range l.starts {
		if start > off {
			break
		}
		begin = start
		line++
	}
	return line, max(off-begin, 0) + 1
}
