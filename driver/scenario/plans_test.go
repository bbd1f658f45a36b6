package scenario

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"starproxy/builtins/exchange"
	"starproxy/driver/faultplan"
	"starproxy/driver/mock"
	"starproxy/script"
)

// comparePlans ignores what is compared by other tests, or differs by the form of a
// document.
func comparePlans() cmp.Option {
	return cmp.Options{
		cmpopts.IgnoreUnexported(mock.Match{}, mock.Condition{}),
		cmpopts.IgnoreFields(faultplan.Plan{}, "Source", "Definition", "Match"),
		cmpopts.IgnoreFields(faultplan.Since{}, "Request"),
	}
}

// Plans of faults are the same in each form of a document.
func TestPlansOfDocuments(t *testing.T) {
	t.Parallel()
	host := script.New(script.Options{})
	defer host.Close()
	share, schema := 0.25, compileSchema(t)
	want := []*faultplan.Plan{
		{Name: "cut", When: faultplan.When{Nth: []int64{1, 3}}, Do: faultplan.Do{
			Fault: exchange.Fault{Kind: "truncate", After: exchange.Offset{Percent: 50, Relative: true}}}},
		{Name: "fault-2", When: faultplan.When{Probability: &share, From: 90 * time.Second, To: 2 * time.Minute, Since: faultplan.Since{Key: "POST /login"}},
			Do: faultplan.Do{Fault: exchange.Fault{Kind: "reset", Stream: true}}},
	}
	for name, doc := range map[string]string{
		"wrapped.yaml": `
faults:
  - name: cut
    $comment: the first and the third download
    match: {key: GET /fw/*, headers: {Range: {absent: true}}}
    when: {nth: [1, 3], x-why: resumed}
    do: truncate
  - when: {probability: 0.25, from: 90, to: 2m, since: POST /login}
    do: {kind: reset}
endpoints: {}
`,
		"bare.yaml": "GET /a: {body: 1}\nfaults: [{name: cut, match: {path: /fw/1, method: GET}, when: {nth: [1, 3]}, do: {kind: truncate}}, " +
			"{when: {probability: 0.25, from: 1m30s, to: 120, since: POST /login}, do: reset}]",
		"only.yaml": "faults: [{name: cut, match: GET /fw/1, when: {nth: [1, 3]}, do: {kind: truncate}}, " +
			"{when: {probability: 0.25, from: 1m30s, to: 120, since: POST /login}, do: reset}]",
		"a.json": `{"faults": [{"name": "cut", "match": "GET /fw/1", "when": {"nth": [1, 3]}, "do": {"kind": "truncate", "after": "50%"}},
			{"when": {"probability": 0.25, "from": 90, "to": 120, "since": "POST /login"}, "do": "reset"}], "mocks": {}}`,
		"a.star": `
faults = [
    {"name": "cut", "match": "GET /fw/1", "when": {"nth": [1, 3]}, "do": "truncate"},
    {"when": {"probability": 0.25, "from": 90, "to": 120, "since": "POST /login"}, "do": {"kind": "reset", "lost": "request"}},
]`,
	} {
		s, err := Parse(name, []byte(doc), Env{FilesDir: t.TempDir(), Script: host})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !isScript(name) {
			if err := schema.Validate(asJSON(t, name, []byte(doc))); err != nil {
				t.Errorf("%s: the schema refuses it: %v", name, err)
			}
		}
		if diff := cmp.Diff(want, s.Adversity.Faults, comparePlans()); diff != "" {
			t.Errorf("%s: want, got:\n%s", name, diff)
			continue
		}
		cut := s.Adversity.Faults[0]
		if _, fits := cut.Match.Matches(&exchange.Request{Method: "GET", Target: "/fw/1"}); !fits {
			t.Errorf("%s: GET /fw/1 does not fit", name)
		}
		if _, fits := cut.Match.Matches(&exchange.Request{Method: "GET", Target: "/other"}); fits {
			t.Errorf("%s: GET /other fits", name)
		}
		if cut.Source.Line == 0 || cut.Source.File != name {
			t.Errorf("%s: the plan is at %v", name, cut.Source)
		}
	}
}

