package expect_test

import (
	"strings"
	"testing"

	"starproxy/driver/expect"
	"starproxy/driver/mock"
	"starproxy/driver/scenario"
	"starproxy/script"
)

// TestMade runs script tests that check their own requests.
func TestMade(t *testing.T) {
	t.Parallel()
	const src = `
def setup():
    serve({"POST /a": {"body": "x"}, "GET /down": {"sequence": [{"status": 503, "repeat": 2}, {"body": "up"}]}})

def test_good():
    setup()
    call("POST /a", body={"n": 1})
    for wait in ["1s", "2s", "4s"]:
        call("GET /down")
        clock.advance(wait)
    assert.expect([
        {"request": "POST /a", "count": 1, "body": {"json": {"n": 1}}},
        {"request": "GET /down", "retries": {"count": 2, "factor": 2}},
        {"no_unmatched": True},
    ])

def test_many():
    setup()
    call("POST /a")
    call("POST /a")
    assert.expect({"request": "POST /a", "count": 1})

def test_unmatched():
    serve({}, upstream=lambda req: response(body="real"))
    call("GET /nothing")
    assert.expect({"no_unmatched": True})

def test_wrong():
    assert.expect({"cuont": 1})
`
	o := script.TestOptions{
		Options: script.Options{Merge: mock.Merge, Match: scenario.Matching, Expect: expect.Made}, Table: scenario.Table(scenario.Env{}),
	}
	want := map[string]string{
		"test_good": "", "test_many": "POST /a: got 2 requests, want 1\n  #1 ", "test_unmatched": "no mock and no recording matches",
		"test_wrong": `unknown key "cuont"; did you mean "count"?`,
	}
	results := script.RunTests(t.Context(), o, "a_test.star", []byte(src))
	if len(results) != len(want) {
		t.Fatalf("got %v, want %d results", results, len(want))
	}
	for _, r := range results {
		text := ""
		if r.Err != nil {
			text = r.Err.Error()
		}
		if (text == "") != (want[r.Name] == "") || !strings.Contains(text, want[r.Name]) {
			t.Errorf("%s: got %q, want %q", r.Name, text, want[r.Name])
		}
	}
}
