package contract

import (
	"math/rand/v2"
	"slices"
	"strings"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
)

// shape is what a schema and the parts of it that were chosen say about a value.
type shape struct {
	types      []string
	keys       map[string]spot // the other keywords, the first of each
	properties []property
	required   []string
	fixed      map[string]any // values of properties that a discriminator sets
}

type property struct {
	name string
	at   spot
}

// generator makes values that fit schemas. Its choices depend on its seed alone.
type generator struct {
	c    *Contract
	side side
	rand *rand.Rand
	// sparse leaves out what is not required.
	sparse bool
	// examples takes those of schemas where there are some.
	examples bool
	// made is how many values were made for the operation; see maxMade.
	made *int
}

const (
	// maxNested bounds how deep values are nested.
	maxNested = 16
	// maxMade bounds how many values are made for one operation, so that schemas which require
	// themselves several times end.
	maxMade = 5000
	// richDepth is the depth from which on only required properties are made.
	richDepth = 4
)

// flatten adds a schema to a shape.
func (g *generator) flatten(sh *shape, s spot, depth int) {
	s, err := g.c.tree.resolve(s)
	if err != nil || depth > maxNested {
		return
	}
	schema, _ := s.value.(map[string]any)
	for key := range schema {
		at, _ := s.child(key)
		if _, has := sh.keys[key]; !has {
			sh.keys[key] = at
		}
	}
	if t := s.text("type"); t != "" {
		sh.narrow([]string{t})
	} else if list, ok := schema["type"].([]any); ok {
		var types []string
		for _, e := range list {
			if text, ok := e.(string); ok {
				types = append(types, text)
			}
		}
		sh.narrow(types)
	}
	if properties, ok := s.child("properties"); ok {
		for k := range document.Pairs(properties.node()) {
			p, _ := properties.child(k.Value)
			sh.properties = append(sh.properties, property{k.Value, p})
		}
	}
	required, _ := schema["required"].([]any)
	for _, e := range required {
		if name, ok := e.(string); ok && !slices.Contains(sh.required, name) {
			sh.required = append(sh.required, name)
		}
	}
	if all, ok := s.child("allOf"); ok {
		list, _ := all.value.([]any)
		for i := range list {
			g.flatten(sh, all.item(i), depth+1)
		}
	}
	g.choose(sh, s, depth)
}

// narrow keeps the types that all parts of a schema allow.
func (sh *shape) narrow(types []string) {
	if sh.types == nil {
		sh.types = types
		return
	}
	both := slices.DeleteFunc(slices.Clone(sh.types), func(t string) bool { return !slices.Contains(types, t) })
	if len(both) > 0 {
		sh.types = both
	}
}

// choose adds one part of oneOf and of anyOf to a shape, and the value by which a
// discriminator tells it.
func (g *generator) choose(sh *shape, s spot, depth int) {
	for _, key := range []string{"oneOf", "anyOf"} {
		parts, ok := s.child(key)
		list, _ := parts.value.([]any)
		if !ok || len(list) == 0 {
			continue
		}
		part := parts.item(g.rand.IntN(len(list)))
		g.flatten(sh, part, depth+1)
		d, _ := s.child("discriminator")
		name, ref := d.text("propertyName"), part.text("$ref")
		if name == "" || ref == "" {
			continue
		}
		value := ref[strings.LastIndexByte(ref, '/')+1:]
		mapping, _ := d.child("mapping")
		if m, ok := mapping.value.(map[string]any); ok {
			for _, e := range jsonvalue.Sorted(m) {
				if to, ok := e.Value.(string); ok && schemaRef(to) == ref {
					value = e.Key
				}
			}
		}
		sh.fixed[name] = value
	}
}

// value returns a value for a schema.
func (g *generator) value(s spot, depth int) any {
	s, err := g.c.tree.resolve(s)
	if *g.made++; err != nil || depth > maxNested || *g.made > maxMade {
		return nil
	}
	if v, ok := g.example(s); ok {
		return v
	}
	sh := &shape{keys: map[string]spot{}, fixed: map[string]any{}}
	g.flatten(sh, s, 0)
	if v, ok := sh.keys["const"]; ok {
		return v.value
	}
	if v, ok := sh.keys["enum"]; ok {
		if list, _ := v.value.([]any); len(list) > 0 {
			return list[g.rand.IntN(len(list))]
		}
	}
	switch sh.kind() {
	case "object":
		return g.object(sh, depth)
	case "array":
		return g.array(sh, depth)
	case "integer", "number":
		return g.number(sh)
	case "boolean":
		return g.rand.IntN(2) == 0
	case "null":
		return nil
	}
	return g.text(sh)
}

