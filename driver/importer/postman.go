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

// The format is documented at https://schema.postman.com/collection/json/v2.1.0, the
// choice among examples at
// https://learning.postman.com/docs/design-apis/mock-apis/matching-algorithm.

// maxFolders bounds folders in folders.
const maxFolders = 50

// collection is a collection that is being read.
type collection struct {
	c         *conversion
	s         source
	variables map[string]string
	routes    []*route
	hosts     map[string]bool
	without   int // requests without an example
}

// route is a method and a path with all of its examples.
type route struct {
	host, method, path string
	at                 *yaml.Node
	title              string
	examples           []*example
}

// example is a saved answer with the request that it answers.
type example struct {
	at     *yaml.Node
	name   string
	code   int64
	query  string // encoded
	params map[string]string
	node   *yaml.Node
}

// postman reads a collection.
func (c *conversion) postman(root *yaml.Node, s source) error {
	info := document.Child(root, "info")
	if schema := str(document.Child(info, "schema")); schema != "" && !strings.Contains(schema, "/v2") {
		return document.Errorf(document.Field(info, "schema"), "info.schema: got %q, want a collection of version 2.1", schema)
	}
	p := &collection{c: c, s: s, variables: map[string]string{}, hosts: map[string]bool{}}
	p.declare(document.Child(root, "variable"))
	if err := p.items(document.Child(root, "item"), "", 0); err != nil {
		return err
	}
	if document.Has(root, "event") {
		c.note(s, document.Child(root, "event"), "the scripts of the collection are left out")
	}
	if p.without > 0 {
		c.note(s, nil, "requests without an example, which are left out: %d", p.without)
	}
	for _, r := range p.routes {
		if err := p.endpoint(r); err != nil {
			return err
		}
	}
	return nil
}

// declare reads the values of variables.
func (p *collection) declare(n *yaml.Node) {
	for _, v := range items(n) {
		name := cmp.Or(str(document.Child(v, "key")), str(document.Child(v, "id")))
		if name != "" && !isTrue(document.Child(v, "disabled")) {
			p.variables[name] = str(document.Child(v, "value"))
		}
	}
}

// items reads requests and folders.
func (p *collection) items(list *yaml.Node, folder string, depth int) error {
	if depth > maxFolders {
		return document.Errorf(list, "got more than %d folders in folders, want fewer", maxFolders)
	}
	for _, n := range items(list) {
		title := strings.TrimPrefix(folder+" / "+str(document.Child(n, "name")), " / ")
		if inner := document.Child(n, "item"); inner != nil {
			p.declare(document.Child(n, "variable"))
			if err := p.items(inner, title, depth+1); err != nil {
				return err
			}
			continue
		}
		if document.Has(n, "request") {
			p.request(n, title)
		}
	}
	return nil
}

// request reads a request with its examples.
func (p *collection) request(n *yaml.Node, title string) {
	if len(items(document.Child(n, "response"))) == 0 {
		p.without++
		return
	}
	for _, v := range items(document.Child(n, "response")) {
		request := document.Child(v, "originalRequest")
		if request == nil {
			request = document.Child(n, "request")
		}
		e := &example{at: v, name: str(document.Child(v, "name")), code: whole(document.Child(v, "code"), 200), node: v}
		e.params = map[string]string{}
		method := strings.ToUpper(cmp.Or(str(document.Child(request, "method")), "GET"))
		url := document.Child(request, "url")
		if request.Kind == yaml.ScalarNode {
			url = request
		}
		host, path := p.url(url, e)
		p.hosts[host] = true
		i := slices.IndexFunc(p.routes, func(r *route) bool { return r.host == host && r.method == method && r.path == path })
		if i < 0 {
			i = len(p.routes)
			p.routes = append(p.routes, &route{host: host, method: method, path: path, at: n, title: title})
		}
		p.routes[i].examples = append(p.routes[i].examples, e)
	}
}

