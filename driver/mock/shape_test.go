package mock

import (
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

// asked returns a request with a JSON body.
func asked(body string) *exchange.Request {
	return &exchange.Request{Method: "POST", Target: "/", Header: exchange.HeaderOf("Content-Type", "application/json"),
		Body: exchange.NewIncoming(strings.NewReader(body), nil)}
}

func TestIncluding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, want, why string }{
		{`{"a": 1, "b": {"c": "x", "d": 2}}`, `{"b": {"c": "x"}}`, ""},
		{`{"a": 1.0}`, `{"a": 1}`, ""},
		{`{"list": [{"id": 1, "v": 2}, {"id": 3}]}`, `{"list": [{"id": 3}, {"id": 1}]}`, ""},
		{`[1, 2]`, `[]`, ""},
		{`{}`, `{}`, ""},
		{`{"a": 1}`, `{"b": 1}`, `body: at b: got no value, want 1`},
		{`{"b": {"c": "x"}}`, `{"b": {"c": "y"}}`, `body: at b.c: got "x", want "y"`},
		{`{"b": 3}`, `{"b": {"c": "y"}}`, `body: at b: got 3, want a map`},
		{`{"list": [1, 2]}`, `{"list": [1, 5]}`, `body: at list.1: got 2, want 5`},
		{`{"list": [1]}`, `{"list": [1, 5]}`, `body: at list: got no element that includes 5`},
		{`[1]`, `{"a": 1}`, `body: got [1], want a map`},
		{`no`, `{"a": 1}`, `body is not JSON: invalid character 'o' in literal null (expecting 'u'), expected to include {"a":1}`},
	} {
		want, err := parseJSON([]byte(c.want))
		if err != nil {
			t.Fatal(err)
		}
		checkShape(t, c.body, Including(want), c.why)
	}
}

func TestConforming(t *testing.T) {
	t.Parallel()
	const schema = `{"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"},
		"at": {"$ref": "#/$defs/place"}}, "$defs": {"place": {"type": "object", "properties": {"x": {"minimum": 0}}}}}`
	for _, c := range []struct{ body, why string }{
		{`{"id": 1}`, ""},
		{`{"id": 1, "at": {"x": 2.5}}`, ""},
		{`{"id": "1"}`, `body: at id: got string, want integer`},
		{`{"at": {}}`, `body: missing property 'id'`},
		{`{"id": 1, "at": {"x": -1}}`, `body: at at.x: minimum: got -1, want 0`},
	} {
		want, err := parseJSON([]byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		m, err := Conforming(want)
		if err != nil {
			t.Fatal(err)
		}
		checkShape(t, c.body, m, c.why)
	}
}

func checkShape(t *testing.T, body string, matcher *Matcher, why string) {
	t.Helper()
	m := Match{Conditions: []Condition{{In: InJSON, Matcher: matcher}}}
	if err := m.Compile(); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(m.Explain(asked(body)), "; ")
	if got != why {
		t.Errorf("%s: got %q, want %q", body, got, why)
	}
	if _, ok := m.Matches(asked(body)); ok != (why == "") {
		t.Errorf("%s: matches is %v, but the reason is %q", body, ok, why)
	}
}

func TestConformingRefuses(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]string{
		`{"type": "objekt"}`:                           "type",
		`{"$ref": "http://example.com/x"}`:             "reference",
		`{"$ref": "file:///etc/passwd"}`:               "reference",
		`{"properties": {"a": {"$ref": "#/nowhere"}}}`: "nowhere",
	} {
		v, err := parseJSON([]byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Conforming(v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got the error %v, want one with %q", schema, err, want)
		}
	}
}
