package importer

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
)

// The format is documented at https://www.mock-server.com/mock_server/creating_expectations.html.

// mockServer reads one expectation or a list of them.
func (c *conversion) mockServer(root *yaml.Node, s source) error {
	list := []*yaml.Node{root}
	if root.Kind == yaml.SequenceNode {
		list = root.Content
	}
	var rules []ranked
	for _, n := range list {
		if n.Kind != yaml.MappingNode {
			return document.Wrong(n, "expectation", "a map")
		}
		r := s.rule(n)
		r.place = c.next()
		r.title = str(document.Child(n, "id"))
		e := &expectation{c, r}
		e.request(document.Child(n, "httpRequest"))
		if err := e.action(n); err != nil {
			return err
		}
		e.times(n)
		rules = append(rules, ranked{r, whole(document.Child(n, "priority"), 0)})
		if len(rules) > maxRules {
			return document.Errorf(n, "got more than %d expectations, want fewer", maxRules)
		}
	}
	slices.SortStableFunc(rules, func(a, b ranked) int { return int(max(-1, min(1, b.priority-a.priority))) })
	for _, r := range rules {
		if err := c.add(r.rule); err != nil {
			return err
		}
	}
	return nil
}

// expectation is an expectation that is being read.
type expectation struct {
	c *conversion
	*rule
}

// request reads the request that is expected.
func (e *expectation) request(n *yaml.Node) {
	e.path = "/*"
	for k, v := range pairs(n) {
		if v.Tag == "!!null" {
			continue
		}
		switch k.Value {
		case "method":
			c, literal := e.nottable("method", v)
			switch {
			case literal != "":
				e.method = strings.ToUpper(literal)
			case c != nil:
				e.put("method", c)
			}
		case "path":
			e.readPath(v, document.Child(n, "pathParameters"))
		case "pathParameters":
			e.named("params", v)
		case "queryStringParameters":
			e.named("query", v)
		case "headers":
			e.named("headers", v)
		case "cookies":
			e.named("cookies", v)
		case "body":
			e.body(v)
		case "specUrlOrPayload", "operationId":
			if k.Value == "specUrlOrPayload" {
				e.leaveOut(v, "an OpenAPI document says which requests are expected")
			}
		case "not":
			if isTrue(v) {
				e.leaveOut(v, "a request that must not match has no counterpart")
			}
		case "secure", "keepAlive", "protocol", "socketAddress", "clientCertificateChain", "remoteAddress", "localAddress":
			e.lack(v, "httpRequest.%s has no counterpart", k.Value)
		}
	}
}

// readPath reads the path, which may be an expression, or have {name} segments.
func (e *expectation) readPath(v, params *yaml.Node) {
	s := str(v)
	if params != nil && strings.Contains(s, "{") {
		e.path = s
		return
	}
	c, literal := e.nottable("path", v)
	switch {
	case literal != "":
		e.literalPath(literal)
	case v.Kind == yaml.ScalarNode && !strings.HasPrefix(s, "!"):
		e.regexPath(v, s, false)
	case c != nil:
		e.put("path", c)
	}
}

// nottable returns a text, an expression, or the negation of one as a condition; or
// the text, if it is no more than that. Both are empty if there is no counterpart.
func (e *expectation) nottable(what string, v *yaml.Node) (c *yaml.Node, literal string) {
	s, not := str(v), false
	if v.Kind == yaml.MappingNode {
		value := document.Child(v, "value")
		if value == nil || value.Kind != yaml.ScalarNode {
			e.lack(v, "%s: a schema has no counterpart", what)
			return nil, ""
		}
		s, not = str(value), isTrue(document.Child(v, "not"))
	}
	if rest, ok := strings.CutPrefix(s, "!"); ok {
		s, not = rest, !not
	}
	c, why := literalOrExpression(s)
	switch {
	case why != "":
		e.lack(v, "%s: %s", what, why)
		return nil, ""
	case not:
		return matcher("not", c), ""
	case c.Kind == yaml.ScalarNode:
		return c, s
	}
	return c, ""
}

// literalOrExpression returns the condition that a text is equal to s, or matches s
// as an expression.
func literalOrExpression(s string) (c *yaml.Node, why string) {
	if isLiteral(s) {
		return equals(s), ""
	}
	expression := wholly(s)
	if _, err := compile(expression); err != nil {
		return nil, fmt.Sprintf("the expression %q is not valid here: %v", s, err)
	}
	return matcher("regex", text(expression)), ""
}

// isLiteral reports whether a text is meant as it is written: its only operators are
// points that nothing repeats.
func isLiteral(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case '\\', '*', '+', '?', '(', ')', '[', ']', '{', '}', '|', '^', '$':
			return false
		}
	}
	return true
}

// named reads values by name: a map of names to a value or a list, or a list of maps.
func (e *expectation) named(key string, n *yaml.Node) {
	for _, item := range items(n) {
		values := document.Child(item, "values")
		if values == nil {
			values = document.Child(item, "value")
		}
		if name := document.Child(item, "name"); name != nil && values != nil {
			e.one(key, name, values)
		}
	}
	for k, v := range pairs(n) {
		if k.Value == "keyMatchStyle" {
			e.note(k, "%s: keyMatchStyle has no counterpart", key)
			continue
		}
		e.one(key, k, v)
	}
}