// Each fault with all of its values.
func TestPlanFaults(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for text, want := range map[string]faultplan.Do{
		"close":                          {Fault: exchange.Fault{Kind: "close"}},
		"{kind: close, lost: answer}":    {Fault: exchange.Fault{Kind: "close"}, Lost: true},
		"{kind: reset, connection: yes}": {Fault: exchange.Fault{Kind: "reset"}},
		"{kind: reset, after: 10}":       {Fault: exchange.Fault{Kind: "reset", Stream: true, After: exchange.Offset{Bytes: 10}}},
		"{kind: stall, after: 0%, for: 1m}": {Fault: exchange.Fault{Kind: "stall", Hold: time.Minute,
			After: exchange.Offset{Relative: true}}},
		"{kind: truncate, after: 12.5 %}":     {Fault: exchange.Fault{Kind: "truncate", After: exchange.Offset{Percent: 12.5, Relative: true}}},
		"{kind: drip, bytes_per_second: 10}":  {Fault: exchange.Fault{Kind: "drip", Rate: 10}},
		"{kind: corrupt, byte: -4, count: 4}": {Fault: exchange.Fault{Kind: "corrupt", At: exchange.Offset{Bytes: -4}, Count: 4}},
		"{kind: corrupt, byte: 0}":            {Fault: exchange.Fault{Kind: "corrupt", At: exchange.Offset{Relative: true}}},
		"{kind: wrong_length, by: -3}":        {Fault: exchange.Fault{Kind: "wrong_length", By: -3}},
		"{kind: wrong_length, length: 9}":     {Fault: exchange.Fault{Kind: "wrong_length", Length: 9}},
		"{kind: duplicate, of: response}":     {Fault: exchange.Fault{Kind: "duplicate", Whole: true}},
		"{kind: redirect_loop, hops: 3}":      {Fault: exchange.Fault{Kind: "redirect_loop"}, Hops: 3},
		"{kind: status, status: 429, retry_after: 30, body: slow down}": {Fault: exchange.Fault{Kind: "status"}, Status: 429, RetryAfter: "30",
			Body: "slow down"},
		"{kind: status, retry_after: 'Mon, 06 May 2024 07:08:09 GMT'}": {Fault: exchange.Fault{Kind: "status"},
			RetryAfter: "Mon, 06 May 2024 07:08:09 GMT"},
	} {
		plans, err := CompilePlans("plan", "p", []byte("do: "+text), Env{})
		if err != nil || len(plans) != 1 {
			t.Errorf("%s: got %v and %v", text, plans, err)
			continue
		}
		if err := schema.Validate(asJSON(t, "p.yaml", []byte("faults: [{do: "+text+"}]"))); err != nil {
			t.Errorf("%s: the schema refuses it: %v", text, err)
		}
		if diff := cmp.Diff(want, plans[0].Do); diff != "" {
			t.Errorf("%s: want, got:\n%s", text, diff)
		}
	}
}

// Plans that a method sets.
func TestCompilePlans(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"a", "reset", "a"},
		{"a", `"reset"`, "a"},
		{"a", `{"do": "reset"}`, "a"},
		{"", "{name: b, do: reset}", "b"},
		{"c", "{name: b, do: reset}", "c"},
		{"", "[{do: reset}, {name: x, do: close}, {do: stall}]", "set-1 x set-3"},
		{"", "faults: [{do: reset}]\nGET /a: {body: 1}", "set-1"},
		{"a", "[{do: reset}]", "a"},
		{"a", "[{do: reset}, {do: close}]", `plan:1:1: got 2 plans for the name "a", want one`},
		{"a b", "reset", `name: got "a b", want text of 1 to 100 bytes without blanks and slashes, other than start`},
		{"a", "rest", `plan:1:1: faults[0].do: got the text "rest", want one of close, corrupt, drip, duplicate, garbage, redirect_loop, reset, stall, status, ` +
			`truncate, wrong_length, or a map such as {kind: truncate, after: 100}; did you mean "reset"?`},
	} {
		plans, err := CompilePlans("plan", c.name, []byte(c.text), Env{})
		var names []string
		for _, p := range plans {
			names = append(names, p.Name)
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q %q: got %s, want %s", c.name, c.text, got, c.want)
		}
	}
}

