package export

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/document"
)

// variant is the requests of one method and query.
type variant struct {
	method  string
	query   map[string][]string
	valued  int    // values in query that are not empty
	ranges  string // the Range header, if the response depends on it
	entries []*capture.Entry
}

// entries returns the list of one URL.
func (x *writer) entries(list []*capture.Entry) ([]*yaml.Node, error) {
	slices.SortStableFunc(list, func(a, b *capture.Entry) int { return a.Start.Compare(b.Start) })
	var variants []*variant
	byKey := map[string]*variant{}
	methods := map[string]int{}
	for _, e := range list {
		v := &variant{method: e.Method, query: queryOf(e), ranges: rangeOf(e)}
		names := url.Values{}
		for name, values := range v.query {
			names[name] = values
			for _, value := range values {
				if value != "" || len(values) > 1 {
					v.valued++
				}
			}
		}
		key := e.Method + " " + names.Encode() + " " + v.ranges
		if byKey[key] == nil {
			byKey[key] = v
			variants = append(variants, v)
		}
		byKey[key].entries = append(byKey[key].entries, e)
		if _, ok := methods[e.Method]; !ok {
			methods[e.Method] = len(methods)
		}
	}
	// The first entry that matches answers, so those with more conditions come
	// first.
	slices.SortStableFunc(variants, func(a, b *variant) int {
		return cmp.Or(cmp.Compare(methods[a.method], methods[b.method]),
			cmp.Compare(len(b.query), len(a.query)), cmp.Compare(b.valued, a.valued), cmp.Compare(len(b.ranges), len(a.ranges)))
	})
	var nodes []*yaml.Node
	for _, v := range variants {
		more, err := x.variant(v)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, more...)
	}
	return nodes, nil
}

// variant returns the entries of one method and query.
func (x *writer) variant(v *variant) ([]*yaml.Node, error) {
	var nodes []*yaml.Node
	var when timeline
	steps := steps{}
	for _, e := range v.entries {
		response, err := x.response(e)
		if err != nil {
			return nil, err
		}
		if response == nil || !x.timed && !steps.next(response) {
			continue
		}
		n := &yaml.Node{Kind: yaml.MappingNode}
		document.Put(n, "method", document.Quoted(e.Method))
		if match := v.match(); len(match.Content) > 0 {
			document.Put(n, "match", match)
		}
		if x.timed {
			document.Put(n, "delay_ms", when.delay(e))
		}
		document.Put(n, "response", response)
		nodes = append(nodes, n)
	}
	for i, times := range steps.times {
		if i < len(nodes)-1 { // the last one stays
			repeat := &yaml.Node{Kind: yaml.MappingNode}
			document.Put(repeat, "repeat", document.Integer(int64(times)))
			n := nodes[i]
			at := len(n.Content) - 2 // before the response
			n.Content = slices.Insert(n.Content, at, repeat.Content...)
		}
	}
	return nodes, nil
}

// match returns the condition for the requests of v.
func (v *variant) match() *yaml.Node {
	match := &yaml.Node{Kind: yaml.MappingNode}
	if len(v.query) > 0 {
		document.Put(match, "query", queryNode(v.query))
	}
	if v.ranges != "" {
		headers := &yaml.Node{Kind: yaml.MappingNode}
		document.Put(headers, "Range", document.Quoted(v.ranges))
		document.Put(match, "headers", headers)
	}
	return match
}

// rangeOf returns the Range header of a request if the response depends on it, else
// "".
func rangeOf(e *capture.Entry) string {
	if e.Status != http.StatusPartialContent && e.Status != http.StatusRequestedRangeNotSatisfiable {
		return ""
	}
	if r := e.RequestHeader.Get("Range"); presentable(r) {
		return r
	}
	return ""
}

// steps counts how often each response of a sequence came in a row.
type steps struct {
	times []int
	last  string
}

// next counts the next response. It reports whether it differs from the one before.
func (s *steps) next(response *yaml.Node) bool {
	text, err := yaml.Marshal(response)
	if n := len(s.times); n > 0 && err == nil && string(text) == s.last {
		s.times[n-1]++
		return false
	}
	s.times, s.last = append(s.times, 1), string(text)
	return true
}

// queryOf returns the parameters that match.query needs to select the request. A
// parameter whose name is not UTF-8 is left out. One with a value that is not UTF-8
// matches any value.
func queryOf(e *capture.Entry) map[string][]string {
	q := exchange.Values(exchange.QueryOf(e.Target))
	for name, values := range q {
		switch {
		case !utf8.ValidString(name):
			delete(q, name)
		case slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }):
			q[name] = []string{""}
		}
	}
	return q
}

// queryNode returns the node of match.query: the value of each parameter, or a list
// if there are several.
func queryNode(q map[string][]string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		value := document.Quoted(q[name][0])
		if len(q[name]) > 1 {
			value = &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
			for _, v := range q[name] {
				value.Content = append(value.Content, document.Quoted(v))
			}
		}
		document.Put(n, name, value)
	}
	return n
}
