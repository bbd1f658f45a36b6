package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// ReadJSON parses JSON and returns the same nodes as the YAML parser.
func ReadJSON(data []byte) (*yaml.Node, error) {
	at := place{data: data, line: 1, column: 1}
	if len(bytes.TrimSpace(data)) == 0 {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: 1, Column: 1}, nil
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at.advance(max(0, min(int(syntax.Offset)-1, len(data))))
		}
		return nil, &Error{Line: at.line, Column: at.column, Message: "not a JSON document: " + err.Error()}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	j := jsonReader{dec: dec, at: at}
	n, err := j.value(0)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// place follows an offset through the text to its line and column; columns
// count characters, as in the YAML parser.
type place struct {
	data         []byte
	off          int
	line, column int
}

func (p *place) advance(to int) {
	for p.off < to {
		r, n := utf8.DecodeRune(p.data[p.off:])
		p.off += n
		if r == '\n' {
			p.line, p.column = p.line+1, 1
		} else {
			p.column++
		}
	}
}

type jsonReader struct {
	dec   *json.Decoder
	at    place
	count int // of values
}

// token returns the next token and a node at its place.
func (j *jsonReader) token() (json.Token, *yaml.Node, error) {
	off := int(j.dec.InputOffset())
	for off < len(j.at.data) && strings.IndexByte(" \t\r\n,:", j.at.data[off]) >= 0 {
		off++
	}
	j.at.advance(off)
	n := &yaml.Node{Line: j.at.line, Column: j.at.column}
	if j.count++; j.count > maxTokens {
		return nil, n, tooMany(n)
	}
	t, err := j.dec.Token()
	if err != nil {
		return nil, n, Errorf(n, "not a JSON document: %v", err)
	}
	return t, n, nil
}

func (j *jsonReader) value(depth int) (*yaml.Node, error) {
	t, n, err := j.token()
	if err != nil {
		return nil, err
	}
	if depth > MaxDepth {
		return nil, TooDeep(n)
	}
	n.Kind = yaml.ScalarNode
	switch t := t.(type) {
	case nil:
		n.Tag, n.Value = "!!null", "null"
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(t)
	case json.Number:
		n.Tag, n.Value = "!!int", t.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case string:
		n.Tag, n.Value, n.Style = "!!str", t, yaml.DoubleQuotedStyle
	case json.Delim:
		n.Kind, n.Tag, n.Style = yaml.SequenceNode, "!!seq", yaml.FlowStyle
		if t == '{' {
			n.Kind, n.Tag = yaml.MappingNode, "!!map"
		}
		for j.dec.More() {
			if n.Kind == yaml.MappingNode {
				k, kn, err := j.token()
				if err != nil {
					return nil, err
				}
				kn.Kind, kn.Tag, kn.Style = yaml.ScalarNode, "!!str", yaml.DoubleQuotedStyle
				kn.Value, _ = k.(string)
				n.Content = append(n.Content, kn)
			}
			c, err := j.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, c)
		}
		if _, _, err := j.token(); err != nil { // the closing bracket
			return nil, err
		}
	}
	return n, nil
}
