package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The bounds of a document. Documents of people and of exports are far smaller.
const (
	MaxBytes  = 16 << 20
	MaxDepth  = 500
	aliasRoom = 200_000   // nodes that aliases and merge keys may add
	maxTokens = 2_000_000 // values, keys and brackets
)

func tooMany(n *yaml.Node) *Error {
	return Errorf(n, "more than %d values, keys and brackets", maxTokens)
}

// Read returns the root of a document. The nodes are those that JSON can express:
// maps with text keys and no key twice, lists, and scalars tagged !!str, !!int,
// !!float, !!bool or !!null; besides, bytes tagged [BinaryTag]. Aliases and merge
// keys are resolved, so nodes may be shared: callers must not change them. An
// empty document is a !!null.
func Read(filename string, data []byte) (*yaml.Node, error) {
	if len(data) > MaxBytes {
		return nil, &Error{File: filename, Message: fmt.Sprintf("%d bytes are more than a document may have (%d)", len(data), MaxBytes)}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	isJSON := strings.EqualFold(filepath.Ext(filename), ".json")
	if !isJSON {
		// Most JSON is YAML too, but not JSON with surrogate pairs in strings or
		// with tabs as indentation.
		t := bytes.TrimLeft(data, " \t\r\n")
		isJSON = len(t) > 0 && (t[0] == '{' || t[0] == '[') && json.Valid(t)
	}
	var root *yaml.Node
	var err error
	if isJSON {
		root, err = ReadJSON(data)
	} else {
		root, err = readYAML(data)
	}
	if err == nil {
		r := resolver{seen: map[*yaml.Node]extent{}, room: aliasRoom, yaml: !isJSON}
		root, _, err = r.resolve(root, 0)
	}
	if err != nil {
		return nil, InFile(filename, err)
	}
	return root, nil
}

func readYAML(data []byte) (root *yaml.Node, err error) {
	// The parser is a library and may panic; its input may come from anybody.
	defer func() {
		if p := recover(); p != nil {
			root, err = nil, &Error{Message: fmt.Sprintf("not a YAML document: %v", p)}
		}
	}()
	// Each value is on a line of its own, or follows a comma or a bracket.
	if bytes.Count(data, []byte{'\n'})+bytes.Count(data, []byte{','})+bytes.Count(data, []byte{'['})+bytes.Count(data,
		[]byte{'{'}) > 2*maxTokens {
		return nil, &Error{Message: fmt.Sprintf("a document of more than %d lines, commas and brackets", 2*maxTokens)}
	}
	data, mark := hideSurrogates(data)
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case err == io.EOF:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: 1, Column: 1}, nil
	case err != nil:
		return nil, yamlFault(data, err)
	}
	switch err := dec.Decode(&more); {
	case err == nil:
		return nil, Errorf(&more, "got a second document, want one in a file")
	case err != io.EOF:
		return nil, yamlFault(data, err)
	}
	if mark != 0 {
		showSurrogates(&doc, mark)
	}
	return doc.Content[0], nil
}
