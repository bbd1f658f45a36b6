package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The bounds of a document. What a person or an export writes stays far below.
const (
	maxBytes  = 16 << 20
	maxDepth  = 500
	aliasRoom = 200_000 // nodes that aliases and merge keys may add
)

// Error is a fault in a document, with its place.
type Error struct {
	// File is the document's name as it was given, possibly empty.
	File string
	// Line and Column count from 1; they are 0 when the place is unknown.
	Line, Column int
	// Message says what is wrong and what was expected.
	Message string
	// Err is what code may ask for with errors.Is, or nil.
	Err error
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Error gives "file:line:column: message"; without a file, the message alone.
func (e *Error) Error() string {
	s := e.File
	if s == "" {
		return e.Message
	}
	if e.Line > 0 {
		s += ":" + strconv.Itoa(e.Line)
		if e.Column > 0 {
			s += ":" + strconv.Itoa(e.Column)
		}
	}
	return s + ": " + e.Message
}

// faultf makes an Error at n. The file is filled in where it is known.
func faultf(n *yaml.Node, format string, args ...any) *Error {
	e := &Error{Message: fmt.Sprintf(format, args...)}
	if n != nil {
		e.Line, e.Column = n.Line, n.Column
	}
	return e
}

// inFile names the file in err, where err is an Error without one.
func inFile(filename string, err error) error {
	var e *Error
	if errors.As(err, &e) && e.File == "" {
		e.File = filename
	}
	return err
}

// read gives the root of a document as nodes of the JSON kind only: maps with
// text keys and no key twice, lists, and scalars tagged !!str, !!int, !!float,
// !!bool or !!null. Aliases and merge keys are resolved: nodes may be shared, so
// nobody changes them. An empty document is a !!null.
func read(filename string, data []byte) (*yaml.Node, error) {
	if len(data) > maxBytes {
		return nil, &Error{File: filename, Message: fmt.Sprintf("%d bytes are more than a document may have (%d)", len(data), maxBytes)}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	isJSON := strings.EqualFold(filepath.Ext(filename), ".json")
	if !isJSON {
		// A JSON text is nearly always a YAML text too, but not where strings
		// hold surrogate pairs or the indentation is made of tabs.
		t := bytes.TrimLeft(data, " \t\r\n")
		isJSON = len(t) > 0 && (t[0] == '{' || t[0] == '[') && json.Valid(t)
	}
	var root *yaml.Node
	var err error
	if isJSON {
		root, err = readJSON(data)
	} else {
		root, err = readYAML(data)
	}
	if err == nil {
		r := resolver{seen: map[*yaml.Node]extent{}, room: aliasRoom}
		root, _, err = r.resolve(root, 0)
	}
	if err != nil {
		return nil, inFile(filename, err)
	}
	return root, nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?((?s).*)$`)

func readYAML(data []byte) (root *yaml.Node, err error) {
	// The parser is not ours, and its input may come from anybody.
	defer func() {
		if p := recover(); p != nil {
			root, err = nil, &Error{Message: fmt.Sprintf("not a YAML document: %v", p)}
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case err == io.EOF:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: 1, Column: 1}, nil
	case err != nil:
		return nil, yamlFault(err)
	}
	switch err := dec.Decode(&more); {
	case err == nil:
		return nil, faultf(&more, "a second document: expected only one in a file")
	case err != io.EOF:
		return nil, yamlFault(err)
	}
	return doc.Content[0], nil
}

func yamlFault(err error) error {
	m := yamlLine.FindStringSubmatch(err.Error())
	line, _ := strconv.Atoi(m[1])
	return &Error{Line: line, Message: "not a YAML document: " + m[2]}
}

// readJSON builds the nodes that a YAML parser would have built.
func readJSON(data []byte) (*yaml.Node, error) {
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
	dec *json.Decoder
	at  place
}

// token gives the next token and where it begins.
func (j *jsonReader) token() (json.Token, *yaml.Node, error) {
	off := int(j.dec.InputOffset())
	for off < len(j.at.data) && strings.IndexByte(" \t\r\n,:", j.at.data[off]) >= 0 {
		off++
	}
	j.at.advance(off)
	n := &yaml.Node{Line: j.at.line, Column: j.at.column}
	t, err := j.dec.Token()
	if err != nil {
		return nil, n, faultf(n, "not a JSON document: %v", err)
	}
	return t, n, nil
}

func (j *jsonReader) value(depth int) (*yaml.Node, error) {
	t, n, err := j.token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, tooDeep(n)
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

func tooDeep(n *yaml.Node) *Error { return faultf(n, "nested more than %d levels deep", maxDepth) }

// extent is how large a node is with all that it refers to.
type extent struct{ nodes, height int }

// resolver turns parsed nodes into what [read] promises.
type resolver struct {
	seen  map[*yaml.Node]extent // nodes 0: being resolved
	room  int                   // what merge keys may still add
	alias int                   // nodes that aliases added
}

func (r *resolver) resolve(n *yaml.Node, depth int) (*yaml.Node, extent, error) {
	via := n
	for hops := 0; n.Kind == yaml.AliasNode; hops++ {
		if n = n.Alias; n == nil || hops > maxDepth {
			return nil, extent{}, faultf(via, "an alias to nothing")
		}
	}
	if depth > maxDepth {
		return nil, extent{}, tooDeep(via)
	}
	if e, ok := r.seen[n]; ok {
		if e.nodes == 0 {
			return nil, e, faultf(via, "alias *%s lies inside what it refers to", via.Value)
		}
		if depth+e.height > maxDepth {
			return nil, e, tooDeep(via)
		}
		if r.alias += e.nodes; r.alias > aliasRoom {
			return nil, e, faultf(via, "aliases expand to more than %d values", aliasRoom)
		}
		return n, e, nil
	}
	r.seen[n] = extent{}
	e := extent{nodes: 1}
	var err error
	switch n.Kind {
	case yaml.ScalarNode:
		err = settle(n)
	case yaml.SequenceNode:
		if n.ShortTag() != "!!seq" {
			return nil, e, faultf(n, "tag %s: expected a plain list", n.Tag)
		}
		for i, c := range n.Content {
			var ce extent
			if n.Content[i], ce, err = r.resolve(c, depth+1); err != nil {
				break
			}
			e.add(ce)
		}
	case yaml.MappingNode:
		if n.ShortTag() != "!!map" {
			return nil, e, faultf(n, "tag %s: expected a plain map", n.Tag)
		}
		e, err = r.mapping(n, depth)
	default:
		err = faultf(n, "expected a map, a list, text, a number, true, false or null")
	}
	if err != nil {
		return nil, e, err
	}
	r.seen[n] = e
	return n, e, nil
}

func (e *extent) add(c extent) {
	e.nodes = min(e.nodes+c.nodes, math.MaxInt32)
	e.height = max(e.height, c.height+1)
}

// mapping resolves a map: its values, its merge keys, and that no key is there twice.
func (r *resolver) mapping(n *yaml.Node, depth int) (extent, error) {
	e := extent{nodes: 1}
	own := make(map[string]*yaml.Node, len(n.Content)/2)
	var out []*yaml.Node
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind == yaml.AliasNode && k.Alias != nil {
			k = &yaml.Node{Kind: k.Alias.Kind, Tag: k.Alias.Tag, Value: k.Alias.Value, Style: k.Alias.Style, Line: k.Line, Column: k.Column}
		}
		if k.Kind != yaml.ScalarNode {
			return e, faultf(k, "a map key that is %s: expected text", describe(k))
		}
		v, ve, err := r.resolve(n.Content[i+1], depth+1)
		if err != nil {
			return e, err
		}
		if k.ShortTag() == "!!merge" {
			if v.Kind == yaml.SequenceNode {
				merges = append(merges, v.Content...)
			} else {
				merges = append(merges, v)
			}
			for _, m := range merges {
				if m.Kind != yaml.MappingNode {
					return e, faultf(n.Content[i+1], "<< takes a map or a list of maps, found %s", describe(m))
				}
			}
			continue
		}
		if first := own[k.Value]; first != nil {
			return e, faultf(k, "duplicate key %q (first at line %d)", k.Value, first.Line)
		}
		own[k.Value] = k
		out = append(out, k, v)
		e.nodes++
		e.add(ve)
	}
	for _, m := range merges {
		me := r.seen[m]
		for i := 0; i+1 < len(m.Content); i += 2 {
			if own[m.Content[i].Value] != nil {
				continue
			}
			own[m.Content[i].Value] = m.Content[i]
			out = append(out, m.Content[i], m.Content[i+1])
			if r.room--; r.room < 0 {
				return e, faultf(n, "merge keys add more than %d values", aliasRoom)
			}
		}
		e.nodes = min(e.nodes+me.nodes, math.MaxInt32)
		e.height = max(e.height, me.height)
	}
	n.Content = slices.Clip(out)
	return e, nil
}

// settle gives a scalar one of the five JSON tags. Unquoted yes, no, on and off
// are true and false, as for the YAML 1.1 reader that scenario files were
// written for; a date is text.
func settle(n *yaml.Node) error {
	plain := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) == 0
	switch tag := n.ShortTag(); tag {
	case "!!str":
		n.Tag = "!!str"
		if plain {
			switch strings.ToLower(n.Value) {
			case "yes", "no", "on", "off":
				if w := n.Value; w == strings.ToLower(w) || w == strings.ToUpper(w) || w[1:] == strings.ToLower(w[1:]) {
					n.Tag = "!!bool"
				}
			}
		}
	case "!!null":
		n.Tag = "!!null"
	case "!!timestamp", "!!merge":
		n.Tag = "!!str"
	case "!!bool":
		n.Tag = "!!bool"
		switch strings.ToLower(n.Value) {
		case "true", "false", "yes", "no", "on", "off":
		default:
			return faultf(n, "tag !!bool: expected true or false, found %q", n.Value)
		}
	case "!!int", "!!float":
		n.Tag = tag
		if v, err := number(n); err != nil {
			return err
		} else if _, isInt := v.(int64); tag == "!!int" && !isInt {
			n.Tag = "!!float"
		}
	default:
		return faultf(n, "tag %s: expected text, a number, true, false or null", n.Tag)
	}
	return nil
}

// number is the value of a scalar tagged !!int or !!float: an int64 where it
// was written as a whole number and fits, else a float64.
func number(n *yaml.Node) (any, error) {
	s := strings.ReplaceAll(n.Value, "_", "")
	if n.Tag == "!!int" || n.Tag == "tag:yaml.org,2002:int" {
		if i, err := strconv.ParseInt(s, 0, 64); err == nil {
			return i, nil
		}
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return i, nil
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		if u, uerr := strconv.ParseUint(s, 0, 64); uerr == nil {
			return float64(u), nil
		}
	}
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, faultf(n, "expected a number, found %q", n.Value)
	}
	return f, nil
}

// truth is the value of a scalar tagged !!bool.
func truth(n *yaml.Node) bool {
	switch strings.ToLower(n.Value) {
	case "true", "yes", "on":
		return true
	}
	return false
}

// value is a node as a JSON value: nil, bool, int64, float64, string, []any or
// map[string]any.
func value(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = value(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		l := make([]any, len(n.Content))
		for i, c := range n.Content {
			l[i] = value(c)
		}
		return l
	}
	switch n.Tag {
	case "!!bool":
		return truth(n)
	case "!!int", "!!float":
		v, _ := number(n)
		return v
	case "!!str":
		return n.Value
	}
	return nil
}

// describe names a node for an error message.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return n.Value
	}
	s := n.Value
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return fmt.Sprintf("the text %q", s)
}
