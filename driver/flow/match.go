package flow

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// Matching says which parts of a request are compared with recordings. The zero value is
// that of mitmproxy: scheme, method, path, query, host, port and body, and the Range of a
// request that was answered with a part.
type Matching struct {
	IgnoreHost, IgnorePort, IgnoreBody bool
	// IgnoreQuery and IgnoreForm name parameters of the query, and fields of
	// forms, that do not count.
	IgnoreQuery, IgnoreForm []string
	// Headers name headers that count, too.
	Headers []string
}

// subject has the parts of a request that are compared, recorded or live.
type subject struct {
	scheme, method, host string
	port                 int
	target               string
	header               exchange.Header
	body                 func() (io.ReadCloser, error)
	missing              bool   // the body was not recorded
	span                 string // the range that is asked for, see spanOf
	fields               bool   // a form is compared by its fields, not by its bytes
}

// key is the digest of all parts that are compared.
type key [16]byte

// subjectOf returns the subject of a flow.
func subjectOf(f *Flow) subject {
	s := recorded(&f.Request)
	_, s.fields = f.Metadata[formKey]
	if f.Response != nil {
		s.span = spanOf(f)
	}
	return s
}

// recorded returns the subject of a recorded request.
func recorded(r *Request) subject {
	s := subject{scheme: r.Scheme, method: r.Method, port: r.Port, target: r.Path, header: r.Header, missing: r.Body.Missing}
	authority := r.Authority
	if authority == "" || !strings.HasPrefix(r.Proto, "HTTP/2") && !strings.HasPrefix(r.Proto, "HTTP/3") {
		authority = r.Header.Get("Host")
	}
	if s.host = hostPart(authority); s.host == "" {
		s.host = r.Host
	}
	s.body = func() (io.ReadCloser, error) { return capture.OpenBody(r.Body.Blob) }
	return s
}

// live returns the subject of a request with the whole body.
func live(q *exchange.Request, body []byte) subject {
	s := subject{scheme: q.Scheme, method: q.Method, port: q.Port, target: q.Target, header: q.Header, span: span(q.Header.Get("Range"))}
	authority := q.Authority
	if !strings.HasPrefix(q.Proto, "HTTP/2") && q.Header.Has("Host") {
		authority = q.Header.Get("Host") // that of a target in absolute form is not recorded
	}
	if s.host = hostPart(authority); s.host == "" {
		s.host = q.Host
	}
	s.body = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return s
}

// hostPart returns an authority without its port, in its own spelling.
func hostPart(authority string) string {
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && strings.IndexByte(authority[i:], ']') < 0 &&
		strings.Trim(authority[i+1:], "0123456789") == "" {
		return authority[:i]
	}
	return authority
}

// The names of parts in messages, in the order of messages.
const (
	partScheme = "scheme"
	partMethod = "method"
	partPath   = "path"
	partBody   = "body"
	partHost   = "host"
	partPort   = "port"
	partQuery  = "query"
	partRange  = "range"
	partHeader = "header "
)

// part is a part that is compared, with its value as text.
type part struct{ name, value string }

// parts returns all parts but the body.
func (m *Matching) parts(s *subject) []part {
	path, query := splitTarget(s.target)
	list := append(make([]part, 0, 8), part{partScheme, s.scheme}, part{partMethod, strings.ToUpper(s.method)}, part{partPath, path})
	if !m.IgnoreHost {
		list = append(list, part{partHost, s.host})
	}
	if !m.IgnorePort {
		list = append(list, part{partPort, itoa(s.port)})
	}
	list = append(list, part{partQuery, m.query(query)}, part{partRange, s.span})
	for _, name := range m.Headers {
		value := "\x00" // absent is not empty
		if s.header.Has(name) {
			value = s.header.Joined(name)
		}
		list = append(list, part{partHeader + name, value})
	}
	return list
}

// keyOf returns the digest of a subject.
func (m *Matching) keyOf(s *subject) (k key, err error) {
	h := sha256.New()
	for _, p := range m.parts(s) {
		field(h, p.value)
	}
	if !m.IgnoreBody {
		sum, err := m.bodySum(s)
		if err != nil {
			return k, err
		}
		field(h, sum)
	}
	copy(k[:], h.Sum(nil))
	return k, nil
}

func field(h hash.Hash, s string) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(s)))
	h.Write(n[:])
	io.WriteString(h, s)
}

// emptySum is the digest of an empty body, which most requests have.
var emptySum = digestOf(nil)

func digestOf(b []byte) string {
	s := sha256.Sum256(b)
	return string(s[:])
}

// bodySum returns the digest of the body: of its bytes, or of the fields of a form that are
// compared.
func (m *Matching) bodySum(s *subject) (string, error) {
	if s.missing {
		return "missing", nil
	}
	r, err := s.body()
	if err != nil {
		return "", err
	}
	defer r.Close()
	if len(m.IgnoreForm) > 0 || s.fields {
		if typ, params, err := mime.ParseMediaType(s.header.Joined("Content-Type")); err == nil {
			switch typ {
			case urlencoded, formData:
				return m.formSum(s, r, typ, params["boundary"])
			}
		}
	}
	h := sha256.New()
	n, err := io.Copy(h, r)
	if n == 0 && err == nil {
		return emptySum, nil
	}
	return string(h.Sum(nil)), err
}

// maxFields is the largest form that is compared by its fields, in bytes.
const maxFields = 16 << 20

func (m *Matching) formSum(s *subject, r io.Reader, typ, boundary string) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFields))
	if err != nil {
		return "", err
	}
	if plain, err := exchange.Decode(data, exchange.Encodings(s.header), maxFields); err == nil {
		data = plain
	}
	digest := sha256.New()
	add := func(name, value string) {
		if !slices.Contains(m.IgnoreForm, name) {
			field(digest, name)
			field(digest, value)
		}
	}
	if s.fields {
		field(digest, "fields") // and no bytes
	}
	if typ == formData {
		for mr := multipart.NewReader(bytes.NewReader(data), boundary); ; {
			p, err := mr.NextRawPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				return digestOf(data), nil // it is no form
			}
			value, err := io.ReadAll(p)
			if err != nil {
				return digestOf(data), nil
			}
			if s.fields && p.FileName() != "" { // what is in a file is seldom recorded
				value = []byte("file " + p.FileName())
			}
			add(p.FormName(), string(value))
		}
	} else {
		for name, value := range exchange.FormPairs(data, s.header.Joined("Content-Type")) {
			add(name, value)
		}
	}
	return string(digest.Sum(nil)), nil
}

// query returns the canonical form of the pairs of a query that count.
func (m *Matching) query(raw string) string {
	if raw == "" {
		return ""
	}
	var b strings.Builder
	for name, value := range exchange.Pairs(raw) {
		if slices.Contains(m.IgnoreQuery, name) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(name) + "=" + url.QueryEscape(value))
	}
	return b.String()
}

// splitTarget returns the path of a request target, without the parameters of its last
// segment and without a fragment, and the query.
func splitTarget(target string) (path, query string) {
	query = exchange.QueryOf(target)
	target, _, _ = strings.Cut(target, "#")
	path = exchange.PathOf(target)
	slash := strings.LastIndexByte(path, '/')
	if i := strings.IndexByte(path[slash+1:], ';'); i >= 0 {
		path = path[:slash+1+i]
	}
	return path, query
}
