package mock

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// Match says which requests an endpoint answers. All conditions that are set must
// hold. The zero Match fits every request.
//
// A Match is filled, compiled once, and not changed afterwards. Then any number of
// goroutines may use it.
type Match struct {
	// Method is the method as sent, or [WebSocket] for upgrades. Empty means any.
	// GET fits HEAD, too.
	Method string
	// Scheme ("http", "https"), Host and Port are those of the server. Empty and 0
	// mean any.
	Scheme string
	Host   string
	Port   int
	// Path is a path as in a key: exact, prefix*, or with {name} segments. Empty
	// means any.
	Path string
	// Headers has the headers that must be present. A value that is not empty must
	// be equal.
	Headers map[string]string
	// HeadersAbsent has the headers that must not be present.
	HeadersAbsent []string
	// Query has the query parameters that must be present. A value that is not empty
	// must be equal to the first one in the request.
	Query map[string]string
	// QueryAll has query parameters with all their values. The request must have
	// exactly these, in this order.
	QueryAll map[string][]string
	// BodyContains is a text that the decoded body must contain.
	BodyContains string
	// BodyJSON maps a path in the JSON body ("items.0.id", see [value.Dig]) to the
	// value that it must have. Numbers are compared by value. A null fits a missing
	// value.
	BodyJSON map[string]any
	// State is the state in which a named scenario must be. Nil means any.
	State *StateMatch
	// Conditions has the conditions that are matchers.
	Conditions []Condition
	// Priority is compared before all else: a higher one answers first.
	Priority int

	c *compiled
}

// compiled is the form of a Match that is used to compare requests.
type compiled struct {
	path    pathPattern
	headers []condition
	absent  []string
	query   []condition
	json    []jsonCondition
	more    []Condition // matchers that do not need the body
	body    []Condition // matchers that need the body
	count   int         // the number of conditions besides method, server and path
}

type condition struct {
	name, want string
	all        []string // if not nil, the values must be exactly these; want is not used
}

type jsonCondition struct {
	path string
	want any
}

// SetQuery adds the condition that the first value of a query parameter is value. An
// empty value means any. An earlier condition on that parameter is replaced.
func (m *Match) SetQuery(name, value string) {
	delete(m.QueryAll, name)
	if m.Query == nil {
		m.Query = map[string]string{}
	}
	m.Query[name] = value
}

// SetQueryAll adds the condition that a query parameter has exactly these values in
// this order. An earlier condition on that parameter is replaced.
func (m *Match) SetQueryAll(name string, values []string) {
	delete(m.Query, name)
	if m.QueryAll == nil {
		m.QueryAll = map[string][]string{}
	}
	m.QueryAll[name] = values
}

// Compile prepares m for [Match.Matches]. It returns an error for an invalid pattern.
// A second call does nothing.
func (m *Match) Compile() error {
	if m.c != nil {
		return nil
	}
	path, err := parsePath(m.Path)
	if err != nil {
		return err
	}
	m.Method = strings.ToUpper(m.Method)
	if m.Method == "*" {
		m.Method = ""
	}
	c := &compiled{path: path, query: conditions(m.Query, nil), headers: conditions(m.Headers, http.CanonicalHeaderKey)}
	for _, name := range slices.Sorted(maps.Keys(m.QueryAll)) {
		c.query = append(c.query, condition{name: name, all: m.QueryAll[name]})
	}
	for _, name := range m.HeadersAbsent {
		c.absent = append(c.absent, http.CanonicalHeaderKey(name))
	}
	for _, name := range slices.Sorted(maps.Keys(m.BodyJSON)) {
		c.json = append(c.json, jsonCondition{name, m.BodyJSON[name]})
	}
	if c.more, c.body, err = compileConditions(m.Conditions); err != nil {
		return err
	}
	c.count = len(c.headers) + len(c.absent) + len(c.query) + len(c.json) + len(c.more) + len(c.body)
	if m.BodyContains != "" {
		c.count++
	}
	if m.State != nil {
		c.count++
	}
	m.c = c
	return nil
}

