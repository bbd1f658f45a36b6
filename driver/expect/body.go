package expect

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/pattern"
	"starproxy/driver/capture"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// Body says what a body must be. All keys that are set must hold.
type Body struct {
	// JSON is what the JSON body includes, see [mock.Including].
	JSON yaml.Node `yaml:"json"`
	// Schema is a JSON Schema.
	Schema yaml.Node `yaml:"schema"`
	// Regex is a regular expression that the text of the body must contain.
	Regex string `yaml:"regex"`
	// Contains is a text that the body must contain.
	Contains string `yaml:"contains"`
}

// bodyCheck is a compiled Body.
type bodyCheck struct {
	json     []*mock.Matcher
	regex    *pattern.Pattern
	contains string
}

// compile makes the conditions on a body ready.
func (b *Body) compile(at *yaml.Node, path string) (*bodyCheck, error) {
	c := &bodyCheck{contains: b.Contains}
	if b.JSON.Kind != 0 {
		c.json = append(c.json, mock.Including(jsonvalue.Plain(document.Value(&b.JSON))))
	}
	if b.Regex != "" {
		var err error
		if c.regex, err = pattern.Compile(b.Regex); err != nil {
			return nil, document.Errorf(document.Child(at, "regex"), "%s.regex: %v", path, err)
		}
	}
	if b.Schema.Kind != 0 {
		schema, err := mock.Conforming(jsonvalue.Plain(document.Value(&b.Schema)))
		if err != nil {
			return nil, document.Errorf(&b.Schema, "%s.schema: %v", path, err)
		}
		c.json = append(c.json, schema)
	}
	if c.json == nil && c.regex == nil && c.contains == "" {
		return nil, document.Wrong(at, path, "one or more of json, schema, regex, contains")
	}
	return c, nil
}

// why returns the reasons why the body of a request is not as wanted.
func (b *bodyCheck) why(e *capture.Entry) (why []string) {
	data, _, err := capture.Decoded(e.RequestHeader, e.RequestBody, maxBody)
	if err != nil {
		return []string{fmt.Sprintf("the body can't be read: %v", err)}
	}
	if b.contains != "" && !bytes.Contains(data, []byte(b.contains)) {
		why = append(why, fmt.Sprintf("the body lacks %s: %s", excerpt.Quote(b.contains), excerpt.Quote(string(data))))
	}
	if b.regex != nil && !b.regex.MatchString(string(data)) {
		why = append(why, fmt.Sprintf("the body does not match %s: %s", b.regex, excerpt.Quote(string(data))))
	}
	if b.json == nil {
		return why
	}
	v, err := jsonvalue.Parse(data)
	if err != nil {
		return append(why, fmt.Sprintf("the body is no JSON: %v", err))
	}
	for _, m := range b.json {
		if diff := m.Breach(jsonvalue.Plain(v)); diff != "" {
			why = append(why, "body: "+diff)
		}
	}
	return why
}
