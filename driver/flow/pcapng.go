package flow

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"time"
)

// WritePCAPNG writes flows as a packet capture in the pcapng format
// (draft-ietf-opsawg-pcapng) that shows the decrypted exchanges: tools such as Wireshark
// need no keys for it.
//
// The packets are made from the messages: IP and TCP without link layer, one TCP
// connection for each connection of a device. Addresses and ports of devices are the
// real ones. A server that was not asked has an address of 192.0.2.0/24 or 198.18.0.0/15
// and a name resolution record. Connections that were encrypted are on the port of the
// protocol without encryption, such as 80 for 443, because programs look at the port
// first. An HTTP/2 exchange is written as HTTP/1.1, and those that overlap in time are on
// connections of their own. Lines that frame a message are made to fit the body that the
// flow has. Comments of packets tell all that differs, and what this program knows of an
// exchange.
func WritePCAPNG(w io.Writer, flows iter.Seq2[*Flow, error]) error {
	p := newPacketWriter(w)
	for f, err := range flows {
		if err != nil {
			return err
		}
		if err := p.flow(f); err != nil {
			return err
		}
	}
	return p.end()
}

// The types of pcapng's blocks and options that are used here, sections 4 and 3.5 of
// the draft.
const (
	sectionBlock   = 0x0a0d0d0a
	interfaceBlock = 1
	nameBlock      = 4
	packetBlock    = 6

	commentOption    = 1
	userApplOption   = 4
	resolutionOption = 9

	rawLink     = 101 // LINKTYPE_RAW: the packet begins with its IP header
	nanoseconds = 9   // 10^-9 seconds
)

// maxComment bounds a packet's comment, in characters; the format has 65,535 bytes.
const maxComment = 4 << 10

// blocks writes pcapng blocks. The first error stays.
type blocks struct {
	w   *bufio.Writer
	buf []byte // the last packet; its room is used again
	err error
}

// begin writes the section and the one interface that all packets are from.
func (b *blocks) begin() {
	section := binary.LittleEndian.AppendUint32(nil, 0x1a2b3c4d)
	section = binary.LittleEndian.AppendUint16(section, 1)
	section = binary.LittleEndian.AppendUint16(section, 0)
	section = binary.LittleEndian.AppendUint64(section, 1<<64-1) // the section's length is not given
	section = appendOption(section, userApplOption, []byte("starproxy"))
	b.block(sectionBlock, appendOption(section, 0, nil))
	face := binary.LittleEndian.AppendUint16(nil, rawLink)
	face = append(face, 0, 0, 0, 0, 0, 0) // reserved, no limit of the packets' length
	face = appendOption(face, resolutionOption, []byte{nanoseconds})
	b.block(interfaceBlock, appendOption(face, 0, nil))
}

// name says which host an address stands for.
func (b *blocks) name(addr netip.Addr, host string) {
	kind := uint16(1)
	if addr.Is6() {
		kind = 2
	}
	value := append(append(addr.AsSlice(), host...), 0)
	b.block(nameBlock, appendOption(appendOption(nil, kind, value), 0, nil))
}

// packet writes a packet with a comment; empty for none.
func (b *blocks) packet(at time.Time, packet []byte, comment string) {
	n := uint32(len(packet))
	t := uint64(max(at.UnixNano(), 0))
	body := binary.LittleEndian.AppendUint32(make([]byte, 0, len(packet)+64+len(comment)), 0)
	body = binary.LittleEndian.AppendUint32(body, uint32(t>>32))
	body = binary.LittleEndian.AppendUint32(body, uint32(t))
	body = binary.LittleEndian.AppendUint32(body, n)
	body = binary.LittleEndian.AppendUint32(body, n)
	body = padded(append(body, packet...))
	if comment != "" {
		body = appendOption(body, commentOption, []byte(legible(comment)))
		body = appendOption(body, 0, nil)
	}
	b.block(packetBlock, body)
}

// block writes a block whose body has a length of a multiple of four.
func (b *blocks) block(kind uint32, body []byte) {
	if b.err != nil {
		return
	}
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:], kind)
	binary.LittleEndian.PutUint32(head[4:], uint32(len(body))+12)
	for _, part := range [][]byte{head[:], body, head[4:]} {
		if _, err := b.w.Write(part); err != nil && b.err == nil {
			b.err = fmt.Errorf("packet capture: %w", err)
		}
	}
}

// appendOption appends an option or a record: type, length and value.
func appendOption(dst []byte, kind uint16, value []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, kind)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(value)))
	return padded(append(dst, value...))
}

// padded appends zeros up to a multiple of four.
func padded(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
