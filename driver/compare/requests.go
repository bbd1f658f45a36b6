package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// transport compares scheme and version of HTTP.
func (c *comparison) transport(p pair) {
	if changed(&p.old.schemes, &p.now.schemes) {
		c.found(swap(Scheme, "", &p.old.schemes, &p.now.schemes, "the scheme"), p.name(), "")
	}
	if changed(&p.old.protocols, &p.now.protocols) {
		c.found(swap(Protocol, "", &p.old.protocols, &p.now.protocols, "the version"), p.name(), "")
	}
}

// swap returns the finding that a thing has other values.
func swap(kind Kind, field string, old, now *values, thing string) Finding {
	f := Finding{Kind: kind, Field: field, Old: old.String(), New: now.String()}
	f.Text = fmt.Sprintf("is %s, was %s", f.New, f.Old)
	if thing != "" {
		f.Text = thing + " " + f.Text
	}
	return f
}

// agent compares the User-Agent.
func (c *comparison) agent(p pair) {
	const name = "User-Agent"
	old, now := &p.old.agents, &p.now.agents
	switch {
	case c.rules.volatile(p.name(), inHeader, name):
	case differs(old.n, len(p.old.calls), now.n, len(p.now.calls)):
		c.found(presence(UserAgent, name, old, now, len(p.old.calls), len(p.now.calls)), p.name(), inHeader)
	case old.varies() || now.varies():
		c.moves(p.name(), inHeader+" "+name, varyingOf(old, now))
	case changed(old, now):
		c.found(swap(UserAgent, name, old, now, ""), p.name(), inHeader)
	}
}

// varyingOf returns the reason why one of two sides varies.
func varyingOf(old, now *values) string {
	if old.varies() {
		return old.why()
	}
	return now.why()
}

// presence returns the finding that n of calls requests have a thing, and other
// shares do now.
func presence(kind Kind, field string, old, now *values, oldCalls, nowCalls int) Finding {
	f := Finding{Kind: kind, Field: field, Old: old.String(), New: now.String()}
	switch {
	case old.n == 0:
		f.Text = "is new: " + f.New
	case now.n == 0:
		f.Text = "is gone, was " + f.Old
	default:
		f.Text = fmt.Sprintf("is in %d of %s, was in %d of %d", now.n, times(nowCalls), old.n, oldCalls)
		f.Old, f.New = fmt.Sprintf("%d of %d", old.n, oldCalls), fmt.Sprintf("%d of %d", now.n, nowCalls)
	}
	return f
}

// headers compares the headers of requests but User-Agent. The type of bodies is told
// with their form when that has changed.
func (c *comparison) headers(p pair, formChanged bool) {
	for _, lower := range union(p.old.headers, p.now.headers) {
		if lower == "content-type" && formChanged {
			continue
		}
		name := p.now.spelling[lower]
		if name == "" {
			name = p.old.spelling[lower]
		}
		c.field(p, Header, inHeader, lower, name)
	}
}

// queries compares the parameters of the query.
func (c *comparison) queries(p pair) {
	for _, name := range union(p.old.query, p.now.query) {
		c.field(p, Query, inQuery, name, name)
	}
}

func union[V any](a, b map[string]V) []string {
	all := map[string]bool{}
	for name := range a {
		all[name] = true
	}
	for name := range b {
		all[name] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// fewNumbers is below how many requests the values of a header that are numbers are
// not compared: one number more or less is a counter.
const fewNumbers = 3

// field compares a header or a parameter with this key.
func (c *comparison) field(p pair, kind Kind, place, key, name string) {
	old, now := &values{}, &values{}
	for side, all := range map[**values]map[string]*values{
		&old: map[string]map[string]*values{inHeader: p.old.headers, inQuery: p.old.query}[place],
		&now: map[string]map[string]*values{inHeader: p.now.headers, inQuery: p.now.query}[place],
	} {
		if v := all[key]; v != nil {
			*side = v
		}
	}
	where := place + " " + name
	switch oldCalls, nowCalls := len(p.old.calls), len(p.now.calls); {
	case differs(old.n, oldCalls, now.n, nowCalls):
		c.found(presence(kind, name, old, now, oldCalls, nowCalls), p.name(), place)
	case old.n == 0 || now.n == 0:
	case c.rules.volatile(p.name(), place, name):
		c.moves(p.name(), where, "rule")
	case c.varying[place+" "+key] != "":
		if len(old.seen) > 1 || len(now.seen) > 1 || changed(old, now) {
			c.moves(p.name(), where, c.varying[place+" "+key])
		}
	case old.numeric() && now.numeric() && min(old.n, now.n) < fewNumbers && changed(old, now):
		c.moves(p.name(), where, "a number, seen in few requests")
	case changed(old, now):
		c.found(swap(kind, name, old, now, ""), p.name(), place)
	default:
		if why := now.why(); why != "" {
			c.moves(p.name(), where, why)
		}
	}
}

// sameOrder is the share of requests that must have their headers in one order until
// that is compared.
const sameOrder = 0.9

// headerOrder compares the order of the headers that both sides have. HTTP/2 keeps none.
func (c *comparison) headerOrder(p pair) {
	old, ok := usual(&p.old.orders)
	now, okNow := usual(&p.now.orders)
	if !ok || !okNow || !p.old.ordered() || !p.now.ordered() {
		return
	}
	inBoth := func(list, other []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return !slices.Contains(other, n) })
	}
	a, b := inBoth(old, now), inBoth(now, old)
	for len(a) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) == 0 {
		return
	}
	f := Finding{Kind: HeaderOrder, Old: strings.Join(a, ", "), New: strings.Join(b, ", ")}
	f.Text = fmt.Sprintf("the order is %s; was %s", f.New, f.Old)
	c.found(f, p.name(), inHeader)
}

// ordered reports whether the headers came in the order of the device.
func (p *profile) ordered() bool {
	for _, c := range p.protocols.seen {
		if !strings.HasPrefix(c.value, "HTTP/1") {
			return false
		}
	}
	return true
}

// usual returns the names of headers in the order that most requests have.
func usual(orders *values) (names []string, ok bool) {
	for _, c := range orders.seen {
		if float64(c.n) >= sameOrder*float64(orders.n) {
			return strings.Fields(c.value), true
		}
	}
	return nil, false
}

// paths lists the placeholders in the path of an endpoint as volatile.
func (c *comparison) paths(p pair) {
	for _, side := range []*profile{p.old, p.now} {
		for _, call := range side.calls {
			if call.pathVolatile != "" {
				c.moves(p.name(), "path", call.pathVolatile)
			}
		}
	}
}

// sizeSlack is added to the tolerance of sizes, in bytes.
const sizeSlack = 64

// size compares the sizes of bodies where their fields are the same.
func (c *comparison) size(p pair) {
	if len(p.old.sizes) == 0 || len(p.now.sizes) == 0 || c.has(p.name(), Schema) {
		return
	}
	old, oldDoubt := mean(p.old.sizes)
	now, nowDoubt := mean(p.now.sizes)
	noise := 3 * math.Hypot(oldDoubt, nowDoubt)
	slack := sizeSlack + max(share(c.rules.Tolerances.Size, sizeTolerance)*old, noise)
	if math.Abs(now-old) <= slack {
		return
	}
	f := Finding{Kind: Size, Old: fmt.Sprintf("%.0f bytes", old), New: fmt.Sprintf("%.0f bytes", now)}
	f.Text = fmt.Sprintf("bodies have %s on average, had %s", f.New, f.Old)
	c.found(f, p.name(), inBody)
}
