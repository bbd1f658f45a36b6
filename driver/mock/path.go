package mock

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"starproxy/builtins/nearest"
)

// pathKind is the kind of a path pattern. A smaller kind answers first.
type pathKind uint8

const (
	exactPath   pathKind = iota // "/a/b"
	segmentPath                 // "/a/{x}/b"
	prefixPath                  // "/a/*", "/a/{x}/*", and no path at all
)

// pathPattern is a compiled path.
type pathPattern struct {
	kind pathKind
	// lead is the literal text before the first capture: all of an exact path
	// or a plain prefix.
	lead string
	// segs are the parts between slashes, for patterns with captures only.
	segs []segment
	// literal is the number of literal bytes. More of them make a pattern more
	// specific.
	literal int
}

// segment is literal text (pre), or a capture between two literals.
type segment struct {
	pre, name, suf string
	wild           bool
}

// parsePath compiles a path as in a key, with or without escapes. An empty path fits
// all paths.
func parsePath(path string) (pathPattern, error) {
	text := strings.TrimRight(path, "*")
	p := pathPattern{kind: exactPath, lead: canonicalPath(text)}
	open := text != path || path == ""
	if open {
		p.kind, p.lead = prefixPath, canonicalLead(text)
	}
	p.literal = len(p.lead)
	parts := strings.Split(text, "/")
	seen := map[string]bool{}
	wild := false
	for i, part := range parts {
		s, err := parseSegment(part)
		if err != nil {
			return p, fmt.Errorf("path %q: %w", path, err)
		}
		if s.name != "" && seen[s.name] {
			return p, fmt.Errorf("path %q: {%s} twice", path, s.name)
		}
		seen[s.name] = true
		if s.wild && !wild {
			wild = true
			p.lead = s.pre
			if i > 0 {
				p.lead = canonicalPath(strings.Join(parts[:i], "/")) + "/" + s.pre
			}
		}
		p.segs = append(p.segs, s)
	}
	if !wild {
		p.segs = nil
		return p, nil
	}
	p.literal = len(parts) - 1
	for _, s := range p.segs {
		p.literal += len(s.pre) + len(s.suf)
	}
	if !open {
		p.kind = segmentPath
	}
	return p, nil
}

var errBraces = errors.New("braces: want one {name} in a segment, of letters, digits, _ and -")

func parseSegment(text string) (segment, error) {
	if text == "*" {
		return segment{wild: true}, nil
	}
	i := strings.IndexByte(text, '{')
	if i < 0 {
		if strings.IndexByte(text, '}') >= 0 {
			return segment{}, errBraces
		}
		return segment{pre: canonicalPath(text)}, nil
	}
	j := strings.IndexByte(text, '}')
	if j < i {
		return segment{}, errBraces
	}
	s := segment{pre: canonicalLead(text[:i]), name: text[i+1 : j], suf: canonicalPath(text[j+1:]), wild: true}
	if strings.ContainsAny(text[j+1:], "{}") || s.name == "" {
		return segment{}, errBraces
	}
	for k := range len(s.name) {
		c := s.name[k]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || k > 0 && ('0' <= c && c <= '9' || c == '-')) {
			return segment{}, errBraces
		}
	}
	return s, nil
}

// match reports whether path fits. It stores the captured values in params, unless
// params is nil.
func (p *pathPattern) match(path string, params map[string]string) bool {
	if p.segs == nil {
		if p.kind == exactPath {
			return path == p.lead
		}
		return strings.HasPrefix(path, p.lead)
	}
	if !strings.HasPrefix(path, p.lead) {
		return false
	}
	rest, more := path, true
	for i := range p.segs {
		if !more {
			return false
		}
		if i == len(p.segs)-1 && p.kind == prefixPath {
			return p.segs[i].matchOpen(rest, params)
		}
		var part string
		part, rest, more = strings.Cut(rest, "/")
		if !p.segs[i].match(part, params) {
			return false
		}
	}
	return !more
}

func (s *segment) match(part string, params map[string]string) bool {
	if !s.wild {
		return part == s.pre
	}
	if len(part) <= len(s.pre)+len(s.suf) || !strings.HasPrefix(part, s.pre) || !strings.HasSuffix(part, s.suf) {
		return false
	}
	s.keep(params, part[len(s.pre):len(part)-len(s.suf)])
	return true
}

// matchOpen is match for the last segment before a "*". rest may be longer than the
// segment.
func (s *segment) matchOpen(rest string, params map[string]string) bool {
	if !strings.HasPrefix(rest, s.pre) {
		return false
	}
	if !s.wild {
		return true
	}
	part, _, _ := strings.Cut(rest[len(s.pre):], "/")
	if part == "" {
		return false
	}
	end := len(part)
	if s.suf != "" {
		i := strings.Index(part[1:], s.suf)
		if i < 0 {
			return false
		}
		end = i + 1
	}
	s.keep(params, part[:end])
	return true
}

// keep stores a captured value. It undoes the escapes, if they are valid.
func (s *segment) keep(params map[string]string, value string) {
	if params == nil || s.name == "" {
		return
	}
	if plain, err := url.PathUnescape(value); err == nil {
		value = plain
	}
	params[s.name] = value
}

// captures reports whether the pattern has named captures, which match stores.
func (p *pathPattern) captures() bool {
	for i := range p.segs {
		if p.segs[i].name != "" {
			return true
		}
	}
	return false
}

// distance returns the number of edits after which path would fit.
func (p *pathPattern) distance(path string) int {
	want := p.lead
	if p.segs != nil {
		// Any text fits a capture.
		given := strings.Split(path, "/")
		parts := make([]string, len(p.segs))
		for i, s := range p.segs {
			parts[i] = s.pre
			if s.wild {
				parts[i] += s.suf
				if i < len(given) && s.match(given[i], nil) {
					parts[i] = given[i]
				}
			}
		}
		want = strings.Join(parts, "/")
	}
	if p.kind == prefixPath {
		path = path[:min(len(path), len(want))]
	}
	return nearest.Distance(path, want)
}

// shared returns the number of segments at the start that path and the pattern have
// in common.
func (p *pathPattern) shared(path string) (n int) {
	want := p.segs
	if want == nil {
		for part := range strings.SplitSeq(p.lead, "/") {
			want = append(want, segment{pre: part})
		}
	}
	for part := range strings.SplitSeq(path, "/") {
		if n == len(want) || !want[n].match(part, nil) {
			break
		}
		n++
	}
	return n
}
