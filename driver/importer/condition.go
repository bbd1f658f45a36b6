package importer

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/pattern"
	"starproxy/driver/document"
)

// compile compiles an expression within the bounds of scenarios.
func compile(expression string) (*regexp.Regexp, error) {
	p, err := pattern.Compile(expression)
	if err != nil {
		return nil, err
	}
	return p.Regexp, nil
}

func newMap() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

func newList(items ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Content: items}
}

// text returns a node for a text.
func text(s string) *yaml.Node {
	n := document.Quoted(s)
	if n.Style == 0 && strings.ContainsRune(s, '?') { // the parser refuses it in maps of one line
		n.Style = yaml.DoubleQuotedStyle
	}
	if strings.ContainsRune(s, '"') && strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) < 0 {
		n.Style = yaml.SingleQuotedStyle // without a backslash before each quote
	}
	return n
}

func truth(b bool) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "false"}
	if b {
		n.Value = "true"
	}
	return n
}

// matcher returns the matcher {word: operand}.
func matcher(word string, operand *yaml.Node) *yaml.Node {
	n := newMap()
	document.Put(n, word, operand)
	n.Style = yaml.FlowStyle
	return n
}

// equals returns the condition that a value is equal to a text. Below a name, an
// empty text would stand for any value.
func equals(s string) *yaml.Node {
	if s == "" {
		return matcher("equals", text(""))
	}
	return text(s)
}

// wholly returns the expression that matches a text as a whole.
func wholly(expression string) string { return "^(?:" + expression + ")$" }

// replace sets the value of a key that the map has.
func replace(n *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content[i+1] = value
		}
	}
}

// words returns a condition as a map of the words of matchers.
func words(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		return n
	}
	return matcher("equals", n)
}

// both returns the condition that two conditions hold for one value. ok is false if
// no matcher can say that.
func both(a, b *yaml.Node) (joined *yaml.Node, ok bool) {
	if a.Kind == yaml.SequenceNode || b.Kind == yaml.SequenceNode {
		return nil, false
	}
	a, b = words(a), words(b)
	joined = newMap()
	joined.Style = yaml.FlowStyle
	joined.Content = slices.Clone(a.Content)
	for k, v := range document.Pairs(b) {
		old := document.Child(joined, k.Value)
		switch {
		case old == nil:
			document.Put(joined, k.Value, v)
		case string(document.AppendJSON(nil, old)) == string(document.AppendJSON(nil, v)):
		case k.Value == "not":
			if !refuse(joined, v) {
				return nil, false
			}
		default:
			// A second one of a word is said by its double negation.
			if !refuse(joined, matcher("not", matcher(k.Value, v))) {
				return nil, false
			}
		}
	}
	return joined, true
}

// refuse adds a negation to a matcher. A matcher has one not, so a further negation
// goes into a double negation, or is joined with the first one as an expression.
func refuse(n, refused *yaml.Node) bool {
	old := document.Child(n, "not")
	if old == nil {
		document.Put(n, "not", refused)
		return true
	}
	if inner := doubled(old); inner != nil {
		joined, ok := both(inner, matcher("not", refused))
		if again := doubled(refused); again != nil {
			joined, ok = both(inner, again)
		}
		replace(n, "not", matcher("not", joined))
		return ok
	}
	if inner := doubled(refused); inner != nil {
		joined, ok := both(inner, matcher("not", old))
		replace(n, "not", matcher("not", joined))
		return ok
	}
	one, okay := asRegex(old)
	two, fine := asRegex(refused)
	replace(n, "not", matcher("regex", text("(?:"+one+")|(?:"+two+")")))
	return okay && fine
}

// doubled returns the condition of a negation of a negation, else nil.
func doubled(refused *yaml.Node) *yaml.Node {
	if refused.Kind == yaml.MappingNode && len(refused.Content) == 2 {
		return document.Child(refused, "not")
	}
	return nil
}

