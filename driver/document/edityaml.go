package document

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/jsonvalue"
)

// yamlEditor edits the text of a YAML document. It looks at nodes as they are written:
// aliases and merge keys are not resolved.
type yamlEditor struct {
	text   []byte
	starts []int // the offsets of lines, and that of the end
	root   *yaml.Node
	eol    string
	step   int // the usual indentation
	edits  []splice
}

func newYAMLEditor(text []byte, root *yaml.Node) *yamlEditor {
	e := &yamlEditor{text: text, root: root, eol: "\n", step: 2, starts: []int{0}}
	for i, c := range text {
		if c == '\n' {
			e.starts = append(e.starts, i+1)
		}
	}
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		e.eol = "\r\n"
	}
	if root.Kind == yaml.MappingNode {
		for k, v := range Pairs(root) {
			if in := v.Column - k.Column; v.Kind == yaml.MappingNode && v.Line > k.Line && in > 1 && in < 9 {
				e.step = in
				break
			}
		}
	}
	return e
}

func (e *yamlEditor) made() []splice { return e.edits }

// set sets the value at a path.
func (e *yamlEditor) set(path []string, value any) error {
	if e.root.Kind == yaml.ScalarNode && e.root.Tag == "!!null" && e.root.Value == "" {
		e.edits = append(e.edits, splice{len(e.text), len(e.text), e.render(path[0], nested(path[1:], value), 0, 0)})
		return nil
	}
	return e.setIn(e.root, e.end(), path, value)
}

// setIn sets the value at a path below a map whose text ends at or before a line.
func (e *yamlEditor) setIn(n *yaml.Node, bound int, path []string, value any) error {
	if !e.block(n) {
		return layoutError(n, path[0])
	}
	list := e.entries(n, bound)
	i := slices.IndexFunc(list, func(in entry) bool { return in.key.Value == path[0] })
	if i < 0 {
		last := list[len(list)-1]
		e.insert(last, path[0], nested(path[1:], value))
		return nil
	}
	if len(path) == 1 {
		return e.change(list[i], value)
	}
	if e.block(list[i].value) {
		return e.setIn(list[i].value, list[i].last, path[1:], value)
	}
	old, err := resolved(list[i].value)
	if err != nil {
		return err
	}
	return e.replace(list[i], withMember(old, path[1:], value))
}

// resolved returns the value of a node that has no alias to anything outside of it.
func resolved(n *yaml.Node) (any, error) {
	if outward(n) {
		return nil, layoutError(n, "an alias or an anchor")
	}
	r := resolver{seen: map[*yaml.Node]extent{}, room: aliasRoom, yaml: true}
	n, _, err := r.resolve(copied(n), 0)
	if err != nil {
		return nil, err
	}
	return Value(n), nil
}

// copied returns a copy of a node, since resolving changes it.
func copied(n *yaml.Node) *yaml.Node {
	c := *n
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		c.Content[i] = copied(child)
	}
	return &c
}

// outward reports whether a node has an alias or an anchor.
func outward(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || n.Anchor != "" || slices.ContainsFunc(n.Content, outward)
}

// change gives an entry a value. Of a map, only the keys that differ are edited.
func (e *yamlEditor) change(in entry, value any) error {
	if !outward(in.value) {
		if old, err := resolved(in.value); err == nil && jsonvalue.Equal(old, value) {
			return nil
		}
	}
	o, isMap := value.(jsonvalue.Object)
	if !isMap || len(o) == 0 || !e.block(in.value) || Has(in.value, "<<") {
		return e.replace(in, value)
	}
	list := e.entries(in.value, in.last)
	if !slices.ContainsFunc(list, func(c entry) bool { _, stays := o.Get(c.key.Value); return stays }) {
		return e.replace(in, value)
	}
	for i, c := range list {
		to, stays := o.Get(c.key.Value)
		if !stays {
			e.cut(list, i)
			continue
		}
		if err := e.change(c, to); err != nil {
			return err
		}
	}
	for _, m := range o {
		if !Has(in.value, m.Key) {
			e.insert(list[len(list)-1], m.Key, m.Value)
		}
	}
	return nil
}

// replace replaces the text of the value of an entry.
func (e *yamlEditor) replace(in entry, value any) error {
	from := e.colon(in.key)
	if from == 0 {
		return layoutError(in.key, in.key.Value)
	}
	line := e.starts[in.last] // behind the end of the last line
	to := len(bytes.TrimRight(e.text[:line], "\r\n"))
	style := yaml.Style(0)
	if in.value.Style&yaml.FlowStyle != 0 {
		style = yaml.FlowStyle
	}
	text := e.render("k", value, in.key.Column-1, style)
	text = strings.TrimSuffix(strings.TrimPrefix(strings.TrimLeft(text, " "), "k:"), e.eol)
	if in.last == in.key.Line && !strings.Contains(text, "\n") {
		for _, n := range []*yaml.Node{in.value, in.key} {
			if before, ok := bytes.CutSuffix(e.text[from:to], []byte(n.LineComment)); ok { // it stays, with the blanks before it
				to = from + len(bytes.TrimRight(before, " \t"))
			}
		}
	}
	e.edits = append(e.edits, splice{from, to, text})
	return nil
}

