package mock

import (
	"fmt"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/jsonvalue"
)

// holdsBody is holds for the conditions on the body.
func (m *Match) holdsBody(p *probe, why *[]string) bool {
	if m.BodyContains == "" && len(m.c.json) == 0 && len(m.c.body) == 0 {
		return true
	}
	if p.skipBody {
		return false
	}
	ok := m.holdsMatchers(m.c.body, p, why)
	ok = (ok || why != nil) && m.holdsText(p, why) && ok
	return (ok || why != nil) && m.holdsJSON(p, why) && ok
}

// holdsText is holds for the text that the body must contain.
func (m *Match) holdsText(p *probe, why *[]string) bool {
	if m.BodyContains == "" {
		return true
	}
	text, err := p.text()
	if strings.Contains(text, m.BodyContains) {
		return true
	}
	if why != nil {
		seen := "body is " + excerpt.Quote(text)
		if err != nil {
			seen = fmt.Sprintf("body: %v", err)
		}
		*why = append(*why, seen+", expected to contain "+excerpt.Quote(m.BodyContains))
	}
	return false
}

// holdsJSON is holds for the values at paths of a JSON body.
func (m *Match) holdsJSON(p *probe, why *[]string) bool {
	if len(m.c.json) == 0 {
		return true
	}
	v, err := p.json()
	if err != nil {
		if why != nil {
			*why = append(*why, fmt.Sprintf("body: %v, expected JSON with %s", err, excerpt.Quote(m.c.json[0].path)))
		}
		return false
	}
	ok := true
	for i := range m.c.json {
		c := &m.c.json[i]
		got, there := jsonvalue.Dig(v, c.path)
		if jsonvalue.Equal(got, c.want) {
			continue
		}
		if why == nil {
			return false
		}
		ok = false
		seen := "absent"
		if there {
			seen = compact(got)
		}
		*why = append(*why, fmt.Sprintf("body %s is %s, expected %s", c.path, seen, compact(c.want)))
	}
	return ok
}
