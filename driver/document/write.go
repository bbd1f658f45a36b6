package document

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Block writes a node in YAML's block style.
func Block(n *yaml.Node) (string, error) {
	Plain(n)
	return YAML(n)
}

// Plain takes the styles of JSON off a node; empty maps and lists keep theirs.
func Plain(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode || len(n.Content) > 0 {
		n.Style = 0
	}
	if n.Tag == "!!int" || n.Tag == "!!float" {
		n.Value = yamlNumber(n.Value)
		if _, err := strconv.ParseFloat(n.Value, 64); err == nil {
			n.Tag = "" // the parser takes large whole numbers for floats, and would get a tag for them
		}
	}
	for _, c := range n.Content {
		Plain(c)
	}
}

// yamlNumber writes a number of JSON as every version of YAML reads it: with a
// point before an exponent, which has a sign.
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

// YAML is a node as a YAML document, indented by two.
func YAML(n *yaml.Node) (string, error) {
	var b strings.Builder
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err := enc.Encode(n)
	return b.String(), err
}
