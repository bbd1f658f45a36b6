package importer

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// rule is a mock of another tool: the requests that it is for, and the answer.
type rule struct {
	from  source
	at    *yaml.Node // its place
	title string     // its name there; may be empty
	place int        // its number in the order of the files

	method string // empty for any
	// path is the path of the key: literal, or a pattern as in keys.
	path string
	// exact is true if path is one literal path.
	exact bool
	// target is the only path with query that the rule is for, or empty.
	target string
	// pattern is the expression that the path, or the target, must match as a whole;
	// nil if there is none.
	pattern *regexp.Regexp
	onQuery bool // the expression is for the target

	match  *yaml.Node // conditions besides the key
	answer *yaml.Node // the definition without match and priority
	// function is Starlark that answers instead; empty for none.
	function string
	// loose is true if a condition was left out. Then the rule is asked after all
	// others that fit, or it would hide them.
	loose bool
	notes []Note
	open  []string // reasons why the rule is left out

	// These are computed when all rules are known.
	key      string
	compiled *mock.Match
	fits     *mock.Match // the path alone
	priority int
}

// rule returns a new rule for any request.
func (s source) rule(at *yaml.Node) *rule {
	return &rule{from: s, at: at, match: newMap(), answer: newMap()}
}

// note adds a note at a place of the file.
func (r *rule) note(at *yaml.Node, format string, args ...any) {
	r.notes = append(r.notes, r.from.note(at, format, args...))
}

// lack notes that a condition was left out.
func (r *rule) lack(at *yaml.Node, format string, args ...any) {
	r.loose = true
	r.note(at, format+"; the endpoint answers without this condition", args...)
}

// leaveOut notes that the whole rule is left out.
func (r *rule) leaveOut(at *yaml.Node, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.open = append(r.open, text)
	r.note(at, "left out: %s", text)
}

// literalPath sets the path to one literal path, as sent or with characters that
// clients escape.
func (r *rule) literalPath(path string) {
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	r.path, r.exact = path, true
	odd := strings.IndexFunc(path, func(c rune) bool { return c < ' ' || c == 0x7f || strings.ContainsRune("*{}#?", c) })
	if odd < 0 && !strings.HasSuffix(path, " ") && !strings.Contains(path, "  ") && !strings.HasPrefix(path, "/ ") {
		return
	}
	// A key cannot have this path as a literal one.
	if odd < 0 {
		odd = strings.IndexByte(path, ' ')
	}
	r.exact = false
	r.path = path[:odd] + "*"
	r.put("path", text(path))
}

// regexPath sets the path to all that an expression matches as a whole. With query,
// the expression is for the path with its query. An expression that is not valid here
// is left out.
func (r *rule) regexPath(at *yaml.Node, expression string, query bool) {
	expression = strings.TrimSuffix(strings.TrimPrefix(expression, "^"), "$")
	if strings.HasSuffix(expression, `\`) {
		expression += "$"
	}
	re, err := compile("^(?:" + expression + ")$")
	if err != nil {
		r.path = "/*"
		r.lack(at, "the expression %q is not valid here: %v", expression, err)
		return
	}
	lead, whole := literalLead(expression)
	switch {
	case whole && !query:
		r.literalPath(lead)
		return
	case !strings.HasPrefix(lead, "/"):
		lead = "/"
	}
	lead = lead[:lengthOfKey(lead)]
	r.path, r.pattern, r.onQuery = lead+"*", re, query
	switch rest := strings.TrimPrefix(expression, lead); {
	case rest == ".*" && !strings.Contains(lead, "?"):
		r.pattern, r.onQuery = nil, false // the key says it all
	case query:
		r.put("target", matcher("regex", text(re.String())))
	default:
		r.put("path", matcher("regex", text(re.String())))
	}
}

// lengthOfKey returns the length of the beginning of a literal path that a key can
// have.
func lengthOfKey(lead string) int {
	if i := strings.IndexFunc(lead, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune("*{}#?%", c) }); i >= 0 {
		return i
	}
	return len(lead)
}

// literalLead returns the literal text at the beginning of an expression, and
// whether that is all of it.
func literalLead(expression string) (lead string, whole bool) {
	re, err := regexp.Compile("(?:" + expression + ")")
	if err != nil {
		return "", false
	}
	return re.LiteralPrefix()
}

// put adds a condition to the match of the rule. A second condition on the same key
// is joined with the first.
func (r *rule) put(key string, value *yaml.Node) {
	old := document.Child(r.match, key)
	if old == nil {
		document.Put(r.match, key, value)
		return
	}
	joined, ok := both(old, value)
	if !ok {
		r.lack(r.at, "two conditions on %s cannot be joined", key)
		return
	}
	replace(r.match, key, joined)
}

// putNamed adds a condition on a name, such as that of a header.
func (r *rule) putNamed(key, name string, value *yaml.Node) {
	in := document.Child(r.match, key)
	if in == nil {
		in = newMap()
		document.Put(r.match, key, in)
	}
	old := document.Child(in, name)
	if old == nil {
		document.Put(in, name, value)
		return
	}
	joined, ok := both(old, value)
	if !ok {
		r.lack(r.at, "two conditions on %s %s cannot be joined", key, name)
		return
	}
	replace(in, name, joined)
}

// putQuery adds the conditions for exactly the values of a query.
func (r *rule) putQuery(query string) {
	values := exchange.Values(query)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list := values[name]
		if len(list) > 1 {
			n := &yaml.Node{Kind: yaml.SequenceNode}
			for _, v := range list {
				n.Content = append(n.Content, text(v))
			}
			r.putNamed("query", name, n)
			continue
		}
		r.putNamed("query", name, equals(list[0]))
	}
}

// set adds a key to the answer.
func (r *rule) set(key string, value *yaml.Node) { document.Put(r.answer, key, value) }

// definition returns the value of the endpoint.
func (r *rule) definition() *yaml.Node {
	n := newMap()
	if len(r.match.Content) > 0 {
		document.Put(n, "match", r.match)
	}
	if r.priority != 0 {
		document.Put(n, "priority", document.Integer(int64(r.priority)))
	}
	n.Content = append(n.Content, r.answer.Content...)
	if len(n.Content) == 0 {
		document.Put(n, "status", document.Integer(200))
	}
	return n
}