// one reads the values of one name.
func (e *expectation) one(key string, k, v *yaml.Node) {
	name := str(k)
	switch {
	case strings.HasPrefix(name, "?"):
		e.lack(k, "%s %s: an optional value has no counterpart", key, name)
		return
	case strings.HasPrefix(name, "!"):
		e.putNamed(key, name[1:], matcher("absent", truth(true)))
		return
	case !isLiteral(name):
		e.lack(k, "%s %s: an expression for a name has no counterpart", key, name)
		return
	}
	values := []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		values = v.Content
	}
	if len(values) == 0 {
		e.putNamed(key, name, matcher("absent", truth(false)))
		return
	}
	if len(values) == 1 {
		if c, _ := e.nottable(key+" "+name, values[0]); c != nil {
			e.putNamed(key, name, c)
		}
		return
	}
	list := newList()
	for _, v := range values {
		if v.Kind != yaml.ScalarNode || !isLiteral(str(v)) || strings.HasPrefix(str(v), "!") || key != "query" {
			e.lack(v, "%s %s: several values have a counterpart only in the query, and as texts", key, name)
			return
		}
		list.Content = append(list.Content, text(str(v)))
	}
	e.note(v, "%s %s: the request must have exactly these values in this order", key, name)
	e.putNamed(key, name, list)
}

// body reads the body that is expected.
func (e *expectation) body(v *yaml.Node) {
	if v.Kind == yaml.ScalarNode {
		e.put("body", equals(str(v)))
		return
	}
	kind := strings.ToUpper(str(document.Child(v, "type")))
	if v.Kind == yaml.SequenceNode || kind == "" && !document.Has(v, "not") {
		if key := onlyKey(v, "json", "regex", "xpath", "xml", "jsonSchema", "jsonPath", "parameters", "string", "base64Bytes"); key != "" {
			kinds := map[string]string{"json": "JSON", "regex": "REGEX", "xpath": "XPATH", "xml": "XML", "jsonSchema": "JSON_SCHEMA",
				"jsonPath": "JSON_PATH", "parameters": "PARAMETERS", "string": "STRING", "base64Bytes": "BINARY"}
			kind = kinds[key]
		} else { // a value of JSON
			e.json(v, v, false)
			return
		}
	}
	if isTrue(document.Child(v, "not")) {
		e.negated(kind, v)
		return
	}
	value := func(key string) *yaml.Node { return child(v, key) }
	switch kind {
	case "STRING":
		if isTrue(value("subString")) {
			e.put("body", matcher("contains", text(str(value("string")))))
			return
		}
		e.put("body", equals(str(value("string"))))
	case "REGEX":
		e.put("body", matcher("regex", text(wholly(str(value("regex"))))))
	case "JSON":
		e.json(v, value("json"), str(value("matchType")) == "STRICT")
	case "JSON_PATH":
		if path := str(value("jsonPath")); !e.jsonPathFound(path) {
			e.lack(v, "body: the JSONPath %s has no counterpart", path)
		}
	case "XPATH":
		expression := str(value("xpath"))
		if why := badXPath(expression); why != "" {
			e.lack(v, "body: %s", why)
			return
		}
		e.putNamed("body_xml", expression, matcher("absent", truth(false)))
	case "XML":
		e.equalToXML(v, str(value("xml")))
	case "PARAMETERS":
		e.named("form", value("parameters"))
	case "BINARY":
		data, err := document.DecodeBase64(str(value("base64Bytes")))
		if err != nil || text(string(data)).Tag != "!!str" {
			e.lack(v, "body: bytes that are no text have no counterpart")
			return
		}
		e.put("body", equals(string(data)))
	default:
		e.lack(v, "body: the type %s has no counterpart", kind)
	}
}

// onlyKey returns the key of keys that a map has, if there is one that says what the
// map is.
func onlyKey(v *yaml.Node, keys ...string) string {
	if v.Kind != yaml.MappingNode {
		return ""
	}
	found := ""
	for k := range document.Pairs(v) {
		switch {
		case slices.Contains(keys, k.Value):
			found = k.Value
		case k.Value == "matchType" || k.Value == "subString" || k.Value == "contentType" || k.Value == "optional":
		default:
			return ""
		}
	}
	return found
}

// negated reads a body that must not match.
func (e *expectation) negated(kind string, v *yaml.Node) {
	s := str(document.Child(v, "string"))
	switch {
	case kind == "STRING" && isTrue(document.Child(v, "subString")):
		e.put("body", matcher("not", matcher("contains", text(s))))
	case kind == "STRING":
		e.put("body", matcher("not", matcher("equals", text(s))))
	case kind == "REGEX":
		e.put("body", matcher("not", matcher("regex", text(wholly(str(document.Child(v, "regex")))))))
	default:
		e.lack(v, "body: the negation of the type %s has no counterpart", kind)
	}
}

// json reads a body of JSON, as a value or as its text.
func (e *expectation) json(at, v *yaml.Node, strict bool) {
	if v.Kind == yaml.ScalarNode && v.Tag == "!!str" {
		var err error
		if v, err = document.Read("body.json", []byte(v.Value)); err != nil {
			e.lack(at, "body: %v", err)
			return
		}
	}
	if strict && !hasPlaceholder(v, jsonUnit) {
		e.putNamed("body_json", "", exactJSON(v))
		return
	}
	if hasLongList(v) {
		e.note(at, "body: the elements of lists must be these, in this order")
	}
	e.looseJSON("", v, jsonUnit)
}
