package driver

import (
	"encoding/json"
	"strings"
	"testing"

	"starproxy/driver/expect"
)

// TestExpect has a device ask mocks, and checks what it asked.
func TestExpect(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.call("load_mock_scenario_content", "s.yaml", "endpoints:\n  GET /a: {body: x}\n  GET /b: {status: 503, body: x}\n")
	proxy := b.start()
	expected := func(args ...any) (r expect.Report) {
		t.Helper()
		if err := json.Unmarshal([]byte(b.call("expect", args...)), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	const twice = `[{"request": "GET /a", "host": "nowhere.invalid", "count": 2}, {"no_egress": true, "filter": "~m GET"}]`
	b.get(proxy, "http://nowhere.invalid/a")
	if r := expected(twice); r.OK || r.Checked != 1 || !strings.Contains(r.Text(), "expectations:1:2: GET /a on nowhere.invalid: got 1 requests, want 2\n  #1 ") {
		t.Errorf("one request of two: got %+v", r)
	}
	later := make(chan expect.Report)
	go func() {
		var r expect.Report
		_ = json.Unmarshal([]byte(b.call("expect", twice, "", 60.0, "e.yaml")), &r)
		later <- r
	}()
	b.get(proxy, "http://nowhere.invalid/a")
	if r := <-later; !r.OK {
		t.Errorf("with a timeout: got %s, want no failure", r.Text())
	}
	if r := expected(twice, "1"); r.OK || r.Checked != 1 {
		t.Errorf("since the first exchange: got %+v, want one exchange and a failure", r)
	}
	for args, want := range map[[2]string]string{
		{"[{\n \"count\": x}]", ""}: "expectations:2:11: ", {`{"count": 1}`, "soon"}: `expect: argument since: got "soon"`,
	} {
		if _, err := b.d.Call(t.Context(), "expect", []any{args[0], args[1]}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", args, err, want)
		}
	}
}
