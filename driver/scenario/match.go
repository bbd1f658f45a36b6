package scenario

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/mock"
)

// matchKey is a key under match. To add one, add a row to matchKeys and to
// schema.json.
type matchKey struct {
	key  string
	read func(r *matchReader, at string, v *yaml.Node) error
}

func matchKeys() []matchKey {
	return []matchKey{
		{"method", single(mock.InMethod)},
		{"host", single(mock.InHost)},
		{"path", single(mock.InPath)},
		{"params", named(mock.InParam)},
		{"query", named(mock.InQuery)},
		{"headers", named(mock.InHeader)},
		{"headers_absent", (*matchReader).absent},
		{"cookies", named(mock.InCookie)},
		{"form", named(mock.InForm)},
		{"body", single(mock.InBody)},
		{"body_contains", (*matchReader).contains},
		{"body_json", (*matchReader).json},
		{"body_xml", named(mock.InXML)},
		{"parts", (*matchReader).parts},
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

// conditions adds those of the map n to m.
func (d *definition) conditions(path string, n *yaml.Node, m *mock.Match) error {
	if n.Kind != yaml.MappingNode {
		return d.wrong(path, n, "a map")
	}
	r := &matchReader{d, m}
	rows := matchKeys()
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if v.Tag == "!!null" || isRemark(k.Value) {
			continue
		}
		j := slices.IndexFunc(rows, func(row matchKey) bool { return row.key == k.Value })
		if j < 0 {
			known := make([]string, len(rows))
			for i, row := range rows {
				known[i] = row.key
			}
			return unknownKey(k, d.at(path), known)
		}
		if err := rows[j].read(r, join(path, k.Value), v); err != nil {
			return err
		}
	}
	return nil
}

// single reads a key that is about one text of the request.
func single(in mock.Place) func(*matchReader, string, *yaml.Node) error {
	return func(r *matchReader, at string, v *yaml.Node) error {
		matcher, err := r.d.matcher(at, v, false)
		r.m.Conditions = append(r.m.Conditions, mock.Condition{In: in, Matcher: matcher})
		return err
	}
}

// named reads a map from names to what is expected of their values: plain text,
// empty for any value, or a matcher.
func named(in mock.Place) func(*matchReader, string, *yaml.Node) error {
	return func(r *matchReader, at string, v *yaml.Node) error {
		if v.Kind != yaml.MappingNode {
			return r.d.wrong(at, v, "a map of names to text or matchers")
		}
		for i := 0; i+1 < len(v.Content); i += 2 {
			if v.Content[i].Value == remark {
				continue
			}
			if err := r.one(in, at, v.Content[i], v.Content[i+1]); err != nil {
				return err
			}
		}
		return nil
	}
}

// one reads what is expected of one name.
func (r *matchReader) one(in mock.Place, at string, k, v *yaml.Node) error {
	name := k.Value
	switch in {
	case mock.InHeader:
		if !httpguts.ValidHeaderFieldName(name) {
			return faultf(k, "%s: %q is no name of a header", r.d.at(at), name)
		}
	case mock.InParam:
		r.d.checkParam(k, name, join(at, name))
	case mock.InXML:
		if err := mock.CheckXPath(name); err != nil {
			return faultf(k, "%s: %v", r.d.at(at), err)
		}
	}
	if text, ok := scalarText(v); ok {
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
		return r.all(join(at, name), name, v)
	}
	matcher, err := r.d.anyOr(join(at, name), v)
	r.m.Conditions = append(r.m.Conditions, mock.Condition{In: in, Name: name, Matcher: matcher})
	return err
}

// all reads the list of all values of a query parameter.
func (r *matchReader) all(at, name string, v *yaml.Node) error {
	if len(v.Content) == 0 {
		return faultf(v, "%s: expected at least one value, found an empty list", r.d.at(at))
	}
	values := make([]string, len(v.Content))
	for i, e := range v.Content {
		s, ok := scalarText(e)
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
	s, ok := scalarText(v)
	if !ok {
		return r.d.wrong(at, v, "text")
	}
	r.m.BodyContains = s
	return nil
}

// json reads body_json. A map is a matcher when all of its keys are words of
// matchers, and else a value.
func (r *matchReader) json(at string, v *yaml.Node) error {
	if v.Kind != yaml.MappingNode {
		return r.d.wrong(at, v, "a map of paths to values or matchers")
	}
	for i := 0; i+1 < len(v.Content); i += 2 {
		path, want := v.Content[i].Value, v.Content[i+1]
		if !r.d.isMatcher(join(at, path), want) {
			if r.m.BodyJSON == nil {
				r.m.BodyJSON = map[string]any{}
			}
			r.m.BodyJSON[path] = jsonvalue.Plain(value(want))
			continue
		}
		matcher, err := r.d.matcher(join(at, path), want, true)
		if err != nil {
			return err
		}
		r.m.Conditions = append(r.m.Conditions, mock.Condition{In: mock.InJSON, Name: path, Matcher: matcher})
	}
	return nil
}

// isMatcher reports whether n, which may be any JSON value, is a matcher. It
// warns about a map that is nearly one.
func (d *definition) isMatcher(at string, n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		return false
	}
	words, others := "", ""
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch k := n.Content[i].Value; {
		case k == remark:
		case slices.Contains(mock.Words(), k):
			words = k
		default:
			others = k
		}
	}
	if words != "" && others != "" {
		d.c.warn(n, "%s: compared as a value, for %q is no word of a matcher though %q is one", d.at(at), others, words)
	}
	return words != "" && others == ""
}

