package script_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/clock"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/state"
	"starproxy/script"
)

func TestTemplate(t *testing.T) {
	t.Parallel()
	seed := uint64(7)
	st := state.New()
	st.Set("token", "abc")
	st.Set("n", 7)
	st.Set("user.name", "dotted")
	st.Set("obj", map[string]any{"a": []any{1, 2.5, nil, true}})
	env := func(name string) string { return "value of " + name }
	now := clock.Frozen(time.Unix(1700000000, 123456000))
	for name, c := range map[string]struct{ in, want any }{
		"no expression":           {"plain", "plain"},
		"number":                  {int64(3), int64(3)},
		"lone keeps its type":     {"{{ 1 + 2 }}", int64(3)},
		"lone in spaces":          {" {{ 1.5 }}\n", 1.5},
		"inside text":             {"n={{ 1 + 2 }}.", "n=3."},
		"several":                 {"{{1}}-{{2}}-{{'x'}}", "1-2-x"},
		"literals inside text":    {"{{True}} {{None}} {{[1, 'a']}} {{2.0}}", `true null [1,"a"] 2.0`},
		"braces":                  {`{{ {"a": {"b": 1}} }}`, map[string]any{"a": map[string]any{"b": int64(1)}}},
		"braces close together":   {`{{ {"a": {"b": 1}}}}`, map[string]any{"a": map[string]any{"b": int64(1)}}},
		"braces in quotes":        {`{{ "}}" }}{{ '{{' }}`, "}}{{"},
		"quoted commas":           {`{{ random_choice("a, b") }}`, "a, b"},
		"quoted brackets":         {`{{ random_choice("a) b(") }}`, "a) b("},
		"escaped quote":           {`{{ "a\"}}b" }}`, `a"}}b`},
		"unquoted word":           {"{{ random_choice(sunny) }}", "sunny"},
		"unquoted words":          {"{{ random_choice(rain, rain) }}", "rain"},
		"unquoted with dots":      {"{{ request_body_json(user.name) }}", "ada"},
		"unquoted list index":     {"{{ request_body_json(tags.0) }}", "x"},
		"unquoted deep index":     {"{{ request_body_json(items.1.id) }}", int64(2)},
		"path from the end":       {"{{ request_body_json(items.-1.id) }}", int64(2)},
		"path with brackets":      {"{{ request_body_json(items[-1].id) }}", int64(2)},
		"path with both":          {"{{ request_body_json(items[1].list.0) }}", int64(5)},
		"path of all brackets":    {"{{ request_body_json(items[1].list[-1]) }}", int64(6)},
		"path with an at sign":    {"{{ request_body_json(@odata.type) }}", "T"},
		"path with a written dot": {`{{ request_body_json(@odata\.type) }}`, "T"},
		"path quoted":             {`{{ request_body_json("@odata.type") }} {{ request_body_json('items.-1.id') }}`, "T 2"},
		"path with an underscore": {"{{ request_body_json(_links.0.href) }}", "/x"},
		"path that ends so":       {"{{ request_body_json(tags.-1) }}", "x"},
		"path with a default":     {"{{ request_body_json(tags.-9, none) }} {{ request_body_json(tags[-9], 7) }}", "none 7"},
		"unquoted hyphens":        {"{{ request_header(X-Device) }}", "d1"},
		"unquoted user agent":     {"{{ request_header(User-Agent) }}", "test"},
		"unquoted with spaces":    {"{{ random_choice(a b c) }}", "a b c"},
		"unquoted percent":        {"{{ random_choice(50%, 50%) }}", "50%"},
		"word that is a builtin":  {"{{ counter(list) }}", int64(1)},
		"word that is a module":   {"{{ state(time, none) }}", "none"},
		"true is a word":          {"{{ random_choice(true) }}", "true"},
		"header":                  {`{{request_header("x-device")}}`, "d1"},
		"missing header":          {"{{request_header(X-None)}}", ""},
		"host header":             {"{{request_header(Host)}}", "api.test"},
		"path":                    {"{{request_path}}", "/api/items/7?page=2"},
		"query":                   {"{{request_query(page)}}", "2"},
		"segment":                 {"{{request_path_segment(2)}}", "7"},
		"segment missing":         {"{{request_path_segment(9)}}", ""},
		"body object":             {"{{request_body_json(user)}}", map[string]any{"name": "ada", "on": true}},
		"body missing":            {"{{request_body_json(user.age)}}", nil},
		"body missing in text":    {"age {{request_body_json(user.age)}}", "age null"},
		"state":                   {"{{state(token)}}", "abc"},
		"state quoted":            {`{{state("token")}}`, "abc"},
		"state dotted":            {"{{state(user.name)}}", "dotted"},
		"state number":            {"{{state(n)}}", int64(7)},
		"state missing":           {"{{state(none)}}", nil},
		"state default":           {"{{state(none, 7)}}", int64(7)},
		"state default word":      {"{{state(mode, idle)}}", "idle"},
		"state object":            {"{{state(obj)}}", map[string]any{"a": []any{int64(1), 2.5, nil, true}}},
		"state.get":               {"{{state.get('n') + 1}}", int64(8)},
		"env":                     {"{{env(NODE_ENV)}}", "value of NODE_ENV"},
		"env blocked":             {"{{env(PATH)}}", ""},
		"time":                    {"{{now_iso}}", "2023-11-14T22:13:20.123456+00:00"},
		"epoch":                   {"{{now_epoch}}", int64(1700000000)},
		"epoch called":            {"{{now_epoch()}}", int64(1700000000)},
		"sprig":                   {`{{ sprig.upper("a") }}`, "A"},
		"sprig without arguments": {"{{ sprig.hello }}", "Hello!"},
		"range":                   {"{{ random_int(5, 5) }}", int64(5)},
		"bare word":               {"{{ hello }}", "hello"},
		"comprehension":           {"{{ [x * 2 for x in range(3)] }}", []any{int64(0), int64(2), int64(4)}},
		"bound name":              {"{{ [counter(x) for x in ['a', 'a']] }}", []any{int64(1), int64(2)}},
		"lambda":                  {"{{ (lambda n: n - 1)(3) }}", int64(2)},
		"result is a function":    {"{{ random_choice(uuid, uuid) and 1 }}", int64(1)},
		"conditional":             {"{{ 'a' if state(n) == 7 else 'b' }}", "a"},
		"not ascii":               {"ü{{ 'ä' + ö }}€", "üäö€"},
		"newline in expression":   {"{{ random_int(\n  1,\n  1) }}", int64(1)},
		"big":                     {"{{ 1 << 70 }}", json.Number("1180591620717411303424")},
		"tree": {
			map[string]any{"id": "{{counter(c)}}", "fixed": map[string]any{"a": int64(1)}, "l": []any{"x", "{{counter(c)}}"}, "{{key}}": "v"},
			map[string]any{"id": int64(1), "fixed": map[string]any{"a": int64(1)}, "l": []any{"x", int64(2)}, "{{key}}": "v"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(script.Options{State: st, Seed: &seed, Clock: now, Getenv: env})
			tm, err := h.Template(c.in, script.Position{File: "a.yaml", Line: 3, Column: 5})
			if err != nil {
				t.Fatal(err)
			}
			x := newExchange("POST", "/api/items/7?page=2", `{"user": {"name": "ada", "on": true}, "tags": ["x"], "items": [{}, {"id": 2, "list": [5, 6]}], "@odata.type": "T", "_links": [{"href": "/x"}]}`)
			got, err := tm.Render(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(jsonvalue.Plain(got), c.want) {
				t.Errorf("got %#v, want %#v", got, c.want)
			}
			h.Reset()
			text, err := tm.JSON(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			var a, b any
			want, _ := json.Marshal(c.want)
			if err := json.Unmarshal(text, &a); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			json.Unmarshal(want, &b)
			if !reflect.DeepEqual(a, b) {
				t.Errorf("JSON is %s, want %s", text, want)
			}
		})
	}
}

func TestTemplateErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"syntax":             {"{{ 1 + }}", "a.yaml:3:5: body.x: {{ 1 + }}: got end of file, want primary expression"},
		"block":              {"{{#if x}}", "{{#if x}}: got end of file, want primary expression (there are no blocks: write one expression, such as 'a' if x == 1 else 'b', or a function in a .star scenario)"},
		"end of a block":     {"{{/if}}", "(there are no blocks: "},
		"loop":               {"{{for x in range(3)}}", "(there are no blocks: "},
		"helper":             {"{{jsonPath request.body '$.x'}}", "got identifier after expression, want EOF (arguments stand in parentheses, as in request_query(page); "},
		"helper with a name": {"{{randomValue type='UUID'}}", "(arguments stand in parentheses, "},
		"no helper":          {"{{a if b ==}}", "{{a if b ==}}: got end of file, want primary expression\n"},
		"bare format":        {"{{fmt(%d, state(x))}}", "got '%', want primary expression (a format needs quotes, as in fmt('%d', 3))"},
		"bare second format": {"{{sprig.cat(a, %d b(})}}", "(a format needs quotes, as in fmt('%d', 3))"},
		"open bracket":       {"{{ random_int(1, }}", "a.yaml:3:5: body.x: {{ random_int(1, }}: "},
		"no end":             {"a {{ uuid", "expression without an end: want }} after \"{{ uuid\""},
		"empty":              {"{{ }}", "{{ }}: empty expression"},
		"undefined function": {"{{ rand_int(1, 2) }}", "undefined function rand_int"},
		"misspelt function":  {"{{ randm_int(1, 2) }}", "undefined function randm_int (did you mean random_int?)"},
		"no function near":   {"{{ nope(1) }}", "{{ nope(1) }}: undefined function nope\n"},
		"a function near":    {"{{ lem('x') }}", "undefined function lem (did you mean len?)"},
		"function of text":   {"{{ sunny.upper() }}", "undefined function sunny.upper"},
		"function of words":  {"a {{ uuid + user.name(1)(2) }}", "undefined function user.name"},
		"object of scripts":  {"{{ req.query.get('n', 'x') }}", "undefined function req.query.get (scripts have req; here are request_query(name), request_header(name), request_path and others)"},
		"misspelt member":    {"{{ request.header(x) }}", "undefined function request.header (did you mean request_header?)"},
		"statement":          {"{{ x = 1 }}", "{{ x = 1 }}"},
		"two expressions":    {"{{ uuid uuid }}", "{{ uuid uuid }}"},
		"deep brackets":      {"{{" + strings.Repeat("(", 600) + "1" + strings.Repeat(")", 600) + "}}", "nested deeper than 500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newHost(script.Options{}).Template(map[string]any{"body": map[string]any{"x": c.in}}, script.Position{File: "a.yaml", Line: 3, Column: 5})
			if err == nil || !strings.Contains(err.Error()+"\n", c.want) {
				t.Errorf("error is %v, want %s", err, c.want)
			}
		})
	}
}

