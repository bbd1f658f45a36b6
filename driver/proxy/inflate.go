package proxy

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
)

// inflater undoes permessage-deflate (RFC 7692) of one direction.
type inflater struct {
	takeover bool   // the window goes on from message to message
	window   []byte // the last 32 KiB
	broken   bool   // a message was not kept whole, so the window is lost
	r        io.ReadCloser
}

// tail ends a message that was flushed but not ended (RFC 7692 section 7.2.2).
var tail = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}

const windowSize = 32 << 10

func (i *inflater) message(m message) message {
	if m.cut || i.broken {
		i.broken = i.takeover
		m.data, m.cut = nil, true
		return m
	}
	src := io.MultiReader(bytes.NewReader(m.data), bytes.NewReader(tail))
	if i.r == nil {
		i.r = flate.NewReaderDict(src, i.window)
	} else if err := i.r.(flate.Resetter).Reset(src, i.window); err != nil {
		i.broken, m.data, m.cut = true, nil, true
		return m
	}
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(i.r, maxMessage+1))
	if n > maxMessage {
		out.Truncate(maxMessage)
		m.cut, i.broken = true, i.takeover
	} else if err != nil && !errors.Is(err, io.EOF) {
		m.cut, i.broken = true, i.takeover
	}
	m.data, m.size = out.Bytes(), max(n, 0)
	if i.takeover && !i.broken {
		i.window = append(i.window, m.data...)
		if over := len(i.window) - windowSize; over > 0 {
			i.window = append(i.window[:0], i.window[over:]...)
		}
	}
	return m
}
