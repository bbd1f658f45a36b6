package render

import (
	"fmt"
	"strings"

	"starproxy/builtins/jsonvalue"
)

// AppendText appends the view as text for a terminal. A tree is written as JSON is, each
// value on a line, with the notes of values behind a "#".
func (v *View) AppendText(dst []byte) []byte {
	for i, p := range v.Parts {
		if i > 0 {
			dst = append(dst, '\n')
		}
		dst = p.append(dst)
	}
	for _, note := range v.Notes {
		dst = append(append(append(dst, "# "...), note...), '\n')
	}
	return dst
}

func (p *Part) append(dst []byte) []byte {
	if p.Title != "" {
		dst = append(append(append(dst, "# "...), p.Title...), '\n')
	}
	for _, row := range p.Table {
		if row[0] != "" {
			dst = append(append(dst, row[0]...), ": "...)
		}
		dst = append(append(dst, row[1]...), '\n')
	}
	if p.Text != "" {
		dst = append(append(dst, strings.TrimSuffix(p.Text, "\n")...), '\n')
	}
	if p.Tree != nil {
		dst = p.Tree.append(dst, 0, "", "")
	}
	if p.Data != nil {
		dst = fmt.Appendf(dst, "# %s, %d bytes\n", p.Type, len(p.Data))
	}
	return dst
}

// append writes the node and what is in it. key is what stands before it, after the comma
// before a next one.
func (n *Node) append(dst []byte, depth int, key, after string) []byte {
	indent := strings.Repeat("  ", min(depth, maxIndent))
	dst = append(append(dst, indent...), key...)
	note := ""
	if n.Note != "" {
		note = "  # " + n.Note
	}
	brackets := map[Kind]string{Object: "{}", List: "[]"}[n.Kind]
	switch {
	case n.Kind == String:
		return append(append(append(jsonvalue.AppendText(dst, n.Text), after...), note...), '\n')
	case brackets == "":
		return append(append(append(append(dst, n.Text...), after...), note...), '\n')
	case len(n.Nodes) == 0:
		return append(append(append(append(dst, brackets...), after...), note...), '\n')
	}
	dst = append(append(append(dst, brackets[0]), note...), '\n')
	for i, child := range n.Nodes {
		comma := ","
		if i == len(n.Nodes)-1 {
			comma = ""
		}
		key := ""
		if n.Kind == Object {
			key = string(jsonvalue.AppendText(nil, child.Name)) + ": "
		}
		dst = child.append(dst, depth+1, key, comma)
	}
	return append(append(append(append(dst, indent...), brackets[1]), after...), '\n')
}
