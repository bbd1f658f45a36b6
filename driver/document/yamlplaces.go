package document

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// entry is a key of a map in block style, with its value.
type entry struct {
	key, value *yaml.Node
	last       int // the line, from 1, at which the value ends
}

// lines returns the number of lines.
func (e *yamlEditor) lines() int { return len(e.starts) - 1 }

// line returns a line, which counts from 1, without its end.
func (e *yamlEditor) line(n int) string {
	return strings.TrimRight(string(e.text[e.starts[n-1]:e.starts[n]]), "\r\n")
}

// offset returns the offset of the place of a node.
func (e *yamlEditor) offset(n *yaml.Node) int {
	at := e.starts[n.Line-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(e.text[at:])
		at += size
	}
	return at
}

// block reports whether a map is in block style and its keys each begin a line, so that it
// can be edited.
func (e *yamlEditor) block(n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode || n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0 {
		return false
	}
	for k := range Pairs(n) {
		if k.Kind != yaml.ScalarNode || strings.TrimSpace(e.line(k.Line)[:e.offset(k)-e.starts[k.Line-1]]) != "" {
			return false
		}
	}
	return true
}

// entries returns the entries of a map in block style; its text ends at or before the line
// bound.
func (e *yamlEditor) entries(n *yaml.Node, bound int) []entry {
	var list []entry
	for k, v := range Pairs(n) {
		list = append(list, entry{key: k, value: v})
	}
	for i := range list {
		to := bound
		if i+1 < len(list) {
			to = list[i+1].key.Line - 1
		}
		list[i].last = e.lastLine(list[i], to)
	}
	return list
}

// end returns the last line of the document's content.
func (e *yamlEditor) end() int {
	for n := e.root.Line + 1; n <= e.lines(); n++ {
		if l := e.line(n); l == "..." || strings.HasPrefix(l, "... ") {
			return n - 1
		}
	}
	return e.lines()
}

// lastLine returns the line at which the value of an entry ends; it is at or before bound.
func (e *yamlEditor) lastLine(in entry, bound int) int {
	leaf, indent := in.value, in.key.Column-1
	last := in.key.Line
	for len(leaf.Content) > 0 && leaf.Kind != yaml.AliasNode {
		if leaf.Kind == yaml.SequenceNode && leaf.Style&yaml.FlowStyle == 0 {
			indent = leaf.Column - 1
		} else if leaf.Kind == yaml.MappingNode && leaf.Style&yaml.FlowStyle == 0 {
			indent = leaf.Content[len(leaf.Content)-2].Column - 1
		}
		if leaf.Kind == yaml.MappingNode {
			last = max(last, leaf.Content[len(leaf.Content)-2].Line)
		}
		leaf = leaf.Content[len(leaf.Content)-1]
	}
	if leaf.Tag != "!!null" || leaf.Value != "" {
		last = max(last, leaf.Line)
	}
	switch {
	case leaf.Kind != yaml.ScalarNode:
	case leaf.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return min(e.literalEnd(last, indent), bound)
	case leaf.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		if at := e.quoteEnd(e.offset(leaf)); at > 0 {
			last = max(last, e.lineAt(at-1))
		}
	}
	// Plain text may go on, and brackets may close, in lines that are no comments.
	for n := last + 1; n <= bound; n++ {
		if l := strings.TrimSpace(e.line(n)); l != "" && l[0] != '#' {
			last = n
		}
	}
	return last
}

// lineAt returns the line of an offset.
func (e *yamlEditor) lineAt(offset int) int {
	n, _ := slices.BinarySearch(e.starts, offset+1)
	return n
}

// literalEnd returns the last line of a literal or folded text whose header is in a line.
// indent is the indentation of what the text belongs to. The header may tell the further
// indentation of the text by a digit; else it is that of the first line.
func (e *yamlEditor) literalEnd(header, indent int) int {
	last, own := header, 0
	if m := literalHeader.FindStringSubmatch(e.line(header)); m != nil && m[1] != "" {
		own = indent + int(m[1][0]-'0')
	}
	for n := header + 1; n <= e.lines(); n++ {
		l := e.line(n)
		if strings.TrimSpace(l) == "" {
			continue
		}
		in := len(l) - len(strings.TrimLeft(l, " "))
		if own == 0 {
			own = max(in, indent+1)
		}
		if in < own {
			break
		}
		last = n
	}
	return last
}

// literalHeader is the end of a line with the header of a literal or folded text.
var literalHeader = regexp.MustCompile(`[|>][+-]?([1-9]?)[+-]?[ \t]*(?:#.*)?$`)

// quoteEnd returns the offset behind a text in quotes that begins at an offset, where a tag
// or an anchor may come first; 0 if it does not end.
func (e *yamlEditor) quoteEnd(at int) int {
	for at < len(e.text) && (e.text[at] == '!' || e.text[at] == '&') {
		for at < len(e.text) && !bytes.ContainsRune([]byte(" \t\r\n"), rune(e.text[at])) {
			at++
		}
		for at < len(e.text) && bytes.ContainsRune([]byte(" \t\r\n"), rune(e.text[at])) {
			at++
		}
	}
	if at >= len(e.text) {
		return 0
	}
	quote := e.text[at]
	for i := at + 1; i < len(e.text); i++ {
		switch {
		case quote == '"' && e.text[i] == '\\':
			i++
		case e.text[i] == quote && quote == '\'' && i+1 < len(e.text) && e.text[i+1] == '\'':
			i++
		case e.text[i] == quote:
			return i + 1
		}
	}
	return 0
}

// colon returns the offset behind the colon of a key; 0 if there is none.
func (e *yamlEditor) colon(k *yaml.Node) int {
	at := e.offset(k)
	if k.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		if at = e.quoteEnd(at); at == 0 {
			return 0
		}
	}
	for ; at < len(e.text) && e.text[at] != '\n'; at++ {
		if e.text[at] == ':' && (at+1 == len(e.text) || bytes.IndexByte([]byte(" \t\r\n"), e.text[at+1]) >= 0) {
			return at + 1
		}
	}
	return 0
}