// Mistakes in plans are told with their place.
func TestPlanMistakes(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	// What the schema does not see: which value goes with which fault, numbers in text,
	// repetitions.
	beyond := regexp.MustCompile("101%|byte: 1|for: soon|status: 200|later|to: 5|since: a b|name: a}, |drip, rate")
	for doc, want := range map[string]string{
		"faults: reset":                                                   `m.yaml:1:9: faults: got the text "reset", want a list of plans`,
		"faults: [reset]":                                                 `m.yaml:1:10: faults[0]: got the text "reset", want a map with do`,
		"faults: [{when: {nth: 1}}]":                                      "m.yaml:1:10: faults[0]: got no do, want the fault: one of close, corrupt,",
		"faults: [{do: reset, wen: {}}]":                                  `m.yaml:1:22: unknown key "wen" in faults[0]; did you mean "when"?`,
		"faults: [{do: {kind: trunkate}}]":                                `m.yaml:1:22: faults[0].do: got the text "trunkate", want one of`,
		"faults: [{do: {knd: reset}}]":                                    "m.yaml:1:15: faults[0].do: got no kind, want one of",
		"faults: [{do: {kind: reset, afetr: 1}}]":                         `m.yaml:1:29: unknown key "afetr" in faults[0].do; did you mean "after"?`,
		"faults: [{do: {kind: reset, byte: 1}}]":                          "m.yaml:1:29: faults[0].do: byte does not go with the fault reset, want one of kind, after, connection, lost",
		"faults: [{do: {kind: reset, after: 101%}}]":                      `m.yaml:1:36: faults[0].do.after: got the text "101%", want a number of bytes, 0 or more, or a share of the body such as 50%`,
		"faults: [{do: {kind: truncate, after: -1}}]":                     "m.yaml:1:39: faults[0].do.after: got the number -1, want",
		"faults: [{do: {kind: stall, for: soon}}]":                        `m.yaml:1:34: faults[0].do.for: got the text "soon", want a number of seconds`,
		"faults: [{do: {kind: wrong_length, by: 0}}]":                     "m.yaml:1:40: faults[0].do.by: got the number 0, want a whole number other than 0",
		"faults: [{do: {kind: redirect_loop, status: 200}}]":              "m.yaml:1:45: faults[0].do.status: got the number 200, want",
		"faults: [{do: {kind: status, retry_after: later}}]":              "m.yaml:1:43: faults[0].do.retry_after: got the text \"later\", want a number of seconds, or a date",
		"faults: [{do: reset, when: {nth: 0}}]":                           "m.yaml:1:34: faults[0].when.nth: got the number 0, want the number of a request",
		"faults: [{do: reset, when: {nht: 1}}]":                           `m.yaml:1:29: unknown key "nht" in faults[0].when; did you mean "nth"?`,
		"faults: [{do: reset, when: {probability: 10}}]":                  "m.yaml:1:42: faults[0].when.probability: got the number 10, want a number from 0 to 1",
		"faults: [{do: reset, when: {from: 10, to: 5}}]":                  "m.yaml:1:43: faults[0].when.to: got 5s, want more than from, 10s",
		"faults: [{do: reset, when: {since: a b}}]":                       "m.yaml:1:36: faults[0].when.since: endpoint key \"a b\"",
		"faults: [{do: reset, when: {per: device}}]":                      `m.yaml:1:34: faults[0].when.per: got the text "device", want client`,
		"faults: [{do: reset, name: a b}]":                                `m.yaml:1:28: faults[0].name: got the text "a b", want text of 1 to 100 bytes`,
		"faults: [{do: reset, name: a}, {do: close, name: a}]":            `m.yaml:1:32: faults[1]: the name "a" is there twice (first at line 1)`,
		"faults: [{do: reset, match: /fw}]":                               `m.yaml:1:29: faults[0].match: endpoint key "/fw": want "METHOD /path"`,
		"faults: [{do: reset, match: {key: 7}}]":                          "m.yaml:1:35: faults[0].match.key: got the number 7, want a key such as",
		"faults: [{do: reset, match: {hots: a.test}}]":                    `m.yaml:1:30: unknown key "hots" in faults[0]: match; did you mean "host"?`,
		"faluts: [{do: reset}]\nGET /a: {body: 1}":                        `m.yaml:1:1: unknown key "faluts"; did you mean "faults"?`,
		"GET /a: {fault: {kind: reset, lost: answer}}":                    `m.yaml:1:31: unknown key "lost" in endpoint "GET /a": fault; want one of after, kind, rate`,
		"GET /a: {fault: {kind: drip, bytes_per_second: 0}}":              "fault.bytes_per_second: got the number 0, want a whole number, 1 or more",
		"GET /a: {fault: {kind: drip, rate: 0.5, after: 10}}":             "after does not go with the fault drip, want one of kind, rate, bytes_per_second",
		"GET /a: {fault: {kind: status}}":                                 `got the text "status", want one of close, corrupt, drip, duplicate, garbage, reset, stall, truncate, wrong_length`,
		"# star\nfaults = [{\"do\": \"reset\", \"when\": {\"nth\": -1}}]": "m.star:2:43: faults[0].when.nth: got the number -1, want",
	} {
		file := "m.yaml"
		if strings.HasPrefix(doc, "# star") {
			file = "m.star"
		}
		if file == "m.yaml" && !beyond.MatchString(doc) && schema.Validate(asJSON(t, file, []byte(doc))) == nil {
			t.Errorf("%s: the schema accepts it", doc)
		}
		_, err := Parse(file, []byte(doc), Env{FilesDir: t.TempDir(), Script: script.New(script.Options{})})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", doc, err, want)
		}
	}
}

