package capture

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"starproxy/builtins/exchange"
)

// maxPacked is the size up to which a body's bytes are copied into the packed
// entry. Larger bodies stay where they are and are referred to.
const maxPacked = 1 << 10

// The places of a Blob's bytes in a packed entry.
const (
	noBytes     = iota // Data is nil
	packedBytes        // they follow
	keptBytes          // they are in the slab's list of kept bodies
)

// A packed entry is one run of bytes without pointers. As Go values, a hundred
// thousand exchanges would be millions of small objects for the garbage collector,
// and their header values would keep alive the buffers that they were read into.
// Packed, they are a few dozen slabs, and their size is known to the byte.
//
// Gain: 14 % of a request's CPU time, half of the process's memory. It should go when
// entries move out of memory: see docs/decisions/packed-journal.md.
//
// The format is in memory only and has no version.

// packedUnmatched is the bit of Entry.Unmatched in the byte of Entry.Origin.
const packedUnmatched = 0x80

// pack appends e, without Seq, and without the bytes of large bodies.
func pack(b []byte, e *Entry) []byte {
	origin := byte(e.Origin)
	if e.Unmatched {
		origin |= packedUnmatched
	}
	b = append(b, byte(e.Kind), origin)
	b = binary.AppendVarint(b, e.Start.Unix())
	b = binary.AppendUvarint(b, uint64(e.Start.Nanosecond()))
	b = binary.AppendVarint(b, int64(e.Duration))
	b = binary.AppendVarint(b, int64(e.Uploaded))
	b = binary.AppendVarint(b, int64(e.Answered))
	b = packAddr(b, e.Client)
	b = binary.AppendUvarint(b, e.Conn)
	b = packTLS(b, &e.ClientTLS)
	b = packAddr(b, e.Server.Addr)
	b = packTLS(b, &e.Server.TLS)
	b = packString(b, e.Method)
	b = packString(b, e.Scheme)
	b = packString(b, e.Host)
	b = binary.AppendVarint(b, int64(e.Port))
	b = packString(b, e.Target)
	b = packString(b, e.Proto)
	b = packString(b, e.Authority)
	b = packHeader(b, e.RequestHeader)
	b = packHeader(b, e.RequestTrailer)
	b = packBlob(b, &e.RequestBody)
	b = binary.AppendVarint(b, int64(e.Status))
	b = packHeader(b, e.ResponseHeader)
	b = packHeader(b, e.ResponseTrailer)
	b = packBlob(b, &e.ResponseBody)
	b = packString(b, e.Endpoint)
	b = packString(b, e.Source)
	b = packString(b, e.Error)
	b = packString(b, e.SNI)
	b = packString(b, e.Way)
	b = packPhases(binary.AppendUvarint(b, e.Live), &e.Phases)
	b = binary.AppendUvarint(b, uint64(len(e.Notes)))
	for i := range e.Notes {
		b = packString(b, e.Notes[i].Level)
		b = packString(b, e.Notes[i].Text)
	}
	b = packEdits(b, e.Edits)
	if e.Socket == 0 {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, e.Socket)
	flags := byte(0)
	if e.FromClient {
		flags |= 1
	}
	if e.Binary {
		flags |= 2
	}
	b = binary.AppendUvarint(append(b, flags), uint64(e.CloseCode))
	return packString(b, e.CloseReason)
}

