package proxy

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/http"
	"net/textproto"
	"strings"
)

// Header names are case-insensitive, but there are devices and tests that know
// them in one spelling only. net/http puts them into its own; so the raw
// header block is noted as it is read, and where a name was spelt otherwise,
// that spelling goes along with the message.

// maxNoted bounds how much of a header block is looked at.
const maxNoted = 8 << 10

// headNote keeps the bytes that were read while a header was awaited.
type headNote struct {
	on    bool
	owed  bool // no request of the header has come to our handler yet
	never bool // HTTP/2 has no header block to be noted
	buf   []byte

	// Of the header before, and what names gave for it: on a kept connection
	// most have the same lines.
	sent  []string
	odd   map[string]string
	order []string
}

func (n *headNote) add(b []byte) {
	if n.on && len(n.buf) < maxNoted {
		n.buf = append(n.buf, b[:min(len(b), maxNoted-len(n.buf))]...)
	}
}

// begin waits for the next header block; end stops noting: what is read from
// then on may be read by another goroutine.
func (n *headNote) begin() {
	if !n.never {
		n.on, n.owed, n.buf = true, true, n.buf[:0]
	}
}

func (n *headNote) end() {
	if !n.never {
		n.on = false
	}
}

// names gives the names of the header lines in their order, in net/http's
// spelling, and by those the spellings that differ; nil when there are none.
// The order is nil when the header was too long to be noted whole. Nobody may
// change either.
func (n *headNote) names() (odd map[string]string, order []string) {
	_, head, _ := bytes.Cut(n.buf, []byte{'\n'}) // the first line
	end := bytes.Index(head, []byte("\r\n\r\n"))
	if end < 0 {
		odd, _, _ = spelling(string(head))
		return odd, nil
	}
	if head = head[:end+2]; !n.again(head) {
		n.odd, n.order, n.sent = spelling(string(head))
	}
	return n.odd, n.order
}

// again tells whether a header has the lines of the one before.
func (n *headNote) again(head []byte) bool {
	for _, name := range n.sent {
		k := len(name)
		if len(head) <= k || head[k] != ':' || string(head[:k]) != name {
			return false
		}
		head = head[bytes.IndexByte(head, '\n')+1:]
	}
	return len(head) == 0
}

// spelling takes the lines of a header apart; sent is the names as they came.
func spelling(block string) (odd map[string]string, order, sent []string) {
	lines := strings.Count(block, "\n")
	order, sent = make([]string, 0, lines), make([]string, 0, lines)
	for {
		i := strings.IndexByte(block, '\n')
		if i < 2 { // the blank line, or the end of what was noted
			return odd, order, sent
		}
		line := block[:i]
		block = block[i+1:]
		k := strings.IndexByte(line, ':')
		if k <= 0 {
			continue
		}
		name := line[:k]
		sent = append(sent, name)
		if !canonical(name) {
			c := textproto.CanonicalMIMEHeaderKey(name)
			if c != name {
				if odd == nil {
					odd = map[string]string{}
				}
				odd[c] = name
			}
			name = c
		}
		order = append(order, name)
	}
}

// canonical tells whether a name is in net/http's spelling: upper case at the
// beginning and after each '-', lower case elsewhere.
func canonical(name string) bool {
	upper := true
	for i := range len(name) {
		c := name[i]
		if upper && 'a' <= c && c <= 'z' || !upper && 'A' <= c && c <= 'Z' {
			return false
		}
		upper = c == '-'
	}
	return true
}

// lowerNames is the spelling of HTTP/2.
func lowerNames(h http.Header) map[string]string {
	names := make(map[string]string, len(h))
	for k := range h {
		names[k] = strings.ToLower(k)
	}
	return names
}

// clearConn is a TLS connection that speaks HTTP/1.1: as it is no *tls.Conn,
// net/http reads through it, and the header can be noted.
type clearConn struct {
	*tls.Conn
	pre   []byte // read already
	note  headNote
	limit int // of the plaintext of a record, 0 for none
}

// Write sends bytes in records as short as the device wants them.
func (c *clearConn) Write(b []byte) (n int, err error) {
	if below, ok := c.NetConn().(*conn); ok && c.note.owed {
		if err := below.p.explain(c.Conn, &c.note, b); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	for c.limit > 0 && len(b) > c.limit {
		m, err := c.Conn.Write(b[:c.limit])
		if n += m; err != nil {
			return n, err
		}
		b = b[m:]
	}
	m, err := c.Conn.Write(b)
	return n + m, err
}

func (c *clearConn) Read(b []byte) (n int, err error) {
	if n = takeRead(&c.pre, b); n == 0 {
		n, err = c.Conn.Read(b)
	}
	c.note.add(b[:n])
	return n, err
}

// prefacedConn is a TLS connection that speaks HTTP/2 without ALPN. net/http
// looks for the preface only where it can't see TLS.
type prefacedConn struct {
	net.Conn
	clear *clearConn
}
