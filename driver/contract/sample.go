package contract

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
)

// Sample is a scenario that was made of a contract.
type Sample struct {
	// Text is the document, in YAML.
	Text string
	// Endpoints is the number of its endpoints.
	Endpoints int
	// Notes are the operations that could not be carried over as they are, with the
	// reason.
	Notes []string
}

// Sample returns a scenario with an answer for each operation: an example of the
// contract where there is one that fits its schema, else values that are made of the
// schema. These depend on the seed alone. name is the path of the contract as the
// scenario names it.
func (c *Contract) Sample(name string, seed uint64) (*Sample, error) {
	s := &Sample{}
	endpoints, seen := jsonvalue.Object{}, map[string]string{}
	for _, op := range c.Operations {
		key := op.Method + " " + c.plainBase + mockPath(op.Path)
		if other := seen[key]; other != "" {
			s.note(op, "its requests go to %s", other)
			continue
		}
		seen[key] = op.Name
		endpoints = append(endpoints, jsonvalue.Member{Key: key, Value: c.sampleOf(op, s, seed)})
	}
	s.Endpoints = len(endpoints)
	var of any = name
	if c.givenBase != "" {
		of = jsonvalue.Object{{Key: "file", Value: name}, {Key: "base", Value: c.givenBase}}
	}
	doc, err := jsonvalue.Append(nil, jsonvalue.Object{
		{Key: "name", Value: cmp.Or(c.Title, name)}, {Key: "contract", Value: of}, {Key: "endpoints", Value: endpoints},
	})
	if err != nil {
		return nil, err
	}
	n, err := document.ReadJSON(doc)
	if err != nil {
		return nil, err
	}
	document.Plain(n)
	comment(n, c.Operations, seen)
	text, err := document.YAML(n)
	if err != nil {
		return nil, err
	}
	s.Text = fmt.Sprintf("# Made of %s with the seed %d.\n%s", c.Named(), seed, text)
	return s, nil
}

func (s *Sample) note(op *Operation, format string, args ...any) {
	s.Notes = append(s.Notes, op.Name+": "+fmt.Sprintf(format, args...))
}

// comment puts the ids of operations beside the keys of their endpoints.
func comment(n *yaml.Node, operations []*Operation, seen map[string]string) {
	ids := map[string]string{}
	for _, op := range operations {
		ids[op.Name] = op.ID
	}
	for k := range document.Pairs(document.Child(n, "endpoints")) {
		if id := ids[seen[k.Value]]; id != "" {
			k.HeadComment = "# " + strings.Join(strings.Fields(id), " ")
		}
	}
}

var (
	notWord = regexp.MustCompile(`\W`)
	braces  = regexp.MustCompile(`\{([^}]*)\}`)
)

// mockPath returns the path of an operation as keys of endpoints have it: a segment has
// one parameter at most, whose name is a word. No two names are the same.
func mockPath(path string) string {
	all, used := strings.Split(path, "/"), map[string]bool{}
	for i, segment := range all {
		names := braces.FindAllStringSubmatch(segment, -1)
		if len(names) == 0 {
			continue
		}
		name := ""
		for _, m := range names {
			name = strings.TrimPrefix(name+"_"+notWord.ReplaceAllString(m[1], "_"), "_")
		}
		if name == "" || name[0] >= '0' && name[0] <= '9' {
			name = "p_" + name
		}
		for used[name] {
			name += "_"
		}
		used[name] = true
		if len(names) == 1 {
			all[i] = braces.ReplaceAllLiteralString(segment, "{"+name+"}")
		} else {
			all[i] = "{" + name + "}"
		}
	}
	return strings.Join(all, "/")
}

// sampleOf returns the definition of the endpoint of an operation.
func (c *Contract) sampleOf(op *Operation, s *Sample, seed uint64) jsonvalue.Object {
	status, a := op.usual()
	def := jsonvalue.Object{}
	if status != 200 {
		def = append(def, jsonvalue.Member{Key: "status", Value: int64(status)})
	}
	if a == nil {
		s.note(op, "the contract has no answer")
		return def
	}
	made := 0
	g := func(name string, try int) *generator {
		h := fnv.New64a()
		fmt.Fprint(h, op.Name, "\x00", name, "\x00", try)
		return &generator{c: c, side: inAnswer, rand: rand.New(rand.NewPCG(seed, h.Sum64())), sparse: try%2 == 1, examples: try < 2,
			made: &made}
	}
	headers := jsonvalue.Object{}
	for _, h := range a.headers {
		if !h.required {
			continue
		}
		if v, ok := c.fitting(h.schema, h.at, func(try int) (any, bool) { return exampleOf(h.at, g(h.name, try), try) }); ok {
			headers = append(headers, jsonvalue.Member{Key: h.name, Value: h.plain(v)})
		} else {
			s.note(op, "no value was found for the header %s", h.name)
		}
	}
	if len(headers) > 0 {
		def = append(def, jsonvalue.Member{Key: "headers", Value: headers})
	}
	m := a.payload.best()
	if m == nil || exchange.Bodiless(op.Method, status) {
		return def
	}
	name := m.concrete()
	if name != "application/json" {
		def = append(def, jsonvalue.Member{Key: "content_type", Value: name})
	}
	v, ok := c.fitting(m.schema, m.at, func(try int) (any, bool) { return exampleOf(m.at, g("", try), try) })
	if !ok {
		s.note(op, "no body was found that fits its schema")
	}
	return append(def, bodyOf(name, v))
}