func conditions(values map[string]string, name func(string) string) []condition {
	var list []condition
	for _, k := range slices.Sorted(maps.Keys(values)) {
		c := condition{name: k, want: values[k]}
		if name != nil {
			c.name = name(k)
		}
		list = append(list, c)
	}
	return list
}

// Matches reports whether m fits r, and returns the values of the path's {name}
// segments (nil when there are none). It reads the body, up to 1 MiB, only when all
// other conditions hold and a condition needs the body. A Match that was not compiled
// fits nothing.
func (m *Match) Matches(r *exchange.Request) (params map[string]string, ok bool) {
	if m.c == nil {
		return nil, false
	}
	path := requestPath(r)
	if !m.fits(r, path) {
		return nil, false
	}
	if m.c.count > 0 && !m.holds(&probe{r: r}, nil) {
		return nil, false
	}
	return m.params(path), true
}

// Holds reports whether m, the match of a rule, fits the request of x. The values of
// the {name} segments come from x.
func (m *Match) Holds(x *exchange.Exchange) bool {
	if m.c == nil || !m.fits(x.Request, x.Request.Path()) {
		return false
	}
	return m.c.count == 0 || m.holds(&probe{r: x.Request, params: x.Params}, nil)
}

// Explain lists the reasons why m does not fit r. Each says the found and the
// expected value. The list is empty when m fits.
func (m *Match) Explain(r *exchange.Request) []string { return m.explain(r, nil) }

// explain is Explain for the match of a rule of an endpoint with these params.
func (m *Match) explain(r *exchange.Request, params map[string]string) []string {
	if m.c == nil {
		return []string{"the match was never compiled"}
	}
	var why []string
	switch {
	case m.fitsMethod(r):
	case m.Method == WebSocket:
		why = append(why, "not an upgrade to WebSocket")
	default:
		why = append(why, fmt.Sprintf("method is %s, expected %s", r.Method, m.Method))
	}
	if m.Scheme != "" && m.Scheme != r.Scheme {
		why = append(why, fmt.Sprintf("scheme is %s, expected %s", r.Scheme, m.Scheme))
	}
	if m.Host != "" && !sameHost(m.Host, r.Host) {
		why = append(why, fmt.Sprintf("host is %s, expected %s", r.Host, m.Host))
	}
	if m.Port != 0 && m.Port != r.Port {
		why = append(why, fmt.Sprintf("port is %d, expected %d", r.Port, m.Port))
	}
	if !m.c.path.match(requestPath(r), nil) {
		why = append(why, fmt.Sprintf("path is %s, expected %s", excerpt.Quote(r.Path()), excerpt.Quote(m.Path)))
	}
	p := &probe{r: r, skipBody: len(why) > 0, params: params}
	m.holds(p, &why)
	return why
}

// params captures the {name} segments of a path that is known to fit.
func (m *Match) params(path string) map[string]string {
	if !m.c.path.captures() {
		return nil
	}
	params := make(map[string]string, len(m.c.path.segs))
	m.c.path.match(path, params)
	return params
}

// fits checks method, server and path alone.
func (m *Match) fits(r *exchange.Request, path string) bool {
	return m.fitsMethod(r) && m.fitsServer(r) && m.c.path.match(path, nil)
}

func (m *Match) fitsMethod(r *exchange.Request) bool {
	switch m.Method {
	case "", r.Method:
		return true
	case "GET":
		return r.Method == "HEAD"
	case WebSocket:
		return r.IsWebSocket()
	}
	return strings.EqualFold(m.Method, r.Method)
}

func (m *Match) fitsServer(r *exchange.Request) bool {
	return (m.Host == "" || sameHost(m.Host, r.Host)) &&
		(m.Port == 0 || m.Port == r.Port) &&
		(m.Scheme == "" || m.Scheme == r.Scheme)
}

