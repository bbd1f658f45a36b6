// Package compare tells how a device behaves differently in two sessions: two recordings
// of what it asked for, usually with the old and with the new firmware.
//
// [Read] keeps the facts of a session that belong to the device: which requests it sent,
// when, and with which headers, fields and fingerprints. What servers answered counts only
// where the device reacts to it, such as by a retry. [Compare] learns from both sessions
// which parts of paths, headers, queries and bodies are ids, times, tokens or counters,
// and reports the rest that differs.
//
// All functions are pure, but for those that read bodies of flows which lie in files.
package compare

import (
	"slices"
	"strings"
	"time"

	"starproxy/builtins/nearest"
)

// Kind is a kind of difference, such as "added-host". Kinds has all of them.
type Kind string

// The kinds of differences.
const (
	AddedHost     Kind = "added-host"
	GoneHost      Kind = "gone-host"
	AddedEndpoint Kind = "added-endpoint"
	GoneEndpoint  Kind = "gone-endpoint"
	Count         Kind = "count"
	Order         Kind = "order"
	Interval      Kind = "interval"
	Retry         Kind = "retry"
	Timing        Kind = "timing"
	Header        Kind = "header"
	HeaderOrder   Kind = "header-order"
	UserAgent     Kind = "user-agent"
	Query         Kind = "query"
	Schema        Kind = "schema"
	Value         Kind = "value"
	Size          Kind = "size"
	Scheme        Kind = "scheme"
	Protocol      Kind = "protocol"
	TLS           Kind = "tls"
)

// Kinds returns the kinds in the order of reports, each with its explanation.
func Kinds() []struct {
	Kind Kind
	Doc  string
} {
	return []struct {
		Kind Kind
		Doc  string
	}{
		{AddedHost, "the device talks to a host that it did not talk to before"},
		{GoneHost, "the device no longer talks to a host"},
		{AddedEndpoint, "a method and path are new on a host"},
		{GoneEndpoint, "a method and path are no longer called"},
		{Scheme, "requests go over plain HTTP instead of HTTPS, or the other way round"},
		{Protocol, "another version of HTTP"},
		{TLS, "another fingerprint (JA4, JA3) or version in the device's TLS handshakes"},
		{UserAgent, "another User-Agent"},
		{Header, "a header of requests is new or gone, or has another value"},
		{HeaderOrder, "the headers of requests come in another order"},
		{Query, "a parameter of the query is new or gone, or has another value"},
		{Schema, "a field of bodies is new or gone or has another type, or bodies have another form"},
		{Value, "a text, true or false in bodies has another value"},
		{Size, "bodies of requests are larger or smaller"},
		{Count, "an endpoint is called more or less often"},
		{Interval, "an endpoint is polled faster or slower"},
		{Retry, "another number of retries after a failure, or other waits before them"},
		{Order, "endpoints are called for the first time in another order"},
		{Timing, "the device waits longer or shorter before it calls an endpoint for the first time"},
	}
}

// ParseKind returns the kind with that name. The error names the nearest kind.
func ParseKind(name string) (Kind, error) {
	var names []string
	for _, k := range Kinds() {
		if string(k.Kind) == name {
			return k.Kind, nil
		}
		names = append(names, string(k.Kind))
	}
	return "", &kindError{name, names}
}

// kindError is the error for a kind that does not exist.
type kindError struct {
	name  string
	known []string
}

func (e *kindError) Error() string {
	if near := nearest.Name(e.name, e.known); near != "" {
		return "got " + quote(e.name) + ", want a kind of difference; did you mean " + quote(near) + "?"
	}
	return "got " + quote(e.name) + ", want one of " + strings.Join(e.known, ", ")
}

// UnmarshalText sets the kind from its name, for documents.
func (k *Kind) UnmarshalText(text []byte) error {
	kind, err := ParseKind(string(text))
	if err == nil {
		*k = kind
	}
	return err
}

// Finding is one difference.
type Finding struct {
	Kind Kind `json:"kind"`
	// Endpoints are those that it was seen at: "POST api.example.com/telemetry". Empty
	// for one that is about hosts.
	Endpoints []string `json:"endpoints,omitempty"`
	// Hosts are those that it is about, for the kinds added-host, gone-host and tls.
	Hosts []string `json:"hosts,omitempty"`
	// Everywhere reports whether Endpoints or Hosts are all that both sessions have.
	Everywhere bool `json:"everywhere,omitempty"`
	// Field is the header, the parameter of the query, or the path of the field in
	// bodies, such as "items[].name". Empty where there is none.
	Field string `json:"field,omitempty"`
	// Old and New are the two sides as text. Empty for a side that has nothing.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
	// Text says how it differs. Field, where there is one, is its subject.
	Text string `json:"text"`
}

// Volatile is a part of requests that has another value each time, so that its values
// are not compared.
type Volatile struct {
	// Where is the part: "path", "header X-Request-Id", "query ts", "body order.id".
	Where string `json:"where"`
	// Why is the reason: "12 values in 12 requests", "uuid", "secret", "rule".
	Why       string   `json:"why"`
	Endpoints []string `json:"endpoints"`
}

// Side sums one session up.
type Side struct {
	// Name is the file's name, or whatever the caller gave to [Read].
	Name string `json:"name"`
	// Exchanges counts the requests, Endpoints the different ones among them.
	Exchanges int `json:"exchanges"`
	Endpoints int `json:"endpoints"`
	// Seconds is the time from the first request to the end of the last answer, 0 when
	// it isn't known.
	Seconds float64 `json:"seconds"`
	// LeftOut counts the exchanges beyond [MaxExchanges], which were not looked at.
	LeftOut int `json:"left_out,omitempty"`
}

// Report is the result of a comparison.
type Report struct {
	Old      Side       `json:"old"`
	New      Side       `json:"new"`
	Findings []Finding  `json:"findings"`
	Volatile []Volatile `json:"volatile"`
}

// Chosen returns the findings of the given kinds, or all of them without kinds.
func (r *Report) Chosen(kinds []Kind) []Finding {
	if len(kinds) == 0 {
		return r.Findings
	}
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return !slices.Contains(kinds, f.Kind) })
}

// Compare reports how the device behaves differently in the session now than in old.
// Rules may be nil.
func Compare(old, now *Session, rules *Rules) *Report {
	rules = rules.ready()
	learn(rules, old, now)
	c := &comparison{rules: rules, old: profilesOf(old), now: profilesOf(now), oldSession: old, nowSession: now}
	c.volatile = map[part][]string{}
	c.run()
	return &Report{
		Old: side(old, len(c.old)), New: side(now, len(c.now)),
		Findings: merged(c.findings, c.common()), Volatile: c.listed(),
	}
}

func side(s *Session, endpoints int) Side {
	return Side{
		Name: s.Name, Exchanges: len(s.calls), Endpoints: endpoints, LeftOut: s.leftOut,
		Seconds: s.duration().Round(time.Millisecond).Seconds(),
	}
}
