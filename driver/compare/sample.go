package compare

import (
	"bytes"
	"encoding/xml"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/capture"
	"starproxy/driver/flow"
	"starproxy/driver/mask"
)

// The bounds of what is looked at in one body.
const (
	maxBody   = 1 << 20 // bytes, without their content encoding
	maxFields = 1000    // different paths
	maxDepth  = 40
)

// The forms of bodies.
const (
	formNone   = "none"
	formJSON   = "JSON"
	formForm   = "form"
	formParts  = "multipart"
	formXML    = "XML"
	formText   = "text"
	formBinary = "binary"
)

// sample has the fields of one body.
type sample struct {
	form   string // empty when the body is not known
	fields []*observed
	at     map[string]*observed // nil once all are added
	// size is the number of bytes without the content encoding and without secrets, since
	// a recording may have placeholders for those. It is -1 when not known.
	size int64
}

// observed is a field in one body. A field of the elements of a list is there once,
// whatever the number of elements.
type observed struct {
	path, parent string
	// count is how often it is there, repeats how often in a container that has it already,
	// and containers how often it is one that has fields itself.
	count, repeats, containers int
	types                      [allTypes]int
	values                     values
}

// isElement reports whether it stands for the elements of a list.
func (f *observed) isElement() bool { return strings.HasSuffix(f.path, "[]") }

// kind is the type of a field.
type kind int

// The types of fields, see typeNames.
const (
	typeArray kind = iota
	typeBool
	typeFile
	typeNull
	typeNumber
	typeObject
	typeString
	allTypes int = iota
)

// typeNames are the names of the types, in alphabetical order.
var typeNames = [allTypes]string{"array", "bool", "file", "null", "number", "object", "string"}

// word returns the text at a path, empty when there is none.
func (s *sample) word(path string) string {
	if f := s.at[path]; f != nil && f.types[typeString] == 1 {
		return f.values.seen[0].value
	}
	return ""
}

// add notes a field with a value of a type. It returns nil when there are too many.
func (s *sample) add(parent, path string, typ kind) *observed {
	f := s.at[path]
	if f == nil {
		if len(s.fields) == maxFields {
			return nil
		}
		f = &observed{path: path, parent: parent}
		if s.at == nil {
			s.at = map[string]*observed{}
		}
		s.at[path] = f
		s.fields = append(s.fields, f)
	}
	f.count++
	f.types[typ]++
	if typ == typeObject {
		f.containers++
	}
	return f
}

// sampleOf returns the fields of the body of a request. Its form is empty when the body
// was not stored, or cannot be read.
func sampleOf(r *flow.Request) sample {
	if r.Body.Missing || r.Body.Truncated {
		return sample{size: -1}
	}
	data, more, err := capture.Decoded(r.Header, r.Body.Blob, maxBody)
	if err != nil || more {
		return sample{size: r.Body.Size}
	}
	s := bodySample(data, r.Header.Get("Content-Type"))
	s.size += int64(len(data))
	return s
}

// bodySample returns the fields of a body, by its type and by what it looks like.
func bodySample(data []byte, contentType string) sample {
	kind, _, _ := mime.ParseMediaType(contentType)
	text := bytes.TrimSpace(data)
	switch {
	case len(text) == 0:
		return sample{form: formNone}
	case kind == "application/x-www-form-urlencoded":
		s := sample{form: formForm}
		s.add("", "", typeObject)
		for name, value := range exchange.FormPairs(data, contentType) {
			s.pair(name, value, typeString)
		}
		return s
	case strings.HasPrefix(kind, "multipart/"):
		return partsSample(contentType, data)
	case text[0] == '{' || text[0] == '[' || strings.HasSuffix(kind, "json"):
		if v, err := jsonvalue.Parse(text); err == nil {
			s := sample{form: formJSON}
			s.json("", "", v, 0)
			return s
		}
	case text[0] == '<':
		if s, ok := xmlSample(text, contentType); ok {
			return s
		}
	}
	if plain, _ := exchange.DecodeText(data, contentType); utf8.Valid(data) && !bytes.ContainsRune(plain, 0) {
		return sample{form: formText}
	}
	return sample{form: formBinary}
}

func (s *sample) pair(name, value string, typ kind) {
	f := s.add("", name, typ)
	if typ == typeString {
		s.text(f, name, value)
	}
}

// text adds the value of a field that is a text. f may be nil.
func (s *sample) text(f *observed, name, value string) {
	if mask.IsSecret(name, false) {
		s.size -= int64(len(value))
		value = "{" + secret + "}"
	} else {
		value = fold(value)
	}
	if f != nil {
		f.values.add(value)
	}
}