// example returns the example of a schema if it fits that schema.
func (g *generator) example(s spot) (any, bool) {
	if !g.examples {
		return nil, false
	}
	var list []any
	m, _ := s.value.(map[string]any)
	if examples, ok := m["examples"].([]any); ok {
		list = append(list, examples...)
	}
	for _, key := range []string{"example", "default"} {
		if v, ok := m[key]; ok {
			list = append(list, v)
		}
	}
	if list == nil {
		return nil, false
	}
	compiled, err := g.c.sides[g.side].schema(s)
	if err != nil {
		return nil, false
	}
	for _, v := range list {
		if len(g.c.sides[g.side].faults(compiled, v)) == 0 {
			return v, true
		}
	}
	return nil, false
}

// kind returns the type of the value that is made.
func (sh *shape) kind() string {
	for _, t := range sh.types {
		if t != "null" {
			return t
		}
	}
	if len(sh.types) > 0 {
		return sh.types[0]
	}
	for _, of := range []struct{ key, kind string }{{"items", "array"}, {"prefixItems", "array"}, {"minItems", "array"},
		{"additionalProperties", "object"}, {"patternProperties", "object"}, {"minProperties", "object"}, {"minimum", "number"},
		{"maximum", "number"}} {
		if _, ok := sh.keys[of.key]; ok {
			return of.kind
		}
	}
	if len(sh.properties)+len(sh.required)+len(sh.fixed) > 0 {
		return "object"
	}
	return "string"
}

// whole returns a keyword that is a whole number, or another one.
func (sh *shape) whole(key string, or int) int {
	if n, ok := sh.keys[key].value.(int64); ok && n >= 0 && n < 1<<20 {
		return int(n)
	}
	return or
}

func (g *generator) object(sh *shape, depth int) any {
	b := jsonvalue.From(nil)
	for _, p := range sh.properties {
		needed := slices.Contains(sh.required, p.name)
		if _, is := sh.fixed[p.name]; is {
			b.Set(p.name, sh.fixed[p.name])
			continue
		}
		if g.forbidden(p.at) || !needed && (g.sparse || depth >= richDepth) {
			continue
		}
		b.Set(p.name, g.value(p.at, depth+1))
	}
	for _, name := range sh.required {
		if _, has := b.Get(name); !has && !g.forbiddenName(sh, name) {
			v, ok := sh.fixed[name]
			if !ok {
				v = g.additional(sh, depth)
			}
			b.Set(name, v)
		}
	}
	for i := 1; len(b.Object()) < sh.whole("minProperties", 0) && i < 100; i++ {
		b.Set("key"+strings.Repeat("x", i-1), g.additional(sh, depth))
	}
	return b.Object()
}

// additional returns a value for a property that has no schema of its own.
func (g *generator) additional(sh *shape, depth int) any {
	if s, ok := sh.keys["additionalProperties"]; ok {
		if _, is := s.value.(map[string]any); is {
			return g.value(s, depth+1)
		}
	}
	return "text"
}

// forbidden reports whether a property is of the other side.
func (g *generator) forbidden(s spot) bool {
	flag := "readOnly"
	if g.side == inAnswer {
		flag = "writeOnly"
	}
	if s.truth(flag) {
		return true
	}
	s, err := g.c.tree.resolve(s)
	return err == nil && s.truth(flag)
}

func (g *generator) forbiddenName(sh *shape, name string) bool {
	i := slices.IndexFunc(sh.properties, func(p property) bool { return p.name == name })
	return i >= 0 && g.forbidden(sh.properties[i].at)
}

func (g *generator) array(sh *shape, depth int) any {
	n := sh.whole("minItems", 0)
	if n == 0 && depth < richDepth && !g.sparse {
		n = 1
	}
	n = min(n, sh.whole("maxItems", n), 100)
	prefix, _ := sh.keys["prefixItems"].value.([]any)
	list := []any{}
	unique := sh.keys["uniqueItems"].value == true
	for tries := 0; len(list) < n && tries < 20*n; tries++ {
		var v any = "text"
		if i := len(list); i < len(prefix) {
			v = g.value(sh.keys["prefixItems"].item(i), depth+1)
		} else if items, ok := sh.keys["items"]; ok {
			v = g.value(items, depth+1)
		}
		if !unique || !slices.ContainsFunc(list, func(e any) bool { return jsonvalue.Equal(e, v) }) {
			list = append(list, v)
		}
	}
	return list
}
