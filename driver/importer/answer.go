package importer

import (
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/exchange"
	"starproxy/driver/document"
)

// field is a header field of an answer.
type field struct {
	name, value string
	at          *yaml.Node
}

// hasField reports whether a field of that name is in the list.
func hasField(list []field, name string) bool {
	return slices.ContainsFunc(list, func(f field) bool { return exchange.EqualName(f.name, name) })
}

// answer is the answer of a rule, or one of several, in the making.
type answer struct {
	r   *rule
	to  *yaml.Node // the definition
	typ string     // the content type; empty if the tool names none
	// usual is the content type that the tool sends with a body without one; empty for
	// one that fits the body.
	usual string
	// translate translates the helpers of values, nil if the values have none.
	translate translator
}

// reply begins an answer with a status.
func (r *rule) reply(to *yaml.Node, status int64, at *yaml.Node) *answer {
	a := &answer{r: r, to: to}
	switch {
	case status >= 200 && status <= 599:
		if status != http.StatusOK {
			document.Put(to, "status", document.Integer(status))
		}
	default:
		r.note(at, "status: got %d, which no answer can have, and 200 is sent", status)
	}
	return a
}

// fields sets the header fields.
func (a *answer) fields(list []field) {
	headers := newMap()
	for _, f := range list {
		canonical := http.CanonicalHeaderKey(f.name)
		value := f.value
		if strings.Contains(value, "{{") {
			value = a.text(f.at, value)
		}
		switch {
		case !httpguts.ValidHeaderFieldName(f.name) || !httpguts.ValidHeaderFieldValue(value):
			a.r.note(f.at, "header %s is no valid header and is left out", f.name)
		case exchange.IsFraming(canonical) || exchange.IsHop(canonical):
			// The proxy writes these.
		case canonical == "Content-Type" && !strings.Contains(value, "{{"):
			a.typ = value
		case canonical == "Content-Encoding" && !strings.EqualFold(value, "identity"):
			a.r.note(f.at, "header Content-Encoding: %s is left out: the body is sent as it is", value)
		default:
			if canonical == "Content-Type" {
				a.typ = value
			}
			add(headers, f.name, value)
		}
	}
	if a.typ != "" && !strings.Contains(a.typ, "{{") {
		document.Put(a.to, "content_type", text(a.typ))
	}
	if len(headers.Content) > 0 {
		document.Put(a.to, "headers", headers)
	}
}

// add adds a value to a header.
func add(headers *yaml.Node, name, value string) {
	for k, v := range document.Pairs(headers) {
		if !exchange.EqualName(k.Value, name) {
			continue
		}
		if v.Kind != yaml.SequenceNode {
			list := newList(text(v.Value))
			replace(headers, k.Value, list)
			v = list
		}
		v.Content = append(v.Content, text(value))
		return
	}
	document.Put(headers, name, text(value))
}

// text returns a text in which helpers are translated, or sent as they are written.
func (a *answer) text(at *yaml.Node, s string) string {
	if a.translate == nil {
		return verbatim(s)
	}
	out, _, lost := translate(s, a.translate)
	a.lost(at, lost)
	return out
}

// lost notes the helpers that have no counterpart.
func (a *answer) lost(at *yaml.Node, list []string) {
	const most = 5
	for i, l := range list {
		if i == most {
			a.r.note(at, "and %d more", len(list)-most)
			return
		}
		a.r.note(at, "%.100s has no counterpart here and is sent as it is written", l)
	}
}

// looksLikeJSON reports whether a text is an object or a list of JSON.
func looksLikeJSON(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && (s[0] == '{' || s[0] == '[') && json.Valid([]byte(s))
}

// isJSONType reports whether a content type is one of JSON.
func isJSONType(typ string) bool {
	bare, _, _ := strings.Cut(strings.ToLower(typ), ";")
	bare = strings.TrimSpace(bare)
	return bare == "application/json" || strings.HasSuffix(bare, "+json")
}

// body sets a body of text.
func (a *answer) body(at *yaml.Node, s string) {
	if s == "" {
		return
	}
	computed := strings.Contains(s, "{{")
	if a.typ == "" {
		switch trimmed := strings.TrimSpace(s); {
		case a.usual != "":
			document.Put(a.to, "content_type", text(a.usual))
		case computed && (strings.HasPrefix(trimmed, "{") && !strings.HasPrefix(trimmed, "{{") || strings.HasPrefix(trimmed, "[")):
			document.Put(a.to, "content_type", text("application/json"))
		case !looksLikeJSON(s):
			document.Put(a.to, "content_type", text("text/plain"))
		}
	}
	if computed {
		document.Put(a.to, "body_text_template", text(a.text(at, s)))
		return
	}
	document.Put(a.to, "body", text(s))
}

// json sets a body of JSON.
func (a *answer) json(v *yaml.Node) {
	if !hasBraces(v) {
		document.Put(a.to, "body", jsonBody(v))
		return
	}
	v = bare(v)
	a.values(v)
	document.Put(a.to, "body_template", v)
}

