package proxy

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Came has the last frames that a device sent over HTTP/2. They are whole, except
// that the last one may be cut off.
type h2Came struct {
	frames []byte
	size   int  // with what was cut off
	whole  bool // nothing came before but the preface
}

// h2Block is a header block.
type h2Block struct {
	stream uint32
	fields []hpack.HeaderField
}

// h2Blocks are header blocks in the order in which they came.
type h2Blocks []h2Block

// of returns the last header of a stream.
func (bs h2Blocks) of(stream uint32) []hpack.HeaderField {
	for _, b := range slices.Backward(bs) {
		if b.stream == stream {
			return b.fields
		}
	}
	return nil
}

// maxFields bounds the decoded size of header blocks, in bytes: a few compressed
// bytes may decode to many.
const maxFields = 64 << 10

// read reads the header blocks, as far as they can be: only when those before are
// known. All reports whether that is to the end.
func (c h2Came) read() (blocks h2Blocks, all bool) {
	if !c.whole {
		return nil, false
	}
	size := 0
	fr := http2.NewFramer(io.Discard, bytes.NewReader(c.frames))
	fr.SetMaxReadFrameSize(maxFrame)
	fr.AllowIllegalReads = true
	var block h2Block
	dec := hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if size += int(f.Size()); size <= maxFields {
			block.fields = append(block.fields, f)
		}
	})
	for {
		frame, err := fr.ReadFrame()
		var of http2.StreamError
		if errors.As(err, &of) {
			continue
		}
		if err != nil {
			break
		}
		var fragment []byte
		switch f := frame.(type) {
		case *http2.HeadersFrame:
			block, fragment = h2Block{stream: f.StreamID}, f.HeaderBlockFragment()
		case *http2.ContinuationFrame:
			fragment = f.HeaderBlockFragment()
		default:
			continue
		}
		_, err = dec.Write(fragment)
		if frame.Header().Flags.Has(http2.FlagHeadersEndHeaders) {
			blocks = append(blocks, block)
		}
		if err != nil {
			break
		}
	}
	return blocks, size <= maxFields
}

// maxFrame is the longest frame that there can be, in bytes.
const maxFrame = 1<<24 - 1

// wrong returns the fault in the last header of a stream, "" when it finds none.
func (c h2Came) wrong(stream uint32) (why string) {
	if !c.whole {
		return ""
	}
	fr := http2.NewFramer(io.Discard, bytes.NewReader(c.frames))
	fr.SetMaxReadFrameSize(maxFrame)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		_, err := fr.ReadFrame()
		var of http2.StreamError
		switch {
		case errors.As(err, &of):
			if of.StreamID == stream && of.Cause != nil {
				why = of.Cause.Error()
			}
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return why
		case err != nil:
			if detail := fr.ErrorDetail(); detail != nil {
				why = detail.Error()
			}
			return why
		}
	}
}

// withoutBlocks returns frames with zeros in the place of header blocks.
func withoutBlocks(frames []byte) []byte {
	out := slices.Clone(frames)
	for at := 0; at+frameHead <= len(out); {
		var h frameHeader
		h.take(out[at:])
		at += frameHead
		payload := out[at:min(at+h.length(), len(out))]
		switch at += h.length(); h.kind() {
		case http2.FrameHeaders, http2.FrameContinuation, http2.FramePushPromise:
			clear(payload)
		}
	}
	return out
}
