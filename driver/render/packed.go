package render

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// The readers of this file are our own: see docs/decisions/body-parsers.md.

// msgpack reads a value of MessagePack (github.com/msgpack/msgpack, spec.md).
func (b *builder) msgpack(c *cursor) (*Node, error) {
	head, err := c.uint(1)
	if err != nil {
		return nil, err
	}
	switch {
	case head < 0x80:
		return b.leaf(Number, strconv.FormatUint(head, 10), "")
	case head < 0x90:
		return b.members(c, Object, head&15, "", b.msgpack)
	case head < 0xa0:
		return b.members(c, List, head&15, "", b.msgpack)
	case head < 0xc0:
		return b.text(c, head&31)
	case head >= 0xe0:
		return b.leaf(Number, strconv.Itoa(int(int8(head))), "")
	}
	switch head {
	case 0xc0:
		return b.leaf(Word, "null", "")
	case 0xc2, 0xc3:
		return b.leaf(Word, strconv.FormatBool(head == 0xc3), "")
	case 0xca, 0xcb:
		return b.float(c, head == 0xcb)
	case 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3:
		return b.msgpackNumber(c, head)
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
		return b.extension(c, 1<<(head-0xd4))
	case 0xc1:
		return nil, fmt.Errorf("byte %d: 0xc1 begins no value of MessagePack", c.at-1)
	}
	return b.msgpackLong(c, head)
}

func (b *builder) msgpackNumber(c *cursor, head uint64) (*Node, error) {
	size := uint64(1) << ((head - 0xcc) & 3)
	v, err := c.uint(size)
	if err != nil {
		return nil, err
	}
	if head < 0xd0 {
		return b.leaf(Number, strconv.FormatUint(v, 10), "")
	}
	shift := 64 - 8*size
	return b.leaf(Number, strconv.FormatInt(int64(v<<shift)>>shift, 10), "")
}

// msgpackLong reads a value whose length stands behind its first byte.
func (b *builder) msgpackLong(c *cursor, head uint64) (*Node, error) {
	var size uint64
	switch head {
	case 0xc4, 0xc7, 0xd9:
		size = 1
	case 0xc5, 0xc8, 0xda, 0xdc, 0xde:
		size = 2
	default:
		size = 4
	}
	n, err := c.uint(size)
	if err != nil {
		return nil, err
	}
	switch head {
	case 0xc4, 0xc5, 0xc6:
		data, err := c.next(n)
		return b.withError(err)(b.bytes(data, ""))
	case 0xc7, 0xc8, 0xc9:
		return b.extension(c, n)
	case 0xd9, 0xda, 0xdb:
		return b.text(c, n)
	case 0xdc, 0xdd:
		return b.members(c, List, n, "", b.msgpack)
	}
	return b.members(c, Object, n, "", b.msgpack)
}

// withError returns a function that returns a node with an error, err first.
func (b *builder) withError(err error) func(*Node, error) (*Node, error) {
	return func(n *Node, later error) (*Node, error) {
		if err == nil {
			err = later
		}
		return n, err
	}
}

func (b *builder) text(c *cursor, size uint64) (*Node, error) {
	data, err := c.next(size)
	return b.withError(err)(b.leaf(String, string(data), ""))
}

func (b *builder) float(c *cursor, double bool) (*Node, error) {
	size := uint64(4)
	if double {
		size = 8
	}
	v, err := c.uint(size)
	if err != nil {
		return nil, err
	}
	if double {
		return b.leaf(Number, floatText(math.Float64frombits(v), 64), "")
	}
	return b.leaf(Number, floatText(float64(math.Float32frombits(uint32(v))), 32), "")
}

func floatText(f float64, bits int) string { return strconv.FormatFloat(f, 'g', -1, bits) }

// members reads n values, or n pairs of a key and a value. n is a claim of the body and
// reserves nothing.
func (b *builder) members(c *cursor, kind Kind, n uint64, note string, read reader) (*Node, error) {
	return b.branch(kind, note, func(parent *Node) error {
		for ; n > 0; n-- {
			if err := b.member(c, parent, read); err != nil {
				return err
			}
		}
		return nil
	})
}

// member reads a value and, in an object, its key before.
func (b *builder) member(c *cursor, parent *Node, read reader) error {
	name := ""
	if parent.Kind == Object {
		key, err := read(c)
		if err != nil {
			return err
		}
		if name = key.Text; key.Kind == Object || key.Kind == List {
			name = key.Preview
		}
	}
	v, err := read(c)
	return parent.add(name, v, err)
}

// extension reads an extension of MessagePack. Type -1 is a time.
func (b *builder) extension(c *cursor, size uint64) (*Node, error) {
	kind, err := c.uint(1)
	if err != nil {
		return nil, err
	}
	data, err := c.next(size)
	if err != nil {
		return b.withError(err)(b.bytes(data, fmt.Sprintf("extension %d", int8(kind))))
	}
	if int8(kind) == -1 {
		var t time.Time
		switch len(data) {
		case 4:
			t = time.Unix(int64(binary.BigEndian.Uint32(data)), 0)
		case 8:
			v := binary.BigEndian.Uint64(data)
			t = time.Unix(int64(v&(1<<34-1)), int64(v>>34))
		case 12:
			t = time.Unix(int64(binary.BigEndian.Uint64(data[4:])), int64(binary.BigEndian.Uint32(data)))
		}
		if !t.IsZero() {
			return b.leaf(String, t.UTC().Format(time.RFC3339Nano), "time")
		}
	}
	return b.bytes(data, fmt.Sprintf("extension %d", int8(kind)))
}

