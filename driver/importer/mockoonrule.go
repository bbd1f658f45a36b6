package importer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
)

// matches returns the conditions of the rules of a response: one map for all, or one
// for each of which one must hold.
func (e *environment) matches(r *rule, rules []*yaml.Node, all bool) (list []*yaml.Node) {
	joined := e.s.rule(r.at)
	joined.path = r.path
	for _, n := range rules {
		one := joined
		if !all {
			one = e.s.rule(r.at)
			one.path = r.path
		}
		one.mockoonRule(n)
		if !all {
			if one.loose {
				e.unchosen(r, one)
			} else {
				list = append(list, one.match)
			}
		}
	}
	if all {
		if joined.loose {
			e.unchosen(r, joined)
			return nil
		}
		list = append(list, joined.match)
	}
	return list
}

// unchosen notes that a response cannot be chosen by a rule.
func (e *environment) unchosen(r, failed *rule) {
	for _, n := range failed.notes {
		n.Text = strings.Replace(n.Text, "; the endpoint answers without this condition", "; this rule never chooses its response", 1)
		r.notes = append(r.notes, n)
	}
}

// mockoonRule adds the condition of one rule of a response
// (https://mockoon.com/docs/latest/route-responses/dynamic-rules).
func (r *rule) mockoonRule(n *yaml.Node) {
	target, modifier := str(document.Child(n, "target")), str(document.Child(n, "modifier"))
	keys := map[string]string{"header": "headers", "query": "query", "cookie": "cookies", "params": "params", "path": "path",
		"method": "method", "body": "body_json"}
	key := keys[target]
	if key == "" {
		r.lack(n, "rules: the target %s has no counterpart", target)
		return
	}
	path := modifier
	if target == "body" {
		var ok bool
		if path, ok = mockoonPath(modifier); !ok {
			r.lack(n, "rules: the path %s has no counterpart", modifier)
			return
		}
	}
	if target == "body" && modifier == "" {
		key = "body"
	}
	c, why := mockoonCondition(n, key == "body_json")
	if why != "" {
		r.lack(n, "rules: %s", why)
		return
	}
	if key == "method" && c.Kind == yaml.ScalarNode && c.Value != strings.ToLower(c.Value) {
		if !isTrue(document.Child(n, "invert")) {
			r.lack(n, "rules: %q is no method: a rule sees methods in lower case", c.Value)
		}
		return // the negation of this holds for every request
	}
	if key == "method" {
		c = anyCase(c)
	}
	if isTrue(document.Child(n, "invert")) && str(document.Child(n, "operator")) != "null" {
		c = matcher("not", c)
	}
	if key == "path" || key == "method" || key == "body" {
		r.put(key, c)
		return
	}
	if key == "params" && !strings.Contains(r.path, "{"+path+"}") {
		if isTrue(document.Child(n, "invert")) == (str(document.Child(n, "operator")) == "null") {
			r.lack(n, "rules: the path has no parameter %s", path)
		}
		return // there is never a value, which is what the rule asks for
	}
	if path == "" {
		r.lack(n, "rules: a %s without a name has no counterpart", target)
		return
	}
	r.putNamed(key, path, c)
}

// anyCase returns a condition on a method in lower case as one on the method as sent.
func anyCase(c *yaml.Node) *yaml.Node {
	if c.Kind == yaml.ScalarNode {
		return text(strings.ToUpper(c.Value))
	}
	if v := document.Child(c, "regex"); v != nil {
		return matcher("regex", text("(?i)"+v.Value))
	}
	return c
}

// mockoonPath returns the dotted path of a path into a body: dotted already, or a
// JSONPath.
func mockoonPath(s string) (string, bool) {
	if strings.HasPrefix(s, "$") {
		return jsonPath(s)
	}
	return s, true
}

// nothing returns the condition that there is no value, an empty one, or the null of
// JSON; inverted, that there is another value.
func nothing(json, inverted bool) *yaml.Node {
	null := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	switch {
	case json && inverted:
		c := matcher("absent", truth(false))
		document.Put(c, "not", null)
		return c
	case json:
		return null
	case inverted:
		return matcher("regex", text("(?s)."))
	}
	return matcher("not", matcher("regex", text("(?s).")))
}

