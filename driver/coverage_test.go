package driver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestCoverage asks mocks, and looks at which parts of them count as met.
func TestCoverage(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	load := func() {
		b.call("load_mock_scenario_content", "s.yaml", `endpoints:
  GET /plain: {body: x}
  GET /rules:
    rules:
      - {match: {query: {a: "1"}}, status: 201}
      - sequence:
          - {status: 202, repeat: 1}
          - {status: 203}
  GET /never: {body: x}
`)
	}
	load()
	report := func(all bool) (r coverageReport, text string) {
		t.Helper()
		if err := json.Unmarshal([]byte(b.call("mock_coverage", all)), &r); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, p := range r.Parts {
			lines = append(lines, fmt.Sprintf("%s:%s %s=%d", p.Source, p.Key, p.Part, p.Hits))
		}
		return r, strings.Join(lines, "\n")
	}
	proxy := b.start()
	for _, path := range []string{"/plain", "/rules", "/plain"} {
		b.get(proxy, "http://nowhere.invalid"+path)
	}
	r, got := report(false)
	want := `s.yaml:2:GET /plain =2
s.yaml:3:GET /rules =1
s.yaml:5:GET /rules rules[0]=0
s.yaml:6:GET /rules rules[1]=1
s.yaml:7:GET /rules rules[1].sequence[0]=1
s.yaml:8:GET /rules rules[1].sequence[1]=0
s.yaml:9:GET /never =0`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if r.Percent != 57.1 || r.metOf != (metOf{4, 7}) || r.Endpoints != (metOf{2, 3}) || r.Rules != (metOf{1, 2}) || r.Steps != (metOf{1, 2}) {
		t.Errorf("sums: got %+v", r)
	}
	load()
	b.call("enable_mock", "GET /never", false)
	if r, _ := report(false); r.metOf != (metOf{4, 6}) {
		t.Errorf("loaded again, with one disabled: got %+v, want 4 of 6", r.metOf)
	}
	b.call("clear_mocks")
	if r, _ := report(false); r.Total != 0 || r.Percent != 100 {
		t.Errorf("without mocks: got %+v", r)
	}
	if r, _ := report(true); r.metOf != (metOf{4, 7}) {
		t.Errorf("those of before: got %+v, want 4 of 7", r.metOf)
	}
	b.want("Coverage begins again", "reset_coverage")
	if r, _ := report(true); r.Total != 0 {
		t.Errorf("after a reset: got %+v", r)
	}
}

// TestCoverageOfContract counts the operations of a contract.
func TestCoverageOfContract(t *testing.T) {
	t.Parallel()
	b, proxy := contracted(t, "warn")
	device := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	server := cars(t)
	operations := func() (text string) {
		t.Helper()
		var r coverageReport
		if err := json.Unmarshal([]byte(b.call("mock_coverage")), &r); err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Parts {
			if p.Kind == operationPart {
				text += fmt.Sprintf("%s %s=%d ", p.Source, p.Key, p.Hits)
			}
		}
		return text + fmt.Sprintf("%d/%d of %d", r.Operations.Met, r.Operations.Total, r.Total)
	}
	ask := func() { send(t, device, "POST", server+"/cars", `{"vin":1}`, "X-Say", `{"id":1}`) }
	ask()
	for _, step := range []struct {
		act  func()
		want int
	}{{func() {}, 1}, {ask, 2}, {func() { b.call("reset_coverage") }, 0}, {ask, 1}} {
		step.act()
		want := fmt.Sprintf("cars.yaml:6:7 #/paths/~1cars/post POST /cars=%d cars.yaml:14:7 #/paths/~1cars~1{id}/get GET /cars/{id}=0 %d/2 of 3",
			step.want, min(step.want, 1))
		if got := operations(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
