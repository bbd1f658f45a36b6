package contract

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
)

// The places of parameters.
const (
	inPath   = "path"
	inQuery  = "query"
	inHeader = "header"
	inCookie = "cookie"
)

// parameter is one of a request, or a header of an answer.
type parameter struct {
	name, in string
	required bool
	style    string
	explode  bool
	at       spot
	schema   *jsonschema.Schema // nil for none
	hint     *hint
	json     bool // the value is a JSON text
	empty    bool // allowEmptyValue
}

// hint has the types that a schema may be about, so that text can be read.
type hint struct {
	types      map[string]bool
	items      *hint
	properties map[string]*hint
}

func (c *Contract) parameter(at spot, name, in string, s side) (*parameter, error) {
	p := &parameter{name: name, in: in, at: at, required: at.truth("required"), style: at.text("style"), empty: at.truth("allowEmptyValue")}
	if p.style == "" {
		p.style = "simple"
		if in == inQuery || in == inCookie {
			p.style = "form"
		}
	}
	p.explode = p.style == "form"
	if v, ok := at.child("explode"); ok {
		p.explode = v.value == true
	}
	schema, ok := at.child("schema")
	if content, has := at.child("content"); has {
		types, _ := content.value.(map[string]any)
		for media := range types {
			m, _ := content.child(media)
			schema, ok = m.child("schema")
			p.json = isJSON(media)
		}
	}
	if !ok {
		return p, nil
	}
	var err error
	if p.schema, err = c.sides[s].schema(schema); err != nil {
		return nil, err
	}
	p.hint = c.hint(schema, 0)
	return p, nil
}

// maxHints bounds how deep schemas are looked at for types.
const maxHints = 6

// hint returns the types of a schema; nil where they are not known.
func (c *Contract) hint(s spot, depth int) *hint {
	h := &hint{types: map[string]bool{}, properties: map[string]*hint{}}
	c.types(h, s, depth)
	return h
}

func (c *Contract) types(h *hint, s spot, depth int) {
	if depth > maxHints {
		return
	}
	s, err := c.tree.resolve(s)
	if err != nil {
		return
	}
	if t := s.text("type"); t != "" {
		h.types[t] = true
	}
	if t, ok := s.child("type"); ok {
		list, _ := t.value.([]any)
		for _, e := range list {
			if text, ok := e.(string); ok {
				h.types[text] = true
			}
		}
	}
	for _, key := range []string{"allOf", "oneOf", "anyOf"} {
		if parts, ok := s.child(key); ok {
			list, _ := parts.value.([]any)
			for i := range list {
				c.types(h, parts.item(i), depth+1)
			}
		}
	}
	if items, ok := s.child("items"); ok && h.items == nil {
		h.items = c.hint(items, depth+2)
	}
	if properties, ok := s.child("properties"); ok {
		m, _ := properties.value.(map[string]any)
		for name := range m {
			p, _ := properties.child(name)
			h.properties[name] = c.hint(p, depth+2)
		}
	}
}

// read returns a text as the value that a schema of these types means.
func (h *hint) read(text string) any {
	if h == nil {
		return text
	}
	if h.types["integer"] || h.types["number"] {
		if number(text) {
			return jsonvalue.Number(text)
		}
	}
	if h.types["boolean"] && (text == "true" || text == "false") {
		return text == "true"
	}
	if h.types["null"] && (text == "null" || text == "" && !h.types["string"]) {
		return nil
	}
	return text
}

// number reports whether a text is a number of JSON.
func number(s string) bool {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return false
	}
	return json.Valid([]byte(s))
}

// list reads the elements of a list.
func (h *hint) list(texts []string) any {
	list := make([]any, len(texts))
	for i, t := range texts {
		list[i] = h.items.read(t)
	}
	return list
}

