package mock

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/antchfx/xpath"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// The limits of XML: the number and the depth of nodes, and the moves of the cursor
// for one XPath. The moves take at most half a second.
const (
	maxXMLNodes = 100_000
	maxXMLDepth = 500
	maxXMLMoves = 5_000_000
)

// xmlPath is a compiled XPath. Any number of goroutines may use it.
type xmlPath struct {
	text string
	// prefixes says that the path has prefixes. They are compared as written in the
	// path and in the document. In a path without prefixes, a name means that name
	// in any namespace.
	prefixes bool
	free     chan *xpath.Expr // the free expressions; only one goroutine may use one at a time
}

// newXMLPath compiles an XPath 1.0.
func newXMLPath(path string) (*xmlPath, error) {
	expr, err := compileXPath(path)
	if err != nil {
		return nil, err
	}
	p := &xmlPath{text: path, prefixes: hasPrefix(path), free: make(chan *xpath.Expr, 16)}
	if _, err := p.evaluate(expr, &xmlNode{kind: xpath.RootNode}); err != nil { // such as a wrong argument
		return nil, fmt.Errorf("XPath %s: %w", excerpt.Quote(path), err)
	}
	p.free <- expr
	return p, nil
}

// CheckXPath returns an error for a malformed XPath.
func CheckXPath(path string) error {
	_, err := newXMLPath(path)
	return err
}

func compileXPath(path string) (expr *xpath.Expr, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
		if err != nil {
			expr, err = nil, fmt.Errorf("XPath: got %s, want an XPath 1.0 expression, such as //item/@id: %s", excerpt.Quote(path),
				strings.TrimPrefix(err.Error(), "xpath: "))
		}
	}()
	return xpath.Compile(path)
}

// hasPrefix reports whether a name in an XPath has a prefix.
func hasPrefix(path string) bool {
	quote := byte(0)
	for i := range len(path) {
		switch c := path[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == ':' && !strings.HasPrefix(path[i:], "::") && !strings.HasSuffix(path[:i], ":"):
			return true
		}
	}
	return false
}

// values returns the texts of the nodes that the path finds, without blanks around
// them. If the path computes a number, text or bool, values returns that.
func (p *xmlPath) values(root *xmlNode) ([]any, error) {
	var expr *xpath.Expr
	select {
	case expr = <-p.free:
	default:
		var err error
		if expr, err = compileXPath(p.text); err != nil {
			return nil, err
		}
	}
	values, err := p.evaluate(expr, root)
	if err == nil {
		select {
		case p.free <- expr:
		default:
		}
	}
	return values, err
}

// errMoves is the error of an XPath that needs too many moves.
var errMoves = errors.New("XML: the path takes too long in this document")

func (p *xmlPath) evaluate(expr *xpath.Expr, root *xmlNode) (values []any, err error) {
	defer func() {
		if r := recover(); r != nil { // the library panics on errors
			values = nil
			if err, _ = r.(error); err == nil {
				err = fmt.Errorf("%v", r)
			}
		}
	}()
	moves := maxXMLMoves
	nav := &xmlCursor{at: root, attr: -1, root: root, prefixes: p.prefixes, moves: &moves}
	switch v := expr.Evaluate(nav).(type) {
	case *xpath.NodeIterator:
		for v.MoveNext() {
			values = append(values, text(v.Current().Value()))
		}
	case float64:
		values = []any{text(strconv.FormatFloat(v, 'f', -1, 64))}
	case bool:
		values = []any{text(strconv.FormatBool(v))}
	case string:
		values = []any{text(v)}
	}
	return values, nil
}

// xmlNode is a node of a document.
type xmlNode struct {
	kind                xpath.NodeType
	name                xml.Name // Space is the prefix
	attrs               []xml.Attr
	data                string
	parent, child, last *xmlNode
	next, previous      *xmlNode
}

func (n *xmlNode) add(c *xmlNode) {
	c.parent, c.previous = n, n.last
	if n.last == nil {
		n.child = c
	} else {
		n.last.next = c
	}
	n.last = c
}

// value writes the text of a node and of all nodes in it to b. It calls visit for
// each of them.
func (n *xmlNode) value(b *strings.Builder, visit func()) {
	if visit(); n.kind == xpath.TextNode {
		b.WriteString(n.data)
	}
	for c := n.child; c != nil; c = c.next {
		c.value(b, visit)
	}
}

// parseXML reads a document. The charset of the content type, a byte order mark, and
// UTF-8 that is valid count before the encoding that the document names.
func parseXML(data []byte, contentType string) (*xmlNode, error) {
	content, charset := exchange.DecodeText(data, contentType)
	if charset == exchange.Latin1 && !exchange.HasCharset(contentType) {
		if root, err := readXML(data, false); err == nil {
			return root, nil
		}
	}
	return readXML(content, true)
}

