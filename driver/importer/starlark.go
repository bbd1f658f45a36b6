package importer

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
)

// functionTag marks a text that is an expression of Starlark.
const functionTag = "!starlark"

// starlark returns a document as the globals of a script, one for each key.
func starlark(doc *yaml.Node) string {
	var b strings.Builder
	for k, v := range document.Pairs(doc) {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(k.Value + " = ")
		writeValue(&b, v, "")
		b.WriteString("\n")
	}
	return b.String()
}

// maxOnLine is the length up to which a value is written in one line.
const maxOnLine = 80

// writeValue writes a value, whose lines after the first begin with indent.
func writeValue(b *strings.Builder, n *yaml.Node, indent string) {
	if n.Kind == yaml.ScalarNode {
		b.WriteString(scalar(n))
		return
	}
	if line, ok := onOneLine(n); ok && len(indent)+len(line) <= maxOnLine {
		b.WriteString(line)
		return
	}
	inner := indent + "    "
	if n.Kind == yaml.SequenceNode {
		b.WriteString("[\n")
		for _, c := range n.Content {
			b.WriteString(inner)
			writeValue(b, c, inner)
			b.WriteString(",\n")
		}
		b.WriteString(indent + "]")
		return
	}
	b.WriteString("{\n")
	for k, v := range document.Pairs(n) {
		for line := range strings.SplitSeq(k.HeadComment, "\n") {
			if line != "" {
				b.WriteString(inner + line + "\n")
			}
		}
		b.WriteString(inner + strconv.Quote(k.Value) + ": ")
		writeValue(b, v, inner)
		b.WriteString(",\n")
	}
	b.WriteString(indent + "}")
}

// onOneLine returns a value in one line; ok is false if it has comments.
func onOneLine(n *yaml.Node) (line string, ok bool) {
	if n.Kind == yaml.ScalarNode {
		return scalar(n), true
	}
	var parts []string
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			part, ok := onOneLine(c)
			if !ok {
				return "", false
			}
			parts = append(parts, part)
		}
		return "[" + strings.Join(parts, ", ") + "]", true
	}
	for k, v := range document.Pairs(n) {
		part, ok := onOneLine(v)
		if !ok || k.HeadComment != "" {
			return "", false
		}
		parts = append(parts, strconv.Quote(k.Value)+": "+part)
	}
	return "{" + strings.Join(parts, ", ") + "}", true
}

// scalar returns a scalar as a literal.
func scalar(n *yaml.Node) string {
	switch {
	case n.Tag == functionTag:
		return n.Value
	case n.Tag == "!!null":
		return "None"
	case n.Tag == "!!bool" && n.Value == "true":
		return "True"
	case n.Tag == "!!bool":
		return "False"
	case n.Tag == "!!int" || n.Tag == "!!float" || n.Tag == "" && n.Style == 0:
		return n.Value
	}
	return strconv.Quote(n.Value)
}
