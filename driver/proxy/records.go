package proxy

import (
	"crypto/tls"
	"slices"

	"golang.org/x/crypto/cryptobyte"
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
	extServerName        = 0
	extMaxFragmentLength = 1
	extRecordSizeLimit   = 28

	recordHeader           = 5
	recordChangeCipherSpec = 0x14
	// minRecord is the smallest limit of RFC 8449, in bytes; maxRecord is what
	// records may have in any case.
	minRecord, maxRecord = 64, 1 << 14
	// maxHello bounds the ClientHello that is looked at, in bytes.
	maxHello = 64 << 10
)

// recordLimit returns the largest plaintext, in bytes, that a device takes in one
// record, by its ClientHello as it was read; 0 when it asks for no limit.
func recordLimit(read []byte) int {
	limit := maxRecord
	whole := eachExtension(read, func(id uint16, data cryptobyte.String) {
		var size uint16
		var code uint8
		switch {
		case id == extMaxFragmentLength && data.ReadUint8(&code) && 1 <= code && code <= 4:
			limit = min(limit, 256<<code)
		case id == extRecordSizeLimit && data.ReadUint16(&size) && size >= minRecord:
			limit = min(limit, int(size))
		}
	})
	if !whole || limit == maxRecord {
		return 0
	}
	return limit
}

// helloName returns the server name of a ClientHello as it was read (RFC 6066
// section 3), also of one that crypto/tls does not take; "" when there is none.
func helloName(read []byte) (name string) {
	eachExtension(read, func(id uint16, data cryptobyte.String) {
		var list, host cryptobyte.String
		var kind uint8
		if id == extServerName && data.ReadUint16LengthPrefixed(&list) && list.ReadUint8(&kind) && kind == 0 &&
			list.ReadUint16LengthPrefixed(&host) {
			name = string(host)
		}
	})
	return name
}

// eachExtension calls f for the extensions of a ClientHello (RFC 8446 section
// 4.1.2) and reports whether it could be read to its end.
func eachExtension(read []byte, f func(id uint16, data cryptobyte.String)) bool {
	hello := cryptobyte.String(clientHello(read))
	var list cryptobyte.String
	var kind uint8
	var body, skipped cryptobyte.String
	if !hello.ReadUint8(&kind) || kind != 1 || !hello.ReadUint24LengthPrefixed(&body) ||
		!body.Skip(2+32) || // version, random
		!body.ReadUint8LengthPrefixed(&skipped) || // session
		!body.ReadUint16LengthPrefixed(&skipped) || // cipher suites
		!body.ReadUint8LengthPrefixed(&skipped) || // compression
		!body.ReadUint16LengthPrefixed(&list) {
		return false
	}
	for !list.Empty() {
		var id uint16
		var data cryptobyte.String
		if !list.ReadUint16(&id) || !list.ReadUint16LengthPrefixed(&data) {
			return false
		}
		f(id, data)
	}
	return true
}

// clientHello returns the message in the records at the beginning of read, as far as
// it has come.
func clientHello(read []byte) []byte {
	var msg []byte
	in := cryptobyte.String(read)
	for !in.Empty() {
		var kind uint8
		var part cryptobyte.String
		if !in.ReadUint8(&kind) || kind != recordHandshake || !in.Skip(2) || !in.ReadUint16LengthPrefixed(&part) {
			break
		}
		msg = append(msg, part...)
	}
	return msg
}

// askedLimit returns the limit of a device whose handshake is under way.
func (c *conn) askedLimit(h *tls.ClientHelloInfo) int {
	if slices.Contains(h.Extensions, extMaxFragmentLength) || slices.Contains(h.Extensions, extRecordSizeLimit) {
		return recordLimit(c.heard)
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
