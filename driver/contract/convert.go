package contract

import (
	"maps"
	"slices"
	"strings"
)

// side is the half of an exchange that a schema describes. A property that is readOnly
// belongs to answers only, one that is writeOnly to requests only.
type side uint8

const (
	inRequest side = iota
	inAnswer
)

// converter turns the schemas of a document into those of JSON Schema 2020-12, for one
// side. Those of OpenAPI 3.0 differ by nullable, exclusiveMinimum, exclusiveMaximum and
// by keys beside a $ref, which do not count (OpenAPI 3.0.3, Schema Object). The key
// discriminator of both versions becomes conditions, so that a mistake is told for the
// schema that is meant, not for all of oneOf.
type converter struct {
	old  bool // OpenAPI 3.0
	side side
}

// names are the keys whose values are maps from names to schemas or other objects.
var names = []string{"properties", "patternProperties", "schemas", "definitions", "$defs", "dependentSchemas", "responses",
	"parameters", "headers", "requestBodies", "content", "paths", "callbacks", "encoding", "securitySchemes", "links"}

// data are the keys whose values are data, not schemas.
var data = []string{"example", "examples", "default", "enum", "const"}

// convert returns v with its schemas converted. v itself stays as it is. named is true
// if the keys of v are names.
func (c converter) convert(v any, named bool) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = c.convert(e, false)
		}
		return list
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && c.old && !named {
			return map[string]any{"$ref": ref}
		}
		m := make(map[string]any, len(v))
		for k, e := range v {
			if !named && slices.Contains(data, k) {
				m[k] = e
				continue
			}
			m[k] = c.convert(e, !named && slices.Contains(names, k))
		}
		if named {
			return m
		}
		return c.schema(m)
	}
	return v
}

// schema converts one map that may be a schema. It changes m.
func (c converter) schema(m map[string]any) map[string]any {
	c.access(m)
	c.discriminate(m)
	if !c.old {
		return m
	}
	delete(m, "$schema")
	exclusive(m, "exclusiveMinimum", "minimum")
	exclusive(m, "exclusiveMaximum", "maximum")
	if nullable, _ := m["nullable"].(bool); nullable {
		return nullables(m)
	}
	return m
}

// exclusive converts a bound of which a flag says that it is exclusive.
func exclusive(m map[string]any, flag, bound string) {
	on, ok := m[flag].(bool)
	if !ok {
		return
	}
	delete(m, flag)
	if v, has := m[bound]; on && has {
		m[flag] = v
		delete(m, bound)
	}
}

// nullables lets a schema with nullable: true fit null too. By the letter that needs a
// type beside it. A schema of parts (allOf, oneOf, anyOf) is meant so all the same.
func nullables(m map[string]any) map[string]any {
	if t, ok := m["type"].(string); ok {
		m["type"] = []any{t, "null"}
		return m
	}
	for _, k := range []string{"allOf", "oneOf", "anyOf"} {
		if _, ok := m[k]; ok {
			return map[string]any{"anyOf": []any{map[string]any{"type": "null"}, m}}
		}
	}
	return m
}

// hidden is the reason in the place of a schema that no value of the side fits.
const hidden = "x-starproxy-hidden"

// access makes the properties of the other side refused, and not required.
func (c converter) access(m map[string]any) {
	properties, _ := m["properties"].(map[string]any)
	flag := "readOnly"
	if c.side == inAnswer {
		flag = "writeOnly"
	}
	var gone []string
	for name, p := range properties {
		if schema, ok := p.(map[string]any); ok && schema[flag] == true {
			gone = append(gone, name)
			properties[name] = map[string]any{"not": map[string]any{}, hidden: flag}
		}
	}
	if required, ok := m["required"].([]any); ok && gone != nil {
		m["required"] = slices.DeleteFunc(slices.Clone(required), func(v any) bool {
			name, ok := v.(string)
			return ok && slices.Contains(gone, name)
		})
	}
}

// discriminate replaces oneOf or anyOf beside a discriminator by one condition for each
// value of the property.
func (c converter) discriminate(m map[string]any) {
	d, ok := m["discriminator"].(map[string]any)
	property, isText := d["propertyName"].(string)
	if !ok || !isText {
		return
	}
	key := "oneOf"
	list, ok := m[key].([]any)
	if !ok {
		key = "anyOf"
		if list, ok = m[key].([]any); !ok {
			return
		}
	}
	cases := map[string]string{} // references by values
	mapped := map[string]bool{}
	mapping, _ := d["mapping"].(map[string]any)
	for value, to := range mapping {
		if ref, ok := to.(string); ok {
			cases[value] = schemaRef(ref)
			mapped[cases[value]] = true
		}
	}
	for _, e := range list {
		part, _ := e.(map[string]any)
		ref, ok := part["$ref"].(string)
		if !ok {
			return // no value means this part
		}
		if !mapped[ref] {
			cases[ref[strings.LastIndexByte(ref, '/')+1:]] = ref
		}
	}
	values := slices.Sorted(maps.Keys(cases))
	all := []any{}
	enum := make([]any, len(values))
	for i, value := range values {
		enum[i] = value
		all = append(all, map[string]any{
			"if":   map[string]any{"properties": map[string]any{property: map[string]any{"const": value}}},
			"then": map[string]any{"$ref": cases[value]},
		})
	}
	choice := map[string]any{
		"type": "object", "required": []any{property}, "properties": map[string]any{property: map[string]any{"enum": enum}},
	}
	choice = map[string]any{"allOf": append([]any{choice}, all...)}
	delete(m, key)
	// What is required comes first: without it each condition would hold.
	guarded := map[string]any{"if": choice["allOf"].([]any)[0], "then": map[string]any{"allOf": all}, "else": choice["allOf"].([]any)[0]}
	parts, _ := m["allOf"].([]any)
	m["allOf"] = append(slices.Clone(parts), guarded)
}

// schemaRef returns the reference that a value of discriminator.mapping is: a reference,
// or the name of a schema in the components.
func schemaRef(s string) string {
	if strings.ContainsAny(s, "#/.") {
		return s
	}
	return "#/components/schemas/" + s
}
