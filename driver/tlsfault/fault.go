package tlsfault

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
)

// Fault is a fault with its parameters. Those of other kinds are empty. The zero
// Fault is that of a control handshake: a good certificate, and no resumption.
type Fault struct {
	Kind Kind `json:"kind" yaml:"kind"`
	// Times is how many handshakes meet the fault; 0 and default: all.
	Times int `json:"times,omitempty" yaml:"times"`
	// Version is that of max_version and min_version.
	Version Version `json:"version,omitempty" yaml:"version"`
	// Protocol is the choice of alpn; empty for none.
	Protocol string `json:"protocol,omitempty" yaml:"protocol"`
	// Alert is the one that ends the handshake.
	Alert Alert `json:"alert,omitempty" yaml:"alert"`
	// After is the message of the handshake after which abort and stall act.
	After Stage `json:"after,omitempty" yaml:"after"`
	// How is the way in which abort ends the connection.
	How End `json:"how,omitempty" yaml:"how"`
	// Bytes and Millis are the size of the pieces of slow and the time ahead of each.
	Bytes  int `json:"bytes,omitempty" yaml:"bytes"`
	Millis int `json:"ms,omitempty" yaml:"ms"`
}

// Version is a version of TLS: 1.0, 1.1, 1.2 or 1.3.
type Version string

// Number returns the version as crypto/tls numbers it; 0 for a text that is none.
func (v Version) Number() uint16 {
	switch v {
	case "1.0":
		return tls.VersionTLS10
	case "1.1":
		return tls.VersionTLS11
	case "1.2":
		return tls.VersionTLS12
	case "1.3":
		return tls.VersionTLS13
	}
	return 0
}

// UnmarshalText takes the four versions.
func (v *Version) UnmarshalText(text []byte) error {
	if Version(text).Number() == 0 {
		return fmt.Errorf("got %q, want 1.0, 1.1, 1.2 or 1.3", text)
	}
	*v = Version(text)
	return nil
}

// Stage is a message of a handshake.
type Stage string

// The stages, in their order.
const (
	ClientHello Stage = "client_hello"
	ServerHello Stage = "server_hello"
	Certificate Stage = "certificate"
)

// UnmarshalText takes the name of a stage.
func (s *Stage) UnmarshalText(text []byte) error {
	name, err := oneOf(string(text), []string{string(ClientHello), string(ServerHello), string(Certificate)})
	*s = Stage(name)
	return err
}

// End is a way to end a TCP connection.
type End string

// The ways.
const (
	Reset End = "rst"
	Close End = "fin"
)

// UnmarshalText takes the name of a way.
func (e *End) UnmarshalText(text []byte) error {
	name, err := oneOf(string(text), []string{string(Reset), string(Close)})
	*e = End(name)
	return err
}

// The bounds of numbers.
const (
	maxTimes    = 1_000_000
	maxPiece    = 1 << 14 // bytes, as much as a record has
	maxMillis   = 60_000
	maxProtocol = 255 // bytes, RFC 7301 section 3.1
)

// Parse reads a fault that a caller sent: the name of a kind, or a JSON object of kind
// and parameters.
func Parse(text string) (Fault, error) {
	if trimmed := strings.TrimSpace(text); trimmed == "" || !strings.ContainsAny(trimmed[:1], `{["`) {
		return FromNode(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: trimmed}, "fault")
	}
	n, err := document.Read("fault.json", []byte(text))
	if err != nil {
		return Fault{}, err
	}
	f, err := FromNode(n, "fault")
	return f, document.InFile("fault.json", err)
}