// object reads names and values that follow each other, or pairs name=value.
func (h *hint) object(texts []string, pairs bool) any {
	m := map[string]any{}
	for i := 0; i < len(texts); i++ {
		name, value := texts[i], ""
		if pairs {
			name, value, _ = strings.Cut(name, "=")
		} else if i++; i < len(texts) {
			value = texts[i]
		}
		m[name] = h.properties[name].read(value)
	}
	return m
}

// separators are those of the styles of lists.
func separator(style string) string {
	switch style {
	case "spaceDelimited":
		return " "
	case "pipeDelimited":
		return "|"
	}
	return ","
}

// parse reads a parameter that is one text.
func (p *parameter) parse(text string) (any, error) {
	switch {
	case p.json:
		v, err := jsonvalue.Parse([]byte(text))
		return jsonvalue.Plain(v), err
	case p.hint == nil:
		return text, nil
	}
	sep := separator(p.style)
	switch p.style { // RFC 6570
	case "label":
		text = strings.TrimPrefix(text, ".")
		if p.explode {
			sep = "."
		}
	case "matrix":
		text = strings.TrimPrefix(text, ";")
		if p.explode {
			text = strings.ReplaceAll(text, ";"+p.name+"=", ";")
			sep = ";"
		}
		text = strings.TrimPrefix(text, p.name+"=")
	}
	switch {
	case p.hint.types["array"]:
		if text == "" {
			return []any{}, nil
		}
		texts := strings.Split(text, sep)
		for i := range texts {
			texts[i] = strings.TrimSpace(texts[i])
		}
		return p.hint.list(texts), nil
	case p.hint.types["object"]:
		return p.hint.object(strings.Split(text, sep), p.explode), nil
	}
	return p.hint.read(text), nil
}

// query reads a parameter of the query. found is false if it is not there.
func (p *parameter) query(pairs [][2]string) (v any, found bool, err error) {
	if p.hint != nil && !p.json && p.hint.types["object"] {
		return p.queryObject(pairs)
	}
	var texts []string
	for _, pair := range pairs {
		if pair[0] == p.name || pair[0] == p.name+"[]" {
			texts = append(texts, pair[1])
		}
	}
	if len(texts) == 0 {
		return nil, false, nil
	}
	if p.hint != nil && !p.json && p.hint.types["array"] && p.explode {
		return p.hint.list(texts), true, nil
	}
	v, err = p.parse(texts[0])
	return v, true, err
}

func (p *parameter) queryObject(pairs [][2]string) (v any, found bool, err error) {
	m := map[string]any{}
	for _, pair := range pairs {
		name := pair[0]
		switch {
		case p.style == "deepObject":
			inner, ok := strings.CutPrefix(name, p.name+"[")
			if !ok || !strings.HasSuffix(inner, "]") {
				continue
			}
			name = inner[:len(inner)-1]
		case p.explode:
			if p.hint.properties[name] == nil {
				continue
			}
		case name == p.name:
			return p.hint.object(strings.Split(pair[1], separator(p.style)), false), true, nil
		default:
			continue
		}
		m[name] = p.hint.properties[name].read(pair[1])
	}
	return m, len(m) > 0, nil
}

// value returns the parameter of a request.
func (p *parameter) value(r *Request, op *Operation, values []string) (v any, found bool, err error) {
	switch p.in {
	case inQuery:
		return p.query(r.pairs())
	case inPath:
		if i := slices.Index(op.names, p.name); i >= 0 && i < len(values) {
			v, err = p.parse(unescaped(values[i]))
			return v, true, err
		}
		return nil, false, nil
	case inCookie:
		for name, value := range exchange.Cookies(r.Header) {
			if name == p.name {
				v, err = p.parse(value)
				return v, true, err
			}
		}
		return nil, false, nil
	}
	return p.header(r.Header)
}

// header returns the value of a header.
func (p *parameter) header(h exchange.Header) (v any, found bool, err error) {
	if !h.Has(p.name) {
		return nil, false, nil
	}
	v, err = p.parse(h.Joined(p.name))
	return v, true, err
}
