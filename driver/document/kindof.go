package document

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// KindOf returns the kind of a document, judged by its keys: "scenario", or
// another kind with its article and a hint how to use it. It is empty if the keys
// do not say.
func KindOf(root *yaml.Node) (kind, hint string) {
	if root.Kind != yaml.MappingNode {
		return "", ""
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
	return "", ""
}

// IsEndpoint reports whether s is the key of an endpoint and not of a setting.
func IsEndpoint(s string) bool { return strings.ContainsAny(s, " /") }