// TestTemplateWarnings checks what is said of expressions that have no meaning.
func TestTemplateWarnings(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"{{now}}":                          "{{now}}: now is text here: did you mean now_epoch or now_iso or sprig.now?",
		"{{faker.name}}":                   "{{faker.name}}: faker.name is text here: there is no such name (text needs no braces)",
		"Hello {{ user }}!":                "{{ user }}: user is text here: there is no such name (text needs no braces; a {user} of the path is request_param(user))",
		"{{req.path}}":                     "{{req.path}}: req.path is text here: scripts have req; here are request_query(name), request_header(name), request_path and others",
		"{{X-Request-Id}}":                 "{{X-Request-Id}}: X-Request-Id is text here: there is no such name (text needs no braces)",
		"{{upper}}":                        "{{upper}}: upper is text here: did you mean sprig.upper?",
		"{{random_in}}":                    "{{random_in}}: random_in is text here: did you mean random_int?",
		"{{true}}":                         "{{true}}: true is text here: write True",
		"{{json}}":                         "{{json}}: json is a module: want one of its functions, such as json.decode",
		"{{time.nwo}}":                     "{{time.nwo}}: time has no nwo: did you mean time.now?",
		"{{sprig.nothing_like_it('a')}}":   "{{sprig.nothing_like_it('a')}}: sprig has no nothing_like_it",
		"{{state.gett('a')}}":              "{{state.gett('a')}}: state has no gett: did you mean state.get?",
		"{{uuid}}":                         "",
		"{{state(token)}}":                 "",
		"{{random_choice(sunny, cloudy)}}": "",
		"{{[time.x for time in []]}}":      "",
	} {
		tm, err := newHost(script.Options{}).Template(in, script.Position{File: "a.yaml", Line: 3, Column: 5})
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if want != "" {
			want = "a.yaml:3:5: " + want
		}
		if got := strings.Join(tm.Warnings(), "\n"); got != want {
			t.Errorf("%s: warnings are %q, want %q", in, got, want)
		}
	}
}

