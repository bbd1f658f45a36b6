package importer

import (
	"encoding/base64"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
)

func quoteMeta(s string) string { return regexp.QuoteMeta(s) }

// basic returns the credentials of Basic authentication.
func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// bodies reads the patterns of a body, all of which must hold.
func (w *stub) bodies(list *yaml.Node) {
	for _, n := range items(list) {
		w.bodyPattern(n)
	}
}

// bodyPattern reads one pattern of a body.
func (w *stub) bodyPattern(n *yaml.Node) {
	for k, v := range pairs(n) {
		switch k.Value {
		case "equalToJson":
			w.equalToJSON(n, v)
		case "matchesJsonPath":
			w.matchesJSONPath(v)
		case "equalToXml":
			w.equalToXML(v, str(v))
		case "matchesXPath":
			w.matchesXPath(n, v)
		case "binaryEqualTo":
			data, err := document.DecodeBase64(str(v))
			if err != nil || strings.ContainsRune(string(data), 0) || text(string(data)).Tag != "!!str" {
				w.lack(v, "binaryEqualTo: bytes that are no text have no counterpart")
				continue
			}
			w.put("body", equals(string(data)))
		case "ignoreArrayOrder", "ignoreExtraElements", "caseInsensitive", "xPathNamespaces", "enablePlaceholders",
			"placeholderOpeningDelimiterRegex", "placeholderClosingDelimiterRegex", "exemptedComparisons", "schemaVersion",
			"namespaceAwareness", "ignoreOrderOfSameNode":
			// They belong to another key of the pattern.
		case "and":
			w.bodies(v)
		default:
			c, why := valueWord(k.Value, v, isTrue(document.Child(n, "caseInsensitive")))
			if why != "" {
				w.lack(v, "bodyPatterns: %s", why)
				continue
			}
			if c != nil {
				w.put("body", c)
			}
		}
	}
}

// equalToJSON reads the JSON that the body must be, as a value or as its text.
func (w *stub) equalToJSON(n, v *yaml.Node) {
	want := v
	if v.Kind == yaml.ScalarNode && v.Tag == "!!str" {
		var err error
		if want, err = document.Read("equalToJson.json", []byte(v.Value)); err != nil {
			w.lack(v, "equalToJson: %v", err)
			return
		}
	}
	extra := isTrue(document.Child(n, "ignoreExtraElements"))
	if isTrue(document.Child(n, "ignoreArrayOrder")) && hasLongList(want) {
		w.note(v, "equalToJson: ignoreArrayOrder has no counterpart: the elements of lists must come in this order")
	}
	if extra || hasPlaceholder(want, jsonUnit) {
		if !extra {
			w.note(v, "equalToJson: with placeholders, the body may have further keys")
		}
		w.looseJSON("", want, jsonUnit)
		return
	}
	w.putNamed("body_json", "", exactJSON(want))
}

// hasLongList reports whether v has a list of two or more elements.
func hasLongList(v *yaml.Node) bool {
	if v.Kind == yaml.SequenceNode && len(v.Content) > 1 {
		return true
	}
	for _, c := range v.Content {
		if hasLongList(c) {
			return true
		}
	}
	return false
}

// jsonUnit returns the condition for a placeholder of JsonUnit, or nil.
func jsonUnit(n *yaml.Node) *yaml.Node {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" || !strings.HasPrefix(n.Value, "${json-unit.") {
		return nil
	}
	if expression, ok := strings.CutPrefix(n.Value, "${json-unit.regex}"); ok {
		if _, err := compile(wholly(expression)); err == nil {
			return matcher("regex", text(wholly(expression)))
		}
	}
	return matcher("absent", truth(false))
}

// matchesJSONPath reads an expression, alone or with a pattern for its value.
func (w *stub) matchesJSONPath(v *yaml.Node) {
	if v.Kind == yaml.ScalarNode {
		if !w.jsonPathFound(str(v)) {
			w.lack(v, "matchesJsonPath: the expression %s has no counterpart", str(v))
		}
		return
	}
	expression := str(document.Child(v, "expression"))
	path, ok := jsonPath(expression)
	if !ok {
		w.lack(v, "matchesJsonPath: the expression %s has no counterpart", expression)
		return
	}
	rest := document.Without(v, "expression")
	if inner := document.Child(rest, "equalToJson"); inner != nil {
		want := inner
		if inner.Tag == "!!str" {
			var err error
			if want, err = document.Read("equalToJson.json", []byte(inner.Value)); err != nil {
				w.lack(v, "matchesJsonPath: equalToJson: %v", err)
				return
			}
		}
		w.putNamed("body_json", path, exactJSON(want))
		return
	}
	c, why := valuePattern(rest)
	if why != "" {
		w.lack(v, "matchesJsonPath: %s", why)
		return
	}
	w.putNamed("body_json", path, anyForm(c))
}

// anyForm returns a condition on text as one on JSON: a text that is a number, true
// or false is also equal to the value of JSON.
func anyForm(c *yaml.Node) *yaml.Node {
	operand := c
	if c.Kind == yaml.MappingNode {
		if len(c.Content) != 2 || c.Content[0].Value != "equals" {
			return c
		}
		operand = c.Content[1]
	}
	if operand.Kind != yaml.ScalarNode {
		return c
	}
	n, err := document.ReadJSON([]byte(operand.Value))
	if err != nil || n.Kind != yaml.ScalarNode || n.Tag == "!!str" || n.Tag == "!!null" {
		return operand
	}
	list := newList(text(operand.Value), bare(n))
	list.Style = yaml.FlowStyle
	return matcher("one_of", list)
}

