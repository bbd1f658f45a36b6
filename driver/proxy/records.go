package proxy

import (
	"crypto/tls"
	"slices"

	"starproxy/driver/hello"
)

// Small devices have buffers of a few hundred bytes for a TLS record, and say
// so: by max_fragment_length (RFC 6066 section 4) or record_size_limit (RFC
// 8449). crypto/tls knows neither, so this file sees to it that our records
// are no longer than the device asked for:
//
//   - conn.Write splits the records of our part of the handshake, which are
//     plain up to ChangeCipherSpec in TLS 1.2. In TLS 1.3 they are not, so such
//     a device is offered TLS 1.2 at most, if it knows that.
//   - clearConn.Write passes on no more than one record's worth at a time. The
//     device gets HTTP/1.1, in which a message needs fewer of them.
//
// The answer of the server does not have the extension, for crypto/tls can't be
// made to add it. Clients go on without; see the test with OpenSSL and GnuTLS.

const (
	recordHeader           = 5
	recordChangeCipherSpec = 0x14
	// maxHello bounds the ClientHello that is looked at, in bytes.
	maxHello = 64 << 10
)

// askedLimit returns the limit of a device whose handshake is under way.
func (c *conn) askedLimit(h *tls.ClientHelloInfo) int {
	if !slices.ContainsFunc(h.Extensions, hello.LimitsRecords) {
		return 0
	}
	if offered, _ := hello.Parse(c.heard); offered != nil {
		return offered.RecordLimit
	}
	return 0
}

// splitRecords makes the plain handshake records of b as short as limit says.
// plain turns false at ChangeCipherSpec: what follows is encrypted.
func splitRecords(b []byte, limit int, plain *bool) []byte {
	var out []byte
	for *plain && len(b) >= recordHeader {
		n := recordHeader + int(b[3])<<8 + int(b[4])
		if n > len(b) {
			break
		}
		kind, body := b[0], b[recordHeader:n]
		if kind == recordChangeCipherSpec {
			*plain = false
		}
		for kind == recordHandshake && len(body) > limit {
			out = append(append(out, b[0], b[1], b[2], byte(limit>>8), byte(limit)), body[:limit]...)
			body = body[limit:]
		}
		out = append(append(out, b[0], b[1], b[2], byte(len(body)>>8), byte(len(body))), body...)
		b = b[n:]
	}
	return append(out, b...)
}
