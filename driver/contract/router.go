package contract

import (
	"net/url"
	"strings"

	"starproxy/builtins/exchange"
)

// router finds the operation of a path. Segments without a parameter come before those
// with one (OpenAPI 3.1, Paths Object).
type router struct{ root branch }

// branch has the segments that may come next.
type branch struct {
	fixed   map[string]*branch
	mixed   []*mixed // "{name}.json"
	any     *branch  // "{name}"
	methods map[string]*Operation
}

// mixed is a segment with text around its parameters.
type mixed struct {
	text string
	// parts has the fixed texts before, between and behind the parameters.
	parts []string
	next  *branch
}

// add puts an operation in. It returns the operation that has its place already, or nil.
func (r *router) add(op *Operation) *Operation {
	b := &r.root
	for _, segment := range segments(op.Path) {
		b = b.below(segment, op)
	}
	if other := b.methods[op.Method]; other != nil {
		return other
	}
	if b.methods == nil {
		b.methods = map[string]*Operation{}
	}
	b.methods[op.Method] = op
	return nil
}

func (b *branch) below(segment string, op *Operation) *branch {
	parts, names := split(segment)
	op.names = append(op.names, names...)
	switch {
	case len(names) == 0:
		if b.fixed == nil {
			b.fixed = map[string]*branch{}
		}
		if b.fixed[segment] == nil {
			b.fixed[segment] = &branch{}
		}
		return b.fixed[segment]
	case len(names) == 1 && parts[0] == "" && parts[1] == "":
		if b.any == nil {
			b.any = &branch{}
		}
		return b.any
	}
	key := strings.Join(parts, "\x00")
	for _, m := range b.mixed {
		if m.text == key {
			return m.next
		}
	}
	m := &mixed{key, parts, &branch{}}
	b.mixed = append(b.mixed, m)
	return m.next
}

// split returns the fixed parts and the names of parameters in a segment.
func split(segment string) (parts, names []string) {
	for {
		before, rest, open := strings.Cut(segment, "{")
		name, after, closed := strings.Cut(rest, "}")
		if !open || !closed {
			return append(parts, segment), names
		}
		parts, names, segment = append(parts, before), append(names, name), after
	}
}

// take returns the values of the parameters of a segment.
func (m *mixed) take(segment string) ([]string, bool) {
	rest, ok := strings.CutPrefix(segment, m.parts[0])
	if !ok {
		return nil, false
	}
	var values []string
	for i, part := range m.parts[1:] {
		at := strings.Index(rest, part)
		if i == len(m.parts)-2 {
			at = len(rest) - len(part)
			ok = strings.HasSuffix(rest, part)
		}
		if !ok || at <= 0 {
			return nil, false
		}
		values, rest = append(values, rest[:at]), rest[at+len(part):]
	}
	return values, true
}

// find returns the methods at a path, and the values of its parameters in their order.
func (b *branch) find(path []string, values []string) (map[string]*Operation, []string) {
	if len(path) == 0 {
		return b.methods, values
	}
	segment, rest := path[0], path[1:]
	if next := b.fixed[unescaped(segment)]; next != nil {
		if found, v := next.find(rest, values); found != nil {
			return found, v
		}
	}
	for _, m := range b.mixed {
		if taken, ok := m.take(segment); ok {
			if found, v := m.next.find(rest, append(values[:len(values):len(values)], taken...)); found != nil {
				return found, v
			}
		}
	}
	if b.any != nil && segment != "" {
		return b.any.find(rest, append(values[:len(values):len(values)], segment))
	}
	return nil, nil
}

// unescaped decodes the escapes of a segment. One with escapes that are none stays.
func unescaped(segment string) string {
	if plain, err := url.PathUnescape(segment); err == nil {
		return plain
	}
	return segment
}

// segments returns the parts of a path between slashes. A path that ends in a slash ends
// in an empty segment; "/" has none but that.
func segments(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

// base is the path before those of a contract. Variables in it stand for any segment.
type base struct {
	text     string
	segments []string // "" stands for any
}

func newBase(path string) base {
	path = strings.TrimRight(path, "/")
	b := base{text: path}
	if path == "" {
		return b
	}
	for _, s := range segments(path) {
		if strings.Contains(s, "{") {
			s = ""
		}
		b.segments = append(b.segments, s)
	}
	return b
}

// cut returns the segments of a path behind the base.
func (b base) cut(path []string) ([]string, bool) {
	if len(path) <= len(b.segments) {
		return nil, false
	}
	for i, s := range b.segments {
		if s != "" && s != path[i] {
			return nil, false
		}
	}
	return path[len(b.segments):], true
}

// Covers reports whether the contract is about a host.
func (c *Contract) Covers(host string) bool {
	if c.hosts == nil {
		return true
	}
	for p := range exchange.PatternsOf(host) {
		if c.hosts[p] {
			return true
		}
	}
	return false
}

// found is what a path is in the contract.
type found struct {
	op     *Operation // nil if the path has no such method
	values []string
	path   bool // the contract has the path
	below  bool // the path lies below a base path, or the hosts of the contract are named
}

// find looks a request up. path has its escapes; host is "" if it is not known.
func (c *Contract) find(method, host, path string) found {
	all, f := segments(path), found{}
	for _, b := range c.bases {
		rest, ok := b.cut(all)
		if !ok {
			continue
		}
		f.below = f.below || len(b.segments) > 0 || c.hosts != nil && host != ""
		methods, values := c.router.root.find(rest, nil)
		if methods == nil {
			continue
		}
		op := methods[method]
		if op == nil && method == "HEAD" {
			op = methods["GET"]
		}
		if op != nil {
			return found{op: op, values: values, path: true, below: true}
		}
		f.path = true
	}
	return f
}
