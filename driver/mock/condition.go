package mock

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"starproxy/builtins/jsonvalue"
)

// Place is a part of a request that a [Condition] looks at.
type Place uint8

// The places, in the order of their cost. From InForm on, they are in the body.
const (
	InMethod Place = iota
	InHost
	InPath   // as sent, without the query
	InTarget // the path with its query, as sent
	InParam  // the value of a {name} segment of the path
	InQuery  // the values of a parameter
	InHeader // the values of a header
	InCookie
	InForm // the values of a field of a form, without files
	InBody // the text of the body
	InJSON // the value at a path of the JSON body
	InXML  // the values that an XPath finds in the XML body
	InPart // the text of the parts of that name
)

// placeNames has the description of each place. %s is the name in the condition.
var placeNames = [...]string{"method", "host", "path", "target", "path parameter %s", "query parameter %s", "header %s", "cookie %s",
	"form field %s", "body", "body %s", "XML %s", "part %s"}

// Condition is a matcher for a place of a request.
type Condition struct {
	In Place
	// Name is the name of the header, parameter, cookie, field or part, or the path
	// in the body. It is empty for places without a name.
	Name string
	// Matcher tests the values of the place.
	Matcher *Matcher
	// Of has further conditions on a part. One part with that name must fulfil
	// Matcher and all of them.
	Of []PartCondition

	path *xmlPath
}

// PartCondition is a condition on one property of a part of a multipart body. One
// of FileName, Type, Header and JSON is set.
type PartCondition struct {
	// FileName means the file name of the part, and Type its content type.
	FileName, Type bool
	// Header is the name of a header field of the part, and JSON a dotted path in
	// its JSON content.
	Header, JSON string
	Matcher      *Matcher
}

// compile prepares a condition.
func (c *Condition) compile() (err error) {
	switch c.In {
	case InHeader:
		c.Name = http.CanonicalHeaderKey(c.Name)
	case InXML:
		c.path, err = newXMLPath(c.Name)
	}
	return err
}

// compileConditions prepares the conditions and sorts them by their cost. before has
// the conditions that need no body, and body has the others.
func compileConditions(given []Condition) (before, body []Condition, err error) {
	list := slices.Clone(given)
	for i := range list {
		if err := list[i].compile(); err != nil {
			return nil, nil, err
		}
	}
	slices.SortStableFunc(list, func(a, b Condition) int { return int(a.In) - int(b.In) })
	n := 0
	for n < len(list) && list[n].In < InForm {
		n++
	}
	return list[:n], list[n:], nil
}

func (c *Condition) place() string {
	name := placeNames[c.In]
	if !strings.Contains(name, "%s") {
		return name
	}
	return strings.TrimSpace(fmt.Sprintf(name, c.Name)) // the path of a whole body is empty
}

// condition reports whether c holds.
func (m *Match) condition(c *Condition, p *probe) bool {
	values, err := m.values(c, p)
	if err != nil {
		return false
	}
	if c.In == InPart && len(c.Of) > 0 {
		return slices.ContainsFunc(p.partsNamed(c.Name), func(part *probePart) bool { return part.fulfils(c) })
	}
	return c.Matcher.holds(values)
}

// values returns the values at the place of c. The error says why they cannot be
// read.
func (m *Match) values(c *Condition, p *probe) ([]any, error) {
	switch c.In {
	case InMethod:
		return []any{text(p.r.Method)}, nil
	case InHost:
		return []any{text(p.r.Host)}, nil
	case InPath:
		return []any{text(p.r.Path())}, nil
	case InTarget:
		return []any{text(p.r.Target)}, nil
	case InParam:
		params := p.params
		if m.c.path.captures() {
			params = m.params(p.r.Path())
		}
		if v, ok := params[c.Name]; ok {
			return []any{text(v)}, nil
		}
		return nil, nil
	case InQuery:
		return texts(p.r.Query()[c.Name]), nil
	case InHeader:
		return texts(p.header(c.Name)), nil
	case InCookie:
		return texts(p.cookies()[c.Name]), nil
	case InForm:
		form, err := p.form()
		return texts(form[c.Name]), err
	case InBody:
		s, err := p.text()
		return []any{text(s)}, err
	case InJSON:
		v, err := p.json()
		if err != nil {
			return nil, err
		}
		if v, ok := jsonvalue.Dig(v, c.Name); ok {
			return []any{v}, nil
		}
		return nil, nil
	case InXML:
		root, err := p.xml()
		if err != nil {
			return nil, err
		}
		return c.path.values(root)
	}
	var values []any
	for _, part := range p.partsNamed(c.Name) {
		values = append(values, part.text())
	}
	return values, p.partsFault()
}

// why says why a condition does not hold.
func (m *Match) why(c *Condition, p *probe) string {
	values, err := m.values(c, p)
	if c.In == InJSON && len(values) == 1 {
		if text := c.Matcher.Breach(values[0]); text != "" {
			return c.place() + ": " + text
		}
	}
	want := c.Matcher.String()
	if len(c.Of) > 0 {
		want = c.partsWanted()
	}
	seen := "absent"
	switch {
	case err != nil:
		seen = err.Error()
	case c.In == InPart && len(c.Of) > 0 && len(values) > 0:
		seen = describeParts(p.partsNamed(c.Name))
	case len(values) > 0:
		list := make([]string, min(len(values), 5))
		for i := range list {
			list[i] = show(values[i])
		}
		if seen = strings.Join(list, ", "); len(values) > len(list) {
			seen += fmt.Sprintf(" and %d more", len(values)-len(list))
		}
	}
	return fmt.Sprintf("%s is %s, expected %s", c.place(), seen, want)
}

func texts(values []string) []any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = text(v)
	}
	return list
}
