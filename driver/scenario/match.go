package scenario

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// matchKey is a key below match:. To add a key, add a row to matchKeys: the schema has
// a property for each row.
type matchKey struct {
	key  string
	doc  string // for the schema, sentences
	form string // of the value: further keywords of JSON Schema
	read func(r *matchReader, at string, v *yaml.Node) error
}

// Forms of values: plain text or a matcher, and a map of names to these.
const (
	oneMatched = `"$ref": "#/$defs/matched"`
	allMatched = `"$ref": "#/$defs/matchedAll"`
)

func matchKeys() []matchKey {
	return []matchKey{
		{"method", "The method.", oneMatched, single(mock.InMethod)},
		{"host", "The host that is meant, without a port.", oneMatched, single(mock.InHost)},
		{"path", "The path as sent, without the query.", oneMatched, single(mock.InPath)},
		{"target", "The path with its query, as sent.", oneMatched, single(mock.InTarget)},
		{"params", "What the {name} segments of the key hold.", allMatched, named(mock.InParam)},
		{"query", "Parameters: plain text is equal to the first value, empty text fits any; a list is all values, " +
			"in this order; a matcher holds for one of the values.",
			`"type": ["object", "null"], "properties": {"$comment": true}, "additionalProperties": ` +
				`{"anyOf": [{"$ref": "#/$defs/matched"}, {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/text"}}]}`,
			named(mock.InQuery)},
		{"headers", "Headers that are there: plain text is equal, empty text fits any; a matcher holds for one of the values.",
			allMatched, named(mock.InHeader)},
		{"headers_absent", "These headers are not there.",
			`"type": ["array", "null"], "items": {"type": "string", "minLength": 1}`, (*matchReader).absent},
		{"cookies", "Cookies that are there; empty text fits any value.", allMatched, named(mock.InCookie)},
		{"form", "Fields of a form, in either encoding; files are parts. Empty text fits any value.", allMatched, named(mock.InForm)},
		{"body", "The body's text.", oneMatched, single(mock.InBody)},
		{"body_contains", "A part of the body's text.", `"$ref": "#/$defs/text"`, (*matchReader).contains},
		{"body_json", "Dotted path into the JSON body, and the value there or a matcher. A map whose keys are all " +
			"words of matchers is one.", `"type": ["object", "null"]`, (*matchReader).json},
		{"body_includes", "A JSON value that the JSON body includes: of a map each key, of a list each element.",
			`"$comment": "any value"`, (*matchReader).includes},
		{"body_schema", "A JSON Schema to which the JSON body conforms. It can't refer to other documents.",
			`"type": ["object", "boolean"]`, (*matchReader).schema},
		{"body_xml", "XPath into the XML body, and the text there, empty for any, or a matcher. In a path without " +
			"prefixes a name fits in every namespace.", allMatched, named(mock.InXML)},
		{"parts", "Parts of a multipart body by name: text, or a matcher for it, and for its file name, type, headers and JSON.",
			`"type": ["object", "null"], "properties": {"$comment": true}, "additionalProperties": ` +
				`{"anyOf": [{"$ref": "#/$defs/text"}, {"$ref": "#/$defs/part"}]}`, (*matchReader).parts},
	}
}

// matchReader fills a Match from the map under a match key.
type matchReader struct {
	d *definition
	m *mock.Match
}

// match adds the conditions under the match key to m.
func (d *definition) match(m *mock.Match) error {
	d.matches = true
	if err := d.matchState(m); err != nil {
		return err
	}
	n := d.get("match")
	if n == nil {
		return nil
	}
	return d.conditions("match", n, m)
}

// conditions adds the conditions in the map n to m.
func (d *definition) conditions(path string, n *yaml.Node, m *mock.Match) error {
	if n.Kind != yaml.MappingNode {
		return d.wrong(path, n, "a map")
	}
	r := &matchReader{d, m}
	rows := d.c.tables.matches
	for k, v := range document.Pairs(n) {
		if v.Tag == "!!null" || isRemark(k.Value) {
			continue
		}
		j := slices.IndexFunc(rows, func(row matchKey) bool { return row.key == k.Value })
		if j < 0 {
			known := make([]string, len(rows))
			for i, row := range rows {
				known[i] = row.key
			}
			return document.UnknownKey(k, d.at(path), known)
		}
		if err := rows[j].read(r, document.Join(path, k.Value), v); err != nil {
			return err
		}
	}
	return nil
}