// FromNode reads a fault from a document: the name of a kind, or a map of kind and
// parameters. Errors begin with the path.
func FromNode(n *yaml.Node, path string) (Fault, error) {
	var k Kind
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		err := k.UnmarshalText([]byte(n.Value))
		if err != nil {
			err = document.Errorf(n, "%s: %v", path, err)
		}
		return k.defaults(), err
	case n.Kind != yaml.MappingNode:
		return Fault{}, document.Wrong(n, path, "the kind of a TLS fault or a map with kind")
	}
	if kind := document.Child(n, "kind"); kind != nil {
		if err := document.DecodeAt(kind, &k, document.Join(path, "kind")); err != nil {
			return Fault{}, err
		}
	}
	if k == "" {
		return Fault{}, document.Errorf(n, "%s: got no key kind, want one", path)
	}
	f := k.defaults()
	known := append([]string{"kind", "times"}, k.Info().Params...)
	for key := range document.Pairs(n) {
		if !slices.Contains(known, key.Value) {
			return Fault{}, document.UnknownKey(key, path, known)
		}
	}
	if err := document.DecodeAt(n, &f, path); err != nil {
		return Fault{}, err
	}
	return f, f.check(n, path)
}

// check finds numbers out of their bounds.
func (f *Fault) check(n *yaml.Node, path string) error {
	for _, b := range []struct {
		key      string
		got      int
		from, to int
	}{{"times", f.Times, 1, maxTimes}, {"bytes", f.Bytes, 1, maxPiece}, {"ms", f.Millis, 1, maxMillis}} {
		if at := document.Child(n, b.key); at != nil && (b.got < b.from || b.got > b.to) {
			return document.Wrong(at, document.Join(path, b.key), fmt.Sprintf("a whole number from %d to %d", b.from, b.to))
		}
	}
	if len(f.Protocol) > maxProtocol {
		return document.Wrong(document.Child(n, "protocol"), document.Join(path, "protocol"),
			fmt.Sprintf("text of at most %d bytes", maxProtocol))
	}
	return nil
}

// defaults returns the fault of a kind whose parameters are left out.
func (k Kind) defaults() Fault {
	f := Fault{Kind: k}
	switch k {
	case MaxVersion:
		f.Version = "1.1"
	case MinVersion:
		f.Version = "1.3"
	case Alerted:
		f.Alert = "handshake_failure"
	case Abort:
		f.After, f.How = ClientHello, Reset
	case Stall:
		f.After = ClientHello
	case Slow:
		f.Bytes, f.Millis = 32, 50
	}
	return f
}

// Wait returns the time ahead of each piece of slow.
func (f *Fault) Wait() time.Duration { return time.Duration(f.Millis) * time.Millisecond }

// Control reports whether the fault is none: a control handshake.
func (f *Fault) Control() bool { return f.Kind == "" }

// Name returns the kind with the parameters that tell one fault of it from another,
// such as "max_version 1.1".
func (f *Fault) Name() string {
	words := []string{string(f.Kind), string(f.Version), string(f.Alert), f.Protocol}
	if f.After != "" && f.After != ClientHello {
		words = append(words, "after "+string(f.After))
	}
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")
}

// Met is how captures name the fault.
func (f *Fault) Met() string { return "tls fault " + f.Name() }

// Setting is a fault that is set for hosts.
type Setting struct {
	Host  exchange.HostPattern
	Fault Fault
	// Line is that of the document where it is set, counted from 1; 0 for none.
	Line int
}

// Settings reads a map from hosts to faults. Errors begin with the path.
func Settings(n *yaml.Node, path string) ([]Setting, error) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, document.Wrong(n, path, "a map from hosts to TLS faults")
	}
	var list []Setting
	for k, v := range document.Pairs(n) {
		host, err := exchange.ParseHostPattern(k.Value)
		if err != nil {
			return nil, document.Errorf(k, "%s: %v", path, err)
		}
		same := func(s Setting) bool { return s.Host == host }
		if i := slices.IndexFunc(list, same); i >= 0 {
			return nil, document.Errorf(k, "%s: got %s again, want each host once (line %d)", path, host, list[i].Line)
		}
		f, err := FromNode(v, document.Join(path, k.Value))
		if err != nil {
			return nil, err
		}
		list = append(list, Setting{Host: host, Fault: f, Line: k.Line})
	}
	return list, nil
}

// JSON returns the fault as Parse reads it: a JSON object.
func (f *Fault) JSON() string {
	b, err := jsonvalue.Append(nil, f)
	if err != nil {
		return ""
	}
	return string(b)
}