// jsonBody returns a value as a body. A text is sent as it is, so a text of JSON gets
// its quotes.
func jsonBody(v *yaml.Node) *yaml.Node {
	if v.Kind == yaml.ScalarNode && v.Tag == "!!str" {
		return text(string(document.AppendJSON(nil, v)))
	}
	return bare(v)
}

// hasBraces reports whether a text in v has "{{".
func hasBraces(v *yaml.Node) bool {
	if v.Kind == yaml.ScalarNode {
		return v.Tag == "!!str" && strings.Contains(v.Value, "{{")
	}
	for i, c := range v.Content {
		if (v.Kind != yaml.MappingNode || i%2 == 1) && hasBraces(c) {
			return true
		}
	}
	return false
}

// values translates the texts in v. A text stays a text, whatever its helper returns.
func (a *answer) values(v *yaml.Node) {
	if v.Kind == yaml.ScalarNode {
		if !hasBraces(v) {
			return
		}
		*v = *text(a.wholeText(v))
		return
	}
	for i, c := range v.Content {
		if v.Kind != yaml.MappingNode || i%2 == 1 {
			a.values(c)
		}
	}
}

// wholeText translates a text of JSON. The value of a helper that is all of the text
// is a text, too.
func (a *answer) wholeText(v *yaml.Node) string {
	if whole, inside := helperAt(v.Value); whole == v.Value && a.translate != nil {
		if h := parseHelper(inside); h != nil {
			if expression, isText, ok := a.translate(h); ok && !isText {
				return "{{" + expression + `}}{{""}}` // two expressions make a text
			}
		}
	}
	return a.text(v, v.Value)
}

// base64 sets a body of bytes.
func (a *answer) base64(at *yaml.Node, s string) {
	data, err := document.DecodeBase64(s)
	if err != nil {
		a.r.note(at, "the body is not valid base64 and is left out: %v", err)
		return
	}
	if len(data) > 0 {
		document.Put(a.to, "body_base64", text(s))
	}
}

// file sets a body that lies in a file of the other tool. A file with helpers is
// computed.
func (a *answer) file(c *conversion, at *yaml.Node, name string) error {
	if strings.Contains(name, "{{") {
		a.r.note(at, "the request chooses the file %s: copy the files into the files directory", name)
		document.Put(a.to, "file", text(a.text(at, name)))
		return nil
	}
	data, err := a.r.from.read(name)
	if err != nil {
		a.r.note(at, "the body file %s cannot be read, and the body is left out: %v", name, err)
		return nil
	}
	key := "file"
	if a.translate != nil && strings.Contains(string(data), "{{") {
		out, _, lost := translate(string(data), a.translate)
		a.lost(at, lost)
		key, data = "file_template", []byte(out)
	}
	kept, err := c.keep(name, data)
	if err != nil {
		return document.Errorf(at, "%v", err)
	}
	if a.typ == "" && key == "file" && !isJSONType(typeOf(name)) {
		document.Put(a.to, "content_type", text(typeOf(name)))
	}
	document.Put(a.to, key, text(kept))
	return nil
}

// typeOf returns the content type of a file by the ending of its name.
func typeOf(name string) string {
	low := strings.ToLower(name)
	switch {
	case strings.HasSuffix(low, ".json"):
		return "application/json"
	case strings.HasSuffix(low, ".xml"):
		return "application/xml"
	case strings.HasSuffix(low, ".html"):
		return "text/html"
	case strings.HasSuffix(low, ".txt"), strings.HasSuffix(low, ".csv"):
		return "text/plain"
	}
	return "application/octet-stream"
}

// latency sets a fixed wait in milliseconds.
func (a *answer) latency(ms float64) {
	if ms <= 0 {
		return
	}
	const day = 86_400_000
	document.Put(a.to, "latency_ms", number(min(ms, day)))
}

// number returns a node for a number.
func number(f float64) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: strconv.FormatFloat(f, 'f', -1, 64)}
	if f == float64(int64(f)) {
		return document.Integer(int64(f))
	}
	return n
}

// str returns the text of a scalar, "" for nil and for anything else.
func str(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	s, _ := document.ScalarText(n)
	return s
}

// whole returns a whole number, or the default.
func whole(n *yaml.Node, dflt int64) int64 {
	if n == nil {
		return dflt
	}
	if i, ok := document.Whole(n); ok {
		return i
	}
	if i, err := strconv.ParseInt(str(n), 10, 64); err == nil {
		return i
	}
	return dflt
}

// isTrue reports whether n is true.
func isTrue(n *yaml.Node) bool {
	return n != nil && (n.Tag == "!!bool" || n.Tag == "!!str") && strings.EqualFold(n.Value, "true")
}

// child returns the value of a key, or an empty node without the key.
func child(n *yaml.Node, key string) *yaml.Node {
	if v := document.Child(n, key); v != nil {
		return v
	}
	return &yaml.Node{}
}

// pairs iterates over a map. A node that is no map, or nil, has no pairs.
func pairs(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	if n == nil || n.Kind != yaml.MappingNode {
		return func(func(*yaml.Node, *yaml.Node) bool) {}
	}
	return document.Pairs(n)
}

// items returns the elements of a list. A node that is no list, or nil, has none.
func items(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// sorted iterates over a map in the order of its keys.
func sorted(m map[string]string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
