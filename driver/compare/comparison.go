package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// comparison finds what differs between the profiles of two sessions.
type comparison struct {
	rules                  *Rules
	oldSession, nowSession *Session
	old, now               map[string]*profile
	findings               []Finding
	// varying has the headers and parameters that are another one in each request, by
	// place and name, whichever the endpoint.
	varying map[string]string
	// volatile has the endpoints by what is volatile at them.
	volatile map[part][]string
}

// part is a part of requests that is volatile, and why.
type part struct{ where, why string }

// pair is an endpoint that both sessions have.
type pair struct{ old, now *profile }

func (p pair) name() string { return p.old.name }

// common returns the endpoints that both sessions have, in the order of their first call
// in the old one.
func (c *comparison) common() []pair {
	var list []pair
	for name, old := range c.old {
		if now := c.now[name]; now != nil {
			list = append(list, pair{old, now})
		}
	}
	slices.SortFunc(list, func(a, b pair) int {
		if d := a.old.calls[0].start.Compare(b.old.calls[0].start); d != 0 {
			return d
		}
		return strings.Compare(a.old.name, b.old.name)
	})
	return list
}

func (c *comparison) run() {
	c.endpoints()
	c.learnVarying()
	c.tls()
	for _, p := range c.common() {
		c.transport(p)
		c.agent(p)
		formChanged := c.bodies(p)
		c.headers(p, formChanged)
		c.headerOrder(p)
		c.queries(p)
		c.size(p)
		c.rhythm(p)
		c.retry(p)
		c.count(p)
		c.paths(p)
	}
	c.sequence()
}

// found adds a finding at an endpoint, unless a rule leaves it out.
func (c *comparison) found(f Finding, endpoint, place string) {
	if c.rules.ignores(f.Kind, endpoint, place, f.Field) {
		return
	}
	f.Endpoints = []string{endpoint}
	c.findings = append(c.findings, f)
}

// has reports whether there is a finding of one of the kinds at an endpoint.
func (c *comparison) has(endpoint string, kinds ...Kind) bool {
	return slices.ContainsFunc(c.findings, func(f Finding) bool {
		return slices.Contains(kinds, f.Kind) && slices.Contains(f.Endpoints, endpoint)
	})
}

// moves notes that the values of a part are volatile at an endpoint.
func (c *comparison) moves(endpoint, where, why string) {
	key := part{where, why}
	if list := c.volatile[key]; !slices.Contains(list, endpoint) {
		c.volatile[key] = append(list, endpoint)
	}
}

// listed returns what is volatile, one row for each part of requests.
func (c *comparison) listed() []Volatile {
	list := []Volatile{}
	for key, endpoints := range c.volatile {
		slices.Sort(endpoints)
		list = append(list, Volatile{Where: key.where, Why: key.why, Endpoints: endpoints})
	}
	slices.SortFunc(list, func(a, b Volatile) int { return strings.Compare(a.Where+"\x00"+a.Why, b.Where+"\x00"+b.Why) })
	return list
}

// endpoints tells the hosts and endpoints that only one session has.
func (c *comparison) endpoints() {
	hosts := func(of map[string]*profile) map[string]bool {
		all := map[string]bool{}
		for _, p := range of {
			all[p.host] = true
		}
		return all
	}
	oldHosts, nowHosts := hosts(c.old), hosts(c.now)
	c.only(c.now, c.old, oldHosts, AddedHost, AddedEndpoint)
	c.only(c.old, c.now, nowHosts, GoneHost, GoneEndpoint)
}

// beyond says that an endpoint was called for the first time at a time that the other
// session has not reached. Empty when it has.
func beyond(p *profile, own, other *Session) string {
	if own == nil || other == nil || own.start().IsZero() || other.start().IsZero() {
		return ""
	}
	after, lasted := p.calls[0].start.Sub(own.start()), other.duration()
	if after <= lasted {
		return ""
	}
	return fmt.Sprintf(" (the first after %s; the other session lasted %s)", seconds(after.Seconds()), seconds(lasted.Seconds()))
}

