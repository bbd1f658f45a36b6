package proxy

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// spoken is the protocol that the first bytes of a tunnel, or of what is
// inside its TLS, belong to.
type spoken uint8

const (
	undecided  spoken = iota
	spokenTLS         // a TLS ClientHello
	spokenHTTP        // a request line, or the preface of HTTP/2
	spokenElse        // something else, which only the real server understands
)

const (
	// firstRead is how many bytes are read at once; a ClientHello usually fits.
	firstRead = 1 << 10
	// maxFirstLine bounds the first line that is waited for, in bytes.
	maxFirstLine = 16 << 10
)

// firstLine tells from b, the first bytes of a peer, what it speaks. It is
// undecided while more bytes could make it HTTP or something else.
//
// A line belongs to HTTP when it is a request line of RFC 9112 section 3: a
// method, a target, and a version that begins with "HTTP/". SSH, SMTP, Redis
// and RTSP begin with a word and a blank as well, so the whole line counts.
func firstLine(b []byte) spoken {
	if len(b) == 0 {
		return undecided
	}
	if b[0] == recordHandshake {
		return firstRecord(b)
	}
	// Empty lines before a request line are allowed (RFC 9112 section 2.2).
	b = bytes.TrimLeft(b, "\r\n")
	line, _, whole := bytes.Cut(b, []byte{'\n'})
	n := 0
	for n < len(line) && httpguts.IsTokenRune(rune(line[n])) {
		n++
	}
	if n == len(line) && !whole {
		if n > maxMethod {
			return spokenElse
		}
		return undecided
	}
	if n == 0 || n > maxMethod || n == len(line) || line[n] != ' ' {
		return spokenElse
	}
	if whole { // our server refuses a malformed request line
		if isVersion(line[bytes.LastIndexByte(bytes.TrimRight(line, " \r\t"), ' ')+1:]) {
			return spokenHTTP
		}
		return spokenElse
	}
	if len(line) >= maxFirstLine {
		return guess(b)
	}
	return undecided
}

// maxMethod is the longest method that is taken for one, in bytes.
const maxMethod = 32

// recordHandshake is the type of TLS records that carry a handshake.
const recordHandshake = 0x16

// isRecord reports whether a connection begins with such a record.
func isRecord(b []byte) bool { return len(b) > 0 && b[0] == recordHandshake }

// firstRecord tells a ClientHello (RFC 8446 sections 4 and 5.1): the type, a
// version of 3.x, two bytes of length, and the type of the message, 1.
func firstRecord(b []byte) spoken {
	switch {
	case len(b) > 1 && b[1] != 3, len(b) > 2 && b[2] > 4, len(b) > 5 && b[5] != 1:
		return spokenElse
	case len(b) > 2:
		return spokenTLS
	}
	return undecided
}

// isVersion tells the last word of a request line.
func isVersion(word []byte) bool {
	word = bytes.TrimRight(word, " \r\t")
	return len(word) > len("HTTP/") && bytes.HasPrefix(word, []byte("HTTP/")) && '0' <= word[5] && word[5] <= '9'
}

// guess decides on a beginning that stays incomplete: it is HTTP when it begins
// with a method that is in use, or with a part of one.
func guess(b []byte) spoken {
	if isRecord(b) {
		return spokenTLS
	}
	word, _, blank := bytes.Cut(bytes.TrimLeft(b, "\r\n"), []byte{' '})
	if slices.ContainsFunc(knownMethods, func(m string) bool {
		return m == string(word) || !blank && len(word) > 0 && strings.HasPrefix(m, string(word))
	}) {
		return spokenHTTP
	}
	return spokenElse
}

// knownMethods are those of RFC 9110, RFC 5789 and RFC 4918, and the preface of
// HTTP/2.
var knownMethods = []string{
	"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PRI",
	"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH",
}

// sniff reads from nc, after the bytes pre that were read already, until it is
// settled what is spoken. A peer that falls silent for speakFirst in the middle
// is guessed at; one that says nothing at all leaves pre empty and no error.
func sniff(nc net.Conn, pre []byte) (first []byte, what spoken, err error) {
	if what = firstLine(pre); what != undecided {
		return pre, what, nil
	}
	defer nc.SetReadDeadline(time.Time{})
	for what == undecided {
		pre = slices.Grow(pre, firstRead)
		nc.SetReadDeadline(time.Now().Add(speakFirst))
		n, err := nc.Read(pre[len(pre):cap(pre)])
		pre = pre[:len(pre)+n]
		switch {
		case n > 0:
			what = firstLine(pre)
		case isTimeout(err) && len(pre) == 0:
			return nil, undecided, nil
		case isTimeout(err):
			return pre, guess(pre), nil
		case len(pre) > 0: // it has said all it will say
			return pre, guess(pre), nil
		default:
			return nil, undecided, err
		}
	}
	return pre, what, nil
}
