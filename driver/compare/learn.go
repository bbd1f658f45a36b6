package compare

import (
	"strings"
)

// Texts with a number in them that follow each other at one place of a path (zone1, zone2,
// zone3) are a family, and the number counts as an id, when one session has at least two of
// them, and all sessions have three.
const familyOfOne, familyOfAll = 2, 3

// learn gives each call of the sessions its endpoint: method, host, and the template of
// its path, with placeholders for what is an id by its looks, by the rules, or because it
// differs from call to call.
func learn(rules *Rules, sessions ...*Session) {
	families := familiesOf(rules, sessions)
	for _, s := range sessions {
		for _, c := range s.calls {
			segments := templateOf(rules, c.path)
			for i, key := range familyKeys(c, segments) {
				if families[key] {
					segments[i] = masked(segments[i])
				}
			}
			c.name(segments)
		}
	}
}

// name sets the endpoint of the call.
func (c *call) name(segments []string) {
	path := ""
	if c.path != "" {
		path = "/" + strings.Join(segments, "/")
	}
	c.endpoint = c.method + " " + c.host + path
	if c.operation != "" {
		c.endpoint += " (" + c.operation + ")"
	}
	if c.pathVolatile = path; path == c.path {
		c.pathVolatile = ""
	}
}

// templateOf returns the segments of a path with placeholders for ids.
func templateOf(rules *Rules, path string) []string {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range rules.Paths {
		if rule := &rules.Paths[i]; rule.fits(segments) {
			return append([]string(nil), rule.segments...)
		}
	}
	for i, s := range segments {
		segments[i] = foldSegment(s)
	}
	return segments
}

// familyKeys returns the keys of all segments, empty for those without.
func familyKeys(c *call, segments []string) []string {
	keys := make([]string, len(segments))
	for i := range segments {
		keys[i] = familyKey(c, segments, i)
	}
	return keys
}

// familyKey returns what a segment with a number has in common with others of its
// family: all of the path but the number. Empty for a segment that is in no family.
func familyKey(c *call, segments []string, i int) string {
	s := segments[i]
	if strings.ContainsAny(s, "{}*") || !strings.ContainsAny(s, "0123456789") || version.MatchString(s) {
		return ""
	}
	around := strings.Join(segments[:i], "/") + "\x00" + masked(s) + "\x00" + strings.Join(segments[i+1:], "/")
	return c.method + " " + c.host + "\x00" + around
}

// masked returns a segment with "{n}" in the place of its numbers.
func masked(s string) string { return digits.ReplaceAllLiteralString(s, "{n}") }

// familiesOf returns the keys of the families in sessions, see [familyKey].
func familiesOf(rules *Rules, sessions []*Session) map[string]bool {
	all, large := map[string]map[string]bool{}, map[string]bool{}
	for _, s := range sessions {
		one := map[string]map[string]bool{}
		for _, c := range s.calls {
			segments := templateOf(rules, c.path)
			for i, key := range familyKeys(c, segments) {
				if key == "" {
					continue
				}
				for _, seen := range []map[string]map[string]bool{one, all} {
					if seen[key] == nil {
						seen[key] = map[string]bool{}
					}
					seen[key][segments[i]] = true
				}
				large[key] = large[key] || len(one[key]) >= familyOfOne
			}
		}
	}
	families := map[string]bool{}
	for key := range large {
		families[key] = large[key] && len(all[key]) >= familyOfAll
	}
	return families
}
