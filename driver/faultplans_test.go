package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
)

// plans returns the plans in force by their fields in status, and checks that
// list_fault_plans has the same.
func (b *bench) plans() (list []string) {
	b.Helper()
	var rows []faultPlanDetail
	if err := json.Unmarshal([]byte(b.call("list_fault_plans")), &rows); err != nil {
		b.Fatal(err)
	}
	said, err := json.Marshal(b.status()["fault_plans"])
	if err != nil {
		b.Fatal(err)
	}
	var told []faultPlanRow
	if err := json.Unmarshal(said, &told); err != nil {
		b.Fatal(err)
	}
	for i, r := range rows {
		if i >= len(told) || told[i] != r.faultPlanRow || r.Plan == nil || (r.Last == nil) != (r.Fired == 0) {
			b.Errorf("list_fault_plans has %+v, status %+v", r, told)
		}
		list = append(list, fmt.Sprintf("%s %s %s %d/%d", r.Name, r.Fault, r.Source, r.Fired, r.Requests))
	}
	return list
}

// wantPlans compares the plans in force.
func (b *bench) wantPlans(step string, want ...string) {
	b.Helper()
	if diff := cmp.Diff(want, b.plans()); diff != "" {
		b.Errorf("%s: want, got:\n%s", step, diff)
	}
}

// met returns the adversity in the capture of each request.
func (b *bench) met() (list []string) {
	b.Helper()
	var entries []struct {
		Path string   `json:"path"`
		Met  []string `json:"met"`
	}
	if err := json.Unmarshal([]byte(b.call("get_captured_requests")), &entries); err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Path+" "+strings.Join(e.Met, ", "))
	}
	return list
}

// TestFaultPlans sets plans by a scenario and by methods, for mocks and for a real
// server, and looks at what a device gets, at captures, and at the counters.
func TestFaultPlans(t *testing.T) {
	t.Parallel()
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "0123456789") }))
	defer real.Close()
	b := newBench(t, nil)
	proxy := b.start()
	b.wantPlans("at first")
	b.want("Loaded 2 endpoint(s) from ota.yaml", "load_mock_scenario_content", "ota.yaml", `faults:
- {name: cut, match: GET /a, when: {nth: 2}, do: {kind: truncate, after: 30%}}
- {match: "GET `+real.URL+`/real", when: {every: 2}, do: {kind: corrupt, byte: 0}}
- {match: {path: {regex: "^/b"}}, do: {kind: status, status: 429, retry_after: 7}}
endpoints:
  GET /a: {body: "0123456789"}
  GET /b: {body: b}
`)
	for _, c := range []struct{ path, want string }{
		{"/a", "200 0123456789"}, {"/b", "429 Too Many Requests\n"}, {real.URL + "/real", "200 0123456789"}, {real.URL + "/real", "200 \xcf123456789"},
	} {
		if !strings.HasPrefix(c.path, "http") {
			c.path = "http://nowhere.invalid" + c.path
		}
		if got := b.get(proxy, c.path); got != c.want {
			t.Errorf("%s: got %q, want %q", c.path, got, c.want)
		}
	}
	if got, want := b.fate(proxy, "/a"), "200 012, then end"; got != want {
		t.Errorf("the second GET /a: got %q, want %q", got, want)
	}
	wantMet := []string{"/a ", "/b fault status (ota.yaml:4)", "/real ", "/real fault corrupt (ota.yaml:3)", "/a fault truncate (ota.yaml:2)"}
	if got := b.met(); !slices.Equal(got, wantMet) {
		t.Errorf("captures: got %q, want %q", got, wantMet)
	}
	scenario := []string{"cut truncate ota.yaml:2 1/2", "fault-2 corrupt ota.yaml:3 1/2", "fault-3 status ota.yaml:4 1/1"}
	b.wantPlans("loaded", scenario...)

	b.want("Fault plan set: cut → reset", "set_fault_plan", "cut", `{"match": "GET /a", "when": {"since": "login"}, "do": "reset"}`)
	b.want("Fault plans set: 2: set-1 → close, x → stall", "set_fault_plan", "", `[{"match": "GET /c", "do": "close"}, {"name": "x", "match": "GET /d", "do": "stall"}]`)
	b.wantPlans("set", "cut reset  0/0", "set-1 close  0/0", "x stall  0/0", "fault-2 corrupt ota.yaml:3 1/2", "fault-3 status ota.yaml:4 1/1")
	if got, want := b.get(proxy, "http://nowhere.invalid/a"), "200 0123456789"; got != want {
		t.Errorf("before the event: got %q, want %q", got, want)
	}
	b.want("Event marked: login", "mark_event", "login")
	if got := b.fate(proxy, "/a"); got != "reset" {
		t.Errorf("after the event: got %q, want a reset", got)
	}
	b.want("Fault plans removed: 1", "clear_fault_plans", "x")
	b.wantPlans("cleared one", "cut reset  1/1", "set-1 close  0/0", "fault-2 corrupt ota.yaml:3 1/2", "fault-3 status ota.yaml:4 1/1")
	b.want("Fault plans removed: 4", "clear_fault_plans")
	b.wantPlans("cleared all")
	if got, want := b.get(proxy, "http://nowhere.invalid/b"), "200 b"; got != want {
		t.Errorf("without plans: got %q, want %q", got, want)
	}
	b.call("reset_mocks")
	fresh := []string{"cut truncate ota.yaml:2 0/0", "fault-2 corrupt ota.yaml:3 0/0", "fault-3 status ota.yaml:4 0/0"}
	b.wantPlans("reset", fresh...)
	b.get(proxy, "http://nowhere.invalid/b")
	b.call("restart", "passthrough")
	b.wantPlans("restarted", fresh...)
	for _, want := range []string{"200 0123456789", "200 \xcf123456789"} {
		if got := b.get(proxy, real.URL+"/real"); got != want {
			t.Errorf("mode passthrough: got %q, want %q", got, want)
		}
	}
	b.want("Loaded 1 endpoint(s) from b.yaml", "load_mock_scenario_content", "b.yaml", "GET /a: {body: x}")
	b.wantPlans("another scenario")
}

