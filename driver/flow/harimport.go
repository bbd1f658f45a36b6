package flow

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

const (
	// maxEntry bounds an entry of a HAR document, which is in memory while it is
	// read.
	maxEntry = 512 << 20
	// maxNesting is how deeply what is passed over may be nested.
	maxNesting = 10000
)

// readHAR gives the flows of a HAR document. An entry that can't be used is a
// *RecordError in its place; one that has no index ends it.
func readHAR(r io.Reader, path string) iter.Seq2[*Flow, error] {
	return func(yield func(*Flow, error) bool) {
		br := bufio.NewReaderSize(r, 64<<10)
		if bom, _ := br.Peek(3); string(bom) == "\ufeff" {
			br.Discard(3)
		}
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

// document goes through the document, down to its entries.
func (h *harReader) document() error {
	err := h.object(func(key string) error {
		if key != "log" {
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

// object calls f for every key; f takes the value.
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
		err = fmt.Errorf("expected %q, got %v", rune(want), token)
	}
	return err
}

// skip passes over a value.
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
			err = fmt.Errorf("%s: got a JSON %s", kind.Field, kind.Value)
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
		if !h.yield(f, err) {
			return errStop
		}
		h.in.forget(h.dec.InputOffset())
	}
	return h.delim(']')
}

// broken tells whether err, of decoding an entry, is one of reading or of the
// syntax, so that nothing can follow. All others are about the entry.
func (h *harReader) broken(err error) bool {
	var syntax *json.SyntaxError
	return errors.As(err, &syntax) || h.in.err != nil && err != nil || errors.Is(err, io.ErrUnexpectedEOF)
}

// place says where in the document an error is.
func (h *harReader) place(err error) error {
	off := h.dec.InputOffset()
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		// A Decoder does not say where in a value it is, so the value is looked at
		// once more.
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

// lines knows where the lines of what it reads begin, back to where it was told
// to forget them, and bounds how much is read from there.
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

// at gives the line and the column of an offset, both from 1.
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

// flow makes a flow of an entry.
func (e *harEntry) flow() (*Flow, error) {
	start, err := parseHARTime(e.Started)
	if err != nil {
		return nil, err
	}
	if e.Request == nil {
		return nil, errors.New("it has no request")
	}
	f := &Flow{ID: newID(), Created: start, Comment: e.Comment}
	if f.Request, err = e.Request.request(); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	end := start
	if e.Time > 0 && e.Time < float64(math.MaxInt64/time.Millisecond) {
		end = start.Add(time.Duration(e.Time * float64(time.Millisecond)))
	}
	f.Request.Start, f.Request.End = start, start
	address := joinAddress(f.Request.Host, f.Request.Port)
	f.Client = Conn{ID: newID(), Start: start}
	f.Server = Conn{ID: newID(), Address: address}
	if ip := strings.Trim(e.ServerIP, "[]"); ip != "" {
		f.Server.Peer = joinAddress(ip, f.Request.Port)
	}
	if f.Request.Scheme == "https" {
		f.Client.TLS, f.Client.SNI, f.Client.TLSSetup = true, f.Request.Host, start
		f.Server.TLS, f.Server.SNI, f.Server.TLSSetup = true, f.Request.Host, start
	}
	if r := e.Response; r != nil {
		if r.Error != "" {
			f.Error = &Error{r.Error, end}
		}
		if r.Status != 0 {
			response, err := r.response(f.Request.Method)
			if err != nil {
				return nil, fmt.Errorf("response: %w", err)
			}
			response.Start, response.End = start, end
			f.Response = response
		}
	}
	if f.Response == nil && f.Error == nil {
		f.Error = &Error{"there was no response", end}
	}
	if e.Resource == "websocket" || e.WebSocket != nil {
		if f.WebSocket, err = socketOf(e.WebSocket); err != nil {
			return nil, fmt.Errorf("_webSocketMessages: %w", err)
		}
	}
	return f, nil
}

func (h *harRequest) request() (Request, error) {
	r := Request{Method: h.Method, Proto: protoOf(h.Proto)}
	if r.Method == "" {
		return r, errors.New("it has no method")
	}
	if err := r.target(h.URL); err != nil {
		return r, err
	}
	var authority string
	r.Header, authority = fieldsOf(h.Headers)
	r.Trailer, _ = fieldsOf(h.Trailers)
	if strings.HasPrefix(r.Proto, "HTTP/2") || r.Proto == "HTTP/3" {
		if r.Authority = authority; authority == "" {
			r.Authority = hostOf(&r)
		}
	}
	if h.PostData == nil {
		return r, nil
	}
	body, err := h.PostData.body()
	if err != nil {
		return r, fmt.Errorf("postData: %w", err)
	}
	r.Body = body
	r.Header = h.PostData.fit(r.Header, body, true)
	return r, nil
}

// target takes a URL apart, of which nothing is decoded.
func (r *Request) target(url string) error {
	scheme, rest, ok := strings.Cut(url, "://")
	r.Scheme = strings.ToLower(scheme)
	switch r.Scheme {
	case "ws":
		r.Scheme = "http"
	case "wss":
		r.Scheme = "https"
	case "http", "https":
	default:
		ok = false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	r.Host, r.Port = host, exchange.DefaultPort(r.Scheme)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		port, err := strconv.ParseUint(host[i+1:], 10, 16)
		ok = ok && err == nil
		r.Host, r.Port = host[:i], int(port)
	}
	if r.Host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]"); r.Host == "" || !ok {
		return fmt.Errorf("url %q: expected http or https, a host and a path", url)
	}
	if path, _, _ = strings.Cut(path, "#"); !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	r.Path = path
	return nil
}

// hostOf is the host as an authority names it, without the usual port.
func hostOf(r *Request) string {
	x := exchange.Request{Scheme: r.Scheme, Host: r.Host, Port: r.Port}
	return strings.TrimPrefix(x.URL(), r.Scheme+"://")
}

func (h *harResponse) response(method string) (*Response, error) {
	r := &Response{Status: h.Status, Reason: h.StatusText, Proto: protoOf(h.Proto)}
	if r.Status < 0 || r.Status > 999 {
		return nil, fmt.Errorf("status %d", r.Status)
	}
	if r.Reason == "" && strings.HasPrefix(r.Proto, "HTTP/1") {
		r.Reason = http.StatusText(r.Status)
	}
	r.Header, _ = fieldsOf(h.Headers)
	r.Trailer, _ = fieldsOf(h.Trailers)
	if h.Content == nil {
		return r, nil
	}
	body, err := h.Content.body()
	if err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	r.Body = body
	bare := method == "HEAD" || r.Status == http.StatusNotModified
	r.Header = h.Content.fit(r.Header, body, !bare || body.Size > 0)
	return r, nil
}

// body gives the bytes of a body.
func (t *harText) body() (Body, error) {
	switch {
	case t.Text == nil && t.Encoding == "" && t.Comment == "" && (t.Size == nil || *t.Size <= 0):
		return Body{}, nil
	case t.Text == nil:
		return Body{Missing: true}, nil
	}
	var data []byte
	switch strings.ToLower(t.Encoding) {
	case "":
		data = []byte(*t.Text)
	case "base64":
		var err error
		if data, err = base64.StdEncoding.DecodeString(*t.Text); err != nil {
			return Body{}, err
		}
	default:
		return Body{}, fmt.Errorf("encoding %q: expected base64", t.Encoding)
	}
	if len(data) == 0 {
		data = nil
	}
	return Body{Blob: capture.Blob{Size: int64(len(data)), Data: data}}, nil
}

// fit makes a header fit a body whose content encoding is undone. length says
// that the length must be that of the body.
func (t *harText) fit(header []Field, body Body, length bool) []Field {
	decoded := !body.Missing && body.Size > 0 && !strings.HasPrefix(t.Comment, stillIn)
	kept := header[:0]
	for _, f := range header {
		switch {
		case decoded && strings.EqualFold(f.Name, "Content-Encoding"):
			continue
		case length && !body.Missing && strings.EqualFold(f.Name, "Content-Length"):
			f.Value = strconv.FormatInt(body.Size, 10)
		}
		kept = append(kept, f)
	}
	return kept
}

// fieldsOf reads a header. Browsers have the pseudo-headers of HTTP/2 in it.
func fieldsOf(pairs []harPair) (fields []Field, authority string) {
	for _, p := range pairs {
		switch {
		case p.Name == ":authority":
			authority = p.Value
		case !strings.HasPrefix(p.Name, ":"):
			fields = append(fields, Field(p))
		}
	}
	return fields, authority
}

// protoOf spells a version as recordings do.
func protoOf(s string) string {
	switch s = strings.ToUpper(s); s {
	case "H2", "HTTP/2", "HTTP/2.0":
		return "HTTP/2.0"
	case "H3", "HTTP/3", "HTTP/3.0":
		return "HTTP/3"
	case "HTTP/1.0", "HTTP/1.1":
		return s
	}
	return "HTTP/1.1"
}

func socketOf(messages []harSocketMessage) (*WebSocket, error) {
	w := &WebSocket{}
	for i, m := range messages {
		out := Message{FromClient: m.Type == "send", Binary: m.Opcode != 1}
		if m.Time > 0 && m.Time < 1<<37 {
			out.Time = time.UnixMicro(int64(math.Round(m.Time * 1e6)))
		}
		out.Data = []byte(m.Data)
		if out.Binary {
			data, err := base64.StdEncoding.DecodeString(m.Data)
			if err != nil {
				return nil, fmt.Errorf("message %d: %w", i, err)
			}
			out.Data = data
		}
		if len(out.Data) == 0 {
			out.Data = nil
		}
		w.Messages = append(w.Messages, out)
	}
	return w, nil
}