// bodyOf returns the member of a definition that has a value as its body.
func bodyOf(contentType string, v any) jsonvalue.Member {
	text, isText := v.(string)
	switch {
	case isJSON(contentType):
		switch v.(type) {
		case jsonvalue.Object, map[string]any, []any:
			return jsonvalue.Member{Key: "body", Value: v}
		}
		data, _ := jsonvalue.Append(nil, v)
		return jsonvalue.Member{Key: "body", Value: string(data)}
	case contentType == formType:
		return jsonvalue.Member{Key: "body", Value: formOf(v)}
	case isText && (strings.HasPrefix(contentType, "text/") || strings.HasSuffix(contentType, "xml")):
		return jsonvalue.Member{Key: "body", Value: text}
	}
	if !isText {
		text = "starproxy"
	}
	return jsonvalue.Member{Key: "body_base64", Value: base64.StdEncoding.EncodeToString([]byte(text))}
}

// formOf returns an object as a form.
func formOf(v any) string {
	o, _ := v.(jsonvalue.Object)
	if m, ok := v.(map[string]any); ok {
		o = jsonvalue.Sorted(m)
	}
	var pairs []string
	for _, e := range o {
		list, isList := e.Value.([]any)
		if !isList {
			list = []any{e.Value}
		}
		for _, item := range list {
			pairs = append(pairs, e.Key+"="+url.QueryEscape(fmt.Sprint(item)))
		}
	}
	return strings.Join(pairs, "&")
}

// plain returns the value of a header as text.
func (p *parameter) plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		list := make([]string, len(v))
		for i, e := range v {
			list[i] = fmt.Sprint(e)
		}
		return strings.Join(list, ",")
	}
	data, _ := jsonvalue.Append(nil, v)
	return string(data)
}

// tries is how many values are made until one fits its schema.
const tries = 20

// fitting returns the first value that fits a schema. Without one, it returns the first.
func (c *Contract) fitting(schema *jsonschema.Schema, at spot, make func(try int) (any, bool)) (first any, ok bool) {
	for try := range tries {
		v, has := make(try)
		if !has {
			continue
		}
		if schema == nil || len(c.sides[inAnswer].faults(schema, jsonvalue.Plain(v))) == 0 {
			return v, true
		}
		if first == nil {
			first = v
		}
	}
	return first, false
}

// exampleOf returns the value of a media type or a header: at the first try its example,
// later ones made of its schema. ok is false if there is no example.
func exampleOf(at spot, g *generator, try int) (v any, ok bool) {
	schema, has := at.child("schema")
	if try > 0 || !has {
		if !has {
			return "text", try > 0
		}
		return g.value(schema, 0), true
	}
	if v, ok := at.child("example"); ok {
		return v.value, true
	}
	examples, _ := at.child("examples")
	if _, ok := examples.value.(map[string]any); ok {
		for k := range document.Pairs(examples.node()) {
			e, _ := examples.child(k.Value)
			if e, err := g.c.tree.resolve(e); err == nil {
				if v, ok := e.child("value"); ok {
					return v.value, true
				}
			}
		}
	}
	return g.value(schema, 0), true
}

// usual returns the answer of an operation when all is well, and its status.
func (op *Operation) usual() (int, *answer) {
	codes := []string{}
	for code := range op.answers {
		codes = append(codes, code)
	}
	rank := func(code string) int {
		n, err := strconv.Atoi(strings.ReplaceAll(code, "XX", "00"))
		switch {
		case err != nil: // default
			return 300
		case n < 200:
			return n + 1000
		}
		return n
	}
	slices.SortFunc(codes, func(a, b string) int { return cmp.Or(rank(a)-rank(b), strings.Compare(a, b)) })
	if len(codes) == 0 {
		return 200, nil
	}
	code := codes[0]
	n, err := strconv.Atoi(strings.ReplaceAll(code, "XX", "00"))
	if err != nil || n < 200 {
		n = 200
	}
	return n, op.answers[code]
}

// best returns the type of a body that is made: JSON where there is a choice.
func (p *payload) best() *media {
	for _, m := range p.media {
		if isJSON(m.name) {
			return m
		}
	}
	if len(p.media) > 0 {
		return p.media[0]
	}
	return nil
}

// concrete returns a content type that a range such as image/* has.
func (m *media) concrete() string {
	switch m.name {
	case "*/*", "application/*":
		return "application/json"
	case "text/*":
		return "text/plain"
	case "image/*":
		return "image/png"
	}
	return strings.ReplaceAll(m.name, "*", "octet-stream")
}
