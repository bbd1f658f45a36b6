package flow

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Flags of a TCP header (RFC 9293 section 3.1).
const (
	tcpFin = 1 << iota
	tcpSyn
	tcpRst
	tcpPsh
	tcpAck
)

// maxSegment is how many bytes of a message one packet has.
const maxSegment = 32 << 10

// conversation is a TCP connection of a packet capture, between a device and a server.
type conversation struct {
	out  *blocks
	ends [2]netip.AddrPort // the device's and the server's
	next [2]uint32         // the sequence number of the next byte that each one sends
	last time.Time
}

// The ends of a conversation.
const (
	device = 0
	server = 1
)

// open writes the handshake.
func (c *conversation) open(at time.Time, comment string) {
	c.last = at
	c.segment(device, tcpSyn, nil, comment)
	c.segment(server, tcpSyn|tcpAck, nil, "")
	c.segment(device, tcpAck, nil, "")
}

// send writes bytes that one end sends. at is no earlier than what was sent before.
func (c *conversation) send(from int, at time.Time, data []byte, comment string) {
	c.at(at)
	for len(data) > 0 {
		n := min(len(data), maxSegment)
		c.segment(from, tcpPsh|tcpAck, data[:n], comment)
		data, comment = data[n:], ""
	}
}

// acknowledge lets one end confirm all that the other one has sent.
func (c *conversation) acknowledge(from int) { c.segment(from, tcpAck, nil, "") }

// close writes the end of the connection, begun by one end.
func (c *conversation) close(from int, at time.Time) {
	c.at(at)
	c.segment(from, tcpFin|tcpAck, nil, "")
	c.segment(1-from, tcpFin|tcpAck, nil, "")
	c.segment(from, tcpAck, nil, "")
}

// reset writes that the connection broke off.
func (c *conversation) reset(from int, at time.Time, comment string) {
	c.at(at)
	c.segment(from, tcpRst|tcpAck, nil, comment)
}

func (c *conversation) at(t time.Time) {
	if t.After(c.last) {
		c.last = t
	}
}

// segment writes one packet.
func (c *conversation) segment(from int, flags byte, data []byte, comment string) {
	src, dst := c.ends[from], c.ends[1-from]
	tcp := 20 + len(data)
	b := c.out.buf[:0]
	if src.Addr().Is4() {
		b = append(b, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(20+tcp))
		b = append(b, 0, 0, 0x40, 0, 64, 6, 0, 0) // don't fragment; TTL 64; TCP; the checksum comes last
	} else {
		b = append(b, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(tcp))
		b = append(b, 6, 64)
	}
	addresses := len(b)
	b = append(append(b, src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
	header := len(b)
	if src.Addr().Is4() {
		binary.BigEndian.PutUint16(b[10:], ^onesSum(0, b))
	}
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint32(b, c.next[from])
	var confirmed uint32
	if flags&tcpAck != 0 {
		confirmed = c.next[1-from]
	}
	b = binary.BigEndian.AppendUint32(b, confirmed)
	b = append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0) // the window, checksum, urgent pointer
	b = append(b, data...)
	// The checksum is over the addresses, the protocol and the length as well.
	total := onesSum(uint32(6+tcp), b[addresses:header])
	binary.BigEndian.PutUint16(b[header+16:], ^onesSum(uint32(total), b[header:]))
	c.out.packet(c.last, b, comment)
	c.out.buf = b
	c.next[from] += uint32(len(data))
	if flags&(tcpSyn|tcpFin) != 0 {
		c.next[from]++
	}
}

// onesSum returns the sum in ones' complement of start and of b in words of 16 bits
// (RFC 1071).
func onesSum(start uint32, b []byte) uint16 {
	total := uint64(start)
	for ; len(b) > 1; b = b[2:] {
		total += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		total += uint64(b[0]) << 8
	}
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}
