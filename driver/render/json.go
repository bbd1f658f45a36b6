package render

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// json reads JSON texts: one as it is; more, in lines or behind each other, as a list. What
// comes before a fault is shown.
func (b *builder) json(text []byte) []Part {
	// A body that scripts of other sites cannot run begins with )]}' and a line feed. The
	// texts of RFC 7464 begin with a record separator.
	if rest, ok := bytes.CutPrefix(text, []byte(")]}'")); ok {
		if _, rest, ok = bytes.Cut(rest, []byte("\n")); ok {
			text = rest
		}
	}
	if bytes.IndexByte(text, 0x1e) >= 0 {
		text = bytes.ReplaceAll(text, []byte{0x1e}, []byte{'\n'})
	}
	dec := newJSONDecoder(text)
	list, err := b.branch(List, "", func(n *Node) error {
		for {
			v, err := b.jsonValue(dec)
			if err == io.EOF {
				return nil
			}
			if err := n.add("", v, err); err != nil {
				return err
			}
		}
	})
	switch {
	case list == nil || len(list.Nodes) == 0:
		return nil
	case len(list.Nodes) == 1:
		list = list.Nodes[0]
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the JSON text ends within a value")
	}
	return b.parts(list, err)
}

func newJSONDecoder(text []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// jsonValue reads the next value. The error is io.EOF at the end.
func (b *builder) jsonValue(dec *jsontext.Decoder) (*Node, error) {
	token, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '{', '[':
		kind, end := Object, jsontext.Kind('}')
		if token.Kind() == '[' {
			kind, end = List, ']'
		}
		return b.branch(kind, "", func(n *Node) error { return b.jsonMembers(dec, n, end) })
	case '"':
		return b.leaf(String, token.String(), "")
	case '0':
		return b.leaf(Number, token.String(), "")
	default:
		return b.leaf(Word, token.String(), "")
	}
}

func (b *builder) jsonMembers(dec *jsontext.Decoder, n *Node, end jsontext.Kind) error {
	for {
		switch dec.PeekKind() {
		case end:
			_, err := dec.ReadToken()
			return err
		case 0:
			_, err := dec.ReadToken()
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		name := ""
		if n.Kind == Object {
			token, err := dec.ReadToken()
			if err != nil {
				return err
			}
			name = token.String()
		}
		v, err := b.jsonValue(dec)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err := n.add(name, v, err); err != nil {
			return err
		}
	}
}
