package scenario

import (
	"errors"
	"slices"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// isMatcher reports whether n, which may be any JSON value, is a matcher. It
// warns about a map that is nearly one.
func (d *definition) isMatcher(at string, n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		return false
	}
	words, others := "", ""
	for key := range document.Pairs(n) {
		switch k := key.Value; {
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

// anyOr is matcher for places with several values, where empty text means any.
func (d *definition) anyOr(at string, n *yaml.Node) (*mock.Matcher, error) {
	if text, ok := document.ScalarText(n); ok && text == "" {
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
	for k, operand := range document.Pairs(n) {
		if isRemark(k.Value) {
			continue
		}
		if err := d.word(m, at, k, operand, json, mock.Words()); err != nil {
			return nil, err
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
		return document.UnknownKey(k, d.at(at), known)
	}
	at = document.Join(at, k.Value)
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
		return document.Errorf(n, "%s: %v", d.at(at), err)
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
			return mock.Equal(jsonvalue.Plain(document.Value(n))), nil
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
		if text, ok := document.ScalarText(n); ok && text != "" {
			return text, nil
		}
		return nil, nil
	}
	return document.Value(n), nil
}

// plain returns a value as it stands: a JSON value, or text.
func (d *definition) plain(at string, n *yaml.Node, json bool) (any, error) {
	if json {
		return jsonvalue.Plain(document.Value(n)), nil
	}
	text, ok := document.ScalarText(n)
	if !ok {
		return nil, d.wrong(at, n, "text")
	}
	return text, nil
}