// TestFaultPlanMistakes looks at refusals.
func TestFaultPlanMistakes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, c := range []struct {
		want, method string
		args         []any
	}{
		{`set_fault_plan: plan:1:8: faults[0].do: got the text "rest", want one of `, "set_fault_plan", []any{"a", `{"do": "rest"}`}},
		{`set_fault_plan: name: got "a b", want text of 1 to 100 bytes`, "set_fault_plan", []any{"a b", "reset"}},
		{`clear_fault_plans: no plan has the name "a"`, "clear_fault_plans", []any{"a"}},
		{`mark_event: name: got "start", want text of 1 to 100 bytes`, "mark_event", []any{"start"}},
	} {
		if got := b.call(c.method, c.args...); !strings.Contains(got, c.want) {
			t.Errorf("%s%v: got %q, want %q", c.method, c.args, got, c.want)
		}
	}
}

// ended returns the answer to a request on a connection of its own, and how the
// connection ended.
func (b *bench) ended(proxy *url.URL, path string) string {
	b.Helper()
	c, err := net.Dial("tcp", proxy.Host)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET http://nowhere.invalid%s HTTP/1.1\r\nHost: nowhere.invalid\r\nConnection: close\r\n\r\n", path)
	data, err := io.ReadAll(c)
	if errors.Is(err, syscall.ECONNRESET) {
		return "reset" // which may overtake what was sent before
	}
	return summary(data) + fmt.Sprint(err)
}

// TestFaultPlansRepeat checks that two proxies with one seed give a device the same
// bytes and ends for the same requests, and that another seed gives others.
func TestFaultPlansRepeat(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) (list []string) {
		b := newBench(t, func(c *Config) { c.Seed = &seed })
		b.call("load_mock_scenario_content", "s.yaml", `faults:
- {match: GET /a, when: {probability: 0.2}, do: {kind: reset, after: 3}}
- {match: GET /a, when: {probability: 0.3}, do: {kind: corrupt}}
- {match: GET /b, when: {probability: 0.5}, do: close}
GET /*: {body: "0123456789"}
`)
		proxy := b.start()
		for i := range 60 {
			path := "/a"
			if i%3 == 0 {
				path = "/b"
			}
			list = append(list, b.ended(proxy, path))
		}
		return list
	}
	first := run(3)
	if diff := cmp.Diff(first, run(3)); diff != "" {
		t.Errorf("the same seed: first, second:\n%s", diff)
	}
	if slices.Equal(first, run(4)) {
		t.Error("another seed: got the same answers")
	}
	slices.Sort(first)
	if got := slices.Compact(first); len(got) != 4 {
		t.Errorf("got %q, want whole answers, corrupt ones, resets and closed connections", got)
	}
}

