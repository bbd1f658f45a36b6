package document

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// KindOf returns the kind of a document, judged by its keys: "scenario", or
// another kind with its article and a hint how to use it. It is empty if the keys
// do not say.
func KindOf(root *yaml.Node) (kind, hint string) {
	if root.Kind != yaml.MappingNode {
		return ToolOf(root).described()
	}
	has := map[string]*yaml.Node{}
	for key, value := range Pairs(root) {
		k := key.Value
		if k == "endpoints" || k == "mocks" || IsEndpoint(k) {
			return "scenario", ""
		}
		has[k] = value
	}
	isMap := func(key string) bool { return has[key] != nil && has[key].Kind == yaml.MappingNode }
	switch {
	case isMap("export"), has["kind"] != nil && has["kind"].Value == "ExporterConfig":
		return "an exporter file", "\"starproxy check FILE\" looks at it, \"starproxy run --exporter-config FILE\" serves it"
	case isMap("log"):
		return "a HAR document", "mode replay answers from it"
	case (has["openapi"] != nil || has["swagger"] != nil) && isMap("paths"):
		return "an OpenAPI document", "write its paths as endpoints, METHOD /path"
	}
	return ToolOf(root).described()
}

// Tool names another tool whose files become scenarios.
type Tool string

// The tools that [ToolOf] knows.
const (
	WireMock   Tool = "wiremock"
	MockServer Tool = "mockserver"
	Postman    Tool = "postman"
	Mockoon    Tool = "mockoon"
	HAR        Tool = "har"
)

// described returns the kind of the tool's files with its article, and a hint how to
// use them.
func (t Tool) described() (kind, hint string) {
	hint = "\"starproxy scenario import FILE -o SCENARIO\" translates it"
	switch t {
	case WireMock:
		return "a mapping of WireMock", hint
	case MockServer:
		return "an expectation of MockServer", hint
	case Postman:
		return "a collection of Postman", hint
	case Mockoon:
		return "an environment of Mockoon", hint
	}
	return "", ""
}

// ToolOf tells by the keys of a document for which other tool it was written. It is
// empty if the keys do not say.
func ToolOf(root *yaml.Node) Tool {
	has := func(n *yaml.Node, keys ...string) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return Has(n, k) })
	}
	switch {
	case root.Kind == yaml.SequenceNode && len(root.Content) > 0:
		switch first := root.Content[0]; {
		case has(first, "httpRequest", "httpResponse", "httpForward", "httpError"):
			return MockServer
		case has(first, "request", "response"):
			return WireMock
		}
	case Has(Child(root, "log"), "entries"):
		return HAR
	case has(root, "item") && has(root, "info"):
		return Postman
	case has(root, "routes") && has(root, "uuid", "lastMigration", "endpointPrefix", "rootChildren"),
		has(root, "source") && has(root, "data"):
		return Mockoon
	case has(root, "httpRequest", "httpResponse", "httpForward", "httpError"):
		return MockServer
	case has(root, "mappings") && Child(root, "mappings").Kind == yaml.SequenceNode, has(root, "request") && has(root, "response"):
		return WireMock
	}
	return ""
}

// IsEndpoint reports whether s is the key of an endpoint and not of a setting.
func IsEndpoint(s string) bool { return strings.ContainsAny(s, " /") }