// insert adds a key behind an entry.
func (e *yamlEditor) insert(behind entry, key string, value any) {
	at := e.starts[behind.last]
	k := Quoted(key)
	if quotes := behind.key.Style & (yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle); quotes != 0 && IsEndpoint(key) {
		k.Style = quotes
	}
	e.edits = append(e.edits, splice{at, at, e.renderKey(k, value, behind.key.Column-1, behind.value.Style&yaml.FlowStyle)})
}

// maxFlow is the length, in bytes, up to which a value is written in one line in the place
// of another one.
const maxFlow = 120

// render returns "key: value" with an indentation, and the end of the line.
func (e *yamlEditor) render(key string, value any, indent int, style yaml.Style) string {
	return e.renderKey(Quoted(key), value, indent, style)
}

func (e *yamlEditor) renderKey(k *yaml.Node, value any, indent int, style yaml.Style) string {
	n, err := valueNode(value)
	if err != nil {
		return "" // the result does not pass the check of the edit
	}
	if style != 0 && len(n.Content) > 0 {
		flow := *n
		flow.Style = yaml.FlowStyle
		if text := e.encode(k, &flow, indent); len(text) <= maxFlow && strings.Count(text, "\n") == 1 {
			return text
		}
	}
	return e.encode(k, n, indent)
}

// valueNode returns a value as a node in block style.
func valueNode(v any) (*yaml.Node, error) {
	b, err := jsonvalue.Append(nil, v)
	if err != nil {
		return nil, err
	}
	n, err := ReadJSON(b)
	if err != nil {
		return nil, err
	}
	Plain(n)
	quote(n)
	return n, nil
}

// quote gives the texts of one line in a node the quotes of [Quoted].
func quote(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && !strings.ContainsAny(n.Value, "\r\n") {
		n.Style = Quoted(n.Value).Style
	}
	for _, c := range n.Content {
		quote(c)
	}
}

// encode returns a key and its value as YAML, each line indented.
func (e *yamlEditor) encode(k, v *yaml.Node, indent int) string {
	var b strings.Builder
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(e.step)
	if enc.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{k, v}}) != nil || enc.Close() != nil {
		return ""
	}
	lines := strings.SplitAfter(b.String(), "\n")
	for i, l := range lines {
		if strings.TrimRight(l, "\n") != "" {
			lines[i] = strings.Repeat(" ", indent) + l
		}
	}
	return strings.ReplaceAll(strings.Join(lines, ""), "\n", e.eol)
}

// remove removes the key at a path.
func (e *yamlEditor) remove(path []string) error {
	n, bound := e.root, e.end()
	var above *entry
	for {
		if !Has(n, path[0]) {
			return nil
		}
		if !e.block(n) {
			return e.removeFlow(n, above, path)
		}
		list := e.entries(n, bound)
		i := slices.IndexFunc(list, func(in entry) bool { return in.key.Value == path[0] })
		if len(path) > 1 {
			above, n, bound, path = &list[i], list[i].value, list[i].last, path[1:]
			continue
		}
		if len(list) > 1 {
			e.cut(list, i)
			return nil
		}
		if above != nil {
			return e.replace(*above, jsonvalue.Object{})
		}
		from := e.starts[list[0].key.Line-1]
		e.edits = append(e.edits, splice{from, e.starts[list[0].last], "{}" + e.eol})
		return nil
	}
}

// removeFlow removes a key of a map in flow style, which is the value of the entry above.
func (e *yamlEditor) removeFlow(n *yaml.Node, above *entry, path []string) error {
	if above == nil {
		return layoutError(n, path[0])
	}
	old, err := resolved(n)
	if err != nil {
		return err
	}
	return e.replace(*above, withoutMember(old, path))
}

// cut removes entry i of a map, with the comment lines right above it, and one of two blank
// lines around it.
func (e *yamlEditor) cut(list []entry, i int) {
	in := list[i]
	first, least := in.key.Line, 1
	if i > 0 {
		least = list[i-1].last + 1
	}
	for first > least && e.comment(first-1, in.key.Column-1) {
		first--
	}
	if first == 1 && i == 0 {
		first = in.key.Line // a comment at the top is about the file
	}
	if i == 0 && first > 1 && !e.blank(first-1) && first < in.key.Line && e.comment(first-1, 0) {
		first = in.key.Line
	}
	last := in.last
	if last == e.lines() || e.blank(last+1) {
		if first > least && e.blank(first-1) {
			first--
		} else if i == 0 && last < e.lines() {
			last++
		}
	}
	e.edits = append(e.edits, splice{e.starts[first-1], e.starts[last], ""})
}

func (e *yamlEditor) blank(n int) bool { return strings.TrimSpace(e.line(n)) == "" }

// comment reports whether a line is a comment with an indentation.
func (e *yamlEditor) comment(n, indent int) bool {
	l := e.line(n)
	return strings.HasPrefix(strings.TrimLeft(l, " "), "#") && len(l)-len(strings.TrimLeft(l, " ")) == indent
}