// A plan that waits for a plan whose name is misspelt gets a warning.
func TestPlanWarnings(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	doc := "faults:\n- {name: login, do: reset}\n- {do: close, when: {since: logni}}\n- {do: close, when: {since: boot}}\n"
	if _, err := Parse("w.yaml", []byte(doc), Env{FilesDir: t.TempDir(), Log: slog.New(slog.NewTextHandler(&log, nil))}); err != nil {
		t.Fatal(err)
	}
	if want := "w.yaml:3:3: faults: fault-2 waits for the event logni; is the plan login meant?"; strings.Count(log.String(), "warning=") != 1 || !strings.Contains(log.String(), want) {
		t.Errorf("got %s, want one warning: %s", log.String(), want)
	}
}

// The schema knows the kinds of faults and their values.
func TestPlansOfSchema(t *testing.T) {
	t.Parallel()
	var doc struct {
		Defs struct {
			FaultKind struct{ Enum []string } `json:"faultKind"`
			PlanKind  struct{ Enum []string } `json:"planKind"`
			Fault     struct {
				AnyOf []struct{ Properties map[string]any } `json:"anyOf"`
			} `json:"fault"`
			Values struct{ Properties map[string]any } `json:"faultValues"`
			Plan   struct {
				Properties struct {
					Do struct {
						AnyOf []struct{ Properties map[string]any } `json:"anyOf"`
					} `json:"do"`
				} `json:"properties"`
			} `json:"plan"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(exchange.Faults(), doc.Defs.FaultKind.Enum); diff != "" {
		t.Errorf("kinds of faults: want, got:\n%s", diff)
	}
	if diff := cmp.Diff(faultplan.Kinds(), doc.Defs.PlanKind.Enum); diff != "" {
		t.Errorf("kinds of plans: want, got:\n%s", diff)
	}
	keys := func(maps ...map[string]any) (list []string) {
		for _, m := range maps {
			for k := range m {
				list = append(list, k)
			}
		}
		slices.Sort(list)
		return list
	}
	fault, plan := []string{"$comment", "kind", "rate"}, []string{"$comment", "kind"}
	for _, row := range faultKeys() {
		if plan = append(plan, row.key); !row.plan {
			fault = append(fault, row.key)
		}
		for _, kind := range row.kinds {
			if !slices.Contains(faultplan.Kinds(), kind) {
				t.Errorf("%s goes with %s, which is no kind of fault", row.key, kind)
			}
		}
	}
	slices.Sort(fault)
	slices.Sort(plan)
	if diff := cmp.Diff(fault, keys(doc.Defs.Values.Properties, doc.Defs.Fault.AnyOf[2].Properties)); diff != "" {
		t.Errorf("keys of faults: want, got:\n%s", diff)
	}
	if diff := cmp.Diff(plan, keys(doc.Defs.Values.Properties, doc.Defs.Plan.Properties.Do.AnyOf[1].Properties)); diff != "" {
		t.Errorf("keys of plans: want, got:\n%s", diff)
	}
}

// Tests in Starlark meet the faults of a scenario, by their own clock, and tell events.
func TestPlansInScriptTests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"s.yaml": `faults:
- {match: GET /a, when: {since: installed, from: 60, to: 70}, do: {kind: status, status: 503}}
- {match: GET /a, when: {since: POST /reboot, nth: 1}, do: reset}
endpoints:
  GET /a: {body: "0123456789"}
  POST /reboot: {status: 204}
`,
		"s_test.star": `
def test_events():
    serve("s.yaml")
    assert.eq(call("GET /a").status, 200)
    mark_event("installed")
    clock.advance("65s")
    assert.eq(call("GET /a").status, 503)
    clock.advance("5s")
    assert.eq(call("GET /a").status, 200)
    call("POST /reboot")
    assert.eq(call("GET /a").fault, "reset")
    assert.eq(call("GET /a").text, "0123456789")
    assert.fails(lambda: mark_event("a b"), "name")
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := Env{FilesDir: dir}
	o := script.TestOptions{Table: Table(env)}
	o.Merge, o.Match = mock.Merge, Matching
	for _, r := range script.RunTestFile(t.Context(), o, dir, "s_test.star") {
		if r.Err != nil {
			t.Errorf("%s: %v\n%s", r.Name, r.Err, r.Output)
		}
	}
}

// FuzzPlans reads texts of clients: each plan that is returned can be used.
func FuzzPlans(f *testing.F) {
	for _, text := range []string{"reset", "{match: GET /a, when: {nth: 2}, do: {kind: truncate, after: 50%}}", "faults: [{do: {kind: redirect_loop, hops: 2}}]",
		`{"when": {"probability": 0.5, "since": "POST /x", "per": "client"}, "do": {"kind": "corrupt", "byte": -1}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plans, err := CompilePlans("plan", "", []byte(text), Env{})
		if err != nil {
			return
		}
		table := faultplan.New(faultplan.Options{})
		for _, p := range plans {
			if err := table.Set(p); err != nil {
				t.Fatal(err)
			}
		}
		answer := exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
			return &exchange.Response{Status: 200, Body: exchange.Bytes("0123456789")}, nil
		})
		for _, target := range []string{"/a", "/a?redirect_loop=1"} {
			x := &exchange.Exchange{Request: &exchange.Request{Method: "GET", Scheme: "http", Host: "a", Port: 80, Target: target}}
			res, err := table.Handler(answer).Respond(t.Context(), x)
			if err != nil || res == nil || res.Status != 0 && (res.Status < 200 || res.Status > 599) {
				t.Errorf("%q: got %+v and %v", text, res, err)
			}
		}
	})
}