// only tells the endpoints of one side that the other lacks. known are the hosts of the
// other side.
func (c *comparison) only(of, other map[string]*profile, known map[string]bool, host, endpoint Kind) {
	own, others := c.oldSession, c.nowSession
	if endpoint == AddedEndpoint {
		own, others = others, own
	}
	verb := map[Kind]string{AddedHost: "is new", AddedEndpoint: "is new", GoneHost: "is gone", GoneEndpoint: "is gone"}
	hosts := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		p := of[name]
		switch {
		case other[name] != nil:
		case known[p.host]:
			text := verb[endpoint] + ": " + times(len(p.calls)) + beyond(p, own, others) + like(name, of, other)
			c.found(Finding{Kind: endpoint, Text: text}, name, "")
		case !c.rules.ignores(host, name, "", "") && !c.rules.ignores(endpoint, name, "", ""):
			hosts[p.host] = append(hosts[p.host], name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		c.findings = append(c.findings, Finding{
			Kind: host, Hosts: []string{name}, Text: verb[host] + ": " + strings.Join(hosts[name], ", "),
		})
	}
}

// like names the endpoint that only the other side has and that differs from name in
// the numbers of one segment. Empty for none.
func like(name string, of, other map[string]*profile) string {
	parts := strings.Split(name, "/")
	for _, candidate := range slices.Sorted(maps.Keys(other)) {
		theirs := strings.Split(candidate, "/")
		if of[candidate] != nil || len(theirs) != len(parts) || theirs[0] != parts[0] {
			continue
		}
		differ := -1
		for i := range parts {
			if parts[i] != theirs[i] {
				if differ >= 0 {
					differ = -1
					break
				}
				differ = i
			}
		}
		if differ > 0 && digitsIn(parts[differ]) > 0 && digitsIn(theirs[differ]) > 0 {
			return "; it is like " + candidate + ", which only the other session has"
		}
	}
	return ""
}

func times(n int) string {
	if n == 1 {
		return "1 request"
	}
	return fmt.Sprintf("%d requests", n)
}

// oneAfterAnother is from how many endpoints on, each called once, a header tells by its
// values that they are another one in each request.
const oneAfterAnother = 4

// learnVarying finds the headers and parameters whose values vary at some endpoint, or
// among endpoints that are called once.
func (c *comparison) learnVarying() {
	c.varying = map[string]string{}
	for _, side := range []map[string]*profile{c.old, c.now} {
		single := map[string]*values{}
		for _, p := range side {
			c.learnFrom(p.headers, inHeader, single)
			c.learnFrom(p.query, inQuery, single)
		}
		for key, v := range single {
			if c.varying[key] == "" && v.n >= oneAfterAnother && v.varies() {
				c.varying[key] = v.why()
			}
		}
	}
}

// learnFrom notes which of the fields of an endpoint vary, and adds those that were seen
// once to single.
func (c *comparison) learnFrom(fields map[string]*values, place string, single map[string]*values) {
	for name, v := range fields {
		key := place + " " + name
		if v.varies() {
			c.varying[key] = v.why()
		}
		if v.n == 1 {
			at(single, key).merge(v)
		}
	}
}

// merged joins findings that say the same of several endpoints or hosts.
func merged(list []Finding, common []pair) []Finding {
	out := []Finding{}
	places := map[string]int{}
	hosts := map[string]bool{}
	for _, p := range common {
		hosts[p.old.host] = true
	}
	for _, f := range list {
		switch f.Kind {
		case Header, HeaderOrder, UserAgent, Query, Schema, Value, Scheme, Protocol, TLS:
		default:
			out = append(out, f)
			continue
		}
		key := strings.Join([]string{string(f.Kind), f.Field, f.Old, f.New, f.Text}, "\x00")
		if i, ok := places[key]; ok {
			out[i].Endpoints = append(out[i].Endpoints, f.Endpoints...)
			out[i].Hosts = append(out[i].Hosts, f.Hosts...)
			continue
		}
		places[key] = len(out)
		out = append(out, f)
	}
	for i := range out {
		f := &out[i]
		f.Everywhere = len(f.Endpoints) > 1 && len(f.Endpoints) == len(common) || len(f.Hosts) > 1 && len(f.Hosts) == len(hosts)
	}
	order := map[Kind]int{}
	for i, k := range Kinds() {
		order[k.Kind] = i
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return order[a.Kind] - order[b.Kind] })
	return out
}
