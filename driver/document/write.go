package document

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Block returns a node as YAML in block style. It changes the styles of the node.
func Block(n *yaml.Node) (string, error) {
	Plain(n)
	return YAML(n)
}

// Plain removes the styles of JSON from a node. Empty maps and lists keep theirs, and so
// do texts that [Read] would take for something else, such as "yes".
func Plain(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode || len(n.Content) > 0 {
		n.Style = 0
	}
	if n.Tag == "!!str" && (&resolver{yaml: true}).wordTag(n.Value) != "!!str" {
		n.Style = yaml.DoubleQuotedStyle
	}
	if n.Tag == "!!int" || n.Tag == "!!float" {
		n.Value = yamlNumber(n.Value)
		if _, err := strconv.ParseFloat(n.Value, 64); err == nil {
			n.Tag = "" // with the tag, the encoder would write !!int before a large number
		}
	}
	for _, c := range n.Content {
		Plain(c)
	}
}

// yamlNumber returns a number of JSON in a form that each version of YAML reads as a
// number: an exponent has a sign and a point before it.
func yamlNumber(text string) string {
	i := strings.IndexAny(text, "eE")
	if i < 0 {
		return text
	}
	mantissa, exponent := text[:i], text[i+1:]
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	if exponent[0] != '-' && exponent[0] != '+' {
		exponent = "+" + exponent
	}
	return mantissa + text[i:i+1] + exponent
}

// YAML returns a node as a YAML document, indented by two.
func YAML(n *yaml.Node) (string, error) {
	var b strings.Builder
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err := enc.Encode(n)
	return b.String(), err
}
