package scenario

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// role is the place of a definition in a document. It decides which keys the
// definition may have.
type role uint8

const (
	inEndpoint role = iota // the value of a METHOD /path key
	inEntry                // an entry under a URL, with the keys of its response
	inRule                 // in rules
	inStep                 // in sequence
)

// keys returns the keys that a definition may have in a role.
func (w role) keys() []string {
	keys := []string{"status", "body", "body_template", "body_text_template", "body_base64", "file", "file_template", "content_type",
		"headers", "latency_ms",
		"fault", "state", "after",
		"rules", "sequence", "patch", "addon", "addon_config"}
	switch w {
	case inEndpoint:
		return append(keys, "match", "priority")
	case inEntry:
		return append(keys, "match", "priority", "delay_ms", "repeat")
	case inRule:
		return append(keys, "match")
	}
	return append(keys, "delay_ms", "repeat")
}

// roleNames returns words for each role.
func roleNames() []string {
	return []string{"an endpoint", "an entry", "a rule", "a step of a sequence"}
}

// definition is one response, or a choice among several. It is the value of an
// endpoint, a rule or a step of a sequence.
type definition struct {
	c      *compiler
	node   *yaml.Node
	path   string // `endpoint "GET /x": rules[0]`
	branch string // of a rule or a step, "rules[0].sequence[1]"; empty for an endpoint
	where  role
	method string   // of the endpoint, empty for any
	params []string // in its path; nil when they are not known
	values map[string]*yaml.Node
	// matches is true if the conditions of the definition count.
	matches bool
	rules   []*mock.Match // of rules, once they are compiled; nil for one without a match
}

// tables are the keys that definitions may have, and the functions that read them.
type tables struct {
	keys    [inStep + 1][]string // by role
	kinds   []kind
	matches []matchKey
}

func newTables() tables {
	t := tables{kinds: kinds(), matches: matchKeys()}
	for w := range t.keys {
		t.keys[w] = slices.Clip(role(w).keys())
	}
	return t
}

// define checks the keys of a definition. A key with the value null is ignored,
// unless it is the key of a kind of mock.
func (c *compiler) define(n *yaml.Node, path string, where role) (*definition, error) {
	if n.Kind != yaml.MappingNode {
		return nil, document.Wrong(n, path, "a map")
	}
	d := &definition{c: c, node: n, path: path, where: where, values: map[string]*yaml.Node{}}
	known := c.tables.keys[where]
	for k, v := range document.Pairs(n) {
		if isRemark(k.Value) {
			continue
		}
		if !slices.Contains(known, k.Value) {
			return nil, c.unknownKey(k, path, where)
		}
		if v.Tag == "!!null" && !slices.Contains([]string{"rules", "sequence", "patch", "addon", "file", "file_template"}, k.Value) {
			continue
		}
		switch {
		case k.Value == "body" && v.Tag == document.BinaryTag:
			d.values["body_base64"] = v
			continue
		case k.Value == "rules" || k.Value == "sequence": // their definitions check for bytes
		default:
			if err := document.RefuseBinary(v); err != nil {
				return nil, err
			}
		}
		d.values[k.Value] = v
	}
	return d, nil
}

// unknownKey returns the error for a key that a definition of the role where can't
// have.
func (c *compiler) unknownKey(k *yaml.Node, path string, where role) error {
	for other := range roleNames() {
		if slices.Contains(c.tables.keys[other], k.Value) {
			return document.Errorf(k, "%s: %s does not go with %s", path, k.Value, roleNames()[where])
		}
	}
	known := c.tables.keys[where]
	if where == inEntry {
		known = append(known, "method", "response") // of a clipped list
	}
	return document.UnknownKey(k, path, known)
}

// get returns the value of a key, or nil.
func (d *definition) get(key string) *yaml.Node { return d.values[key] }

// at returns the name of a key of the definition for messages.
func (d *definition) at(key string) string {
	if d.path == "" {
		return key
	}
	return d.path + ": " + key
}

func (d *definition) wrong(key string, n *yaml.Node, want string) error {
	return document.Wrong(n, d.at(key), want)
}

// text returns the value of a key, which must be text that is not empty.
func (d *definition) text(key string) (string, error) {
	n := d.get(key)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		return "", d.wrong(key, n, "text")
	}
	if n.Value == "" {
		return "", d.wrong(key, n, "text that is not empty")
	}
	return n.Value, nil
}

// list returns the value of a key, which must be a list that is not empty.
func (d *definition) list(key string) ([]*yaml.Node, error) {
	n := d.get(key)
	if n.Kind != yaml.SequenceNode {
		return nil, d.wrong(key, n, "a list")
	}
	if len(n.Content) == 0 {
		return nil, document.Errorf(n, "%s: got an empty list, want at least one entry", d.at(key))
	}
	return n.Content, nil
}

func (d *definition) status() (int, error) {
	n := d.get("status")
	if n == nil {
		return http.StatusOK, nil
	}
	i, ok := document.Whole(n)
	if !ok && n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		// The stock driver takes "200" too.
		var err error
		i, err = strconv.ParseInt(n.Value, 10, 64)
		ok = err == nil
	}
	if !ok || i < 200 || i > 599 {
		return 0, d.wrong("status", n, "a whole number from 200 to 599")
	}
	return int(i), nil
}

func (d *definition) contentType() (string, error) {
	if d.get("content_type") == nil {
		return d.c.env.DefaultContentType, nil
	}
	s, err := d.text("content_type")
	if err == nil && !validValue(s) {
		err = d.wrong("content_type", d.get("content_type"), "one line of text")
	}
	return s, err
}

// count returns the number of rules or steps for a summary.
func (d *definition) count(key string) string {
	n := len(d.get(key).Content)
	if key == "rules" {
		return fmt.Sprintf("%d rule(s)", n)
	}
	return fmt.Sprintf("%d step(s)", n)
}
