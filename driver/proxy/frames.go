package proxy

import (
	"bytes"
	"encoding/binary"
)

// The opcodes of frames (RFC 6455 section 5.2) that matter here.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
)

// maxMessage is how much of one WebSocket message is kept, in bytes.
const maxMessage = 4 << 20

// message is a WebSocket message, or a close frame.
type message struct {
	op   byte
	data []byte
	size int64 // as sent; more than len(data) when not all was kept
	cut  bool  // data is not all of it
}

// frames reads messages from the bytes of one direction of a WebSocket. It returns
// no error: after bytes that are no frame it reads no more.
type frames struct {
	inflate *inflater // nil without permessage-deflate
	dead    bool

	head []byte // of the frame that is coming
	// The frame whose payload is coming.
	op      byte
	fin     bool
	masked  bool
	mask    [4]byte
	at      int   // in the mask
	left    int64 // bytes of payload
	control []byte

	// The message that is coming.
	open       bool
	compressed bool
	msg        message
}

// add takes the next bytes and calls emit for every message that they end.
func (f *frames) add(p []byte, emit func(message)) {
	for !f.dead {
		if f.left > 0 {
			if len(p) == 0 {
				return
			}
			n := int(min(f.left, int64(len(p))))
			f.payload(p[:n])
			p, f.left = p[n:], f.left-int64(n)
			if f.left == 0 {
				f.end(emit)
			}
			continue
		}
		need := f.headLen()
		if n := min(need-len(f.head), len(p)); n > 0 {
			f.head, p = append(f.head, p[:n]...), p[n:]
		}
		if len(f.head) < need {
			return
		}
		if need == f.headLen() {
			f.begin()
			if f.left == 0 && !f.dead {
				f.end(emit)
			}
		}
	}
}

// headLen returns how long the header is, as far as it can be told.
func (f *frames) headLen() int {
	n := 2
	if len(f.head) < 2 {
		return n
	}
	switch f.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if f.head[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// begin reads a whole header.
func (f *frames) begin() {
	h := f.head
	f.head = f.head[:0]
	f.fin, f.op = h[0]&0x80 != 0, h[0]&0x0f
	f.masked, f.at = h[1]&0x80 != 0, 0
	n := uint64(h[1] & 0x7f)
	rest := h[2:]
	switch n {
	case 126:
		n, rest = uint64(binary.BigEndian.Uint16(rest)), rest[2:]
	case 127:
		n, rest = binary.BigEndian.Uint64(rest), rest[8:]
	}
	if f.masked {
		copy(f.mask[:], rest)
	}
	f.left = int64(n)
	f.control = f.control[:0]
	switch {
	case f.left < 0, f.op >= opClose && n > 125, f.open == (f.op == opText || f.op == opBinary) && f.op < opClose:
		f.dead = true // no frame is like this
	case f.op == opText || f.op == opBinary:
		f.open, f.compressed = true, h[0]&0x40 != 0
		f.msg = message{op: f.op}
	}
}

// payload takes a part of a frame.
func (f *frames) payload(p []byte) {
	to := &f.msg.data
	if f.op >= opClose {
		to = &f.control
	} else {
		f.msg.size += int64(len(p))
		if room := maxMessage - len(f.msg.data); len(p) > room {
			p, f.msg.cut = p[:room], true
		}
	}
	from := len(*to)
	*to = append(*to, p...)
	if !f.masked {
		return
	}
	b := (*to)[from:]
	for i := range b {
		b[i] ^= f.mask[(f.at+i)&3]
	}
	f.at += len(p)
}

// end closes a frame.
func (f *frames) end(emit func(message)) {
	switch {
	case f.op == opClose:
		emit(message{op: opClose, data: bytes.Clone(f.control), size: int64(len(f.control))})
	case f.op > opClose || !f.fin:
	default:
		f.open = false
		m := f.msg
		f.msg = message{}
		if f.compressed && f.inflate != nil {
			m = f.inflate.message(m)
		}
		emit(m)
	}
}
