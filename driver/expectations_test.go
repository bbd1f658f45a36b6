package driver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

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
	if r := expected(twice); r.OK || r.Checked != 1 || !strings.Contains(r.Text(), "expectations:1:2: GET /a on nowhere.invalid: got 1 request, want 2\n  #1 ") {
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

// download gets a file as a device does that goes on with a transfer that broke off.
func download(t *testing.T, proxy *url.URL, target string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}, Timeout: 20 * time.Second}
	var all strings.Builder
	for range 5 {
		req, err := http.NewRequest(http.MethodGet, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if all.Len() > 0 {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", all.Len()))
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(&all, res.Body)
		res.Body.Close()
		if err == nil {
			return all.String()
		}
	}
	t.Fatal("the download never ended")
	return ""
}

// TestExpectDevice has a device back off and resume a download over real sockets.
func TestExpectDevice(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Unmatched, c.MockScenario = Reject, "scenario.yaml" })
	b.write("mock-responses/scenario.yaml", `
endpoints:
  POST /telemetry: {sequence: [{status: 503}, {status: 503}, {status: 503}, {status: 204}]}
  GET /fw: {file: fw.bin}
faults:
  - {match: GET /fw, when: {nth: 1}, do: {kind: truncate, after: 30000}}
`)
	firmware := strings.Repeat("firmware", 10_000)
	b.write("mock-files/fw.bin", firmware)
	proxy := b.start()
	for _, wait := range []time.Duration{0, 40, 80, 160} {
		<-time.After(wait * time.Millisecond) // the device's own wait
		b.do(proxy, "POST", "http://api.test/telemetry", nil)
	}
	if got := download(t, proxy, "http://api.test/fw"); got != firmware {
		t.Errorf("downloaded %d bytes", len(got))
	}
	expected := func(args ...any) (r expect.Report) {
		t.Helper()
		if err := json.Unmarshal([]byte(b.call("expect", args...)), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	// The end of a download that broke off may be noted after the next request.
	if r := expected(`
- {request: POST /telemetry, count: 4, within_s: 30}
- {order: [POST /telemetry, GET /fw]}
- {request: POST /telemetry, retries: {count: 3, factor: {min: 1.1}, jitter: 0.6}}
- {request: GET /fw, resumes: true, count: 2}
- {only_hosts: [api.test], no_egress: true, no_unmatched: true}
`, "", 20.0); !r.OK || r.Checked != 6 {
		t.Errorf("got %s", r.Text())
	}
	r := expected(`
- {request: POST /telemetry, count: 3}
- {request: POST /telemetry, retries: {factor: {min: 20}}}
- {request: GET /fw, conditional: true}
- {no_plaintext: true}
`, "", 600.0) // one can't hold any more, so this does not wait
	for _, v := range r.Verdicts {
		if v.OK {
			t.Errorf("%s: got ok", v.Place)
		}
	}
}