// readXML reads a document. If decoded is false, its encoding is the one that it
// names.
func readXML(data []byte, decoded bool) (*xmlNode, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.CharsetReader = func(label string, r io.Reader) (io.Reader, error) {
		if decoded {
			return r, nil
		}
		rest, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		rest, _ = exchange.DecodeText(rest, "text/xml; charset="+label)
		return bytes.NewReader(rest), nil
	}
	root := &xmlNode{kind: xpath.RootNode}
	at, depth, nodes, elements := root, 0, 0, 0
	for {
		t, err := dec.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("not XML: %w", err)
		}
		if nodes > maxXMLNodes || depth > maxXMLDepth {
			return nil, fmt.Errorf("XML of more than %d nodes or %d levels", maxXMLNodes, maxXMLDepth)
		}
		nodes++
		switch t := t.(type) {
		case xml.StartElement:
			n := &xmlNode{kind: xpath.ElementNode, name: t.Name, attrs: t.Copy().Attr}
			nodes += len(n.attrs)
			at.add(n)
			at, depth, elements = n, depth+1, elements+1
		case xml.EndElement:
			if at.kind != xpath.ElementNode || at.name != t.Name {
				return nil, fmt.Errorf("not XML: </%s> closes nothing", t.Name.Local)
			}
			at, depth, nodes = at.parent, depth-1, nodes-1
		case xml.CharData:
			at.add(&xmlNode{kind: xpath.TextNode, data: string(t)})
		case xml.Comment:
			at.add(&xmlNode{kind: xpath.CommentNode, data: string(t)})
		}
	}
	switch {
	case at != root:
		return nil, fmt.Errorf("not XML: <%s> is never closed", at.name.Local)
	case elements == 0:
		return nil, errors.New("not XML: no element")
	}
	return root, nil
}

// xmlCursor walks through a document for the XPath library.
type xmlCursor struct {
	at, root *xmlNode
	attr     int // the index of an attribute of at; -1 means the node itself
	prefixes bool
	moves    *int
}

func (c *xmlCursor) step() {
	if *c.moves--; *c.moves < 0 {
		panic(errMoves)
	}
}

// NodeType returns the kind of the node.
func (c *xmlCursor) NodeType() xpath.NodeType {
	if c.attr >= 0 {
		return xpath.AttributeNode
	}
	return c.at.kind
}

func (c *xmlCursor) name() xml.Name {
	if c.attr >= 0 {
		return c.at.attrs[c.attr].Name
	}
	return c.at.name
}

// LocalName returns the name without its prefix.
func (c *xmlCursor) LocalName() string { return c.name().Local }

// Prefix returns the prefix of the name if prefixes are compared, else "".
func (c *xmlCursor) Prefix() string {
	if !c.prefixes {
		return ""
	}
	return c.name().Space
}

// Value returns the text of the node. Blanks around the text of an element are
// removed, because documents are indented and the text may be a number to compare.
func (c *xmlCursor) Value() string {
	switch {
	case c.attr >= 0:
		return c.at.attrs[c.attr].Value
	case c.at.kind == xpath.CommentNode || c.at.kind == xpath.TextNode:
		return strings.TrimSpace(c.at.data)
	}
	var b strings.Builder
	c.at.value(&b, c.step)
	*c.moves -= b.Len() / 8
	return strings.TrimSpace(b.String())
}

// Copy returns another cursor at the same node.
func (c *xmlCursor) Copy() xpath.NodeNavigator {
	c.step()
	other := *c
	return &other
}

// MoveToRoot goes to the document.
func (c *xmlCursor) MoveToRoot() { c.at, c.attr = c.root, -1 }

// MoveToParent goes to the node that this one is in.
func (c *xmlCursor) MoveToParent() bool {
	c.step()
	if c.attr >= 0 {
		c.attr = -1
		return true
	}
	return c.move(c.at.parent)
}

func (c *xmlCursor) move(to *xmlNode) bool {
	if to == nil {
		return false
	}
	c.at = to
	return true
}

// MoveToNextAttribute moves to the first attribute, or from one attribute to the next.
// It skips declarations of namespaces.
func (c *xmlCursor) MoveToNextAttribute() bool {
	c.step()
	for i := c.attr + 1; i < len(c.at.attrs); i++ {
		if name := c.at.attrs[i].Name; name.Space != "xmlns" && (name.Space != "" || name.Local != "xmlns") {
			c.attr = i
			return true
		}
	}
	return false
}

// MoveToChild goes to the first node in this one.
func (c *xmlCursor) MoveToChild() bool {
	c.step()
	return c.attr < 0 && c.move(c.at.child)
}

// MoveToFirst goes to the first of the nodes beside this one.
func (c *xmlCursor) MoveToFirst() bool {
	c.step()
	if c.attr >= 0 || c.at.parent == nil || c.at.previous == nil {
		return false
	}
	return c.move(c.at.parent.child)
}

// MoveToNext goes to the node behind this one.
func (c *xmlCursor) MoveToNext() bool {
	c.step()
	return c.attr < 0 && c.move(c.at.next)
}

// MoveToPrevious goes to the node before this one.
func (c *xmlCursor) MoveToPrevious() bool {
	c.step()
	return c.attr < 0 && c.move(c.at.previous)
}

// MoveTo moves to the node of another cursor.
func (c *xmlCursor) MoveTo(other xpath.NodeNavigator) bool {
	o, ok := other.(*xmlCursor)
	if !ok || o.root != c.root {
		return false
	}
	c.at, c.attr = o.at, o.attr
	return true
}

// Interface guard.
var _ xpath.NodeNavigator = (*xmlCursor)(nil)
