package network

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/driver/document"
)

// The bounds of times.
const (
	maxLatency = time.Minute
	minOutage  = 10 * time.Millisecond
	maxOutage  = 24 * time.Hour
)

// Parse reads a profile that a caller sent: the name of a preset, or a JSON object of
// values.
func Parse(text string) (Profile, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || !strings.ContainsAny(trimmed[:1], `{["`) {
		return FromNode(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: trimmed}, "profile")
	}
	const name = "profile.json"
	n, err := document.Read(name, []byte(text))
	if err != nil {
		return Profile{}, err
	}
	p, err := FromNode(n, "profile")
	return p, document.InFile(name, err)
}

// FromNode reads a profile from a document: the name of a preset, or a map of values.
// In a map profile is the preset whose values count where the map has none. Errors
// begin with the path.
func FromNode(n *yaml.Node, path string) (Profile, error) {
	var f profileForm
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		f.Profile = n.Value
		return f.profile(n, path, path)
	case n.Kind != yaml.MappingNode:
		return Profile{}, document.Wrong(n, path, "the name of a network profile or a map with its values")
	}
	if err := document.DecodeAt(n, &f, path); err != nil {
		return Profile{}, err
	}
	return f.profile(n, path, document.Join(path, "profile"))
}

// profileForm is a profile as a map has it. Fields that are nil are those of the preset.
type profileForm struct {
	Profile string      `yaml:"profile"`
	Down    *Rate       `yaml:"down"`
	Up      *Rate       `yaml:"up"`
	Latency *delay      `yaml:"latency"`
	Jitter  *delay      `yaml:"jitter"`
	Loss    *percent    `yaml:"loss"`
	Outage  *outageForm `yaml:"outage"`
	Offline *bool       `yaml:"offline"`
}

type outageForm struct {
	Every span `yaml:"every"`
	For   span `yaml:"for"`
}

// profile returns the profile of a form that n has; named is the path of the preset.
func (f *profileForm) profile(n *yaml.Node, path, named string) (Profile, error) {
	var p Profile
	if f.Profile != "" || n.Kind == yaml.ScalarNode {
		var near string
		var ok bool
		if p, near, ok = preset(f.Profile); !ok {
			hint := "want one of " + strings.Join(PresetNames(), ", ")
			if near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			return p, document.Errorf(document.Field(n, "profile"), "%s: got %s; %s", named, excerpt.Quote(f.Profile), hint)
		}
	}
	base := p
	put(&p.Down, f.Down)
	put(&p.Up, f.Up)
	put((*delay)(&p.Latency), f.Latency)
	if p.Jitter = min(p.Jitter, p.Latency); f.Jitter != nil {
		p.Jitter = time.Duration(*f.Jitter)
	}
	put((*percent)(&p.Loss), f.Loss)
	put(&p.Offline, f.Offline)
	if o := f.Outage; o != nil {
		p.Outage = Outage{time.Duration(o.Every), time.Duration(o.For)}
		if p.Outage.For == 0 || p.Outage.For >= p.Outage.Every {
			return p, document.Errorf(document.Field(n, "outage"), "%s: got every %s for %s, want both, and for shorter than every",
				document.Join(path, "outage"), p.Outage.Every, p.Outage.For)
		}
	}
	if p.Jitter > p.Latency {
		return p, document.Errorf(document.Field(n, "jitter"), "%s: got %s, want at most the latency, which is %s",
			document.Join(path, "jitter"), p.Jitter, p.Latency)
	}
	if p != base {
		p.Name = ""
	}
	if p == (Profile{}) {
		return p, document.Errorf(n, "%s: got no value, want some of profile, down, up, latency, jitter, loss, outage and offline", path)
	}
	return p, nil
}