// single returns a function that reads a condition on one text of the request.
func single(in mock.Place) func(*matchReader, string, *yaml.Node) error {
	return func(r *matchReader, at string, v *yaml.Node) error {
		matcher, err := r.d.matcher(at, v, false)
		r.m.Conditions = append(r.m.Conditions, mock.Condition{In: in, Matcher: matcher})
		return err
	}
}

// named returns a function that reads a map from names to conditions on their values.
// A condition is a plain text, which is empty for any value, or a matcher.
func named(in mock.Place) func(*matchReader, string, *yaml.Node) error {
	return func(r *matchReader, at string, v *yaml.Node) error {
		if v.Kind != yaml.MappingNode {
			return r.d.wrong(at, v, "a map of names to text or matchers")
		}
		for k, want := range document.Pairs(v) {
			if k.Value == remark {
				continue
			}
			if err := r.one(in, at, k, want); err != nil {
				return err
			}
		}
		return nil
	}
}

// one reads the condition on one name.
func (r *matchReader) one(in mock.Place, at string, k, v *yaml.Node) error {
	name := k.Value
	switch in {
	case mock.InHeader:
		if !httpguts.ValidHeaderFieldName(name) {
			return document.Errorf(k, "%s: %q is no name of a header", r.d.at(at), name)
		}
	case mock.InParam:
		r.d.checkParam(k, name, document.Join(at, name))
	case mock.InXML:
		if err := mock.CheckXPath(name); err != nil {
			return document.Errorf(k, "%s: %v", r.d.at(at), err)
		}
	}
	if text, ok := document.ScalarText(v); ok {
		switch in {
		case mock.InHeader:
			if r.m.Headers == nil {
				r.m.Headers = map[string]string{}
			}
			r.m.Headers[name] = text
			return nil
		case mock.InQuery:
			r.m.SetQuery(name, text)
			return nil
		}
	}
	if in == mock.InQuery && v.Kind == yaml.SequenceNode {
		return r.all(document.Join(at, name), name, v)
	}
	matcher, err := r.d.anyOr(document.Join(at, name), v)
	r.m.Conditions = append(r.m.Conditions, mock.Condition{In: in, Name: name, Matcher: matcher})
	return err
}

// all reads the condition that a query parameter has exactly these values.
func (r *matchReader) all(at, name string, v *yaml.Node) error {
	if len(v.Content) == 0 {
		return document.Errorf(v, "%s: got an empty list, want at least one value", r.d.at(at))
	}
	values := make([]string, len(v.Content))
	for i, e := range v.Content {
		s, ok := document.ScalarText(e)
		if !ok {
			return r.d.wrong(fmt.Sprintf("%s[%d]", at, i), e, "text")
		}
		values[i] = s
	}
	r.m.SetQueryAll(name, values)
	return nil
}

// absent reads headers_absent.
func (r *matchReader) absent(at string, v *yaml.Node) error {
	if v.Kind != yaml.SequenceNode {
		return r.d.wrong(at, v, "a list of names")
	}
	for _, name := range v.Content {
		if name.Kind != yaml.ScalarNode || !httpguts.ValidHeaderFieldName(name.Value) {
			return r.d.wrong(at, name, "the name of a header")
		}
		r.m.HeadersAbsent = append(r.m.HeadersAbsent, name.Value)
	}
	return nil
}

// contains reads body_contains.
func (r *matchReader) contains(at string, v *yaml.Node) error {
	s, ok := document.ScalarText(v)
	if !ok {
		return r.d.wrong(at, v, "text")
	}
	r.m.BodyContains = s
	return nil
}

