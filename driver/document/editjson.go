package document

import (
	"bytes"
	"encoding/json"
	"strings"

	"starproxy/builtins/jsonvalue"
)

// jsonEditor edits the text of a JSON document.
type jsonEditor struct {
	text  []byte
	root  *span
	step  string // the usual indentation
	edits []splice
}

// span is a value in the text of a JSON document.
type span struct {
	from, to int
	// members are those of an object; nil for any other value.
	members []member
	object  bool
}

// member is a member of an object.
type member struct {
	key   string
	from  int // of the key
	value *span
}

// newJSONEditor reads a text that is valid JSON.
func newJSONEditor(text []byte) *jsonEditor {
	e := &jsonEditor{text: text, step: "  "}
	at := e.skip(0)
	if at < len(text) {
		e.root = e.value(at)
	}
	if e.root != nil && len(e.root.members) > 0 {
		if in := e.indent(e.root.members[0].from); in != "" {
			e.step = in
		}
	}
	return e
}

func (e *jsonEditor) made() []splice { return e.edits }

// skip returns the offset of the first character from at on that is not blank.
func (e *jsonEditor) skip(at int) int {
	for at < len(e.text) && strings.IndexByte(" \t\r\n", e.text[at]) >= 0 {
		at++
	}
	return at
}

// value returns the value that begins at an offset.
func (e *jsonEditor) value(at int) *span {
	s := &span{from: at}
	switch e.text[at] {
	case '{':
		s.object = true
		at = e.skip(at + 1)
		for e.text[at] != '}' {
			m := member{from: at}
			to := e.stringEnd(at)
			_ = json.Unmarshal(e.text[at:to], &m.key) // the text is valid
			m.value = e.value(e.skip(e.skip(to) + 1))
			s.members = append(s.members, m)
			at = e.next(m.value.to)
		}
		s.to = at + 1
	case '[':
		at = e.skip(at + 1)
		for e.text[at] != ']' {
			at = e.next(e.value(at).to)
		}
		s.to = at + 1
	case '"':
		s.to = e.stringEnd(at)
	default:
		for at < len(e.text) && strings.IndexByte(" \t\r\n,]}", e.text[at]) < 0 {
			at++
		}
		s.to = at
	}
	return s
}

// next returns the offset of the next member, or of the closing bracket.
func (e *jsonEditor) next(at int) int {
	at = e.skip(at)
	if e.text[at] == ',' {
		at = e.skip(at + 1)
	}
	return at
}

// stringEnd returns the offset behind a string.
func (e *jsonEditor) stringEnd(at int) int {
	for at++; e.text[at] != '"'; at++ {
		if e.text[at] == '\\' {
			at++
		}
	}
	return at + 1
}

// indent returns the blanks between the start of a line and an offset; empty when there is
// anything else, and in the first line.
func (e *jsonEditor) indent(at int) string {
	start := bytes.LastIndexByte(e.text[:at], '\n') + 1
	if start == 0 || len(bytes.TrimLeft(e.text[start:at], " \t")) > 0 {
		return ""
	}
	return string(e.text[start:at])
}

// find returns the member of a key, or -1.
func (s *span) find(key string) int {
	for i := range s.members {
		if s.members[i].key == key {
			return i
		}
	}
	return -1
}

func (e *jsonEditor) set(path []string, value any) error {
	if e.root == nil {
		b, err := e.render(nested(path, value), "", true)
		e.edits = append(e.edits, splice{len(e.text), len(e.text), b + "\n"})
		return err
	}
	s := e.root
	for s.object && len(path) > 0 {
		i := s.find(path[0])
		if i < 0 {
			return e.insert(s, path[0], nested(path[1:], value))
		}
		s, path = s.members[i].value, path[1:]
	}
	return e.change(s, nested(path, value))
}

// change gives a place a value. Of an object, only the members that differ are edited.
func (e *jsonEditor) change(s *span, value any) error {
	old, err := jsonvalue.Parse(e.text[s.from:s.to])
	if err != nil {
		return err
	}
	if jsonvalue.Equal(old, value) {
		return nil
	}
	o, ok := value.(jsonvalue.Object)
	keep := 0
	for _, m := range s.members {
		if _, stays := o.Get(m.key); stays {
			keep++
		}
	}
	if !ok || keep == 0 {
		return e.replace(s, value)
	}
	for i, m := range s.members {
		to, stays := o.Get(m.key)
		if !stays {
			e.cut(s, i, func(key string) bool { _, stays := o.Get(key); return stays })
			continue
		}
		if err := e.change(m.value, to); err != nil {
			return err
		}
	}
	for _, m := range o {
		if s.find(m.Key) < 0 {
			if err := e.insert(s, m.Key, m.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// replace replaces the text of a value. One in a single line stays in one if it is short.
func (e *jsonEditor) replace(s *span, value any) error {
	start := bytes.LastIndexByte(e.text[:s.from], '\n') + 1
	line := e.text[start:s.from]
	b, err := e.render(value, string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))]), bytes.ContainsRune(e.text[s.from:s.to], '\n'))
	e.edits = append(e.edits, splice{s.from, s.to, b})
	return err
}

// insert adds a member at the end of an object.
func (e *jsonEditor) insert(s *span, key string, value any) error {
	if len(s.members) == 0 {
		return e.replace(s, jsonvalue.Object{{Key: key, Value: value}})
	}
	last := s.members[len(s.members)-1]
	in := e.indent(last.from)
	b, err := e.render(value, in, bytes.ContainsRune(e.text[s.from:s.to], '\n'))
	sep := ", "
	if in != "" {
		sep = ",\n" + in
		if bytes.Contains(e.text, []byte("\r\n")) {
			sep = ",\r\n" + in
		}
	}
	e.edits = append(e.edits, splice{last.value.to, last.value.to, sep + string(jsonvalue.AppendText(nil, key)) + ": " + b})
	return err
}

// render returns a value as JSON: in one line if it is short and not tall, else with a line
// for each value, which begin with in.
func (e *jsonEditor) render(value any, in string, tall bool) (string, error) {
	b, err := jsonvalue.Append(nil, value)
	if err != nil {
		return "", err
	}
	if !tall && len(b) <= maxFlow {
		return string(b), nil
	}
	var out bytes.Buffer
	err = json.Indent(&out, b, in, e.step)
	text := out.String()
	if bytes.Contains(e.text, []byte("\r\n")) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text, err
}

// cut removes member i of an object of which others stay.
func (e *jsonEditor) cut(s *span, i int, stays func(key string) bool) {
	leading := true
	for _, m := range s.members[:i] {
		leading = leading && !stays(m.key)
	}
	m := s.members[i]
	if leading {
		e.edits = append(e.edits, splice{m.from, s.members[i+1].from, ""})
		return
	}
	e.edits = append(e.edits, splice{s.members[i-1].value.to, m.value.to, ""})
}

func (e *jsonEditor) remove(path []string) error {
	if e.root == nil {
		return nil
	}
	s := e.root
	for len(path) > 1 {
		i := s.find(path[0])
		if i < 0 {
			return nil
		}
		s, path = s.members[i].value, path[1:]
	}
	i := s.find(path[0])
	if i < 0 {
		return nil
	}
	if len(s.members) == 1 {
		return e.replace(s, jsonvalue.Object{})
	}
	e.cut(s, i, func(key string) bool { return key != path[0] })
	return nil
}
