package scenario

import (
	"fmt"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/mock"
)

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
	if n.Kind != yaml.MappingNode {
		return d.wrong("match", n, "a map")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if v.Tag == "!!null" || isRemark(k.Value) {
			continue
		}
		var err error
		switch at := "match." + k.Value; k.Value {
		case "headers":
			var all map[string]string
			all, err = d.texts(at, v)
			for name := range all {
				if err == nil && !httpguts.ValidHeaderFieldName(name) {
					err = faultf(v, "%s: %q is no name of a header", d.at(at), name)
				}
			}
			m.Headers = all
		case "query":
			err = d.query(at, v, m)
		case "headers_absent":
			if v.Kind != yaml.SequenceNode {
				return d.wrong(at, v, "a list of names")
			}
			for _, name := range v.Content {
				if name.Kind != yaml.ScalarNode || !httpguts.ValidHeaderFieldName(name.Value) {
					return d.wrong(at, name, "the name of a header")
				}
				m.HeadersAbsent = append(m.HeadersAbsent, name.Value)
			}
		case "body_contains":
			s, ok := scalarText(v)
			if !ok {
				return d.wrong(at, v, "text")
			}
			m.BodyContains = s
		case "body_json":
			if v.Kind != yaml.MappingNode {
				return d.wrong(at, v, "a map of paths to values")
			}
			m.BodyJSON, _ = jsonvalue.Plain(value(v)).(map[string]any)
		default:
			return unknownKey(k, d.at("match"), []string{"headers", "headers_absent", "query", "body_contains", "body_json"})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// query adds the conditions of match.query: the first value of a parameter, or a
// list of all its values.
func (d *definition) query(at string, n *yaml.Node, m *mock.Match) error {
	if n.Kind != yaml.MappingNode {
		return d.wrong(at, n, "a map of names to text or lists of texts")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, v := n.Content[i].Value, n.Content[i+1]
		if s, ok := scalarText(v); ok {
			m.SetQuery(name, s)
			continue
		}
		if v.Kind != yaml.SequenceNode {
			return d.wrong(at+"."+name, v, "text or a list of texts")
		}
		if len(v.Content) == 0 {
			return faultf(v, "%s: expected at least one value, found an empty list", d.at(at+"."+name))
		}
		values := make([]string, len(v.Content))
		for j, e := range v.Content {
			s, ok := scalarText(e)
			if !ok {
				return d.wrong(fmt.Sprintf("%s.%s[%d]", at, name, j), e, "text")
			}
			values[j] = s
		}
		m.SetQueryAll(name, values)
	}
	return nil
}

func (d *definition) texts(key string, n *yaml.Node) (map[string]string, error) {
	if n.Kind != yaml.MappingNode {
		return nil, d.wrong(key, n, "a map of names to text")
	}
	m := make(map[string]string, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		s, ok := scalarText(n.Content[i+1])
		if !ok {
			return nil, d.wrong(key+"."+n.Content[i].Value, n.Content[i+1], "text")
		}
		m[n.Content[i].Value] = s
	}
	return m, nil
}