func TestTemplateRunErrors(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"{{ 1 // 0 }}":                    "a.yaml:3:7: floored division by zero",
		"{{ random_int(3, 1) }}":          "a.yaml:3:15: random_int: 3 is more than 1",
		"{{ random_int(a, 1) }}":          `random_int: argument "a": got string "a", want int`,
		"{{ counter() }}":                 `counter: missing argument "name"`,
		"{{ counter(a, b) }}":             "counter: got 2 arguments, want at most 1",
		"{{ counter(nam='a') }}":          `counter: no argument "nam" (did you mean "name"?)`,
		"{{ (lambda x: x) }}":             "missing 1 argument",
		"{{ json.decode('[') }}":          "json.decode: at offset 1: unexpected end",
		"{{ sprig.repeat(1<<40, 'x') }}":  "sprig.repeat: 1099511627776 is more than 1048576",
		"{{ {1: 2} }}":                    "a.yaml:3:5: {{ {1: 2} }}: key is int 1, want string",
		"{{json}}":                        "a.yaml:3:5: {{json}}: module has no JSON form",
		"x {{json}}":                      "a.yaml:3:5: {{json}}: module has no JSON form",
		"{{float('nan')}}":                "a.yaml:3:5: {{float('nan')}}: NaN has no JSON form",
		"x {{-float('inf')}}":             "a.yaml:3:5: {{-float('inf')}}: -Inf has no JSON form",
		"{{ [1, {'a': float('inf')}] }}":  "a.yaml:3:5: {{ [1, {'a': float('inf')}] }}: ",
		"{{ len if state else 1 }}":       "a.yaml:3:5: len: got 0 arguments, want 1",
		"{{ sprig.slice([1], 2) }}":       "a.yaml:3:16: sprig.slice: got the range 2 to 1, want one within 0 to 1",
		"{{ re.sub('(a)', '$1b', 'a') }}": `re.sub: argument "repl": $1b: the pattern has no group "1b"`,
	} {
		h := newHost(script.Options{})
		tm, err := h.Template(in, script.Position{File: "a.yaml", Line: 3, Column: 5})
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		x := newExchange("GET", "/", "")
		if _, err = tm.Render(t.Context(), x); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %s", in, err, want)
		}
		if _, err = tm.JSON(t.Context(), x); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: JSON's error is %v, want %s", in, err, want)
		}
		if notes := x.Notes.List(); len(notes) == 0 || notes[0].Level != "error" {
			t.Errorf("%s: notes are %v", in, notes)
		}
	}
}

func TestTemplateSeed(t *testing.T) {
	t.Parallel()
	seed := uint64(42)
	render := func(h *script.Host) any {
		tm, err := h.Template("{{uuid}} {{random_int(1, 1000000)}} {{random_float(0, 1)}} {{sprig.randAlpha(8)}}", script.Position{})
		if err != nil {
			t.Fatal(err)
		}
		v, err := tm.Render(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	h := newHost(script.Options{Seed: &seed})
	first := render(h)
	if second := render(h); second == first {
		t.Errorf("two renderings are the same: %v", first)
	}
	h.Reset()
	if again := render(h); again != first {
		t.Errorf("after Reset %v, want %v", again, first)
	}
	if other := render(newHost(script.Options{Seed: &seed})); other != first {
		t.Errorf("another host with the seed gives %v, want %v", other, first)
	}
}