// sameHost compares host names as DNS does: without regard to case and to a dot at
// the end.
func sameHost(want, host string) bool {
	return strings.EqualFold(want, strings.TrimSuffix(host, "."))
}

// holds reports whether p meets every condition. If why is nil, it stops at the first
// condition that fails. Else it adds the reason of each failed condition to why.
func (m *Match) holds(p *probe, why *[]string) bool {
	ok := m.holdsState(why)
	ok = (ok || why != nil) && m.holdsHeaders(p, why) && ok
	ok = (ok || why != nil) && m.holdsQuery(p, why) && ok
	ok = (ok || why != nil) && m.holdsMatchers(m.c.more, p, why) && ok
	return (ok || why != nil) && m.holdsBody(p, why) && ok
}

// holdsState is holds for the condition on a named scenario.
func (m *Match) holdsState(why *[]string) bool {
	if m.State == nil {
		return true
	}
	reason := m.State.why()
	if reason != "" && why != nil {
		*why = append(*why, reason)
	}
	return reason == ""
}

// holdsHeaders is holds for the headers that must, or must not, be present.
func (m *Match) holdsHeaders(p *probe, why *[]string) bool {
	ok := true
	for i := range m.c.headers {
		c := &m.c.headers[i]
		if p.hasHeader(c.name, c.want) {
			continue
		}
		if why == nil {
			return false
		}
		ok = false
		*why = append(*why, explain("header "+c.name, p.header(c.name), c.want))
	}
	for _, name := range m.c.absent {
		if !p.hasHeader(name, "") {
			continue
		}
		if why == nil {
			return false
		}
		ok = false
		*why = append(*why, fmt.Sprintf("header %s is %s, expected none", name, excerpt.Quote(strings.Join(p.header(name), ", "))))
	}
	return ok
}

// holdsQuery is holds for the parameters of the query.
func (m *Match) holdsQuery(p *probe, why *[]string) bool {
	ok := true
	for i := range m.c.query {
		c := &m.c.query[i]
		values := p.r.Query()[c.name]
		if c.inQuery(values) {
			continue
		}
		if why == nil {
			return false
		}
		ok = false
		*why = append(*why, c.explainQuery(values))
	}
	return ok
}

// explainQuery says how the values of a query parameter differ from the expected
// ones.
func (c *condition) explainQuery(values []string) string {
	switch {
	case c.all == nil:
		return explain("query parameter "+c.name, values[:min(1, len(values))], c.want)
	case len(values) == 0:
		return fmt.Sprintf("query parameter %s is absent, expected %s", c.name, compact(c.all))
	default:
		return fmt.Sprintf("query parameter %s is %s, expected %s", c.name, compact(values), compact(c.all))
	}
}

// inQuery reports whether the values of a query parameter are as expected.
func (c *condition) inQuery(values []string) bool {
	if c.all != nil {
		return slices.Equal(values, c.all)
	}
	return len(values) > 0 && (c.want == "" || values[0] == c.want)
}

// holdsMatchers is holds for a list of matchers.
func (m *Match) holdsMatchers(list []Condition, p *probe, why *[]string) bool {
	ok := true
	for i := range list {
		c := &list[i]
		if m.condition(c, p) {
			continue
		}
		if why == nil {
			return false
		}
		ok = false
		*why = append(*why, m.why(c, p))
	}
	return ok
}

func explain(what string, values []string, want string) string {
	switch {
	case len(values) == 0 && want == "":
		return what + " is absent, expected any value"
	case len(values) == 0:
		return fmt.Sprintf("%s is absent, expected %s", what, excerpt.Quote(want))
	}
	return fmt.Sprintf("%s is %s, expected %s", what, excerpt.Quote(strings.Join(values, ", ")), excerpt.Quote(want))
}