// mockoonCondition returns the operator of a rule with its value as a condition.
func mockoonCondition(n *yaml.Node, json bool) (c *yaml.Node, why string) {
	value := str(document.Child(n, "value"))
	if strings.Contains(value, "{{") {
		return nil, "a value with helpers has no counterpart"
	}
	operator := cmp.Or(str(document.Child(n, "operator")), "equals")
	if isTrue(document.Child(n, "isRegex")) { // of older versions
		operator = "regex"
	}
	switch operator {
	case "equals":
		if json {
			return anyForm(text(value)), ""
		}
		return equals(value), ""
	case "regex", "regex_i":
		if operator == "regex_i" {
			value = "(?i)" + value
		}
		if _, err := compile(value); err != nil || value == "" {
			return nil, fmt.Sprintf("the expression %q is not valid here: %v", value, err)
		}
		return matcher("regex", text(value)), ""
	case "null":
		return nothing(json, isTrue(document.Child(n, "invert"))), ""
	case "empty_array":
		return matcher("equals", &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}), ""
	case "array_includes":
		v, err := document.ReadJSON([]byte(value))
		if err != nil || v.Kind != yaml.ScalarNode || v.Tag == "!!str" || v.Tag == "!!null" {
			v = text(value)
		}
		return matcher("contains", bare(v)), ""
	}
	return nil, "the operator " + operator + " has no counterpart"
}

// compactJSON returns a text of JSON without blanks, and any other text as it is.
func compactJSON(s string) string {
	if strings.Contains(s, "{{") || !json.Valid([]byte(s)) {
		return s
	}
	n, err := document.ReadJSON([]byte(s))
	if err != nil {
		return s
	}
	return string(document.AppendJSON(nil, n))
}

// helper returns the expression for a helper. A data bucket without helpers of its own
// is a constant.
func (e *environment) helper(r *rule, h *helper) (expression string, isText, ok bool) {
	if h.name == "data" && len(h.args) == 1 {
		v := e.bucket(h.args[0].text)
		if value := compactJSON(strings.TrimSpace(str(v))); v != nil && !strings.Contains(value, "{{") {
			return strconv.Quote(value), true, true
		}
	}
	return r.mockoonHelper(h)
}

// mockoonHelper returns the expression for a helper of Mockoon
// (https://mockoon.com/docs/latest/templating/overview).
func (r *rule) mockoonHelper(h *helper) (expression string, isText, ok bool) {
	first, has := h.arg(0, "")
	dflt, given := h.arg(1, "")
	name := first.text
	named := func(function string) (string, bool, bool) {
		if given {
			return fmt.Sprintf("%s(%q, %q)", function, name, dflt.text), true, has && first.inner == nil
		}
		return fmt.Sprintf("%s(%q)", function, name), true, has && first.inner == nil
	}
	switch h.name {
	case "body", "bodyRaw":
		if !has {
			return "request_body()", true, true
		}
		path, ok := mockoonPath(name)
		return fmt.Sprintf("request_body_json(%q, %q)", path, dflt.text), false, ok && first.inner == nil
	case "queryParam", "queryParamRaw":
		return named("request_query")
	case "urlParam":
		return named("request_param")
	case "header":
		return named("request_header")
	case "cookie":
		expression = cookieExpression(name)
		if given {
			expression = fmt.Sprintf("(%s or %q)", expression, dflt.text)
		}
		return expression, true, has
	case "method":
		return fmt.Sprintf("%q", r.method), true, r.method != ""
	case "hostname":
		return `request_header("Host").split(":")[0]`, true, true
	case "now":
		return mockoonNow(name, has)
	case "concat":
		return concatenated(h, r.mockoonHelper)
	case "uuid", "guid":
		return "uuid()", true, true
	case "faker":
		return "uuid()", true, name == "string.uuid" || name == "datatype.uuid"
	case "int":
		low, fine := first.number()
		high, okay := dflt.number()
		return fmt.Sprintf("random_int(%d, %d)", low, max(low, high)), false, fine && okay
	case "boolean":
		return `random_choice("true", "false")`, false, true
	case "oneOf":
		if !has || first.inner == nil || first.inner.name != "array" {
			return "", false, false
		}
		expression, ok = choice(first.inner.args, r.mockoonHelper)
		return expression, false, ok
	}
	expression, ok = textHelper(h, r.mockoonHelper)
	return expression, true, ok
}

// concatenated returns the expression that joins its arguments to one text.
func concatenated(h *helper, to translator) (expression string, isText, ok bool) {
	var list []string
	for _, a := range h.args {
		v, ok := a.value(to)
		if !ok {
			return "", false, false
		}
		list = append(list, v)
	}
	if len(list) == 0 {
		return "", false, false
	}
	return fmt.Sprintf("%q %% (%s,)", strings.Repeat("%s", len(list)), strings.Join(list, ", ")), true, true
}

// mockoonNow returns the expression for the time in a format.
func mockoonNow(format string, given bool) (expression string, isText, ok bool) {
	if !given || format == "" {
		return `time.now().format("2006-01-02T15:04:05.000-07:00")`, true, true
	}
	layout, ok := dateLayout(format)
	return fmt.Sprintf("time.now().format(%q)", layout), true, ok
}
