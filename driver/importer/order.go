package importer

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// rank gives priorities to the rules, which are in the order in which the other tool
// asks them. A scenario asks the more specific endpoint first, and of equal ones the
// one that is written first. So a rule gets a priority only if it would be asked after
// one that comes later, and some request may fit both.
func rank(rules []*rule) {
	for i := len(rules) - 1; i >= 0; i-- {
		a := rules[i]
		for _, b := range rules[i+1:] {
			if b.priority < a.priority || !overlap(a, b) {
				continue
			}
			a.priority = b.priority
			if order := mock.Order(a.compiled, b.compiled); order > 0 || order == 0 && a.place > b.place {
				a.priority++
			}
		}
	}
}

// overlap reports whether some request may fit both rules.
func overlap(a, b *rule) bool {
	switch {
	case !methodsMeet(a, b):
		return false
	case !targetsMeet(a, b) || !pathsMeet(a, b):
		return false
	}
	return !differ(a.match, b.match) && !differ(a.state(), b.state())
}

// methodsMeet reports whether some method may fit both rules.
func methodsMeet(a, b *rule) bool {
	return a.method == "" || b.method == "" || a.method == b.method || headToo(a, b) || headToo(b, a)
}

// targetsMeet reports whether some path with query may fit both rules, as far as one
// of them names it.
func targetsMeet(a, b *rule) bool {
	switch {
	case a.target != "" && b.target != "":
		return a.target == b.target
	case a.target != "" && b.onQuery:
		return b.pattern.MatchString(a.target)
	case b.target != "" && a.onQuery:
		return a.pattern.MatchString(b.target)
	}
	return true
}

// exactTarget adds the condition that the query is the one of the rule, if the rule is
// for one path with its query. If another rule is for that path, too, all of the query
// counts, else its parameters.
func (r *rule) exactTarget(rules []*rule) {
	if r.target == "" || len(r.open) > 0 {
		return
	}
	for _, other := range rules {
		if other != r && len(other.open) == 0 && methodsMeet(r, other) && pathsMeet(r, other) {
			r.put("target", text(r.target))
			return
		}
	}
	if query := exchange.QueryOf(r.target); query != "" {
		r.putQuery(query)
	}
}

// headToo reports whether a answers GET, which fits HEAD, too, and b answers HEAD.
func headToo(a, b *rule) bool { return a.method == "GET" && b.method == "HEAD" }

// pathsMeet reports whether some path may fit both rules.
func pathsMeet(a, b *rule) bool {
	switch {
	case a.exact && b.exact:
		return fits(a, b.path)
	case a.exact:
		return fits(b, a.path)
	case b.exact:
		return fits(a, b.path)
	}
	one, two := lead(a.path), lead(b.path)
	return strings.HasPrefix(one, two) || strings.HasPrefix(two, one)
}

// fits reports whether a path fits the path of a rule.
func fits(r *rule, path string) bool {
	if _, ok := r.fits.Matches(&exchange.Request{Method: "GET", Target: path}); !ok {
		return false
	}
	return r.pattern == nil || r.onQuery || r.pattern.MatchString(path)
}

// lead returns the literal beginning of a path of a key.
func lead(path string) string {
	if i := strings.IndexAny(path, "*{"); i >= 0 {
		return path[:i]
	}
	return path
}

// state returns the condition on the state of a named scenario as a map of the
// scenario to the state, or nil.
func (r *rule) state() *yaml.Node {
	s := document.Child(r.answer, "state")
	if is := document.Child(s, "is"); is != nil {
		return document.Map(s, []*yaml.Node{document.Child(s, "scenario"), is})
	}
	return nil
}

// differ reports whether two maps of conditions ask for different values of one
// thing, so that no request can fulfil both.
func differ(a, b *yaml.Node) bool {
	if a == nil || b == nil {
		return false
	}
	for k, v := range document.Pairs(a) {
		other := document.Child(b, k.Value)
		if other == nil {
			continue
		}
		switch {
		case k.Value == "headers_absent" || k.Value == "parts" || k.Value == "body_contains":
		case v.Kind == yaml.MappingNode && other.Kind == yaml.MappingNode && k.Value != "body" && k.Value != "path" && k.Value != "target":
			if differ(v, other) {
				return true
			}
		case v.Kind == yaml.ScalarNode && other.Kind == yaml.ScalarNode && v.Value != "" && other.Value != "" && v.Value != other.Value:
			return true
		}
	}
	return false
}
