package importer

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/mock"
)

// badXPath returns the reason why an XPath is not valid here, "" if it is.
func badXPath(expression string) string {
	if expression == "" {
		return "got no expression"
	}
	if err := mock.CheckXPath(expression); err != nil {
		return err.Error()
	}
	return ""
}

// maxElements bounds the elements of a document whose parts become conditions.
const maxElements = 500

// equalToXML adds the conditions that an XML body has the elements, texts and
// attributes of a document, and no others. Blanks around texts and the order of
// different elements do not count.
func (r *rule) equalToXML(at *yaml.Node, document string) {
	list, elements, attributes, err := xmlParts(document)
	if err != nil {
		r.lack(at, "equalToXml: %v", err)
		return
	}
	for _, p := range list {
		if why := badXPath(p.path); why != "" {
			r.lack(at, "equalToXml: %s", why)
			return
		}
	}
	for _, p := range list {
		r.putNamed("body_xml", p.path, equals(p.value))
	}
	r.putNamed("body_xml", "count(//*)", text(itoa(elements)))
	r.putNamed("body_xml", "count(//@*)", text(itoa(attributes)))
}

// xmlPart is a text or an attribute in a document.
type xmlPart struct{ path, value string }

// element is an open element.
type element struct {
	path     string
	children map[string]int // by name
	content  strings.Builder
}

// child returns the next child of that name.
func (e *element) child(name string) *element {
	e.children[name]++
	c := &element{children: map[string]int{}, path: e.path + "/" + name}
	if n := e.children[name]; n > 1 {
		c.path += "[" + itoa(n) + "]"
	}
	return c
}

// xmlParts returns the texts of the elements without children and the attributes of
// a document.
func xmlParts(document string) (list []xmlPart, elements, attributes int, err error) {
	dec := xml.NewDecoder(strings.NewReader(document))
	open := []*element{{children: map[string]int{}}}
	for {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, 0, 0, err
		}
		top := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if elements++; elements > maxElements || len(open) > maxElements {
				return nil, 0, 0, fmt.Errorf("got more than %d elements, want fewer", maxElements)
			}
			e := top.child(t.Name.Local)
			for _, a := range t.Attr {
				if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
					continue
				}
				attributes++
				list = append(list, xmlPart{e.path + "/@" + a.Name.Local, a.Value})
			}
			open = append(open, e)
		case xml.CharData:
			top.content.Write(t)
		case xml.EndElement:
			if len(top.children) == 0 {
				list = append(list, xmlPart{top.path, strings.TrimSpace(top.content.String())})
			}
			open = open[:len(open)-1]
		}
	}
	if elements == 0 {
		return nil, 0, 0, errors.New("got no element")
	}
	return list, elements, attributes, nil
}