// asRegex returns a condition on text as an expression that is found in the text.
func asRegex(n *yaml.Node) (string, bool) {
	n = words(n)
	if len(n.Content) != 2 {
		return "", false
	}
	operand, ok := document.ScalarText(n.Content[1])
	if !ok {
		return "", false
	}
	switch n.Content[0].Value {
	case "equals":
		return "^" + regexp.QuoteMeta(operand) + "$", true
	case "contains":
		return regexp.QuoteMeta(operand), true
	case "regex":
		return operand, true
	}
	return "", false
}

// jsonPath returns the dotted path of a JSONPath that leads to one place: $, names
// and indexes. ok is false for any other.
func jsonPath(path string) (dotted string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(path), "$")
	if !ok {
		return "", false
	}
	var parts []string
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, "['") || strings.HasPrefix(rest, `["`):
			end := strings.Index(rest[2:], rest[1:2]+"]")
			if end < 0 {
				return "", false
			}
			parts = append(parts, escapedKey(rest[2:2+end]))
			rest = rest[2+end+2:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 2 || strings.Trim(rest[1:end], "0123456789") != "" {
				return "", false
			}
			parts = append(parts, rest[1:end])
			rest = rest[end+1:]
		case rest[0] == '.' && len(rest) > 1:
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			name := rest[1 : 1+end]
			if name == "" || strings.ContainsAny(name, "*?()@ '\"") {
				return "", false
			}
			parts = append(parts, name)
			rest = rest[1+end:]
		default:
			return "", false
		}
	}
	return strings.Join(parts, "."), true
}

// escapedKey returns a key of an object as a part of a dotted path.
func escapedKey(key string) string {
	return strings.NewReplacer(`.`, `\.`, `[`, `\[`).Replace(key)
}

// join returns the dotted path of a key or index below another one.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// looseJSON adds the conditions that a JSON body has at least these values: the keys
// of objects, at every level. Lists are compared as a whole. place returns the
// condition for a text that stands for more than itself, or nil.
func (r *rule) looseJSON(path string, v *yaml.Node, place func(*yaml.Node) *yaml.Node) {
	if v.Kind == yaml.MappingNode && len(v.Content) > 0 {
		for k, inner := range document.Pairs(v) {
			r.looseJSON(join(path, escapedKey(k.Value)), inner, place)
		}
		return
	}
	if v.Kind == yaml.SequenceNode && hasPlaceholder(v, place) {
		for i, inner := range v.Content {
			r.looseJSON(join(path, itoa(i)), inner, place)
		}
		return
	}
	if place != nil {
		if c := place(v); c != nil {
			r.putNamed("body_json", path, c)
			return
		}
	}
	r.putNamed("body_json", path, exactJSON(v))
}

// exactJSON returns the condition that a value of JSON is equal to v.
func exactJSON(v *yaml.Node) *yaml.Node {
	if v.Kind == yaml.MappingNode || v.Tag == "!!null" {
		return matcher("equals", bare(v))
	}
	return bare(v)
}

// hasPlaceholder reports whether a text in v stands for more than itself.
func hasPlaceholder(v *yaml.Node, place func(*yaml.Node) *yaml.Node) bool {
	if place == nil {
		return false
	}
	if v.Kind == yaml.ScalarNode {
		return place(v) != nil
	}
	return slices.ContainsFunc(v.Content, func(n *yaml.Node) bool { return hasPlaceholder(n, place) })
}

// bare returns a copy of a value without the styles of JSON.
func bare(v *yaml.Node) *yaml.Node {
	n := *v
	n.Content = nil
	n.Anchor, n.Alias = "", nil
	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!!str" {
			return text(n.Value)
		}
		n.Style = 0
		return &n
	}
	if len(v.Content) > 0 {
		n.Style = 0
	}
	for i, c := range v.Content {
		if v.Kind == yaml.MappingNode && i%2 == 0 {
			n.Content = append(n.Content, text(c.Value))
			continue
		}
		n.Content = append(n.Content, bare(c))
	}
	return &n
}
