package contract

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/builtins/exchange"
)

// parse loads a document from text; other files are those of the map.
func parse(text string, others map[string]string, o Options) (*Contract, error) {
	o.File = "/api/openapi.yaml"
	o.Read = func(path string) ([]byte, error) {
		if path == o.File {
			return []byte(text), nil
		}
		if other, ok := others[path]; ok {
			return []byte(other), nil
		}
		return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
	}
	return Load(o)
}

func TestMistakesHavePlaces(t *testing.T) {
	t.Parallel()
	const head = "openapi: 3.0.3\ninfo: {title: A, version: '1'}\npaths:\n"
	for text, want := range map[string]string{
		"swagger: '2.0'\npaths: {}\n":   "openapi.yaml:1:1: this is a document of Swagger 2.0, want one of OpenAPI 3.0 or 3.1",
		"openapi: 4.0.0\npaths: {}\n":   `openapi.yaml:1:10: openapi: got "4.0.0", want a version such as 3.0.3 or 3.1.0`,
		head + "  /a: {$ref: b.yaml}\n": "openapi.yaml:4:7: $ref: open /api/b.yaml: file does not exist",
		head + "  /a:\n    get: {responses: {'200': {$ref: '#/components/responses/No'}}}\n": `openapi.yaml:5:30: $ref: got ` +
			`"#/components/responses/No", but there is no "components" in openapi.yaml`,
		head + "  /a: {$ref: 'https://a.test/b.yaml'}\n": `$ref: got "https://a.test/b.yaml", want a file: a contract is not loaded ` +
			`from a network`,
		head + "  /a:\n    get: {responses: {'200': {content: {application/json: {schema: {type: text}}}}}}\n": "openapi.yaml:5:68: schema: at '/type': value must be one of",
		head + "  /a: {$ref: '#/paths/~1b'}\n  /b: {$ref: '#/paths/~1a'}\n":                                    "more than 50 references follow each other",
		head + "  /a/{x}: {get: {responses: {}}}\n  /a/{y}: {get: {responses: {}}}\n":                          `the path "/a/{x}" fits the same requests`,
		head + "  /a:\n    get:\n      security: [{key: []}]\n":                                                `there is no scheme "key"`,
	} {
		if _, err := parse(text, nil, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	c, err := parse(`openapi: 3.1.0
servers: [{url: 'https://{region}.a.test/v{n}/x'}, {url: 'https://b.test/'}]
paths:
  /: {get: {}}
  /files/{name}.json: {get: {}}
  /files/{name}: {get: {}, put: {}}
  /files/latest: {get: {}}
  /files/{name}/parts/{n}: {get: {}}
  /files/{a}-{b}/x: {get: {}}
`, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"GET eu.a.test /v2/x/files/a%20b":     "GET /files/{name} [a%20b]",
		"GET eu.a.test /v2/x/files/a.json":    "GET /files/{name}.json [a]",
		"GET eu.a.test /v2/x/files/.json":     "GET /files/{name} [.json]",
		"GET b.test /files/latest":            "GET /files/latest []",
		"PUT b.test /files/latest":            "no method",
		"HEAD b.test /files/a?x=1":            "GET /files/{name} [a]",
		"GET b.test /files/a/parts/7":         "GET /files/{name}/parts/{n} [a 7]",
		"GET b.test /files/a-b-c/x":           "GET /files/{a}-{b}/x [a b-c]",
		"GET b.test /files/":                  "no path",
		"GET b.test /":                        "GET / []",
		"GET a.test /v2/x/files/a":            "another host",
		"GET other.test /files/a":             "another host",
		"DELETE b.test /files/a":              "no method",
		"GET b.test /files/latest/parts/last": "GET /files/{name}/parts/{n} [latest last]",
	} {
		f := strings.Fields(in)
		got := "another host"
		if c.Covers(f[1]) {
			switch found := c.find(f[0], f[1], exchange.PathOf(f[2])); {
			case found.op != nil:
				got = fmt.Sprint(found.op.Name, " ", found.values)
			case found.path:
				got = "no method"
			case found.below:
				got = "no path"
			}
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// A path below none of the servers is not of the contract if that names no hosts.
func TestOutside(t *testing.T) {
	t.Parallel()
	const text = "openapi: 3.1.0\npaths: {/a: {get: {responses: {'200': {}}}}}\n"
	for _, test := range []struct {
		o                     Options
		host, target, verdict string
	}{
		{Options{}, "x.test", "/b", "outside"},
		{Options{}, "x.test", "/a", "GET /a"},
		{Options{Base: "/v1"}, "x.test", "/v1/b", "path"},
		{Options{Base: "/v1"}, "x.test", "/v1/a", "GET /a"},
		{Options{Base: "/v1"}, "x.test", "/a", "outside"},
		{Options{Hosts: []exchange.HostPattern{"*.test"}}, "x.test", "/b", "path"},
		{Options{Hosts: []exchange.HostPattern{"*.test"}}, "x.example", "/a", "outside"},
	} {
		c, err := parse(text, nil, test.o)
		if err != nil {
			t.Fatal(err)
		}
		r := c.Check(&Request{Method: "GET", Host: test.host, Target: test.target}, &Answer{Status: 200})
		got := ""
		switch {
		case r.Outside:
			got = "outside"
		case r.Operation != nil:
			got = r.Operation.Name
		case len(r.Breaches) == 1:
			got = r.Breaches[0].Kind
		}
		if got != test.verdict {
			t.Errorf("%+v: got %s (%+v), want %s", test, got, r, test.verdict)
		}
	}
}

// Each style of a parameter is read as RFC 6570 writes it.
func TestStyles(t *testing.T) {
	t.Parallel()
	const text = `openapi: 3.0.0
paths:
  /a/{p}/{q}:
    get:
      parameters:
        - {name: p, in: path, required: true, style: label, explode: true, schema: {type: array, items: {type: integer}}}
        - {name: q, in: path, required: true, style: matrix, schema: {type: boolean}}
        - {name: s, in: query, style: spaceDelimited, schema: {type: array, items: {type: integer}}}
        - {name: c, in: query, content: {application/json: {schema: {type: object, required: [k]}}}}
        - {name: o, in: query, explode: false, schema: {type: object, properties: {r: {type: integer}}}}
        - {name: sid, in: cookie, schema: {type: integer}}
        - {name: X-List, in: header, schema: {type: array, items: {type: integer}, maxItems: 2}}
      responses: {'200': {description: fine}}
`
	c, err := parse(text, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	good := exchange.HeaderOf("Cookie", "a=b; sid=7", "X-List", "1, 2")
	for target, want := range map[string][]string{
		"/a/.1.2/;q=true?s=1%202&c=%7B%22k%22:1%7D&o=r,5": nil,
		"/a/.1.x/;q=true": {"path p/1"},
		"/a/.1/;q=maybe":  {"path q"},
		"/a/.1/;q=true?s=1%20b&c=%7B&o=r,b": {"query s/1", "query c",
			"query o/r"},
		"/a/.1/;q=true?c=%7B%7D": {"query c"},
	} {
		got := where(c.Check(&Request{Method: "GET", Target: target, Header: good}, &Answer{Status: 200}))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: want, got:\n%s", target, diff)
		}
	}
	bad := exchange.HeaderOf("Cookie", "sid=x", "X-List", "1", "X-List", "2,3")
	got := where(c.Check(&Request{Method: "GET", Target: "/a/.1/;q=true", Header: bad}, nil))
	if diff := cmp.Diff([]string{"cookie sid", "header X-List"}, got); diff != "" {
		t.Errorf("headers: want, got:\n%s", diff)
	}
}

// where returns the parts of an exchange that break the contract.
func where(r Result) (at []string) {
	for _, b := range r.Breaches {
		at = append(at, b.At)
	}
	return at
}

func TestBodies(t *testing.T) {
	t.Parallel()
	c, err := parse(`openapi: 3.0.0
paths:
  /a:
    post:
      requestBody:
        required: true
        content:
          application/x-www-form-urlencoded:
            schema: {type: object, required: [n], properties: {n: {type: integer}, l: {type: array, items: {type: integer}}}}
          text/plain: {schema: {type: string, maxLength: 3}}
          image/png: {}
      responses:
        2XX: {description: fine}
        default: {description: wrong, content: {text/html: {}}}
`, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		kind, body string
		status     int
		want       []string
	}{
		{formType, "n=3&l=1&l=2", 204, nil},
		{formType, "n=x&l=1&l=y", 201, []string{"body /l/1", "body /n"}},
		{"text/plain; charset=utf-8", "äöü", 201, nil},
		{"text/plain", "abcd", 201, []string{"body"}},
		{"image/png", "\x89", 201, nil},
		{"image/gif", "GIF", 201, []string{"header Content-Type"}},
		{"", "", 500, []string{"body", "body"}},
	} {
		got := where(c.Check(&Request{Method: "POST", Target: "/a", Header: exchange.HeaderOf("Content-Type", test.kind),
			Body: Body{Data: []byte(test.body)}}, &Answer{Status: test.status}))
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v: want, got:\n%s", test, diff)
		}
	}
}
