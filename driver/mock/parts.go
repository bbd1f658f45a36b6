package mock

import (
	"fmt"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
)

// probePart is a part of the multipart body of a probe's request.
type probePart struct {
	exchange.Part

	content  text
	haveText bool
	value    any
	valueErr error
	haveJSON bool
}

// text returns the content of the part as text.
func (p *probePart) text() text {
	if !p.haveText {
		p.haveText, p.content = true, text(p.Text())
	}
	return p.content
}

func (p *probePart) json() (any, error) {
	if !p.haveJSON {
		p.haveJSON = true
		p.value, p.valueErr = parseJSON([]byte(p.text()))
	}
	return p.value, p.valueErr
}

// fulfils reports whether p meets all conditions of c.
func (p *probePart) fulfils(c *Condition) bool {
	if len(c.Matcher.tests)+len(c.Matcher.inner) > 0 && (p.Cut || !c.Matcher.holds([]any{p.text()})) {
		return false
	}
	for _, of := range c.Of {
		if !of.Matcher.holds(p.values(&of)) {
			return false
		}
	}
	return true
}

// values returns the values that a further condition tests.
func (p *probePart) values(of *PartCondition) []any {
	switch {
	case of.FileName:
		return given(p.FileName)
	case of.Type:
		return given(p.ContentType())
	case of.Header != "":
		return texts(p.Header.Values(of.Header))
	}
	v, err := p.json()
	if err != nil || p.Cut {
		return nil
	}
	if v, ok := jsonvalue.Dig(v, of.JSON); ok {
		return []any{v}
	}
	return nil
}

// given returns a list with s, or an empty list if s is empty.
func given(s string) []any {
	if s == "" {
		return nil
	}
	return []any{text(s)}
}

// parts returns the parts of the body, as far as it could be read.
func (p *probe) parts() []*probePart {
	if !p.haveParts {
		p.haveParts = true
		body, err := p.bytes()
		p.partsErr = err
		for _, part := range exchange.Parts(p.r.Header.Get("Content-Type"), body) {
			p.found = append(p.found, &probePart{Part: part})
		}
	}
	return p.found
}

// partsNamed returns the parts with that name.
func (p *probe) partsNamed(name string) (parts []*probePart) {
	for _, part := range p.parts() {
		if part.Name == name {
			parts = append(parts, part)
		}
	}
	return parts
}

// partsFault returns an error that says why no parts are known. It is nil when some
// parts could be read, even if the body is malformed or too long after them.
func (p *probe) partsFault() error {
	if len(p.parts()) > 0 {
		return nil
	}
	if p.partsErr != nil {
		return p.partsErr
	}
	if ct := p.r.Header.Get("Content-Type"); !strings.HasPrefix(strings.ToLower(ct), "multipart/") {
		return fmt.Errorf("absent: the content type is %s, not multipart", excerpt.Quote(ct))
	}
	return nil
}

// partsWanted describes what a condition on a part expects.
func (c *Condition) partsWanted() string {
	var list []string
	if len(c.Matcher.tests)+len(c.Matcher.inner) > 0 {
		list = append(list, "text: "+c.Matcher.String())
	}
	for _, of := range c.Of {
		list = append(list, of.name()+": "+of.Matcher.String())
	}
	return "a part with " + strings.Join(list, "; ")
}

func (of *PartCondition) name() string {
	switch {
	case of.FileName:
		return "filename"
	case of.Type:
		return "content type"
	case of.Header != "":
		return "header " + of.Header
	}
	return "JSON " + of.JSON
}

// describeParts lists the parts of a body, for an explanation.
func describeParts(parts []*probePart) string {
	list := make([]string, 0, min(len(parts), 3))
	for _, p := range parts[:min(len(parts), 3)] {
		s := excerpt.Quote(string(p.text()))
		if p.FileName != "" {
			s = fmt.Sprintf("the file %s of %d bytes", excerpt.Quote(p.FileName), len(p.Data))
		}
		if ct := p.ContentType(); ct != "" {
			s += " (" + ct + ")"
		}
		if p.Cut {
			s += fmt.Sprintf(", of which only what is in the first %d bytes of the body is looked at", maxMatchBody)
		}
		list = append(list, s)
	}
	return strings.Join(list, ", ")
}
