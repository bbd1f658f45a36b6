package scenario

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/script"
)

var (
	colonParam = regexp.MustCompile(`^:([A-Za-z_]\w*)`)
	angleParam = regexp.MustCompile(`^<(?:\w+:)?([A-Za-z_]\w*)>$`)
	// pathRegexp finds syntax of regular expressions that paths do not have.
	pathRegexp = regexp.MustCompile(`\.[*+]|\\[dwsDWS.]|\[[^\]]*\][*+?]?|\([^)]*\)[*+?]|^\^|\$$`)
)

// checkPath warns about a path in the syntax of another program.
func (c *compiler) checkPath(k *yaml.Node, m mock.Match) {
	if c.env.Log == nil || c.quiet {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(m.Query)) {
		if m.Query[name] == "*" {
			c.warn(k, "endpoint %q: * of the query parameter %s is compared as it is: without a value it stands for any", k.Value, name)
		}
	}
	if !strings.ContainsAny(m.Path, `*+\[(^$<:`) {
		return // most paths have none of these characters
	}
	path := strings.TrimRight(m.Path, "*")
	if rx := pathRegexp.FindString(m.Path); rx != "" {
		c.warn(k, "endpoint %q: %s is text here: a path is no regular expression; {name} is one segment, * at the end all that "+
			"begins so", k.Value, rx)
		return
	}
	for _, part := range strings.Split(path, "/") {
		name := ""
		if m := colonParam.FindStringSubmatch(part); m != nil {
			name = m[1]
		} else if m := angleParam.FindStringSubmatch(part); m != nil {
			name = m[1]
		}
		switch {
		case name != "":
			c.warn(k, "endpoint %q: %s is text here: write {%s}", k.Value, part, name)
		case part == "*":
			c.warn(k, "endpoint %q: * in the middle of a path is one segment: write {name} for it, or end the path with * for "+
				"all that begins so", k.Value)
		case strings.Contains(part, "*"):
			c.warn(k, "endpoint %q: * within %s is text: only at the end of a path it stands for anything; write {name} for a "+
				"part of a segment", k.Value, part)
		default:
			continue
		}
		return
	}
}

// checkHidden warns about endpoints that never answer.
func (c *compiler) checkHidden(eps []*mock.Endpoint) {
	if c.env.Log == nil || c.quiet {
		return
	}
	mock.Hidden(eps, func(hidden, by *mock.Endpoint) {
		at := &yaml.Node{Line: hidden.Source.Line, Column: hidden.Source.Column}
		where := ""
		if by.Source.Line > 0 {
			where = fmt.Sprintf(" (line %d)", by.Source.Line)
		}
		c.warn(at, "endpoint %q is never asked: %q%s answers all of its requests", hidden.Name, by.Name, where)
	})
}

// check warns about keys and expressions of a definition that have no effect.
func (d *definition) check(k kind) {
	if d.c.env.Log == nil || d.c.quiet {
		return
	}
	for _, key := range d.c.tables.keys[d.where] {
		if n := d.get(key); n != nil && key != k.key && !slices.Contains(k.uses, key) && !slices.Contains(anywhere(), key) {
			if k.key == "" {
				d.c.warn(n, "%s: %s does not count without addon", d.path, key)
				continue
			}
			d.c.warn(n, "%s: %s does not count beside %s", d.path, key, k.key)
		}
	}
	if k.key == "" {
		computed := "body_template"
		if n := d.get("body"); n != nil && n.Kind == yaml.ScalarNode {
			computed = "body_text_template"
		}
		d.checkBraces("body", d.get("body"), "is sent as it is: "+computed+" computes it")
	}
	if n := d.get("body_template"); n != nil {
		d.checkKeys(n)
	}
	d.checkFault()
	for _, key := range []string{"content_type", "match"} {
		d.checkBraces(key, d.get(key), "is not computed here")
	}
	d.checkStars(d.get("match"))
	if d.get("file") == nil {
		d.checkCharset()
	}
}

// checkCharset warns if text cannot be encoded in the charset of the content type.
func (d *definition) checkCharset() {
	check := func(at string, n *yaml.Node) {
		if name := exchange.UnknownCharset(n.Value); name != "" {
			d.c.warn(n, "%s: the charset %q is not known: text is sent in UTF-8", d.at(at), name)
		}
	}
	if n := d.get("content_type"); n != nil {
		check("content_type", n)
	}
	if n := d.get("headers"); n != nil {
		for k, v := range document.Pairs(n) {
			if !strings.EqualFold(k.Value, "Content-Type") {
				continue
			}
			if v.Kind == yaml.SequenceNode && len(v.Content) > 0 {
				v = v.Content[0]
			}
			check("headers."+k.Value, v)
		}
	}
}

