package h1

import (
	"strconv"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// Kind is how the end of a body is told.
type Kind uint8

// The kinds of framing (RFC 9112 section 6).
const (
	None       Kind = iota // there is no body
	Length                 // by its length
	Chunked                // by its last chunk
	UntilClose             // by the end of the connection
)

// Framing tells how long a body is.
type Framing struct {
	Kind Kind
	// N is the length in bytes; -1 when it is not known.
	N int64
	// Closes says that the connection can't be used after the body: the sender
	// told two lengths, so that where the next message begins is not sure.
	Closes bool

	lenient bool // of a response: its trailers are read as its header is
}

// told has the lines of a header about the length of a body: their values, joined by
// commas where there are several, and their number.
type told struct {
	length, coding   string
	lengths, codings int
}

func toldBy(h exchange.Header) (t told) {
	for i := range h {
		switch name := h[i].Name; {
		case len(name) == len("Content-Length") && strings.EqualFold(name, "Content-Length"):
			t.length = join(t.length, t.lengths, h[i].Value)
			t.lengths++
		case len(name) == len("Transfer-Encoding") && strings.EqualFold(name, "Transfer-Encoding"):
			t.coding = join(t.coding, t.codings, h[i].Value)
			t.codings++
		}
	}
	return t
}

// join appends a value to a list of n values.
func join(list string, n int, value string) string {
	if n == 0 {
		return value
	}
	return list + ", " + value
}

// requestFraming decides by RFC 9112 section 6.3. It refuses a request that a server
// behind us could read in another way.
func requestFraming(q *Request) (Framing, error) {
	t := toldBy(q.Header)
	switch {
	case t.codings == 0 && t.lengths == 0:
		return Framing{}, nil
	case q.Method == "CONNECT" && (t.codings > 0 || t.length != "0"):
		// Those bytes could belong to the tunnel (RFC 9110 section 9.3.6).
		return Framing{}, bad("got a CONNECT with a body, want none")
	case t.codings == 0:
		return contentLength(&q.Header, t)
	case t.lengths > 0:
		return Framing{}, bad("got both Transfer-Encoding and Content-Length, want one")
	case q.Proto == "HTTP/1.0":
		return Framing{}, bad("Transfer-Encoding: got it in a request of HTTP/1.0")
	case !isWord(t.coding, "chunked"):
		return Framing{}, bad("Transfer-Encoding: got " + excerpt.QuoteASCII(t.coding) + ", want chunked")
	}
	return Framing{Kind: Chunked, N: -1}, nil
}

// responseFraming decides by RFC 9112 section 6.3. Where Transfer-Encoding counts,
// Content-Length is taken out of the header.
func responseFraming(r *Response, method string) (f Framing, err error) {
	none := exchange.Bodiless(method, r.Status) || r.Status < 200 || method == "CONNECT" && r.Status < 300
	switch t := toldBy(r.Header); {
	case t.codings > 0:
		f, err = codedFraming(r, t)
	case t.lengths > 0:
		f, err = contentLength(&r.Header, t)
	case !none:
		f = Framing{Kind: UntilClose, N: -1}
	}
	if none {
		f.Kind = None
	}
	f.lenient = true
	return f, err
}

// codedFraming returns that of a response with Transfer-Encoding. A coding that
// is not known ends with the connection. Some clients find "chunked" wherever
// it is in the list; so it has to be the last entry or none.
func codedFraming(r *Response, t told) (Framing, error) {
	list := strings.ToLower(t.coding)
	before, chunked := strings.CutSuffix(list, "chunked")
	before = trim(before)
	switch {
	case r.Proto == "HTTP/1.0":
		return Framing{}, bad("Transfer-Encoding: got it in a response of HTTP/1.0")
	case !isCodings(t.coding):
		return Framing{}, bad("Transfer-Encoding: got " + excerpt.QuoteASCII(t.coding) + ", want names of codings")
	case list == "identity" && t.lengths > 0:
		// RFC 2616 has it for no coding, with a length beside it.
		r.Header.Del("Transfer-Encoding")
		f, err := contentLength(&r.Header, t)
		f.Closes = true
		return f, err
	case strings.Contains(before, "chunked"), chunked && before != "" && before[len(before)-1] != ',':
		return Framing{}, bad("Transfer-Encoding: got " + excerpt.QuoteASCII(t.coding) + ", want chunked once and last")
	}
	r.Header.Del("Content-Length")
	f := Framing{Kind: UntilClose, N: -1, Closes: t.lengths > 0}
	if chunked {
		f.Kind = Chunked
	}
	return f, nil
}

// isCodings reports whether s is a list of codings (RFC 9112 section 7) with
// nothing else in it. Parameters are let through.
func isCodings(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x7f || c < ' ' && c != '\t' {
			return false
		}
	}
	for one := range strings.SplitSeq(s, ",") {
		if trim(one) == "" {
			return false
		}
	}
	return true
}

// contentLength reads lengths, of which all have to be the same. Several are
// replaced by one line (RFC 9110 section 8.6).
func contentLength(h *exchange.Header, t told) (Framing, error) {
	first := t.length
	if strings.IndexByte(first, ',') >= 0 {
		first, _, _ = strings.Cut(first, ",")
		first = trim(first)
		for v := range strings.SplitSeq(t.length, ",") {
			if v = trim(v); v != first {
				return Framing{}, bad("Content-Length: got " + excerpt.QuoteASCII(first) + " and " + excerpt.QuoteASCII(v) + ", want one")
			}
		}
	}
	n, err := strconv.ParseUint(first, 10, 63)
	if err != nil { // ParseUint takes no sign and no blank
		return Framing{}, bad("Content-Length: got " + excerpt.QuoteASCII(first) + ", want digits")
	}
	if first != t.length {
		h.Set("Content-Length", first)
	}
	return Framing{Kind: Length, N: int64(n)}, nil
}

// isWord reports whether s is a word of ASCII letters, in any case. The lengths
// are compared since other letters fold into ASCII ones too: U+212A into "k".
func isWord(s, word string) bool { return len(s) == len(word) && strings.EqualFold(s, word) }
