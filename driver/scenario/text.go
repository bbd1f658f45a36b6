package scenario

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// Text returns the definition of an endpoint as YAML, for people to edit.
func Text(def any) (string, error) {
	b, err := jsonvalue.Append(nil, def)
	if err != nil {
		return "", err
	}
	n, err := document.ReadJSON(b)
	if err != nil {
		return "", err
	}
	return document.Block(n)
}

// CompileText returns the endpoints of one key whose definition is a text in YAML or
// JSON. Errors have the file name and the place in the text.
func CompileText(filename, key string, text []byte, env Env) ([]*mock.Endpoint, error) {
	var def yaml.Node
	if err := document.Decode(filename, text, &def); err != nil {
		return nil, err
	}
	if def.Kind == 0 {
		def = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: 1, Column: 1}
	}
	doc := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.TrimSpace(key)}, &def,
	}}
	eps, err := Endpoints(filename, doc, env, mock.Source{})
	for _, ep := range eps {
		ep.Source = mock.Source{} // it is in no file
	}
	return eps, err
}
