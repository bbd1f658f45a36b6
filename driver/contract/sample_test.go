package contract

import (
	"fmt"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
)

// specs are the documents of testdata, and a large one.
func specs(t *testing.T) map[string]*Contract {
	t.Helper()
	all := map[string]*Contract{}
	for _, name := range []string{"petstore.yaml", "vehicle31.yaml", "polymorph.yaml", "split/openapi.yaml"} {
		all[name] = load(t, name)
	}
	c, err := parse(large(), nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	all["large"] = c
	if c, err = parse(awkward, nil, Options{}); err != nil {
		t.Fatal(err)
	}
	all["awkward"] = c
	return all
}

// large returns a document with 200 operations, whose schemas refer to each other.
func large() string {
	var b strings.Builder
	b.WriteString("openapi: 3.0.3\ninfo: {title: Large, version: '1'}\nservers: [{url: 'https://large.test'}]\npaths:\n")
	for i := range 100 {
		fmt.Fprintf(&b, `  /r%d/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
    get: {responses: {'200': {description: One., content: {application/json: {schema: {$ref: '#/components/schemas/R%[1]d'}}}}}}
    put:
      requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/R%[1]d'}}}}
      responses: {'204': {description: Kept.}}
`, i)
	}
	b.WriteString("components:\n  schemas:\n")
	for i := range 100 {
		fmt.Fprintf(&b, `    R%d:
      type: object
      required: [id, name]
      properties:
        id: {type: integer}
        name: {type: string}
        next: {$ref: '#/components/schemas/R%d'}
        items: {type: array, items: {type: object, properties: {label: {type: string, maxLength: 50}}}}
`, i, (i+1)%100)
	}
	return b.String()
}

// awkward has what is hard to make.
const awkward = `openapi: 3.1.0
info: {title: Awkward, version: '1'}
paths:
  /a/{the-id}/{a}-{b}: {get: {responses: {default: {content: {application/json: {schema: {type: string, pattern: '^[A-Z]{3}-\d{4,6}(x|yz)?$', minLength: 9}}}}}}}
  /b: {get: {responses: {2XX: {content: {application/json: {schema: {type: number, exclusiveMinimum: 1, maximum: 1.25}}}}}}}
  /c: {get: {responses: {'200': {content: {application/json: {schema: {type: array, minItems: 3, uniqueItems: true, items: {type: integer, minimum: 1, maximum: 3}}}}}}}}
  /d: {get: {responses: {'200': {content: {application/json: {schema: {type: object, minProperties: 3, additionalProperties: {type: boolean}}}}}}}}
  /e: {get: {responses: {'200': {content: {text/plain: {schema: {type: string, maxLength: 2}}}}}}}
  /f: {get: {responses: {'200': {content: {image/*: {}}}}}}
  /g: {post: {responses: {'201': {headers: {X-N: {required: true, schema: {type: integer, multipleOf: 7, minimum: 20}}}, content: {application/x-www-form-urlencoded: {schema: {type: object, required: [n], properties: {n: {type: integer}}}}}}}}}
  /h: {get: {responses: {'200': {content: {application/json: {example: {x: wrong}, schema: {type: object, required: [n], properties: {n: {type: integer, examples: [text, 42]}, secret: {type: string, writeOnly: true}}}}}}}}}
  /i: {get: {responses: {'200': {content: {application/json: {schema: {type: 'null'}}}}}}}
  /j: {get: {responses: {'200': {content: {application/json: {schema: {oneOf: [{type: integer, minimum: 5}, {type: integer, maximum: 7}]}}}}}}}
  /k: {get: {responses: {'200': {content: {application/json: {schema: {type: object, required: [a], properties: {a: {const: 1}, b: {}}, dependentRequired: {b: [c]}}}}}}}}
  /l: {get: {responses: {'404': {content: {application/json: {schema: {allOf: [{type: object, required: [a], properties: {a: {type: string}}}, {required: [b], properties: {b: {type: string, format: ipv6}}}]}}}}}}}
`

// What is made of a contract keeps to it, for each seed, and the same seed makes the same.
func TestSamplesKeepTheContract(t *testing.T) {
	t.Parallel()
	for name, c := range specs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seeds := uint64(3)
			if name == "large" {
				seeds = 1
			}
			texts := map[string]bool{}
			for seed := range seeds {
				s, err := c.Sample("api.yaml", seed)
				if err != nil {
					t.Fatal(err)
				}
				if again, err := c.Sample("api.yaml", seed); err != nil || again.Text != s.Text {
					t.Errorf("seed %d: got another text at the second time (%v)", seed, err)
				}
				if len(s.Notes) > 0 || s.Endpoints != len(c.Operations) {
					t.Errorf("seed %d: got %d endpoints and %q, want %d and no notes", seed, s.Endpoints, s.Notes, len(c.Operations))
				}
				texts[s.Text] = true
				keeps(t, c, s.Text)
			}
			if uint64(len(texts)) != seeds && name != "polymorph.yaml" {
				t.Errorf("got %d different texts for %d seeds", len(texts), seeds)
			}
		})
	}
}

// keeps checks all answers of a scenario.
func keeps(t *testing.T, c *Contract, text string) {
	t.Helper()
	n, err := document.Read("s.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for k, v := range document.Pairs(document.Child(n, "endpoints")) {
		method, path, _ := strings.Cut(k.Value, " ")
		path = strings.ReplaceAll(path, "{a_b}", "a-b") // the key of a mock has one parameter in a segment
		def, _ := document.Value(v).(jsonvalue.Object)
		get := func(key string) any { v, _ := def.Get(key); return v }
		a := &Answer{Status: 200}
		if status, ok := get("status").(int64); ok {
			a.Status = int(status)
		}
		kind := "application/json"
		if text, ok := get("content_type").(string); ok {
			kind = text
		}
		a.Header = exchange.HeaderOf("Content-Type", kind)
		headers, _ := get("headers").(jsonvalue.Object)
		for _, h := range headers {
			a.Header.Add(h.Key, fmt.Sprint(h.Value))
		}
		switch body := get("body").(type) {
		case string:
			a.Body.Data = []byte(body)
		case nil:
		default:
			a.Body.Data, _ = jsonvalue.Append(nil, body)
		}
		r := c.CheckAnswer(&Request{Method: method, Target: path}, a)
		if r.Operation == nil || len(r.Breaches) > 0 {
			t.Errorf("%s: got %+v for %+v", k.Value, r, v)
		}
	}
}