func packString(b []byte, s string) []byte {
	if len(s) < 0x80 { // nearly all
		return append(append(b, byte(len(s))), s...)
	}
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func packEdits(b []byte, edits []exchange.Edit) []byte {
	b = binary.AppendUvarint(b, uint64(len(edits)))
	for i := range edits {
		e := &edits[i]
		b = packString(packString(packString(b, e.By), e.Side), e.Part)
		b = packString(packString(b, e.Before), e.After)
	}
	return b
}

func packPhases(b []byte, p *Phases) []byte {
	switch {
	case *p == Phases{}:
		return append(b, 0)
	case p.Reused:
		b = append(b, 1)
	default:
		b = append(b, 2)
		b = binary.AppendVarint(b, int64(p.DNS))
		b = binary.AppendVarint(b, int64(p.Connect))
		b = binary.AppendVarint(b, int64(p.TLS))
	}
	b = binary.AppendVarint(b, int64(p.Asked))
	b = binary.AppendVarint(b, int64(p.Sent))
	return binary.AppendVarint(b, int64(p.Headed))
}

func packTLS(b []byte, t *exchange.TLS) []byte {
	b = binary.AppendUvarint(b, uint64(t.Version))
	if t.Version == 0 {
		return b
	}
	return packString(binary.AppendUvarint(b, uint64(t.Cipher)), t.ALPN)
}

func packHeader(b []byte, h exchange.Header) []byte {
	b = binary.AppendUvarint(b, uint64(len(h)))
	for _, f := range h {
		b = packString(packString(b, f.Name), f.Value)
	}
	return b
}

func packAddr(b []byte, a netip.AddrPort) []byte {
	ip := a.Addr()
	switch {
	case ip.Is4():
		v4 := ip.As4()
		b = append(append(b, 4), v4[:]...)
	case ip.Is6():
		v6 := ip.As16()
		b = append(append(b, 16), v6[:]...)
		b = packString(b, ip.Zone())
	default:
		return append(b, 0)
	}
	return binary.BigEndian.AppendUint16(b, a.Port())
}

func packBlob(b []byte, l *Blob) []byte {
	flags := byte(noBytes)
	switch {
	case l.Data == nil:
	case len(l.Data) <= maxPacked:
		flags = packedBytes
	default:
		flags = keptBytes
	}
	if l.Spooled {
		flags |= 4
	}
	if l.Truncated {
		flags |= 8
	}
	if l.Partial {
		flags |= 16
	}
	b = append(b, flags)
	b = binary.AppendVarint(b, l.Size)
	b = packString(b, l.Path)
	b = binary.AppendVarint(b, l.Off)
	if flags&3 == packedBytes {
		b = binary.AppendUvarint(b, uint64(len(l.Data)))
		b = append(b, l.Data...)
	}
	return b
}

// reader reads a packed entry. Its strings are parts of one string.
type reader struct {
	s   string
	off int
}

// errPacked means a bug, because only pack writes these bytes.
var errPacked = errors.New("packed entry is damaged")

// unpack returns the reverse of pack. The bytes of kept bodies are left nil.
func unpack(packed []byte) (e *Entry, err error) {
	defer func() {
		// Damage makes an index out of range. One check here replaces one at each of
		// forty reads.
		if p := recover(); p != nil {
			e, err = nil, errPacked
		}
	}()
	r := &reader{s: string(packed)}
	e = &Entry{Kind: Kind(r.byte())}
	origin := r.byte()
	e.Origin, e.Unmatched = exchange.Origin(origin&^packedUnmatched), origin&packedUnmatched != 0
	sec := r.int()
	e.Start = time.Unix(sec, int64(r.uint()))
	e.Duration = time.Duration(r.int())
	e.Uploaded, e.Answered = time.Duration(r.int()), time.Duration(r.int())
	e.Client, e.Conn, e.ClientTLS = r.addr(), r.uint(), r.tls()
	e.Server.Addr, e.Server.TLS = r.addr(), r.tls()
	e.Method, e.Scheme, e.Host = r.string(), r.string(), r.string()
	e.Port = int(r.int())
	e.Target, e.Proto, e.Authority = r.string(), r.string(), r.string()
	e.RequestHeader, e.RequestTrailer = r.header(), r.header()
	r.blob(&e.RequestBody)
	e.Status = int(r.int())
	e.ResponseHeader, e.ResponseTrailer = r.header(), r.header()
	r.blob(&e.ResponseBody)
	e.Endpoint, e.Source, e.Error, e.SNI, e.Way = r.string(), r.string(), r.string(), r.string(), r.string()
	e.Live, e.Phases = r.uint(), r.phases()
	if n := int(r.uint()); n > 0 {
		e.Notes = make([]exchange.Note, n)
		for i := range e.Notes {
			e.Notes[i] = exchange.Note{Level: r.string(), Text: r.string()}
		}
	}
	e.Edits = r.edits()
	if e.Socket = r.uint(); e.Socket != 0 {
		flags := r.byte()
		e.FromClient, e.Binary = flags&1 != 0, flags&2 != 0
		e.CloseCode, e.CloseReason = int(r.uint()), r.string()
	}
	return e, nil
}

func (r *reader) byte() byte {
	c := r.s[r.off]
	r.off++
	return c
}

func (r *reader) uint() uint64 {
	var v uint64
	for shift := 0; ; shift += 7 {
		c := r.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
}

func (r *reader) int() int64 {
	u := r.uint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) string() string {
	n := int(r.uint())
	s := r.s[r.off : r.off+n]
	r.off += n
	return s
}

func (r *reader) addr() netip.AddrPort {
	var ip netip.Addr
	switch r.byte() {
	case 4:
		ip = netip.AddrFrom4([4]byte([]byte(r.take(4))))
	case 16:
		ip = netip.AddrFrom16([16]byte([]byte(r.take(16)))).WithZone(r.string())
	default:
		return netip.AddrPort{}
	}
	port := r.take(2)
	return netip.AddrPortFrom(ip, uint16(port[0])<<8|uint16(port[1]))
}

func (r *reader) take(n int) string {
	s := r.s[r.off : r.off+n]
	r.off += n
	return s
}

func (r *reader) tls() (t exchange.TLS) {
	if t.Version = uint16(r.uint()); t.Version != 0 {
		t.Cipher, t.ALPN = uint16(r.uint()), r.string()
	}
	return t
}

func (r *reader) phases() (p Phases) {
	switch r.byte() {
	case 0:
		return p
	case 1:
		p.Reused = true
	default:
		p.DNS, p.Connect, p.TLS = time.Duration(r.int()), time.Duration(r.int()), time.Duration(r.int())
	}
	p.Asked, p.Sent, p.Headed = time.Duration(r.int()), time.Duration(r.int()), time.Duration(r.int())
	return p
}

func (r *reader) header() exchange.Header {
	n := int(r.uint())
	if n == 0 {
		return nil
	}
	h := make(exchange.Header, n)
	for i := range h {
		h[i] = exchange.Field{Name: r.string(), Value: r.string()}
	}
	return h
}

func (r *reader) edits() []exchange.Edit {
	n := int(r.uint())
	if n == 0 {
		return nil
	}
	list := make([]exchange.Edit, n)
	for i := range list {
		list[i] = exchange.Edit{By: r.string(), Side: r.string(), Part: r.string(), Before: r.string(), After: r.string()}
	}
	return list
}

func (r *reader) blob(l *Blob) {
	flags := r.byte()
	l.Spooled, l.Truncated, l.Partial = flags&4 != 0, flags&8 != 0, flags&16 != 0
	l.Size, l.Path, l.Off = r.int(), r.string(), r.int()
	if flags&3 == packedBytes {
		l.Data = []byte(r.string())
	}
}