// A filter at the end of a JSONPath, such as $[?(@.kind == 'book')], and one
// comparison in it.
var (
	filterPath = regexp.MustCompile(`^(\$[^?]*)\[\?\((.*)\)\]$`)
	comparison = regexp.MustCompile(`^@((?:\.[A-Za-z_][\w-]*|\[\d+\]|\['[^']*'\])*)\s*(?:(==|!=|<=|>=|<|>|=~)\s*(.+))?$`)
)

// jsonPathFound adds the condition that an expression finds something.
func (r *rule) jsonPathFound(expression string) bool {
	if path, ok := jsonPath(expression); ok {
		r.putNamed("body_json", path, matcher("absent", truth(false)))
		return true
	}
	m := filterPath.FindStringSubmatch(strings.TrimSpace(expression))
	if m == nil || strings.Contains(m[2], "||") {
		return false
	}
	base, ok := jsonPath(m[1])
	if !ok || m[1] != "$" { // below another path, the filter picks elements of a list
		return false
	}
	type condition struct {
		path string
		c    *yaml.Node
	}
	var list []condition
	for part := range strings.SplitSeq(m[2], "&&") {
		path, c, ok := compared(strings.TrimSpace(part))
		if !ok {
			return false
		}
		list = append(list, condition{path, c})
	}
	for _, l := range list {
		r.putNamed("body_json", strings.Trim(base+"."+l.path, "."), l.c)
	}
	return true
}

// compared returns one comparison of a filter as a condition on a path.
func compared(s string) (path string, c *yaml.Node, ok bool) {
	m := comparison.FindStringSubmatch(s)
	if m == nil {
		return "", nil, false
	}
	if path, ok = jsonPath("$" + m[1]); !ok {
		return "", nil, false
	}
	if m[2] == "" {
		return path, matcher("absent", truth(false)), true
	}
	operand := strings.TrimSpace(m[3])
	if m[2] == "=~" {
		expression, flags, ok := strings.Cut(strings.TrimPrefix(operand, "/"), "/")
		if !ok || strings.Trim(flags, "i") != "" {
			return "", nil, false
		}
		expression = wholly(expression)
		if flags != "" {
			expression = "(?i)" + expression
		}
		if _, err := compile(expression); err != nil {
			return "", nil, false
		}
		return path, matcher("regex", text(expression)), true
	}
	var value *yaml.Node
	if len(operand) > 1 && (operand[0] == '\'' || operand[0] == '"') && operand[len(operand)-1] == operand[0] {
		value = text(operand[1 : len(operand)-1])
	} else {
		n, err := document.ReadJSON([]byte(operand))
		if err != nil || n.Kind != yaml.ScalarNode {
			return "", nil, false
		}
		value = bare(n)
	}
	switch m[2] {
	case "==":
		return path, matcher("equals", value), true
	case "!=":
		return path, matcher("not", value), true
	}
	names := map[string]string{"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
	if value.Tag == "!!str" {
		return "", nil, false
	}
	return path, matcher(names[m[2]], value), true
}

// matchesXPath reads an XPath, alone or with a pattern for its value.
func (w *stub) matchesXPath(n, v *yaml.Node) {
	expression, c, why := str(v), matcher("absent", truth(false)), ""
	if v.Kind == yaml.MappingNode {
		expression = str(document.Child(v, "expression"))
		c, why = valuePattern(document.Without(v, "expression", "xPathNamespaces"))
	}
	if why == "" {
		why = badXPath(expression)
	}
	if why != "" {
		w.lack(v, "matchesXPath: %s", why)
		return
	}
	if document.Has(n, "xPathNamespaces") && strings.Contains(expression, ":") {
		w.note(v, "matchesXPath: prefixes of namespaces are compared as the body writes them")
	}
	// text() at the end is what a path means here.
	w.putNamed("body_xml", strings.TrimSuffix(expression, "/text()"), c)
}

// multipart reads the patterns of parts of a body.
func (w *stub) multipart(list *yaml.Node) {
	for _, n := range items(list) {
		name := str(document.Child(n, "name"))
		if name == "" {
			w.lack(n, "multipartPatterns: a part without a name has no counterpart")
			continue
		}
		part := newMap()
		headers := newMap()
		for k, v := range pairs(document.Child(n, "headers")) {
			if c, why := valuePattern(v); why != "" {
				w.lack(v, "multipartPatterns: header %s: %s", k.Value, why)
			} else if !strings.EqualFold(k.Value, "Content-Disposition") {
				document.Put(headers, k.Value, c)
			}
		}
		if len(headers.Content) > 0 {
			document.Put(part, "headers", headers)
		}
		if patterns := document.Child(n, "bodyPatterns"); patterns != nil {
			inner := &stub{w.c, w.from.rule(n)}
			inner.bodies(patterns)
			w.notes = append(w.notes, inner.notes...)
			w.loose = w.loose || inner.loose
			if body := document.Child(inner.match, "body"); body != nil {
				part.Content = append(part.Content, words(body).Content...)
			}
			if body := document.Child(inner.match, "body_json"); body != nil {
				document.Put(part, "body_json", body)
			}
		}
		if len(part.Content) == 0 {
			part = matcher("absent", truth(false))
		}
		w.putNamed("parts", name, part)
	}
}
