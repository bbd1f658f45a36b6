package compare

import (
	"mime"
	"slices"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/driver/mask"
)

// profile is what is known of an endpoint in one session.
type profile struct {
	name, host string
	calls      []*call // by their time
	headers    map[string]*values
	spelling   map[string]string // of the names in headers, which are in lower case
	query      map[string]*values
	agents     values
	orders     values // the names of the headers in their order
	schemes    values
	protocols  values
	body       shape
	messages   shape
	sizes      []float64
	polls      rhythm // from call to call
	pauses     rhythm // from the end of an answer to the next call
	retries    retries
	failures   int
}

// maxShape is how many different fields of the bodies of one endpoint are looked at.
const maxShape = 10 * maxFields

// shape has the fields of several bodies.
type shape struct {
	forms  values
	fields map[string]*observed
}

func (s *shape) merge(b *sample) {
	if b.form == "" {
		return
	}
	s.forms.add(b.form)
	for _, f := range b.fields {
		s.observe(f)
	}
}

// join adds what another shape has.
func (s *shape) join(other *shape) {
	s.forms.merge(&other.forms)
	for _, f := range other.fields {
		s.observe(f)
	}
}

func (s *shape) observe(f *observed) {
	to := s.fields[f.path]
	if to == nil {
		if s.fields == nil {
			s.fields = map[string]*observed{}
		}
		if len(s.fields) == maxShape {
			return
		}
		to = &observed{path: f.path, parent: f.parent}
		s.fields[f.path] = to
	}
	to.count += f.count
	to.repeats += f.repeats
	to.containers += f.containers
	for typ, n := range f.types {
		to.types[typ] += n
	}
	to.values.merge(&f.values)
}

// parents returns how many containers could have a field.
func (s *shape) parents(f *observed) int {
	if f.path == "" {
		return f.count
	}
	parent := s.fields[f.parent]
	switch {
	case parent == nil:
		return 0
	case f.isElement():
		return f.count // each list has as many as it likes
	}
	return parent.containers
}

// profilesOf returns the profiles of a session by the names of the endpoints.
func profilesOf(s *Session) map[string]*profile {
	all := map[string]*profile{}
	for _, c := range s.calls {
		p := all[c.endpoint]
		if p == nil {
			p = &profile{
				name: c.endpoint, host: c.host,
				headers: map[string]*values{}, spelling: map[string]string{}, query: map[string]*values{},
			}
			all[c.endpoint] = p
		}
		p.add(c)
	}
	end := s.end()
	for _, p := range all {
		p.retries = retriesOf(p.calls, end)
		p.polls, p.pauses = pollsOf(p.calls)
	}
	return all
}

func (p *profile) add(c *call) {
	p.calls = append(p.calls, c)
	p.schemes.add(c.scheme)
	p.protocols.add(c.proto)
	p.addHeaders(c)
	query := map[string][]string{}
	for _, pair := range c.query {
		value := "{" + secret + "}"
		if !mask.IsSecret(pair[0], true) {
			value = fold(pair[1])
		}
		query[pair[0]] = append(query[pair[0]], value)
	}
	for name, list := range query {
		at(p.query, name).add(strings.Join(list, ", "))
	}
	p.body.merge(&c.body)
	p.messages.join(&c.messages)
	if c.size >= 0 {
		p.sizes = append(p.sizes, float64(c.size))
	}
	if c.failed {
		p.failures++
	}
}

func (p *profile) addHeaders(c *call) {
	var order []string
	for _, name := range c.header.Names() {
		lower := strings.ToLower(name)
		value := c.header.Joined(name)
		switch {
		case lower == "user-agent":
			p.agents.add(value)
		case unheard(lower):
			continue
		default:
			p.spelling[lower] = name
			at(p.headers, lower).add(headerValue(lower, value))
		}
		order = append(order, lower)
	}
	p.orders.add(strings.Join(order, " "))
}

// unheard reports whether a header is not compared: it names the server, belongs to the
// hop to the proxy, or has the length of the body.
func unheard(lower string) bool {
	return lower == "host" || lower == "content-length" || exchange.IsForProxy(lower) || lower == "soapaction"
}

// headerValue returns a value of a header as it is compared.
func headerValue(lower, value string) string {
	switch lower {
	case "authorization":
		if scheme, _, ok := strings.Cut(value, " "); ok {
			return scheme + " {" + secret + "}"
		}
		return "{" + secret + "}"
	case "cookie":
		var names []string
		for pair := range strings.SplitSeq(value, ";") {
			name, _, _ := strings.Cut(strings.TrimSpace(pair), "=")
			names = append(names, name+"={"+secret+"}")
		}
		slices.Sort(names)
		return strings.Join(names, "; ")
	case "content-type":
		kind, params, err := mime.ParseMediaType(value)
		if _, ok := params["boundary"]; err == nil && ok {
			params["boundary"] = "{" + idToken + "}"
			return mime.FormatMediaType(kind, params)
		}
	case "if-none-match", "if-match", "sec-websocket-key":
		return "{" + idToken + "}"
	case "range", "if-range", "content-range":
		return digits.ReplaceAllLiteralString(value, "{n}")
	}
	if mask.IsSecret(lower, false) {
		return "{" + secret + "}"
	}
	return fold(value)
}

func at(m map[string]*values, name string) *values {
	v := m[name]
	if v == nil {
		v = &values{}
		m[name] = v
	}
	return v
}