// put sets a value unless there is none.
func put[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

// delay is a short time: text such as 150ms, or a number of milliseconds.
type delay time.Duration

// UnmarshalText accepts both forms.
func (d *delay) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	v, err := time.ParseDuration(s)
	if f, ferr := strconv.ParseFloat(s, 64); ferr == nil && math.Abs(f) <= float64(maxLatency/time.Millisecond) {
		v, err = time.Duration(f*float64(time.Millisecond)), nil
	}
	if err != nil || v < 0 || v > maxLatency {
		return fmt.Errorf("got %s, want a time such as 150ms or a number of milliseconds, at most 1m", excerpt.Quote(s))
	}
	*d = delay(v)
	return nil
}

// span is a time with its unit.
type span time.Duration

// UnmarshalText accepts a duration.
func (d *span) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil || v < minOutage || v > maxOutage {
		return fmt.Errorf("got %s, want a time with its unit such as 60s, from %s to %s", excerpt.Quote(string(text)), minOutage, maxOutage)
	}
	*d = span(v)
	return nil
}

// percent is a share of 100, with or without the sign.
type percent float64

// UnmarshalText accepts both forms.
func (p *percent) UnmarshalText(text []byte) error {
	f, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(string(text)), "%")), 64)
	if err != nil || !(f >= 0 && f <= 100) {
		return fmt.Errorf("got %s, want a percentage from 0 to 100", excerpt.Quote(string(text)))
	}
	*p = percent(f)
	return nil
}

// Key says which connections a setting is for. An empty Host is every host, and an
// invalid Client every client.
type Key struct {
	Host   exchange.HostPattern
	Client netip.Prefix
}

// ParseKey reads a pattern of hosts and an address or range of clients; both may be
// empty. A host of * is every host.
func ParseKey(host, client string) (k Key, about string, err error) {
	if host != "" && host != string(exchange.EveryHost) {
		if k.Host, err = exchange.ParseHostPattern(host); err != nil {
			return k, "host", err
		}
	}
	if client != "" {
		if k.Client, err = exchange.ParseClients(client); err != nil {
			return k, "client", fmt.Errorf("client: %w", err)
		}
	}
	return k, "", nil
}

// String returns the key in words, such as "host a.test, client 10.0.0.7".
func (k Key) String() string {
	var parts []string
	if k.Host != "" {
		parts = append(parts, "host "+string(k.Host))
	}
	if k.Client.IsValid() {
		parts = append(parts, "client "+exchange.ClientsText(k.Client))
	}
	if len(parts) == 0 {
		return "all connections"
	}
	return strings.Join(parts, ", ")
}

// Setting is a profile that is set for connections.
type Setting struct {
	Key
	Profile Profile
	// Line is that of the document where it is set, counted from 1; 0 for none.
	Line int
}

// Settings reads the settings of a document: a profile for all connections, or a list
// of maps of profiles that may have the keys host and client. Errors begin with the
// path.
func Settings(n *yaml.Node, path string) ([]Setting, error) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return nil, nil
	case n.Kind != yaml.SequenceNode:
		s, err := setting(n, path)
		if err != nil {
			return nil, err
		}
		return []Setting{s}, nil
	}
	var list []Setting
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		s, err := setting(item, at)
		if err != nil {
			return nil, err
		}
		if j := slices.IndexFunc(list, func(o Setting) bool { return o.Key == s.Key }); j >= 0 {
			return nil, document.Errorf(item, "%s: got %s again, want each once (line %d)", at, s.Key, list[j].Line)
		}
		list = append(list, s)
	}
	return list, nil
}

// setting reads one setting.
func setting(n *yaml.Node, path string) (Setting, error) {
	s := Setting{Line: n.Line}
	var key struct {
		Host   string `yaml:"host"`
		Client string `yaml:"client"`
	}
	if n.Kind == yaml.MappingNode {
		if err := document.DecodeAt(document.Only(n, "host", "client"), &key, path); err != nil {
			return s, err
		}
	}
	k, about, err := ParseKey(key.Host, key.Client)
	if err != nil {
		return s, document.Errorf(document.Field(n, about), "%s: %v", path, err)
	}
	s.Key = k
	values := n
	if n.Kind == yaml.MappingNode {
		values = document.Without(n, "host", "client")
		values.Line, values.Column = n.Line, n.Column
	}
	s.Profile, err = FromNode(values, path)
	return s, err
}
