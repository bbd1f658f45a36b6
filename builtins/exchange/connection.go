package exchange

import (
	"slices"
	"strings"
)

// IsHop reports whether header lines with that name are about one connection. A
// proxy does not pass such lines on (RFC 9110 section 7.6.1).
func IsHop(name string) bool {
	switch len(name) { // most names have another length
	case 2:
		return EqualName(name, "TE")
	case 7:
		return EqualName(name, "Upgrade")
	case 10:
		return EqualName(name, "Connection") || EqualName(name, "Keep-Alive")
	case 14:
		return EqualName(name, "HTTP2-Settings")
	case 16, 19:
		return IsForProxy(name)
	case 17:
		return EqualName(name, "Transfer-Encoding")
	}
	return false
}

// IsForProxy reports whether header lines with that name are meant for the proxy
// only, not for the server.
func IsForProxy(name string) bool {
	return EqualName(name, "Proxy-Connection") || EqualName(name, "Proxy-Authorization")
}

// IsFraming reports whether header lines with that name say where the message
// ends. The proxy writes its own.
func IsFraming(name string) bool {
	return EqualName(name, "Content-Length") || EqualName(name, "Transfer-Encoding")
}

// DropHops removes the lines that are about one connection, and those that a
// Connection line names.
func (h *Header) DropHops() {
	for _, v := range h.Values("Connection") {
		for name := range strings.SplitSeq(v, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	if slices.ContainsFunc(*h, isHopLine) {
		*h = slices.DeleteFunc(*h, isHopLine)
	}
}

func isHopLine(f Field) bool { return IsHop(f.Name) }

// DropBody removes the lines that describe the body, because it is replaced: its
// length, coding, version and digests. The Trailer line goes, too, because the
// trailer belongs to the old body.
func (h *Header) DropBody() {
	for _, name := range [...]string{
		"Content-Length", "Content-Encoding", "Transfer-Encoding", "Trailer", "ETag", "Last-Modified",
		"Content-MD5", "Digest", "Content-Digest", "Repr-Digest", "Accept-Ranges",
	} {
		h.Del(name)
	}
}
