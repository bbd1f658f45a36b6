// Package hello reads the first message of a TLS handshake: a ClientHello as it was
// received becomes values, fingerprints and names.
//
// It reads messages that a TLS library refuses, too: such a message is the reason why a
// handshake failed. So [Parse] returns all that it could read, and an error beside it.
//
// proxy asks for a few values during a handshake, and handshake for all of them when
// somebody looks.
package hello

import (
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// The types of messages and extensions that this package looks into
// (https://www.iana.org/assignments/tls-extensiontype-values).
const (
	recordHandshake = 0x16
	messageHello    = 1

	extServerName        = 0
	extMaxFragmentLength = 1
	extGroups            = 10
	extPointFormats      = 11
	extSignatures        = 13
	extALPN              = 16
	extRecordSizeLimit   = 28
	extSessionTicket     = 35
	extPreSharedKey      = 41
	extVersions          = 43
)

// Hello is a ClientHello (RFC 8446 section 4.1.2). Its lists have the order of the
// message, with the GREASE values in it (RFC 8701); see [Known].
type Hello struct {
	// Version is legacy_version: TLS 1.2 (0x0303) for a device that speaks TLS 1.3.
	Version uint16
	// Versions are those of supported_versions. Empty without this extension.
	Versions []uint16
	// Name is the server name (RFC 6066 section 3). Empty for none.
	Name string
	// Suites are the cipher suites.
	Suites []uint16
	// Extensions are the types of all extensions.
	Extensions []uint16
	// Groups are those of supported_groups.
	Groups []uint16
	// Points are the formats of ec_point_formats.
	Points []uint8
	// Signatures are those of signature_algorithms.
	Signatures []uint16
	// ALPN are the protocols of application_layer_protocol_negotiation.
	ALPN []string
	// RecordLimit is the largest plaintext, in bytes, that the device takes in one
	// record, by max_fragment_length (RFC 6066 section 4) or record_size_limit (RFC
	// 8449). 0 stands for no limit.
	RecordLimit int
	// Resumes reports whether the device offers to resume a session, by a ticket or a
	// pre-shared key. A session identifier does not count: many devices send one that
	// means nothing (RFC 8446 appendix D.4).
	Resumes bool
}

// The errors of [Parse].
var (
	ErrNone      = errors.New("it has no ClientHello")
	ErrTruncated = errors.New("the ClientHello is cut off or malformed")
)

// Parse returns the ClientHello at the beginning of read, the bytes of a connection. The
// message may be spread over several records. After [ErrTruncated] the result has all
// that comes before the error; after [ErrNone] it is nil.
func Parse(read []byte) (*Hello, error) {
	in := cryptobyte.String(Message(read))
	var kind uint8
	if !in.ReadUint8(&kind) || kind != messageHello {
		return nil, ErrNone
	}
	h := &Hello{}
	var size uint32
	if !in.ReadUint24(&size) {
		return h, ErrTruncated
	}
	body, whole := start(in, int(size))
	if !h.read(body) || !whole {
		return h, ErrTruncated
	}
	return h, nil
}

// start returns the first size bytes of s, or all of s with whole false when it is
// shorter.
func start(s cryptobyte.String, size int) (first cryptobyte.String, whole bool) {
	if size > len(s) {
		return s, false
	}
	return s[:size], true
}

// Stamp returns the first four bytes of the random value in the ClientHello at the
// beginning of read. TLS 1.2 and older have the time there, in seconds since 1970 (RFC
// 5246 section 7.4.1.2), but many stacks send random bytes. It reports false without a
// ClientHello.
func Stamp(read []byte) (seconds uint32, ok bool) {
	in := cryptobyte.String(Message(read))
	var kind uint8
	ok = in.ReadUint8(&kind) && kind == messageHello && in.Skip(3+2) && in.ReadUint32(&seconds)
	return seconds, ok
}

// Message returns the handshake message in the records at the beginning of read (RFC
// 8446 section 5.1), as far as it has come.
func Message(read []byte) []byte {
	in := cryptobyte.String(read)
	var msg []byte
	for !in.Empty() {
		var kind uint8
		var size uint16
		if !in.ReadUint8(&kind) || kind != recordHandshake || !in.Skip(2) || !in.ReadUint16(&size) {
			break
		}
		n := min(int(size), len(in))
		part := in[:n:n]
		in = in[n:]
		if msg == nil {
			msg = part // one record is the rule: no copy
		} else {
			msg = append(msg, part...)
		}
	}
	return msg
}

// read fills h from the body of the message and reports whether that is whole.
func (h *Hello) read(body cryptobyte.String) bool {
	var session, suites, compression cryptobyte.String
	if !body.ReadUint16(&h.Version) || !body.Skip(32) || !body.ReadUint8LengthPrefixed(&session) ||
		!body.ReadUint16LengthPrefixed(&suites) {
		return false
	}
	whole := numbers(suites, &h.Suites)
	if !body.ReadUint8LengthPrefixed(&compression) {
		return false
	}
	var size uint16
	if !body.ReadUint16(&size) {
		return whole && body.Empty() // the first versions of TLS had no extensions
	}
	list, all := start(body, int(size))
	whole = whole && all
	for !list.Empty() {
		var id uint16
		var data cryptobyte.String
		if !list.ReadUint16(&id) || !list.ReadUint16LengthPrefixed(&data) {
			return false
		}
		h.Extensions = append(h.Extensions, id)
		whole = h.extension(id, data) && whole
	}
	return whole
}

// extension fills h from an extension and reports whether that is well-formed.
func (h *Hello) extension(id uint16, data cryptobyte.String) bool {
	var list cryptobyte.String
	switch id {
	case extServerName:
		return h.serverName(data)
	case extMaxFragmentLength, extRecordSizeLimit:
		return h.limit(id, data)
	case extGroups:
		return data.ReadUint16LengthPrefixed(&list) && numbers(list, &h.Groups)
	case extSignatures:
		return data.ReadUint16LengthPrefixed(&list) && numbers(list, &h.Signatures)
	case extVersions:
		return data.ReadUint8LengthPrefixed(&list) && numbers(list, &h.Versions)
	case extPointFormats:
		ok := data.ReadUint8LengthPrefixed(&list)
		h.Points = append(h.Points, list...)
		return ok
	case extALPN:
		return h.protocols(data)
	case extSessionTicket, extPreSharedKey:
		h.Resumes = h.Resumes || len(data) > 0
	}
	return true
}

func (h *Hello) serverName(data cryptobyte.String) bool {
	var list, host cryptobyte.String
	var kind uint8
	ok := data.ReadUint16LengthPrefixed(&list) && list.ReadUint8(&kind) && kind == 0 && list.ReadUint16LengthPrefixed(&host)
	h.Name = string(host)
	return ok
}

func (h *Hello) protocols(data cryptobyte.String) bool {
	var list cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&list) {
		return false
	}
	for !list.Empty() {
		var name cryptobyte.String
		if !list.ReadUint8LengthPrefixed(&name) {
			return false
		}
		h.ALPN = append(h.ALPN, string(name))
	}
	return true
}

