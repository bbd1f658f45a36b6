package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

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
