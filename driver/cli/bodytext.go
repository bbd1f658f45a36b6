package cli

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/exchange"
	"starproxy/driver/render"
	"starproxy/driver/view"
)

// maxHex is how much of a body that is no text is shown in hexadecimal, in bytes.
const maxHex = 512

// bodyLines returns the lines of a body, or of its beginning: by the best view, else as text,
// else in hexadecimal.
func bodyLines(b bodyPiece, data []byte, r *view.Rendered) []string {
	if r != nil && len(r.Views) > 0 {
		best := r.Views[0]
		var indented bytes.Buffer
		if strings.HasPrefix(best.Name, "JSON") && json.Indent(&indented, data, "", "  ") == nil {
			return textLines(indented.String()) // can be copied as JSON
		}
		return viewLines(best)
	}
	if b.Binary {
		text := hex.Dump(data[:min(len(data), maxHex)])
		lines := append([]string{fmt.Sprintf("(%s, no text)", b.Type)}, textLines(text)...)
		if len(data) > maxHex {
			lines = append(lines, fmt.Sprintf("(the first %d bytes)", maxHex))
		}
		return lines
	}
	text := string(data)
	if b.Charset != "" {
		decoded, _ := exchange.DecodeText(data, "text/plain; charset="+b.Charset)
		text = string(decoded)
	}
	return textLines(text)
}

// textLines returns the lines of a text without what plays with a terminal.
func textLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")
		lines = append(lines, printable(line))
	}
	return lines
}

// viewLines returns the lines of a view.
func viewLines(v render.View) []string {
	lines := []string{"(" + printable(v.Name) + ")"}
	for _, part := range v.Parts {
		if part.Title != "" {
			lines = append(lines, printable(part.Title))
		}
		for _, row := range part.Table {
			lines = append(lines, printable(row[0]+": "+row[1]))
		}
		lines = append(lines, textLines(part.Text)...)
		if part.Tree != nil {
			lines = append(lines, treeLines(part.Tree, "", "")...)
		}
		if len(part.Data) > 0 {
			lines = append(lines, printable(fmt.Sprintf("(%s, %s)", part.Type, byteSize(float64(len(part.Data))))))
		}
	}
	for _, note := range v.Notes {
		lines = append(lines, "! "+printable(note))
	}
	return lines
}

// treeLines returns the lines of a tree: names and values, each level two blanks deeper. The
// first line begins with the label.
func treeLines(n *render.Node, indent, label string) []string {
	value := ""
	switch {
	case n.Kind == render.String:
		value = strconv.Quote(n.Text)
		if utf8.ValidString(n.Text) {
			value = `"` + printable(strings.NewReplacer("\\", `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(n.Text)) + `"`
		}
	case n.Kind == render.Object && len(n.Nodes) == 0:
		value = "{}"
	case n.Kind == render.List && len(n.Nodes) == 0:
		value = "[]"
	default:
		value = printable(n.Text)
	}
	if n.Note != "" {
		value = strings.TrimLeft(value+"  ("+printable(n.Note)+")", " ")
	}
	var lines []string
	if line := strings.TrimRight(label+" "+value, " "); strings.TrimSpace(line) != "" {
		lines = append(lines, indent+strings.TrimLeft(line, " "))
		indent += "  "
	}
	for _, child := range n.Nodes {
		name := "-"
		if n.Kind == render.Object {
			name = printable(child.Name) + ":"
		}
		lines = append(lines, treeLines(child, indent, name)...)
	}
	return lines
}