// TestFaultPlansInReplay lets recordings meet faults, over HTTP/1.1 and HTTP/2. A
// planned reset of HTTP/2 is one of a stream: the connection serves the next request.
func TestFaultPlansInReplay(t *testing.T) {
	t.Parallel()
	real := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "0123456789") }))
	defer real.Close()
	b := newBench(t, func(c *Config) { c.SSLInsecure = true })
	b.call("start", "record")
	address := func() *url.URL { return &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)} }
	res, err := device(t, address(), false).Get(real.URL + "/r")
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(res.Body)
	if res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	file := b.status()["flow_file"].(string)
	b.call("restart", "replay", false, file)
	for _, h2 := range []bool{false, true} {
		b.call("set_fault_plan", "cut", `{"match": "GET /r", "when": {"nth": 1}, "do": {"kind": "reset", "after": 4}}`)
		b.call("set_fault_plan", "wrong", `{"match": "GET /r", "when": {"nth": 2}, "do": {"kind": "corrupt", "byte": -1}}`)
		client := device(t, address(), h2)
		conns := 0
		trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
			if !i.Reused {
				conns++
			}
		}})
		var got []string
		for range 3 {
			req, err := http.NewRequestWithContext(trace, "GET", real.URL+"/r", nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(req)
			if err != nil {
				got = append(got, "failed")
				continue
			}
			data, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil {
				data = []byte("failed")
			}
			got = append(got, string(data))
		}
		if want := []string{"failed", "012345678\xc6", "0123456789"}; !slices.Equal(got, want) {
			t.Errorf("HTTP/2 %v: got %q, want %q", h2, got, want)
		}
		if want := map[bool]int{false: 2, true: 1}[h2]; conns != want {
			t.Errorf("HTTP/2 %v: the device made %d connections, want %d", h2, conns, want)
		}
	}
}

// TestFaultPlansOfWebSockets lets an upgrade meet a fault. Faults of bodies do not count
// it.
func TestFaultPlansOfWebSockets(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.write("mock-responses/s.star", `
def echo(ws):
    for msg in ws:
        ws.send("echo " + msg.text)

faults = [
    {"name": "wrong", "do": "corrupt"},
    {"name": "busy", "match": "WEBSOCKET /echo", "when": {"nth": 1}, "do": "status"},
    {"name": "cut", "match": "WEBSOCKET /echo", "when": {"nth": 2}, "do": "reset"},
]
endpoints = {"WEBSOCKET /echo": echo}
`)
	b.want("Loaded 1 endpoint(s) from s.star", "load_mock_scenario", "s.star")
	// A new connection for each: a client sends a request again that a kept one lost.
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(b.start()), DisableKeepAlives: true}}
	for i, want := range []string{"503", "reset", "echo hello"} {
		ws, res, err := websocket.Dial(t.Context(), "ws://nowhere.invalid/echo", &websocket.DialOptions{HTTPClient: client})
		got := ""
		switch {
		case err != nil && res != nil:
			got = fmt.Sprint(res.StatusCode)
		case errors.Is(err, syscall.ECONNRESET):
			got = "reset"
		case err != nil:
			got = err.Error()
		default:
			_ = ws.Write(t.Context(), websocket.MessageText, []byte("hello"))
			_, msg, _ := ws.Read(t.Context())
			got = string(msg)
			ws.CloseNow()
		}
		if got != want {
			t.Errorf("upgrade %d: got %s, want %s", i+1, got, want)
		}
	}
	b.wantPlans("then", "wrong corrupt s.star:7 0/0", "busy status s.star:8 1/3", "cut reset s.star:9 1/3")
}

// TestFaultPlansFollowTheClock turns the clock into a window of time and out of it. A
// clock that is set back afterwards, as a reset of the mocks does, shifts no window.
func TestFaultPlansFollowTheClock(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.call("load_mock_scenario_content", "s.yaml", "faults: [{when: {from: 600, to: 1200}, do: status}]\nGET /a: {body: up}\n")
	proxy := b.start()
	for round := range 2 {
		for _, want := range []string{"200 up", "503 Service Unavailable\n", "200 up"} {
			if got := b.get(proxy, "http://nowhere.invalid/a"); got != want {
				t.Errorf("round %d: got %q, want %q", round, got, want)
			}
			b.call("advance_clock", 700.0)
		}
		b.call("reset_mocks")
	}
}
