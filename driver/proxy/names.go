package proxy

import (
	"bytes"
	"crypto/tls"
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
	on  bool
	buf []byte
}

func (n *headNote) add(b []byte) {
	if n.on && len(n.buf) < maxNoted {
		n.buf = append(n.buf, b[:min(len(b), maxNoted-len(n.buf))]...)
	}
}

// begin waits for the next header block; end stops noting: what is read from
// then on may be read by another goroutine.
func (n *headNote) begin() { n.on, n.buf = true, n.buf[:0] }
func (n *headNote) end()   { n.on = false }

// names gives the names of the header lines in their order, in net/http's
// spelling, and by those the spellings that differ; nil when there are none.
// The order is nil when the header was too long to be noted whole.
func (n *headNote) names() (odd map[string]string, order []string) {
	_, head, _ := bytes.Cut(n.buf, []byte{'\n'}) // the first line
	end := bytes.Index(head, []byte("\r\n\r\n"))
	if end >= 0 {
		head = head[:end+2]
		order = make([]string, 0, bytes.Count(head, []byte{'\n'}))
	}
	block := string(head)
	for {
		i := strings.IndexByte(block, '\n')
		if i < 2 { // the blank line, or the end of what was noted
			return odd, order
		}
		line := block[:i]
		block = block[i+1:]
		k := strings.IndexByte(line, ':')
		if k <= 0 {
			continue
		}
		name := line[:k]
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
		if order != nil {
			order = append(order, name)
		}
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
	note headNote
}

func (c *clearConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.note.add(b[:n])
	return n, err
}
