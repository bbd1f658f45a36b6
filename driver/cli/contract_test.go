package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const contractAnswer = `{"contract": "Cars 2 (cars.yaml)", "file": "cars.yaml", "mode": "warn", "checked": 4, "broken": 3, "unchecked": 1, "overload": 0,
	"outside": 2, "operations": [{"name": "GET /cars", "exchanges": 3, "broken": 2}, {"name": "POST /cars", "exchanges": 0}],
	"never_met": ["POST /cars"], "breaches": [
	{"operation": "GET /bikes", "side": "request", "kind": "path", "at": "", "text": "the contract has no such path", "place": "cars.yaml:1:1 #", "count": 1},
	{"operation": "GET /cars", "side": "answer", "kind": "body", "at": "body /0", "text": "got string, want object", "place": "cars.yaml:9:1 #/x", "count": 2}]}`

func TestContractReport(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "out.xml")
	f := &fake{answers: map[string]any{"contract_report": contractAnswer}}
	stdout, stderr, code := proxyCommand(t, f, "contract", "report", "--junit", file)
	want := `Cars 2 (cars.yaml): 4 exchanges checked, 3 with breaches, 1 with a body that was not checked, 2 outside of the contract
GET /bikes
  1x request: the contract has no such path (cars.yaml:1:1 #)
GET /cars
  2x answer body /0: got string, want object (cars.yaml:9:1 #/x)
Never met (1 of 2 operations):
  POST /cars
`
	if diff := cmp.Diff(want, stdout); diff != "" || stderr != "" || code != 1 {
		t.Errorf("exit code %d, stderr %q; want, got:\n%s", code, stderr, diff)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`<testsuite name="Cars 2 (cars.yaml)" tests="3" failures="2" skipped="1"`, `<skipped message="no exchange has met it">`,
		`<failure message="2x answer body /0: got string, want object (cars.yaml:9:1 #/x)">`} {
		if !strings.Contains(string(data), part) {
			t.Errorf("JUnit: got %s, want it to have %s", data, part)
		}
	}
	f = &fake{answers: map[string]any{"contract_report": `{"contract": "Cars (cars.yaml)", "checked": 1, "operations": [{"name": "GET /cars", "exchanges": 1}]}`}}
	if stdout, _, code := proxyCommand(t, f, "contract"); stdout != "Cars (cars.yaml): 1 exchange checked, 0 with breaches\n" || code != 0 {
		t.Errorf("without breaches: got %q and the exit code %d, want 0", stdout, code)
	}
	f = &fake{answers: map[string]any{"contract_report": `{"contract": ""}`}}
	if _, stderr, code := proxyCommand(t, f, "contract"); !strings.Contains(stderr, "no contract") || code != 1 {
		t.Errorf("without a contract: got %q and the exit code %d, want 1", stderr, code)
	}
}

// The scenario that is written names the contract relative to itself.
func TestScenarioFromOpenAPI(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := filepath.Join(dir, "s.yaml")
	doc := filepath.Join(dir, "api", "openapi.yaml")
	if err := os.Mkdir(filepath.Dir(doc), 0o755); err != nil {
		t.Fatal(err)
	}
	text := "openapi: 3.1.0\ninfo: {title: A, version: '1'}\npaths: {/a: {get: {responses: {'200': {content: {application/json: {schema: {const: 7}}}}}}}}\n"
	if err := os.WriteFile(doc, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := (&scenarioFromOpenAPICmd{File: doc, Out: out, Base: "/v1"}).Run(&System{Stdout: &strings.Builder{}, Stderr: &strings.Builder{}}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := "# Made of A 1 (openapi.yaml) with the seed 0.\nname: A\ncontract:\n  file: api/openapi.yaml\n  base: /v1\nendpoints:\n  GET /v1/a:\n    body: \"7\"\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("want, got:\n%s", diff)
	}
}