// url returns the host, empty if it is not known, and the path of a request as a
// pattern. It adds the query and the values of the path to the example.
func (p *collection) url(n *yaml.Node, e *example) (host, path string) {
	raw := str(n)
	if n != nil && n.Kind == yaml.MappingNode {
		raw = str(document.Child(n, "raw"))
	}
	raw, _ = p.resolve(raw)
	raw, _, _ = strings.Cut(raw, "#")
	rest, query, _ := strings.Cut(raw, "?")
	if _, after, ok := strings.Cut(rest, "://"); ok {
		rest = after
	}
	host, path, _ = strings.Cut(rest, "/")
	if strings.Contains(host, "{{") {
		host = ""
	}
	if name, _, ok := strings.Cut(host, ":"); ok {
		host = name
	}
	if n != nil && n.Kind == yaml.MappingNode {
		if list := document.Child(n, "query"); list != nil {
			query = p.query(list)
		}
	}
	e.query = query
	values := map[string]string{}
	for _, v := range items(document.Child(n, "variable")) {
		values[str(document.Child(v, "key"))], _ = p.resolve(str(document.Child(v, "value")))
	}
	return host, "/" + strings.Join(patterns(strings.Split(path, "/"), values, e), "/")
}

// patterns returns the segments of a path as those of a key. A variable stands for
// one segment.
func patterns(segments []string, values map[string]string, e *example) []string {
	for i, s := range segments {
		name, ok := strings.CutPrefix(s, ":")
		if inner, closed := strings.CutSuffix(strings.TrimPrefix(s, "{{"), "}}"); closed && strings.HasPrefix(s, "{{") {
			name, ok = inner, true
		}
		switch {
		case ok && name != "":
			named := nameOf(name, i)
			segments[i] = "{" + named + "}"
			if v := values[name]; v != "" && !strings.Contains(v, "{{") {
				e.params[named] = v
			}
		case strings.ContainsAny(s, "{}*"):
			segments[i] = fmt.Sprintf("{segment%d}", i)
		}
	}
	return segments
}

// nameOf returns the name of a variable as the name of a segment.
func nameOf(name string, i int) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, name)
	if clean == "" || clean[0] >= '0' && clean[0] <= '9' || clean[0] == '_' {
		return fmt.Sprintf("segment%d", i)
	}
	return clean
}

// query returns the parameters that are not disabled.
func (p *collection) query(list *yaml.Node) string {
	var parts []string
	for _, q := range items(list) {
		value, _ := p.resolve(str(document.Child(q, "value")))
		if key := str(document.Child(q, "key")); key != "" && !isTrue(document.Child(q, "disabled")) && !strings.Contains(value, "{{") {
			parts = append(parts, escape(key)+"="+escape(value))
		}
	}
	return strings.Join(parts, "&")
}

// escape escapes a part of a query, unless the collection has it with escapes.
func escape(s string) string {
	return strings.NewReplacer("&", "%26", "#", "%23", "+", "%2B", " ", "%20").Replace(s)
}

// maxResolved bounds the length of a text in which variables are replaced.
const maxResolved = 1 << 20

// resolve replaces the variables that have values, also those in their values.
// open reports whether others are left.
func (p *collection) resolve(s string) (resolved string, open bool) {
	for range 5 { // values may name others
		var b strings.Builder
		rest, changed := s, false
		for {
			before, after, ok := strings.Cut(rest, "{{")
			name, tail, closed := strings.Cut(after, "}}")
			if !ok || !closed {
				b.WriteString(rest)
				break
			}
			value, known := p.variables[strings.TrimSpace(name)]
			if !known {
				value = "{{" + name + "}}"
			}
			changed = changed || known
			b.WriteString(before + value)
			rest = tail
			if b.Len() > max(maxResolved, len(s)) {
				return s, true
			}
		}
		if !changed {
			return s, strings.Contains(s, "{{")
		}
		s = b.String()
	}
	return s, strings.Contains(s, "{{")
}

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