// anywhere returns the keys that every kind of definition may have.
func anywhere() []string {
	return []string{"match", "priority", "repeat", "delay_ms", "state", "fault", "after"}
}

// checkFault warns about keys of an answer that is never sent because of a fault.
func (d *definition) checkFault() {
	if d.get("fault") == nil {
		return
	}
	b, err := d.breaking()
	if err != nil || !b.Bare() || b.rate < 1 {
		return
	}
	for _, key := range []string{"status", "headers", "content_type", "body", "body_template", "body_text_template", "body_base64",
		"file", "file_template", "patch"} {
		if n := d.get(key); n != nil {
			d.c.warn(n, "%s: %s does not count beside fault: %s, which sends nothing of the answer; after: sends its begin, "+
				"rate: lets some answers be", d.path, key, b.Kind)
		}
	}
}

// checkBraces warns about an {{expression}} in n. The caller knows that expressions
// are not computed there.
func (d *definition) checkBraces(key string, n *yaml.Node, why string) {
	if n == nil {
		return
	}
	each(n, func(n *yaml.Node) bool {
		open := strings.Index(n.Value, "{{")
		end := strings.Index(n.Value[open:], "}}")
		if end < 0 {
			return true
		}
		d.c.warn(n, "%s: %.60s %s", d.at(key), n.Value[open:open+end+2], why)
		return false
	})
}

// checkKeys warns about an {{expression}} in a key of a template.
func (d *definition) checkKeys(n *yaml.Node) {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if strings.Contains(c.Value, "{{") && strings.Contains(c.Value, "}}") {
				d.c.warn(c, "%s: the key %.60q is sent as it is: only values are computed", d.at("body_template"), c.Value)
			}
			continue
		}
		d.checkKeys(c)
	}
}

// checkStars warns about a value * of a header or a query parameter.
func (d *definition) checkStars(match *yaml.Node) {
	if match == nil {
		return
	}
	for k, values := range document.Pairs(match) {
		if k.Value != "headers" && k.Value != "query" || values.Kind != yaml.MappingNode {
			continue
		}
		for j := 0; j+1 < len(values.Content); j += 2 {
			if v := values.Content[j+1]; v.Value == "*" {
				d.c.warn(v, "%s.%s: * is compared as it is: an empty text stands for any value", d.at("match."+k.Value),
					values.Content[j].Value)
			}
		}
	}
}

// checkRules warns about rules that never answer, because a rule before them answers
// all of their requests. matches has nil for a rule without a match.
func (d *definition) checkRules(list []*yaml.Node, matches []*mock.Match) {
	const most = 300 // only so many rules are compared with each other
	for i, m := range matches[:min(len(matches), most)] {
		if m == nil {
			if n := len(list) - i - 1; n > 0 {
				d.c.warn(list[i], "%s[%d] has no match and answers every request: the %s never asked", d.at("rules"), i, after(n, "rule"))
			}
			return
		}
		for j, before := range matches[:i] {
			if before.Covers(m) {
				d.c.warn(list[i], "%s[%d] is never asked: rules[%d] answers all of its requests", d.at("rules"), i, j)
				break
			}
		}
	}
}

// checkSteps warns about steps of a sequence that never answer because of another
// step.
func (d *definition) checkSteps(steps []*definition, when []script.Step, timed bool) {
	var latest time.Duration
	for i, s := range steps {
		if timed {
			if n := s.get("repeat"); n != nil {
				d.c.warn(n, "%s: repeat does not count in a sequence with delay_ms, which goes by time", s.path)
			}
			if i > 0 && when[i].Delay <= latest {
				d.c.warn(s.node, "%s begins with the step before it, which never answers: want a larger delay_ms", s.path)
			}
			latest = max(latest, when[i].Delay)
			continue
		}
		if n := len(steps) - i - 1; n > 0 && s.get("repeat") == nil {
			d.c.warn(s.node, "%s has no repeat and answers all requests from there on: the %s never reached", s.path, after(n, "step"))
			return
		}
	}
}

// after returns "2 steps after it are" for what follows.
func after(n int, what string) string {
	if n == 1 {
		return what + " after it is"
	}
	return fmt.Sprintf("%d %ss after it are", n, what)
}
