package scenario

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
)

// TestBodies checks that JSON answers are sent as they are written, whatever
// makes them.
func TestBodies(t *testing.T) {
	t.Parallel()
	const big = "18446744073709551615"
	for name, c := range map[string]struct{ text, want string }{
		"static":          {`{body: {z: 1.50, a: ` + big + `, m: 0xFFFFFFFFFFFFFFFF, k: .5}}`, `{"z":1.50,"a":` + big + `,"m":` + big + `,"k":0.5}`},
		"template":        {`{body_template: {z: "{{1 + 1}}", a: {y: 1.50, b: [-0, ` + big + `, 1.0e+2]}, m: 0xFFFFFFFFFFFFFFFF}}`, `{"z":2,"a":{"y":1.50,"b":[-0,` + big + `,1.0e+2]},"m":` + big + `}`},
		"no expression":   {`{body_template: {z: 1.50, a: ` + big + `}}`, `{"z":1.50,"a":` + big + `}`},
		"values":          {`{body_template: {n: "{{1 << 64}}", h: "{{0xFFFFFFFFFFFFFFFF}}", d: "{{ {'z': 1.5, 'a': 2} }}"}}`, `{"n":18446744073709551616,"h":` + big + `,"d":{"z":1.5,"a":2}}`},
		"of the request":  {`{body_template: {id: "{{request_body_json(id)}}", all: "{{request_body_json()}}", text: "n={{request_body_json(id)}}"}}`, `{"id":` + big + `,"all":{"z":2.5,"id":` + big + `},"text":"n=` + big + `"}`},
		"patch":           {`{patch: {z: 1.50, b: ` + big + `}}`, `{"a":1,"z":1.50,"b":` + big + `}`},
		"patch, computed": {`{patch: {z: 1.50, b: "{{1 << 64}}", d: "{{ {'z': 2.0, 'a': 2} }}", "l[0]": {y: 1, a: 2}}}`, `{"a":1,"z":1.50,"b":18446744073709551616,"d":{"z":2.0,"a":2},"l":[{"y":1,"a":2}]}`},
		"in rules":        {`{rules: [{match: {body_json: {id: ` + big + `}}, body_template: {z: "{{uuid() != ''}}", a: 1.50}}]}`, `{"z":true,"a":1.50}`},
		"in a sequence":   {`{sequence: [{body_template: {z: "{{1.0}}", a: 1.50}}]}`, `{"z":1.0,"a":1.50}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Parse("a.yaml", []byte("POST /x: "+c.text), testEnv(t))
			if err != nil {
				t.Fatal(err)
			}
			req := &exchange.Request{Method: "POST", Target: "/x", Body: exchange.NewIncoming(strings.NewReader(`{"z":2.5,"id":`+big+`}`), nil)}
			if _, got := respond(t, s.Endpoints[0], req); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestMatchNumbers checks conditions on numbers that no float64 holds.
func TestMatchNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want, body string
		fits       bool
	}{
		{"18446744073709551615", `{"id":18446744073709551615}`, true}, {"18446744073709551615", `{"id":18446744073709551614}`, false},
		{"0xFFFFFFFFFFFFFFFF", `{"id":18446744073709551615}`, true}, {"-9223372036854775809", `{"id":-9223372036854775809}`, true},
		{"9007199254740993", `{"id":9007199254740992}`, false}, {"1.5", `{"id":1.50}`, true}, {"100", `{"id":1e2}`, true}, {"1.0e+400", `{"id":10e399}`, true},
		{"{z: 1, a: 18446744073709551616}", `{"id":{"a":18446744073709551616,"z":1}}`, true},
	} {
		s, err := Parse("a.yaml", []byte(fmt.Sprintf("POST /x: {match: {body_json: {id: %s}}}", c.want)), testEnv(t))
		if err != nil {
			t.Fatal(err)
		}
		table := mock.NewTable()
		table.ReplaceAll(s.Endpoints)
		req := &exchange.Request{Method: "POST", Target: "/x", Body: exchange.NewIncoming(strings.NewReader(c.body), nil)}
		if ep := lookup(t, table, req); (ep != nil) != c.fits {
			t.Errorf("%s and %s: fits %v, want %v", c.want, c.body, ep != nil, c.fits)
		}
	}
}

// TestText checks that a definition reads back as what it was.
func TestText(t *testing.T) {
	t.Parallel()
	const text = `GET /x: {status: 201, body: {z: 1.50, a: [18446744073709551616, -0, 1.0e+400, 0.0e-1, 1.5E+3], id: "18446744073709551616", exp: '1e3'}}`
	s, err := Parse("a.yaml", []byte(text), testEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	body := func(eps []*mock.Endpoint) string {
		_, b := respond(t, eps[0], &exchange.Request{Method: "GET", Target: "/x"})
		return b
	}
	again, err := Text(s.Endpoints[0].Definition)
	if err != nil {
		t.Fatal(err)
	}
	eps, err := CompileText("a.yaml", "GET /x", []byte(again), testEnv(t))
	if err != nil || body(eps) != body(s.Endpoints) {
		t.Errorf("%v\n%s", err, again)
	}
	// A JSON document may say 1e5, which YAML 1.1 takes for text.
	s, err = Parse("a.json", []byte(`{"GET /x": {"body": {"b": 1e5, "a": 1E-7, "n": 1e400}}}`), testEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	if again, err = Text(s.Endpoints[0].Definition); err != nil || !strings.Contains(again, "b: 1.0e+5\n") {
		t.Errorf("%v\n%s", err, again)
	}
	if eps, err = CompileText("a.yaml", "GET /x", []byte(again), testEnv(t)); err != nil || body(eps) != `{"b":1.0e+5,"a":1.0E-7,"n":1.0e+400}` {
		t.Errorf("%v, %s\n%s", err, body(eps), again)
	}
}

// TestComputedHeaders checks that headers with expressions are sent as they are
// written and where they are written, all their values in order.
func TestComputedHeaders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want exchange.Header
	}{
		"spelling":            {`{headers: {X-REQUEST-ID: "{{request_path}}"}}`, exchange.HeaderOf("Content-Type", "application/json", "X-REQUEST-ID", "/x")},
		"lower case":          {`{headers: {x-request-id: "{{request_path}}"}, body_template: "{{1}}"}`, exchange.HeaderOf("Content-Type", "application/json", "x-request-id", "/x")},
		"place":               {`{headers: {X-Z: "1", X-M: "{{request_path}}", X-A: "2", Content-Type: t/x}}`, exchange.HeaderOf("X-Z", "1", "X-M", "/x", "X-A", "2", "Content-Type", "t/x")},
		"first of a list":     {`{headers: {set-cookie: ["p={{request_path}}", "a=1", "b=2"], X-A: b}}`, exchange.HeaderOf("Content-Type", "application/json", "set-cookie", "p=/x", "set-cookie", "a=1", "set-cookie", "b=2", "X-A", "b")},
		"middle of a list":    {`{headers: {Set-Cookie: ["a=1", "p={{request_path}}", "{{1 << 64}}"]}}`, exchange.HeaderOf("Content-Type", "application/json", "Set-Cookie", "a=1", "Set-Cookie", "p=/x", "Set-Cookie", "18446744073709551616")},
		"in a patch":          {`{patch: {b: 1}, headers: {X-VIA: ["a", "{{request_path}}"], content-TYPE: "t/{{1}}", X-A: b}}`, exchange.HeaderOf("content-TYPE", "t/1", "X-VIA", "a", "X-VIA", "/x", "X-A", "b")},
		"in a rule":           {`{rules: [{headers: {X-VIA: ["a", "{{request_path}}"]}}]}`, exchange.HeaderOf("Content-Type", "application/json", "X-VIA", "a", "X-VIA", "/x")},
		"static after it":     {`{headers: {X-A: "{{uuid}}", X-B: "1", x-A: [c, d]}}`, exchange.HeaderOf("Content-Type", "application/json", "X-B", "1", "x-A", "c", "x-A", "d")},
		"it after static":     {`{headers: {x-A: [c, d], X-A: ["{{1.0}}"]}}`, exchange.HeaderOf("Content-Type", "application/json", "X-A", "1.0")},
		"the type":            {`{headers: {X-A: b, content-type: "{{'text/' + 'x'}}", X-C: d}, body: x}`, exchange.HeaderOf("X-A", "b", "content-type", "text/x", "X-C", "d")},
		"a number as written": {`{headers: {X-N: ["{{request_path}}", 18446744073709551615, 1.50, 0x1F]}}`, exchange.HeaderOf("Content-Type", "application/json", "X-N", "/x", "X-N", "18446744073709551615", "X-N", "1.50", "X-N", "0x1F")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Parse("a.yaml", []byte("GET /x: "+c.text), testEnv(t))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the answer that others share does not change
				res, _ := respond(t, s.Endpoints[0], &exchange.Request{Method: "GET", Target: "/x"})
				if !slices.Equal(res.Header, c.want) {
					t.Errorf("got %v, want %v", res.Header, c.want)
				}
			}
		})
	}
}
