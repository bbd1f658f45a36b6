package render

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"starproxy/builtins/excerpt"
)

// Kind is the kind of a Node.
type Kind string

// The kinds of nodes. The first two have others in them.
const (
	Object Kind = "object" // its nodes have names
	List   Kind = "list"
	String Kind = "string"
	Number Kind = "number"
	Word   Kind = "word"  // true, false, null and the like
	Bytes  Kind = "bytes" // Text is in hexadecimal, and cut when long
)

// Node is a value in a tree.
type Node struct {
	// Name is the key of the value in an object, its number in a message without a
	// schema; empty in a list.
	Name string `json:"name,omitempty"`
	Kind Kind   `json:"kind"`
	// Text is the value of a leaf: a string as it is, a number as it was written.
	Text string `json:"text,omitempty"`
	// Note is what is known besides, such as the type of the value.
	Note string `json:"note,omitempty"`
	// Preview is the beginning of what is in an object or a list.
	Preview string  `json:"preview,omitempty"`
	Nodes   []*Node `json:"nodes,omitempty"`
}

// The reasons why the rest of a body is not shown.
var (
	errFull = fmt.Errorf("the rest is not shown: the view ends after %d values", maxNodes)
	errDeep = fmt.Errorf("the rest is not shown: values are nested more than %d deep", maxDepth)
	errTime = errors.New("the rest is not shown: to lay it out takes too long")
)

// builder makes the nodes of the views of a body, within their bounds.
type builder struct {
	ctx   context.Context
	left  int // nodes that may be made
	depth int
	notes []string
	// inflated is how much compressed messages have become, in bytes.
	inflated int
}

// maxNotes bounds the notes of a view.
const maxNotes = 20

func (b *builder) note(err error) {
	if err != nil && len(b.notes) < maxNotes {
		text := err.Error()
		b.notes = append(b.notes, strings.ToUpper(text[:1])+text[1:]+".")
	}
}

// leaf makes a node without others.
func (b *builder) leaf(kind Kind, text, note string) (*Node, error) {
	if b.left--; b.left < 0 {
		return nil, errFull
	}
	if b.left%256 == 0 && b.ctx.Err() != nil {
		return nil, errTime
	}
	return &Node{Kind: kind, Text: strings.ToValidUTF8(text, "\ufffd"), Note: note}, nil
}

// branch makes a node that fill fills. With an error of fill it has what came before.
func (b *builder) branch(kind Kind, note string, fill func(n *Node) error) (*Node, error) {
	n, err := b.leaf(kind, "", note)
	if err != nil {
		return nil, err
	}
	if b.depth++; b.depth > maxDepth {
		err = errDeep
	} else {
		err = fill(n)
	}
	b.depth--
	n.Preview = preview(n)
	return n, err
}

// add adds a node that came with an error to its parent, if there is one, and returns the
// error.
func (n *Node) add(name string, child *Node, err error) error {
	if child != nil {
		child.Name = strings.ToValidUTF8(name, "\ufffd")
		n.Nodes = append(n.Nodes, child)
	}
	return err
}

// maxHex is how much of a value of bytes is shown, in bytes.
const maxHex = 64

func (b *builder) bytes(data []byte, note string) (*Node, error) {
	text := hex.EncodeToString(data[:min(len(data), maxHex)])
	if len(data) > maxHex {
		text += "…"
	}
	size := strconv.Itoa(len(data)) + " bytes"
	if note != "" {
		size = note + ", " + size
	}
	return b.leaf(Bytes, text, size)
}

// parts returns a view with one tree, nil for none. It notes the error.
func (b *builder) parts(n *Node, err error) []Part {
	b.note(err)
	if n == nil {
		return nil
	}
	return []Part{{Tree: n}}
}

// maxPreview is the length of a preview in characters.
const maxPreview = 80

// preview returns the beginning of a branch in one line.
func preview(n *Node) string {
	var s strings.Builder
	appendPreview(&s, n, 2)
	return excerpt.Cut(s.String(), maxPreview)
}

func appendPreview(s *strings.Builder, n *Node, depth int) {
	if n.Kind != Object && n.Kind != List {
		text := excerpt.Cut(n.Text, 40)
		if n.Kind == String {
			text = strconv.Quote(text)
		}
		s.WriteString(text)
		return
	}
	brackets := "{}"
	if n.Kind == List {
		brackets = "[]"
	}
	s.WriteByte(brackets[0])
	for i, child := range n.Nodes {
		if i > 0 {
			s.WriteString(", ")
		}
		if s.Len() > maxPreview || depth == 0 {
			s.WriteString("…")
			break
		}
		if child.Name != "" {
			s.WriteString(excerpt.Cut(child.Name, 40) + ": ")
		}
		appendPreview(s, child, depth-1)
	}
	s.WriteByte(brackets[1])
}

// cursor reads binary values.
type cursor struct {
	data []byte
	at   int
}

func (c *cursor) done() bool { return c.at >= len(c.data) }

// next returns the next n bytes. All that is left comes with an error when there are fewer.
func (c *cursor) next(n uint64) ([]byte, error) {
	rest := c.data[c.at:]
	if n > uint64(len(rest)) {
		c.at = len(c.data)
		return rest, fmt.Errorf("byte %d: the body ends within a value", len(c.data))
	}
	c.at += int(n)
	return rest[:n], nil
}

// uint reads an unsigned number of n bytes, up to 8, the highest first.
func (c *cursor) uint(n uint64) (uint64, error) {
	b, err := c.next(n)
	if err != nil {
		return 0, err
	}
	v := uint64(0)
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return v, nil
}

// reader reads one value.
type reader func(c *cursor) (*Node, error)

// sequence reads values one after the other: the only one as it is, more as a list.
func (b *builder) sequence(data []byte, read reader) []Part {
	c := &cursor{data: data}
	list, err := b.branch(List, "", func(n *Node) error {
		for !c.done() {
			v, err := read(c)
			if err := n.add("", v, err); err != nil {
				return err
			}
		}
		return nil
	})
	if list != nil && len(list.Nodes) == 0 {
		return nil
	}
	if list != nil && len(list.Nodes) == 1 {
		list = list.Nodes[0]
	}
	return b.parts(list, err)
}

// wholeBranch reads one value, which has others in it and is all that there is.
func (b *builder) wholeBranch(data []byte, read reader) []Part {
	c := &cursor{data: data}
	n, err := read(c)
	if err != nil || !c.done() || len(n.Nodes) == 0 {
		return nil
	}
	return []Part{{Tree: n}}
}
