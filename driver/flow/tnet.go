package flow

import (
	"errors"
)

// The tags of a tnetstring, which is LENGTH:PAYLOAD followed by the tag. mitmproxy's dialect
// has different tags for bytes and text.
const (
	tagBytes = ','
	tagText  = ';'
	tagInt   = '#'
	tagFloat = '^'
	tagBool  = '!'
	tagNull  = '~'
	tagList  = ']'
	tagDict  = '}'
)

const (
	// maxPrefix is how long the length of an element may be, with leading zeros and the
	// colon, in bytes. maxTop is the same for a record, as in mitmproxy.
	maxPrefix = 24
	maxTop    = 13
	// maxName is the length of the longest known key.
	maxName = 24
	// maxDepth is how deep metadata may be nested.
	maxDepth = 64
)

// The errors of the frame of an element.
var (
	errPrefix = errors.New("expected a length and a colon")
	errBeyond = errors.New("an element reaches beyond what it is part of")
	errTag    = errors.New("expected a type at the end of an element")
)

// prefix reads the length at the beginning of an element. size is how many bytes that is
// written in.
func prefix(head []byte) (n int64, size int, err error) {
	for i, c := range head {
		switch {
		case c == ':' && i > 0:
			return n, i + 1, nil
		case c < '0' || c > '9' || n > 1<<50:
			return 0, 0, errPrefix
		}
		n = n*10 + int64(c-'0')
	}
	return 0, 0, errPrefix
}

func isTag(c byte) bool {
	switch c {
	case tagBytes, tagText, tagInt, tagFloat, tagBool, tagNull, tagList, tagDict:
		return true
	}
	return false
}

func tagName(c byte) string {
	switch c {
	case tagBytes:
		return "bytes"
	case tagText:
		return "text"
	case tagInt:
		return "an integer"
	case tagFloat:
		return "a float"
	case tagBool:
		return "a boolean"
	case tagNull:
		return "null"
	case tagList:
		return "a list"
	case tagDict:
		return "a dictionary"
	}
	return ""
}

// value is an element: its tag, 0 for none, and the place of its payload.
type value struct {
	off, n int64
	tag    byte
}

func (v value) null() bool { return v.tag == tagNull || v.tag == 0 }

// element reads the frame of the element at off, in a container that ends at
// end.
func (s *source) element(off, end int64) (v value, next int64, err error) {
	// Usually all is in the window. Most of the time of reading is spent here.
	if i, j := off-s.start, end-s.start; i >= 0 && j <= int64(len(s.buf)) {
		n, size, err := prefix(s.buf[i:min(j, i+maxPrefix)])
		if err != nil {
			return value{}, 0, err
		}
		last := i + int64(size) + n
		if last >= j {
			return value{}, 0, errBeyond
		}
		tag := s.buf[last]
		if !isTag(tag) {
			return value{}, 0, errTag
		}
		return value{off + int64(size), n, tag}, s.start + last + 1, nil
	}
	head, err := s.peek(off, int(min(end-off, maxPrefix)))
	if err != nil {
		return value{}, 0, err
	}
	n, size, err := prefix(head)
	if err != nil {
		return value{}, 0, err
	}
	last := off + int64(size) + n
	if last >= end {
		return value{}, 0, errBeyond
	}
	tag, err := s.exact(last, 1)
	switch {
	case err != nil:
		return value{}, 0, err
	case !isTag(tag[0]):
		return value{}, 0, errTag
	}
	return value{off + int64(size), n, tag[0]}, last + 1, nil
}