// json reads body_json. A map whose keys are all words of matchers is a matcher. Any
// other map is a value.
func (r *matchReader) json(at string, v *yaml.Node) error {
	if v.Kind != yaml.MappingNode {
		return r.d.wrong(at, v, "a map of paths to values or matchers")
	}
	for k, want := range document.Pairs(v) {
		path := k.Value
		if !r.d.isMatcher(document.Join(at, path), want) {
			if r.m.BodyJSON == nil {
				r.m.BodyJSON = map[string]any{}
			}
			r.m.BodyJSON[path] = jsonvalue.Plain(document.Value(want))
			continue
		}
		matcher, err := r.d.matcher(document.Join(at, path), want, true)
		if err != nil {
			return err
		}
		r.m.Conditions = append(r.m.Conditions, mock.Condition{In: mock.InJSON, Name: path, Matcher: matcher})
	}
	return nil
}

// includes reads body_includes.
func (r *matchReader) includes(_ string, v *yaml.Node) error {
	r.whole(mock.Including(jsonvalue.Plain(document.Value(v))))
	return nil
}

// schema reads body_schema.
func (r *matchReader) schema(at string, v *yaml.Node) error {
	if v.Kind != yaml.MappingNode && v.Tag != "!!bool" {
		return r.d.wrong(at, v, "a JSON Schema")
	}
	m, err := mock.Conforming(jsonvalue.Plain(document.Value(v)))
	if err != nil {
		return document.Errorf(v, "%s: %v", r.d.at(at), err)
	}
	r.whole(m)
	return nil
}

// whole adds a condition on the whole JSON body.
func (r *matchReader) whole(m *mock.Matcher) {
	r.m.Conditions = append(r.m.Conditions, mock.Condition{In: mock.InJSON, Matcher: m})
}

// partKeys returns the keys of a condition on a part. It may also have the words of
// matchers, which test the text of the part.
func partKeys() []string { return []string{"filename", "content_type", "headers", "body_json"} }

// parts reads the conditions on parts of a multipart body.
func (r *matchReader) parts(at string, v *yaml.Node) error {
	if v.Kind != yaml.MappingNode {
		return r.d.wrong(at, v, "a map of names of parts to text or matchers")
	}
	for k, want := range document.Pairs(v) {
		name := k.Value
		if name == remark {
			continue
		}
		c, err := r.d.part(document.Join(at, name), want)
		if err != nil {
			return err
		}
		c.In, c.Name = mock.InPart, name
		r.m.Conditions = append(r.m.Conditions, c)
	}
	return nil
}

// part reads the condition on one part.
func (d *definition) part(at string, v *yaml.Node) (c mock.Condition, err error) {
	if v.Kind != yaml.MappingNode {
		c.Matcher, err = d.anyOr(at, v)
		return c, err
	}
	c.Matcher = &mock.Matcher{}
	for k, n := range document.Pairs(v) {
		of, err := mock.PartCondition{}, error(nil)
		if isRemark(k.Value) {
			continue
		}
		switch key := document.Join(at, k.Value); k.Value {
		case "filename", "content_type":
			of.FileName, of.Type = k.Value == "filename", k.Value == "content_type"
			of.Matcher, err = d.anyOr(key, n)
			c.Of = append(c.Of, of)
		case "headers", "body_json":
			err = d.partMap(key, k.Value == "headers", n, &c.Of)
		default:
			err = d.word(c.Matcher, at, k, n, false, append(partKeys(), mock.Words()...))
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// partMap reads the conditions on the headers or on the JSON content of a part.
func (d *definition) partMap(at string, headers bool, n *yaml.Node, to *[]mock.PartCondition) error {
	if n.Kind != yaml.MappingNode {
		return d.wrong(at, n, "a map")
	}
	for k, v := range document.Pairs(n) {
		name := k.Value
		var of mock.PartCondition
		var err error
		switch {
		case headers:
			of.Header = name
			of.Matcher, err = d.anyOr(document.Join(at, name), v)
		case d.isMatcher(document.Join(at, name), v):
			of.JSON = name
			of.Matcher, err = d.matcher(document.Join(at, name), v, true)
		default:
			of.JSON, of.Matcher = name, mock.Equal(jsonvalue.Plain(document.Value(v)))
		}
		if err != nil {
			return err
		}
		*to = append(*to, of)
	}
	return nil
}
