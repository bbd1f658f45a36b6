package render

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// events reads an event stream as the HTML standard says ("Server-sent events"). The data
// of an event is decoded when it is JSON. An event that has not ended is shown, too.
func (b *builder) events(text []byte) []Part {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	text = bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
	list, err := b.branch(List, "", func(n *Node) error {
		for len(text) > 0 {
			var block []byte
			block, text, _ = bytes.Cut(text, []byte("\n\n"))
			v, err := b.event(eventFields(string(block)))
			if err := n.add("", v, err); err != nil {
				return err
			}
			text = bytes.TrimLeft(text, "\n")
		}
		return nil
	})
	if list == nil || len(list.Nodes) == 0 {
		return nil
	}
	return b.parts(list, err)
}

// eventFields returns the fields of an event. The lines of its data are one field. A
// comment has no name.
func eventFields(block string) (fields [][2]string) {
	var data []string
	at := -1
	for line := range strings.Lines(block) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case name == "" && value == "":
		case name != "data":
			fields = append(fields, [2]string{name, value})
		case at < 0:
			at = len(fields)
			fields = append(fields, [2]string{name})
			fallthrough
		default:
			data = append(data, value)
		}
	}
	if at >= 0 {
		fields[at][1] = strings.Join(data, "\n")
	}
	return fields
}

func (b *builder) event(fields [][2]string) (*Node, error) {
	return b.branch(Object, "", func(n *Node) error {
		for _, f := range fields {
			var v *Node
			var err error
			switch f[0] {
			case "data":
				v, err = b.embedded(f[1])
			case "":
				f[0] = "comment"
				fallthrough
			default:
				v, err = b.leaf(String, f[1], "")
			}
			if err := n.add(f[0], v, err); err != nil {
				return err
			}
		}
		return nil
	})
}

// embedded reads a text that may be JSON: an object or a list becomes a branch, any other
// text a string.
func (b *builder) embedded(text string) (*Node, error) {
	trimmed := strings.TrimSpace(text)
	if strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
		if jsontext.Value(trimmed).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			return b.jsonValue(newJSONDecoder([]byte(trimmed)))
		}
	}
	return b.leaf(String, text, "")
}