// partKeys are those of a part beside the words of matchers, which are about
// its text.
func partKeys() []string { return []string{"filename", "content_type", "headers", "body_json"} }

// parts reads the conditions on parts of a multipart body.
func (r *matchReader) parts(at string, v *yaml.Node) error {
	if v.Kind != yaml.MappingNode {
		return r.d.wrong(at, v, "a map of names of parts to text or matchers")
	}
	for i := 0; i+1 < len(v.Content); i += 2 {
		name, want := v.Content[i].Value, v.Content[i+1]
		if name == remark {
			continue
		}
		c, err := r.d.part(join(at, name), want)
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
	for i := 0; i+1 < len(v.Content); i += 2 {
		k, n := v.Content[i], v.Content[i+1]
		of, err := mock.PartCondition{}, error(nil)
		if isRemark(k.Value) {
			continue
		}
		switch key := join(at, k.Value); k.Value {
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

// partMap reads the headers or the JSON paths of a part.
func (d *definition) partMap(at string, headers bool, n *yaml.Node, to *[]mock.PartCondition) error {
	if n.Kind != yaml.MappingNode {
		return d.wrong(at, n, "a map")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, v := n.Content[i].Value, n.Content[i+1]
		var of mock.PartCondition
		var err error
		switch {
		case headers:
			of.Header = name
			of.Matcher, err = d.anyOr(join(at, name), v)
		case d.isMatcher(join(at, name), v):
			of.JSON = name
			of.Matcher, err = d.matcher(join(at, name), v, true)
		default:
			of.JSON, of.Matcher = name, mock.Equal(jsonvalue.Plain(value(v)))
		}
		if err != nil {
			return err
		}
		*to = append(*to, of)
	}
	return nil
}

// anyOr is matcher for places with several values, where empty text means any.
func (d *definition) anyOr(at string, n *yaml.Node) (*mock.Matcher, error) {
	if text, ok := scalarText(n); ok && text == "" {
		return &mock.Matcher{}, nil
	}
	return d.matcher(at, n, false)
}

// matcher reads a matcher: a map of words, or a plain value that is to be equal.
// With json values are JSON values, else text.
func (d *definition) matcher(at string, n *yaml.Node, json bool) (*mock.Matcher, error) {
	if n.Kind != yaml.MappingNode {
		v, err := d.plain(at, n, json)
		return mock.Equal(v), err
	}
	m := &mock.Matcher{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; !isRemark(k.Value) {
			if err := d.word(m, at, k, n.Content[i+1], json, mock.Words()); err != nil {
				return nil, err
			}
		}
	}
	if len(n.Content) == 0 {
		return nil, d.wrong(at, n, "text or a matcher")
	}
	return m, nil
}

// word adds one word of a matcher.
func (d *definition) word(m *mock.Matcher, at string, k, n *yaml.Node, json bool, known []string) error {
	if !slices.Contains(mock.Words(), k.Value) {
		return unknownKey(k, d.at(at), known)
	}
	at = join(at, k.Value)
	operand, err := d.operand(at, k.Value, n, json)
	if err != nil {
		return err
	}
	err = m.Add(k.Value, operand)
	var expected mock.Expected
	switch {
	case errors.As(err, &expected):
		return d.wrong(at, n, string(expected))
	case err != nil:
		return faultf(n, "%s: %v", d.at(at), err)
	}
	return nil
}

// operand is what stands behind a word.
func (d *definition) operand(at, word string, n *yaml.Node, json bool) (any, error) {
	switch word {
	case "equals", "contains":
		return d.plain(at, n, json)
	case "not":
		if json && !d.isMatcher(at, n) {
			return mock.Equal(jsonvalue.Plain(value(n))), nil
		}
		return d.matcher(at, n, json)
	case "one_of":
		if n.Kind != yaml.SequenceNode {
			return nil, nil
		}
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			var err error
			if list[i], err = d.plain(at, c, json); err != nil {
				return nil, err
			}
		}
		return list, nil
	case "regex":
		if text, ok := scalarText(n); ok && text != "" {
			return text, nil
		}
		return nil, nil
	}
	return value(n), nil
}

// plain is a value as it stands: a JSON value, or text.
func (d *definition) plain(at string, n *yaml.Node, json bool) (any, error) {
	if json {
		return jsonvalue.Plain(value(n)), nil
	}
	text, ok := scalarText(n)
	if !ok {
		return nil, d.wrong(at, n, "text")
	}
	return text, nil
}