// The major types of CBOR (RFC 8949, section 3.1).
const (
	cborUint = iota
	cborNegative
	cborBytes
	cborText
	cborList
	cborMap
	cborTag
	cborSimple
)

// indefinite is the additional information of a value whose end is marked by a break.
const indefinite = 31

var errBreak = errors.New("a break without a value that it ends")

// cbor reads a value of CBOR (RFC 8949).
func (b *builder) cbor(c *cursor) (*Node, error) {
	at := c.at
	head, err := c.uint(1)
	if err != nil {
		return nil, err
	}
	major, more := head>>5, head&31
	n := more
	switch {
	case more >= 24 && more < 28:
		if n, err = c.uint(1 << (more - 24)); err != nil {
			return nil, err
		}
	case head == 0xff:
		return nil, errBreak
	case more == indefinite && major >= cborBytes && major <= cborMap:
		return b.cborOpen(c, major)
	case more >= 28:
		return nil, fmt.Errorf("byte %d: %#02x begins no value of CBOR", at, head)
	}
	switch major {
	case cborUint:
		return b.leaf(Number, strconv.FormatUint(n, 10), "")
	case cborNegative:
		if n == math.MaxUint64 {
			return b.leaf(Number, "-18446744073709551616", "")
		}
		return b.leaf(Number, "-"+strconv.FormatUint(n+1, 10), "")
	case cborBytes:
		data, err := c.next(n)
		return b.withError(err)(b.bytes(data, ""))
	case cborText:
		return b.text(c, n)
	case cborList:
		return b.members(c, List, n, "", b.cbor)
	case cborMap:
		return b.members(c, Object, n, "", b.cbor)
	case cborTag:
		return b.cborTagged(c, n)
	}
	return b.cborSimple(more, n)
}

// cborOpen reads a value of indefinite length, up to its break.
func (b *builder) cborOpen(c *cursor, major uint64) (*Node, error) {
	kind := List
	if major == cborMap {
		kind = Object
	}
	n, err := b.branch(kind, "", func(parent *Node) error {
		for {
			if err := b.member(c, parent, b.cbor); err != nil {
				return err
			}
		}
	})
	if errors.Is(err, errBreak) {
		err = nil
	}
	if n != nil && major < cborList {
		n.Note = "in pieces"
	}
	return n, err
}

// cborNames are the tags that are common.
var cborNames = map[uint64]string{
	0: "time", 1: "seconds since 1970", 2: "large number", 3: "large negative number", 4: "decimal", 24: "CBOR in bytes", 32: "URI",
	37: "UUID", 55799: "CBOR",
}

// maxInner is the size of the largest CBOR in bytes that is read as a value.
const maxInner = 64 << 10

func (b *builder) cborTagged(c *cursor, tag uint64) (*Node, error) {
	if b.depth++; b.depth > maxDepth {
		b.depth--
		return nil, errDeep
	}
	defer func() { b.depth-- }()
	from := c.at
	n, err := b.cbor(c)
	if n == nil || err != nil {
		return n, err
	}
	note := "tag " + strconv.FormatUint(tag, 10)
	if name := cborNames[tag]; name != "" {
		note += " (" + name + ")"
	}
	if tag == 1 {
		if s, err := strconv.ParseFloat(n.Text, 64); err == nil && math.Abs(s) < 1e11 {
			note += ", " + time.UnixMilli(int64(s*1000)).UTC().Format(time.RFC3339Nano)
		}
	}
	if tag == 24 && n.Kind == Bytes {
		inner := &cursor{data: c.data[:c.at], at: from}
		if data, ok := inner.bytesHere(); ok && len(data) <= maxInner {
			if v, err := b.cbor(&cursor{data: data}); err == nil {
				v.Note = note
				return v, nil
			}
		}
	}
	if n.Note != "" {
		note += ", " + n.Note
	}
	n.Note = note
	return n, nil
}

// bytesHere returns the content of the bytes at the cursor.
func (c *cursor) bytesHere() ([]byte, bool) {
	head, err := c.uint(1)
	if err != nil {
		return nil, false
	}
	n := head & 31
	if n >= 24 {
		if n > 27 {
			return nil, false
		}
		if n, err = c.uint(1 << (n - 24)); err != nil {
			return nil, false
		}
	}
	data, err := c.next(n)
	return data, err == nil
}

// cborSimple makes a simple value or a float, whose bits are n.
func (b *builder) cborSimple(more, n uint64) (*Node, error) {
	switch {
	case more == 25:
		return b.leaf(Number, floatText(half(uint16(n)), 32), "")
	case more == 26:
		return b.leaf(Number, floatText(float64(math.Float32frombits(uint32(n))), 32), "")
	case more == 27:
		return b.leaf(Number, floatText(math.Float64frombits(n), 64), "")
	}
	switch n {
	case 20, 21:
		return b.leaf(Word, strconv.FormatBool(n == 21), "")
	case 22:
		return b.leaf(Word, "null", "")
	case 23:
		return b.leaf(Word, "undefined", "")
	}
	return b.leaf(Word, "simple "+strconv.FormatUint(n, 10), "")
}

// half returns the value of a half-precision float (RFC 8949, appendix D).
func half(bits uint16) float64 {
	exp, mant := int(bits>>10&31), float64(bits&1023)
	var v float64
	switch exp {
	case 0:
		v = math.Ldexp(mant, -24)
	case 31:
		if v = math.Inf(1); mant != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(mant+1024, exp-25)
	}
	if bits&0x8000 != 0 {
		return -v
	}
	return v
}