func partsSample(contentType string, data []byte) sample {
	s := sample{form: formParts}
	s.add("", "", typeObject)
	for _, p := range exchange.Parts(contentType, data) {
		if p.FileName != "" {
			s.pair(p.Name, "", typeFile)
		} else {
			s.pair(p.Name, string(p.Text()), typeString)
		}
	}
	return s
}

// json adds a value and those in it.
func (s *sample) json(parent, path string, v any, depth int) {
	if depth > maxDepth {
		return
	}
	switch v := v.(type) {
	case jsonvalue.Object:
		if s.add(parent, path, typeObject) == nil {
			return
		}
		seen := map[string]bool{} // the placeholders
		for _, m := range v {
			key := foldKey(m.Key)
			s.member(path, m, depth)
			if f := s.at[join(path, key)]; f != nil && key != m.Key && seen[key] {
				f.repeats++
			}
			seen[key] = key != m.Key
		}
	case []any:
		if s.add(parent, path, typeArray) == nil {
			return
		}
		for _, e := range v {
			s.json(path, path+"[]", e, depth+1)
		}
	case string:
		s.text(s.add(parent, path, typeString), "", v)
	case bool:
		if f := s.add(parent, path, typeBool); f != nil {
			f.values.add(map[bool]string{true: "true", false: "false"}[v])
		}
	case nil:
		s.add(parent, path, typeNull)
	default:
		s.add(parent, path, typeNumber)
	}
}

// member adds the value of a key of an object. A secret is a text, whatever its type:
// a recording may have a placeholder for it.
func (s *sample) member(path string, m jsonvalue.Member, depth int) {
	at := join(path, foldKey(m.Key))
	switch v := m.Value.(type) {
	case nil, bool, jsonvalue.Object, []any:
		s.json(path, at, v, depth+1)
	case string:
		s.text(s.add(path, at, typeString), m.Key, v)
	default:
		if !mask.IsSecret(m.Key, false) {
			s.add(path, at, typeNumber)
			return
		}
		number, _ := jsonvalue.Append(nil, v) // a number has a form
		s.text(s.add(path, at, typeString), m.Key, string(number))
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// foldKey returns the key of an object, or a placeholder for one that is an id: such an
// object is a table by ids.
func foldKey(key string) string {
	if kind := idOf(key); kind != "" {
		return "{" + kind + "}"
	}
	return key
}

// element is an open element of an XML document.
type element struct {
	name, path, parent string
	seen               map[string]bool // the children that it has
	text               []byte
}

// xmlSample returns the elements and attributes of an XML document. It reports false for
// a text that is none.
func xmlSample(data []byte, contentType string) (s sample, ok bool) {
	s.form = formXML
	s.add("", "", typeObject)
	text, _ := exchange.DecodeText(data, contentType)
	dec := xml.NewDecoder(bytes.NewReader(text))
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 already
	stack := []*element{{seen: map[string]bool{}}}
	for {
		token, err := dec.Token()
		if err != nil {
			return s, err == io.EOF && len(stack) == 1 && len(s.fields) > 1
		}
		top := stack[len(stack)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if len(stack) > maxDepth {
				return s, false
			}
			stack = append(stack, s.opened(top, t))
		case xml.CharData:
			if len(top.text) < maxValue {
				top.text = append(top.text, t...)
			}
		case xml.EndElement:
			stack = stack[:len(stack)-1]
			s.closed(stack[len(stack)-1], top)
		}
	}
}

// opened adds the attributes of an element that begins.
func (s *sample) opened(parent *element, t xml.StartElement) *element {
	e := &element{name: t.Name.Local, path: join(parent.path, t.Name.Local), parent: parent.path, seen: map[string]bool{}}
	for _, a := range t.Attr {
		s.text(s.add(e.path, join(e.path, "@"+a.Name.Local), typeString), a.Name.Local, a.Value)
	}
	return e
}

// closed adds an element that has ended.
func (s *sample) closed(parent, e *element) {
	typ := typeString
	if len(e.seen) > 0 {
		typ = typeObject
	}
	f := s.add(e.parent, e.path, typ)
	if typ == typeString {
		s.text(f, e.name, string(bytes.TrimSpace(e.text)))
	}
	if f == nil {
		return
	}
	if typ == typeString {
		f.containers++ // of attributes
	}
	if parent.seen[e.path] {
		f.repeats++
	}
	parent.seen[e.path] = true
}

// messagesOf returns the fields of the messages that the device sent.
func messagesOf(list []flow.Message) (all shape) {
	for i := range list {
		m := &list[i]
		switch {
		case !m.FromClient || m.Injected || m.Dropped || len(m.Data) > maxBody:
		case m.Binary:
			all.merge(&sample{form: formBinary})
		default:
			s := bodySample(m.Data, "")
			all.merge(&s)
		}
	}
	return all
}