// minRecord is the smallest limit of RFC 8449, in bytes; maxRecord is the size that
// records may have in any case.
const minRecord, maxRecord = 64, 1 << 14

func (h *Hello) limit(id uint16, data cryptobyte.String) bool {
	limit := h.RecordLimit
	if limit == 0 {
		limit = maxRecord
	}
	var size uint16
	var code uint8
	switch {
	case id == extMaxFragmentLength && data.ReadUint8(&code) && 1 <= code && code <= 4:
		limit = min(limit, 256<<code)
	case id == extRecordSizeLimit && data.ReadUint16(&size) && size >= minRecord:
		limit = min(limit, int(size))
	default:
		return false
	}
	if limit < maxRecord {
		h.RecordLimit = limit
	}
	return true
}

// LimitsRecords reports whether an extension of this type limits the size of records;
// see [Hello.RecordLimit].
func LimitsRecords(extension uint16) bool {
	return extension == extMaxFragmentLength || extension == extRecordSizeLimit
}

// numbers appends the 16-bit numbers in s to list and reports whether s is whole.
func numbers(s cryptobyte.String, list *[]uint16) bool {
	*list = slices.Grow(*list, len(s)/2)
	for len(s) > 1 {
		var n uint16
		s.ReadUint16(&n)
		*list = append(*list, n)
	}
	return s.Empty()
}

// Newest returns the newest version that the device offers, as crypto/tls numbers
// them.
func (h *Hello) Newest() uint16 {
	if known := Known(h.Versions); len(known) > 0 {
		return slices.Max(known)
	}
	return h.Version
}

// Known returns the numbers that are not GREASE (RFC 8701), in their order.
func Known(list []uint16) []uint16 {
	return slices.DeleteFunc(slices.Clone(list), isGREASE)
}

// isGREASE reports whether n is one of the values 0x0a0a, 0x1a1a to 0xfafa.
func isGREASE(n uint16) bool { return n&0x0f0f == 0x0a0a && n>>8 == n&0xff }
