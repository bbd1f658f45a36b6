package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/document"
)

// endpoint adds the rule of a route.
func (p *collection) endpoint(r *route) error {
	rule := p.s.rule(r.at)
	rule.title, rule.place, rule.method = r.title, p.c.next(), r.method
	rule.path = r.path
	rule.exact = !strings.ContainsAny(r.path, "{*")
	if rule.exact {
		rule.literalPath(r.path)
	}
	if len(p.hosts) > 1 && r.host != "" {
		rule.put("host", equals(r.host))
	}
	groups := r.groups()
	if len(groups) == 1 && len(groups[0]) == 1 {
		p.answer(rule, rule.answer, groups[0][0])
		return p.c.add(rule)
	}
	list := newList()
	for i, g := range groups {
		conditions := len(groups) > 1
		usual := usualExample(g)
		for _, e := range g {
			if e == usual {
				continue
			}
			list.Content = append(list.Content, p.named(rule, e, conditions, "x-mock-response-name", e.name))
			if e.code != usual.code && firstOf(g, e) {
				list.Content = append(list.Content, p.named(rule, e, conditions, "x-mock-response-code", fmt.Sprint(e.code)))
			}
		}
		if i == len(groups)-1 && conditions && len(match(rule, usual).Content) > 0 {
			list.Content = append(list.Content, p.named(rule, usual, conditions, "", ""))
		}
		list.Content = append(list.Content, p.named(rule, usual, conditions && i < len(groups)-1, "", ""))
	}
	rule.set("rules", tidy(list))
	return p.c.add(rule)
}

// tidy drops the last but one rule if the last one has its answer for all requests.
func tidy(list *yaml.Node) *yaml.Node {
	n := len(list.Content)
	if n < 2 {
		return list
	}
	last, before := list.Content[n-1], list.Content[n-2]
	same := document.Without(before, "match")
	if document.Has(before, "match") && !document.Has(document.Child(before, "match"), "headers") &&
		string(document.AppendJSON(nil, same)) == string(document.AppendJSON(nil, last)) {
		list.Content = slices.Delete(list.Content, n-2, n-1)
	}
	return list
}

// firstOf reports whether e is the first of its code.
func firstOf(g []*example, e *example) bool {
	return g[slices.IndexFunc(g, func(o *example) bool { return o.code == e.code })] == e
}

// groups returns the examples by the query and the path that they are for, those with
// more conditions first.
func (r *route) groups() [][]*example {
	keys := map[string]int{}
	var groups [][]*example
	for _, e := range r.examples {
		key := e.query + "\x00" + fmt.Sprint(e.params)
		i, ok := keys[key]
		if !ok {
			i = len(groups)
			keys[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], e)
	}
	size := func(g []*example) int { return len(exchange.Values(g[0].query)) + len(g[0].params) }
	slices.SortStableFunc(groups, func(a, b []*example) int { return cmp.Compare(size(b), size(a)) })
	return groups
}

// usualExample returns the example that answers when the request names none: the
// first with the status 200, or with one of success, or the first.
func usualExample(g []*example) *example {
	for _, fine := range []func(int64) bool{
		func(c int64) bool { return c == 200 },
		func(c int64) bool { return c >= 200 && c < 300 },
	} {
		if i := slices.IndexFunc(g, func(e *example) bool { return fine(e.code) }); i >= 0 {
			return g[i]
		}
	}
	return g[0]
}

// match returns the conditions for the query and the path of an example.
func match(r *rule, e *example) *yaml.Node {
	inner := r.from.rule(e.at)
	if e.query != "" {
		inner.putQuery(e.query)
	}
	for name, value := range sorted(e.params) {
		inner.putNamed("params", name, equals(value))
	}
	return inner.match
}

// named returns the rule of an example, for requests that have a header.
func (p *collection) named(r *rule, e *example, conditions bool, header, value string) *yaml.Node {
	n := newMap()
	m := newMap()
	if conditions {
		m = match(r, e)
	}
	if header != "" {
		h := newMap()
		document.Put(h, header, equals(value))
		document.Put(m, "headers", h)
	}
	if len(m.Content) > 0 {
		document.Put(n, "match", m)
	}
	p.answer(r, n, e)
	return n
}

// answer writes the answer of an example.
func (p *collection) answer(r *rule, to *yaml.Node, e *example) {
	a := r.reply(to, e.code, e.at)
	a.translate = postmanHelper
	var fields []field
	for _, h := range items(document.Child(e.node, "header")) {
		value, _ := p.resolve(str(document.Child(h, "value")))
		name := str(document.Child(h, "key"))
		if name != "" && !isTrue(document.Child(h, "disabled")) && !strings.EqualFold(name, "Content-Encoding") {
			fields = append(fields, field{name, value, h})
		}
	}
	if !hasField(fields, "Content-Type") {
		types := map[string]string{"json": "application/json", "xml": "application/xml", "html": "text/html", "text": "text/plain"}
		if typ := types[str(document.Child(e.node, "_postman_previewlanguage"))]; typ != "" {
			fields = append(fields, field{"Content-Type", typ, e.at})
		}
	}
	a.fields(fields)
	body, _ := p.resolve(str(document.Child(e.node, "body")))
	a.body(e.at, body)
}

// postmanHelper returns the expression for a dynamic variable
// (https://learning.postman.com/docs/tests-and-scripts/write-scripts/variables-list).
func postmanHelper(h *helper) (expression string, isText, ok bool) {
	if len(h.args) > 0 {
		return "", false, false
	}
	switch h.name {
	case "$guid", "$randomUUID":
		return "uuid()", true, true
	case "$timestamp":
		return "now_epoch()", false, true
	case "$isoTimestamp":
		return `time.now().format("2006-01-02T15:04:05.000Z")`, true, true
	case "$randomInt":
		return "random_int(0, 1000)", false, true
	case "$randomBoolean":
		return `random_choice("true", "false")`, false, true
	case "$randomAlphaNumeric":
		return "sprig.lower(sprig.randAlphaNum(1))", true, true
	case "$randomIP":
		return `"%d.%d.%d.%d" % (random_int(1, 254), random_int(0, 255), random_int(0, 255), random_int(1, 254))`, true, true
	case "$randomFirstName":
		return `random_choice("Ann", "Bob", "Cleo", "Dan")`, true, true
	case "$randomColor":
		return `random_choice("red", "green", "blue", "black")`, true, true
	}
	return "", false, false
}
