package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
	"starproxy/script"
)

// The kinds of texts that [HintAt] knows.
const (
	// TextMock is the definition of one endpoint, in YAML or JSON.
	TextMock = "mock"
	// TextScenario is a scenario in YAML or JSON.
	TextScenario = "scenario"
	// TextScript is a script.
	TextScript = "script"
)

// HintAt returns what may be written at a line and column, both from 1, of a text: keys and
// values of a document as the schema has them, or names of a script. Columns count
// characters. ok is false for a kind that is not known.
func HintAt(kind, text string, line, column int) (hint script.Hint, ok bool) {
	at := "#"
	switch kind {
	case TextScript:
		return script.HintAt(text, line, column), true
	case TextScenario:
	case TextMock:
		at = "#/$defs/endpoint"
	default:
		return hint, false
	}
	hint = script.Hint{From: max(column, 1), Items: []script.HintItem{}}
	c, found := document.CursorAt(text, line, column)
	root, err := jsonvalue.Parse(Schema())
	if !found || err != nil { // a test reads the schema
		return hint, true
	}
	s := &schemaWalk{root: root, left: maxSchemas}
	level := s.alternatives(jsonvalue.Object{{Key: "$ref", Value: at}})
	for _, key := range c.Path {
		level = s.below(level, key)
	}
	hint.From = c.From
	if !c.Value {
		s.keys(&hint, level, c, c.Prefix+restOfWord(text, line, column))
		return hint, true
	}
	s.values(&hint, level, c)
	if doc := described(level); doc != "" {
		hint.Doc = c.Path[len(c.Path)-1] + ": " + doc
	}
	return hint, true
}

// restOfWord returns the characters of a key after a place.
func restOfWord(text string, line, column int) string {
	lines := strings.Split(text, "\n")
	runes := []rune(lines[line-1])
	at := min(max(column-1, 0), len(runes))
	end := at
	for end < len(runes) && !strings.ContainsRune(" \t:\"',{}[]#", runes[end]) {
		end++
	}
	return string(runes[at:end])
}

// maxSchemas bounds the schemas that one walk looks at.
const maxSchemas = 5000

// schemaWalk goes through a JSON Schema. It knows the keywords that [Schema] has.
type schemaWalk struct {
	root any
	left int
}

// alternatives returns the schemas that a schema may stand for.
func (s *schemaWalk) alternatives(v any) (list []jsonvalue.Object) {
	o, ok := v.(jsonvalue.Object)
	if s.left--; !ok || s.left < 0 {
		return nil
	}
	list = append(list, o)
	for _, m := range o {
		switch m.Key {
		case "$ref":
			list = append(list, s.alternatives(s.at(m.Value))...)
		case "anyOf", "oneOf", "allOf":
			all, _ := m.Value.([]any)
			for _, e := range all {
				list = append(list, s.alternatives(e)...)
			}
		case "then", "else":
			list = append(list, s.alternatives(m.Value)...)
		}
	}
	return list
}

// at returns the schema that a reference such as #/$defs/endpoint names.
func (s *schemaWalk) at(ref any) any {
	path, _ := ref.(string)
	v := s.root
	for _, key := range strings.Split(strings.TrimPrefix(path, "#"), "/")[1:] {
		o, _ := v.(jsonvalue.Object)
		v, _ = o.Get(key)
	}
	return v
}

// below returns the schemas of a key, or of the elements of a sequence.
func (s *schemaWalk) below(level []jsonvalue.Object, key string) (list []jsonvalue.Object) {
	for _, o := range level {
		if key == document.Item {
			items, _ := o.Get("items")
			list = append(list, s.alternatives(items)...)
			continue
		}
		properties, _ := o.Get("properties")
		named, _ := properties.(jsonvalue.Object)
		if v, ok := named.Get(key); ok {
			list = append(list, s.alternatives(v)...)
			continue
		}
		matched := false
		patterns, _ := o.Get("patternProperties")
		for _, m := range object(patterns) {
			if ok, err := regexp.MatchString(m.Key, key); ok && err == nil {
				list = append(list, s.alternatives(m.Value)...)
				matched = true
			}
		}
		if more, ok := o.Get("additionalProperties"); ok && !matched {
			list = append(list, s.alternatives(more)...)
		}
	}
	return list
}

func object(v any) jsonvalue.Object {
	o, _ := v.(jsonvalue.Object)
	return o
}

// described returns the first description of some schemas.
func described(level []jsonvalue.Object) string {
	for _, o := range level {
		if text, _ := o.Get("description"); text != nil {
			return fmt.Sprint(text)
		}
	}
	return ""
}

// keys adds the keys that may be written, and the explanation of the key word.
func (s *schemaWalk) keys(h *script.Hint, level []jsonvalue.Object, c document.Cursor, word string) {
	for _, o := range level {
		properties, _ := o.Get("properties")
		for _, m := range object(properties) {
			known := func(i script.HintItem) bool { return i.Label == m.Key }
			if strings.HasPrefix(m.Key, "$") || slices.ContainsFunc(h.Items, known) {
				continue
			}
			alternatives := s.alternatives(m.Value)
			item := script.HintItem{Label: m.Key, Insert: m.Key + ": ", Detail: forms(alternatives), Doc: described(alternatives)}
			if m.Key == word && item.Doc != "" {
				h.Doc = m.Key + ": " + item.Doc
			}
			if c.Quoted {
				item.Insert = m.Key + `": `
			}
			if c.Quoted && !c.Open {
				item.Insert = `"` + item.Insert
			}
			if c.Open && !c.Quoted {
				item.Insert = m.Key
			}
			if strings.HasPrefix(m.Key, c.Prefix) {
				h.Items = append(h.Items, item)
			}
		}
	}
}

// forms returns the kinds of JSON values that some schemas accept.
func forms(level []jsonvalue.Object) string {
	var list []string
	add := func(v any) {
		if name, ok := v.(string); ok && name != "null" && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	for _, o := range level {
		typ, _ := o.Get("type")
		if many, ok := typ.([]any); ok {
			for _, v := range many {
				add(v)
			}
		}
		add(typ)
	}
	return strings.Join(list, ", ")
}

// values adds the values that may be written for a key.
func (s *schemaWalk) values(h *script.Hint, level []jsonvalue.Object, c document.Cursor) {
	add := func(v any, text bool) {
		insert := fmt.Sprint(v)
		label := insert
		if text && c.Quoted && !c.Open {
			insert = `"` + insert + `"`
		}
		known := func(i script.HintItem) bool { return i.Label == label }
		if strings.HasPrefix(label, c.Prefix) && !slices.ContainsFunc(h.Items, known) {
			h.Items = append(h.Items, script.HintItem{Label: label, Insert: insert})
		}
	}
	for _, o := range level {
		enum, _ := o.Get("enum")
		list, _ := enum.([]any)
		for _, v := range list {
			if v != nil {
				_, text := v.(string)
				add(v, text)
			}
		}
		if one, ok := o.Get("const"); ok && one != nil {
			_, text := one.(string)
			add(one, text)
		}
		if strings.Contains(forms([]jsonvalue.Object{o}), "boolean") {
			add(true, false)
			add(false, false)
		}
	}
}
