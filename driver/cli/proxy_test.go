package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"starproxy/driver/client"
	"starproxy/driver/filter"
)

// fake is an exported object that answers as it is told.
type fake struct {
	answers map[string]any      // by method; a list has one for each call
	streams map[string][]string // by method
	web     string              // address behind connect_web

	calls []string
}

func (f *fake) Call(_ context.Context, method string, args ...any) (any, error) {
	f.calls = append(f.calls, strings.TrimSpace(method+" "+fmt.Sprintln(args...)))
	answer, ok := f.answers[method]
	if !ok {
		return nil, &client.Error{Code: codes.NotFound, Method: method, Message: "method " + method + " not found on driver"}
	}
	if all, ok := answer.([]any); ok {
		answer, f.answers[method] = all[0], all[min(1, len(all)-1):]
	}
	if err, ok := answer.(error); ok {
		return nil, err
	}
	if err := client.JudgeStock(method, answer); err != nil {
		return nil, err
	}
	return answer, nil
}

func (f *fake) Stream(ctx context.Context, method string, args ...any) iter.Seq2[any, error] {
	f.calls = append(f.calls, strings.TrimSpace(method+" "+fmt.Sprintln(args...)))
	return func(yield func(any, error) bool) {
		if err, ok := f.answers[method].(error); ok {
			yield(nil, err)
			return
		}
		for _, item := range f.streams[method] {
			if !yield(item, nil) {
				return
			}
		}
		if _, ok := f.streams[method]; !ok {
			yield(nil, errors.New("nothing to stream"))
		}
	}
}

func (f *fake) Connect(ctx context.Context, method string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", f.web)
}

// console is a System with buffers.
type console struct {
	System
	stdout, stderr bytes.Buffer
}

func newConsole(env ...string) *console {
	c := &console{}
	c.System = System{Name: "j", Stdin: strings.NewReader(""), Stdout: &c.stdout, Stderr: &c.stderr,
		Getenv: func(name string) string {
			for _, kv := range env {
				if v, ok := strings.CutPrefix(kv, name+"="); ok {
					return v
				}
			}
			return ""
		}}
	return c
}

// proxyCommand runs a command line behind "j proxy" against f.
func proxyCommand(t *testing.T, f *fake, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := newConsole("COLUMNS=100")
	code = c.exit(c.dispatch(t.Context(), "j proxy", &proxyCommands{}, args, proxy{f}))
	return c.stdout.String(), c.stderr.String(), code
}

func TestCommands(t *testing.T) {
	t.Parallel()
	event := `{"timestamp": 0, "method": "GET", "path": "/api/x?y=1", "response_status": 200, "response_size": 2, "was_mocked": true}`
	covered := `{"percent":66.6,"met":2,"total":3,"endpoints":{"met":1,"total":1},"rules":{"met":1,"total":2},"parts":[` +
		`{"key":"GET /a","hits":2,"enabled":true},{"key":"GET /a","part":"rules[0]","source":"a.yaml:3","hits":2,"enabled":true},` +
		`{"key":"GET /a","part":"rules[1]","source":"a.yaml:4","enabled":true},{"key":"GET /off"}]}`
	contracted := `{"percent":50,"met":1,"total":2,"operations":{"met":1,"total":2},"parts":[` +
		`{"kind":"operation","key":"GET /b","source":"api.yaml:9","enabled":true},{"kind":"operation","key":"GET /c","hits":1,"enabled":true}]}`
	tried := `{"status":201,"headers":[["X","y"]],"body":"ok","latency_ms":20,"endpoint":"POST /a","source":"s.star:3","handler":"script:f",` +
		`"notes":[{"level":"info","text":"hi"}],"changes":[{"key":"n","before":1},{"key":"m","after":2}],"webhooks":[{"method":"POST","url":"http://h/"}],"later":1}`
	other := `{"timestamp": 0, "method": "GET", "path": "/other", "response_status": 204}`
	line := "  --:--:-- GET     /api/x?y=1                                     200       -      2 B [mocked]     \n"
	stock := "j: this exporter does not know filter expressions (--filter-expr): it is the stock one or an old starproxy\n"
	for _, test := range []struct {
		args   string
		fake   fake
		stdout string
		stderr string
		code   int
		call   string // the last one
	}{
		{args: "start", fake: fake{answers: map[string]any{"start": "Started in 'mock' mode on 127.0.0.1:8080 (PID 7)"}},
			stdout: "Started in 'mock' mode on 127.0.0.1:8080 (PID 7)\n", call: "start mock false  0"},
		{args: "start -m replay --replay-file a.bin -w -p 9090", fake: fake{answers: map[string]any{"start": "Failed to start (port 9090 is already in use - is another mitmproxy instance running?): busy"}},
			stderr: "j: Failed to start (port 9090 is already in use - is another mitmproxy instance running?): busy\n", code: 1, call: "start replay true a.bin 9090"},
		{args: "start -m replay", fake: fake{answers: map[string]any{"start": "Error: replay_file is required for replay mode"}},
			stderr: "j: replay_file is required for replay mode\n", code: 1},
		{args: "start -m replay", fake: fake{answers: map[string]any{"start": "Error: replay_file is required for replay mode", "list_flow_files": `[{"name": "a.bin"}, {"name": "b.har"}]`}},
			stderr: "j: replay_file is required for replay mode (--replay-file FILE; there are: a.bin, b.har)\n", code: 1},
		{args: "restart -m replay --replay-file c", fake: fake{answers: map[string]any{"restart": "Replay file not found: /f/c", "list_flow_files": `[]`}},
			stderr: "j: Replay file not found: /f/c (--replay-file FILE; there are no recordings yet: start -m record makes one, flow upload brings one)\n", code: 1},
		{args: "start -m bogus", stderr: `j: --mode: got "bogus", want one of mock, passthrough, record, replay (see j proxy start --help)` + "\n", code: 80},
		{args: "start -p x", stderr: "j: --port: got \"x\", want a whole number (see j proxy start --help)\n", code: 80},
		{args: "stop", fake: fake{answers: map[string]any{"stop": "Stopped (was 'mock' mode, PID 7)"}}, stdout: "Stopped (was 'mock' mode, PID 7)\n", call: "stop"},
		{args: "stop", fake: fake{answers: map[string]any{"stop": "Not running"}}, stderr: "j: Not running\n", code: 1},
		{args: "restart", fake: fake{answers: map[string]any{"restart": "Started in 'mock' mode"}}, stdout: "Started in 'mock' mode\n", call: "restart  false  0"},
		{args: "restart -m record", fake: fake{answers: map[string]any{"restart": errors.New("record needs\nanother build")}},
			stderr: "j: record needs another build\n", code: 1},
		{args: "status", fake: fake{answers: map[string]any{"status": `{"running": false, "mode": "stopped", "pid": null}`}}, stdout: "Proxy is not running.\n"},
		{args: "status", fake: fake{answers: map[string]any{"status": `{"running": true, "mode": "record", "pid": 7, "proxy_address": "0.0.0.0:8080", "web_ui_enabled": true, "web_ui_address": "http://h:1/?token=T", "mock_count": 3, "flow_file": "/f.bin"}`}},
			stdout: "Proxy is running (PID 7)\n  Mode:    record\n  Listen:  0.0.0.0:8080\n  Web UI:  http://h:1/?token=T\n  Mocks:   3 endpoint(s)\n  Flow:    /f.bin\n"},
		{args: "status", fake: fake{answers: map[string]any{"status": `{"running": true, "mode": "mock", "pid": 7, "proxy_address": "h:1", "mock_count": 1, "scenario_error": "a.yaml:3:1: no", "addon_errors": {"hls": "hls.star:2:1: no"}}`}},
			stdout: "Proxy is running (PID 7)\n  Mode:    mock\n  Listen:  h:1\n  Mocks:   1 endpoint(s)\n  Error:   a.yaml:3:1: no\n  Error:   addon hls: hls.star:2:1: no\n"},
		{args: "status", fake: fake{answers: map[string]any{"status": `{"running": true, "mode": "mock", "pid": 7, "proxy_address": "h:1", "mock_count": 1, "ways": [{"mode": "regular", "address": "h:1"}, {"mode": "socks5@1080", "address": "h:1080"}]}`}},
			stdout: "Proxy is running (PID 7)\n  Mode:    mock\n  Listen:  h:1\n  Way:     socks5@1080 at h:1080\n  Mocks:   1 endpoint(s)\n"},
		{args: "status", fake: fake{answers: map[string]any{"status": 7.0}}, stderr: "j: status: the exporter answered float64, expected a string\n", code: 1},
		{args: "status", fake: fake{answers: map[string]any{"status": "[}"}}, stderr: "j: status: the exporter's answer is not the JSON expected: invalid character '}' looking for beginning of value\n", code: 1},
		{args: "mock list", fake: fake{answers: map[string]any{"list_mocks": `{}`}}, stdout: "No mocks configured.\n"},
		{args: "expect -", fake: fake{answers: map[string]any{"expect": `{"ok": true, "checked": 1, "expectations": [{"name": "GET /a", "place": "x:1:1", "ok": true}]}`}},
			stdout: "1 of 1 expectation met, in 1 exchange\n", call: "expect   0 standard input"},
		{args: "expect - --since 3 --timeout 2s", fake: fake{answers: map[string]any{"expect": `{"checked": 2, "expectations": [{"name": "GET /a", "place": "x:1:1", "failures": ["got 0 requests, want 1\n  near: #1"]}]}`}},
			stdout: "x:1:1: GET /a: got 0 requests, want 1\n  near: #1\n0 of 1 expectation met, in 2 exchanges\n", code: 1, call: "expect  3 2 standard input"},
		{args: "intercept", fake: fake{answers: map[string]any{"status": `{"intercept": null}`}}, stdout: "Intercept is off.\n"},
		{args: "intercept", fake: fake{answers: map[string]any{"status": `{"intercept": {"expr": "~all", "side": "both", "timeout": 90, "held": 2, "passed": 1}}`}},
			stdout: "Intercept: the request and response of ~all, for 1m30s at most: 2 held, 1 passed because too many were\n"},
		{args: "intercept ~all --side both --timeout 90s", fake: fake{answers: map[string]any{"intercept": "set"}}, stdout: "set\n", call: "intercept ~all both 90"},
		{args: "intercept --off", fake: fake{answers: map[string]any{"intercept": "off"}}, stdout: "off\n", call: "intercept"},
		{args: "intercept ~all --off", stderr: "j: got a filter expression and --off, want one of them (see j intercept --help)\n", code: 80},
		{args: "held", fake: fake{answers: map[string]any{"list_held": `[]`}}, stdout: "Nothing is held.\n", call: "list_held 0"},
		{args: "held", fake: fake{answers: map[string]any{"list_held": `[{"id": 3, "side": "response", "until": 1, "method": "GET", "url": "http://h/", "status": 200}]`}},
			stdout: "  No  Side      Left  Method  URL        Status\n  @3  response   0 s  GET     http://h/     200\n"},
		{args: "held show 3", fake: fake{answers: map[string]any{"get_held": `{"protocol": "HTTP/1.1", "request": {"method": "GET", "url": "http://h/", "headers": [["A", "1"]]}, "response": {"status": 200, "reason": "OK", "body": "x\ny", "body_fixed": "no"}}`}},
			stdout: "GET http://h/ HTTP/1.1\nA: 1\n\n200 OK\n\nx\ny\n(its body can't be edited: no)\n", call: "get_held 3"},
		{args: "held release 3 --url /x -H A:1 --remove-header B -d y", fake: fake{answers: map[string]any{"release": "ok"}}, stdout: "ok\n",
			call: `release 3 {"body":"y","headers":{"A":"1","B":null},"url":"/x"}`},
		{args: "held release --all", fake: fake{answers: map[string]any{"release_all": "ok"}}, stdout: "ok\n", call: "release_all"},
		{args: "held release", stderr: "j: got no number, want that of a held exchange, or --all (see j held release --help)\n", code: 80},
		{args: "held answer 3 --status 404 -d @-", fake: fake{answers: map[string]any{"answer_held": "ok"}}, stdout: "ok\n", call: `answer_held 3 {"body_base64":"","status":404}`},
		{args: "held abort @3", fake: fake{answers: map[string]any{"abort_held": "ok"}}, stdout: "ok\n", call: "abort_held 3"},
		{args: "expect nowhere.yaml", stderr: "j: open nowhere.yaml: no such file or directory\n", code: 1},
		{args: "script", fake: fake{answers: map[string]any{"list_scripts": `[]`}}, stdout: "No scenario and no scripts are loaded.\n", call: "list_scripts"},
		{args: "script list", fake: fake{answers: map[string]any{"list_scripts": `[{"kind":"scenario","file":"/m/s.star","error":""},{"kind":"addon","file":"/a/x.star","error":"x.star:1:1: no\nwhy"}]`}},
			stdout: "scenario  fine   /m/s.star\naddon     error  /a/x.star\n    x.star:1:1: no\n    why\n"},
		{args: "script try post /a -H A:1 -H B:2,3 -d x", fake: fake{answers: map[string]any{"try_request": tried}}, call: `try_request post /a [["A","1"],["B","2,3"]] x`,
			stdout: "POST /a  script:f  s.star:3\n  info: hi\n  state n: 1 → nothing\n  state m: nothing → 2\n  webhook: POST http://h/\n  1 function would run later\n  after 20 ms\n\n201\nX: y\n\nok\n"},
		{args: "script try GET /a --json", fake: fake{answers: map[string]any{"try_request": tried}}, stdout: tried + "\n"},
		{args: "script try GET /a", fake: fake{answers: map[string]any{"try_request": `{"endpoint":"GET /a","handler":"script:f","source":"s.star:3","notes":[{"level":"error","text":"no"}],"error":{"backtrace":"s.star:4:1: no"}}`}},
			code: 1, stdout: "GET /a  script:f  s.star:3\ns.star:4:1: no\n"},
		{args: "script try GET /a", fake: fake{answers: map[string]any{"try_request": `{"real_server":true,"nearest":[{"endpoint":"GET /b","why":["the path is /b"]}]}`}},
			stdout: "No endpoint answers: it would go to the real server.\n  nearest: GET /b: the path is /b\n"},
		{args: "script try GET /a -H x", stderr: "j: --header: got \"x\", want NAME: VALUE\n", code: 80},
		{args: "mock coverage", fake: fake{answers: map[string]any{"mock_coverage": `{"percent": 100, "parts": []}`}}, stdout: "No mocks configured.\n"},
		{args: "mock coverage --all --fail-under 66.7", fake: fake{answers: map[string]any{"mock_coverage": covered}}, code: 1, call: "mock_coverage true",
			stdout: "Never met:\n  GET /a rules[1]  a.yaml:4\n2 of 3 met, 66.6 %: endpoints 1 of 1, rules 1 of 2\n",
			stderr: "mock coverage: got 66.6 %, want 66.7 % or more\n"},
		{args: "mock coverage", fake: fake{answers: map[string]any{"mock_coverage": contracted}},
			stdout: "Never met:\n  operation GET /b  api.yaml:9\n1 of 2 met, 50 %: operations 1 of 2\n"},
		{args: "mock coverage --json --fail-under 66.6", fake: fake{answers: map[string]any{"mock_coverage": covered}}, stdout: covered + "\n"},
		{args: "mock coverage --fail-under 101", stderr: "j: --fail-under: got 101, want a number from 0 to 100\n", code: 80},
		{args: "mock coverage --reset", fake: fake{answers: map[string]any{"reset_coverage": "Coverage begins again"}}, stdout: "Coverage begins again\n"},
		{args: "mock list", fake: fake{answers: map[string]any{"list_mocks": `{"GET /z": {}, "GET /a": {"status": 404}, "r": {"rules": [1, 2]}, "s": {"sequence": [1]}, "t": {"body_template": {}, "status": 201},
			"a": {"addon": "hls"}, "fn": {"script": "login"}, "f": {"file": "a.bin"}, "l": {"latency_ms": 50, "status": 500}, "z": {"latency_ms": 0}, "h": {"latency_ms": 1.5}, "p": {"patch": {}}, "r1": {"latency_ms": {"max": 5}}, "f1": {"fault": "reset"}, "f2": {"status": 201, "fault": {"kind": "truncate", "after": 5}}, "f3": {"rules": [1], "fault": {"kind": "close", "rate": 0.25}}, "f4": {"fault": null}, "odd": [1]}`}},
			stdout: "  GET /z  ->  200\n  GET /a  ->  404\n  r  ->  2 rule(s)\n  s  ->  1 step(s)\n  t  ->  201 (template)\n  a  ->  addon:hls\n  fn  ->  script:login\n  f  ->  200 file:a.bin\n" +
				"  l  ->  500 (+50ms)\n  z  ->  200\n  h  ->  200 (+1.5ms)\n  p  ->  200\n  r1  ->  200 (+random ms)\n  f1  ->  fault:reset\n  f2  ->  201 fault:truncate\n  f3  ->  1 rule(s) fault:close (25%)\n  f4  ->  200\n  odd  ->  (not understood)\n"},
		{args: "mock undo", fake: fake{answers: map[string]any{"undo_mocks": "Undone: all mocks were removed"}}, stdout: "Undone: all mocks were removed\n"},
		{args: "mock save GET /a", fake: fake{answers: map[string]any{"preview_mock_save": `{"name": "m.yaml", "diff": "--- m.yaml\n+++ m.yaml\n-a\n+b\n", "hash": "h1"}`, "save_mock": "Saved GET /a to m.yaml"}},
			stdout: "--- m.yaml\n+++ m.yaml\n-a\n+b\nSaved GET /a to m.yaml\n", call: "save_mock GET /a  h1"},
		{args: "mock save GET /a --to x.yaml --diff", fake: fake{answers: map[string]any{"preview_mock_save": `{"name": "x.yaml", "diff": "", "hash": "h1"}`}}, stdout: "x.yaml has it already.\n", call: "preview_mock_save GET /a x.yaml"},
		{args: "mock clear", fake: fake{answers: map[string]any{"clear_mocks": "Cleared 2 mock(s)"}}, stdout: "Cleared 2 mock(s)\n"},
		{args: "mock fault GET /a reset", fake: fake{answers: map[string]any{"set_mock_fault": "Fault mock set: GET /a → reset"}}, stdout: "Fault mock set: GET /a → reset\n", call: "set_mock_fault GET /a reset {}"},
		{args: "mock fault GET /a truncate --after 5 --rate 0", fake: fake{answers: map[string]any{"set_mock_fault": "Fault mock set: GET /a"}}, stdout: "Fault mock set: GET /a\n", call: `set_mock_fault GET /a {"after":5,"kind":"truncate","rate":0} {}`},
		{args: "mock fault GET /a explode", stderr: `j: <kind>: got "explode", want one of close, corrupt, drip, duplicate, garbage, reset, stall, truncate, wrong_length (see j proxy mock fault --help)` + "\n", code: 80},
		{args: "bundle save /nowhere/x.zip", stderr: "j: open /nowhere/x.zip: no such file or directory\n", code: 1},
		{args: "bundle save x.zip --since 7 --filter-expr ~e --unmask", fake: fake{answers: map[string]any{"save_bundle": errors.New("no")}}, stderr: "j: no\n", code: 1, call: "save_bundle 7 ~e true"},
		{args: "network set edge", fake: fake{answers: map[string]any{"set_network": "set"}}, stdout: "set\n", call: "set_network edge"},
		{args: "network set edge --host *.a.test --client 10.0.0.7 --down 1Mbit --loss 2 --outage 60s/10s", fake: fake{answers: map[string]any{"set_network": "set"}}, stdout: "set\n",
			call: `set_network {"down":"1Mbit","loss":"2","outage":{"every":"60s","for":"10s"},"profile":"edge"} *.a.test 10.0.0.7`},
		{args: "network set", stderr: "j: got neither the name of a profile nor a value, want some (see j proxy network set --help)\n", code: 80},
		{args: "network set --outage 60s", stderr: `j: --outage: got "60s", want two times such as 60s/10s` + "\n", code: 80},
		{args: "network show", fake: fake{answers: map[string]any{"show_network": `[]`}}, stdout: "No network profiles are set.\n"},
		{args: "network show", fake: fake{answers: map[string]any{"show_network": `[{"host": "a.test", "client": "10.0.0.7", "title": "edge", "from": "method"}, {"title": "4g", "from": "scenario", "line": 4}]`}},
			stdout: "  host a.test, client 10.0.0.7  edge\n  all connections  4g  (scenario, line 4)\n"},
		{args: "network clear --host a.test", fake: fake{answers: map[string]any{"clear_network": "Network profiles removed: 1"}}, stdout: "Network profiles removed: 1\n", call: "clear_network a.test"},
		{args: "tls set a.test expired", fake: fake{answers: map[string]any{"set_tls_fault": "TLS fault set: expired for a.test (every handshake)"}},
			stdout: "TLS fault set: expired for a.test (every handshake)\n", call: "set_tls_fault a.test expired"},
		{args: "tls set *.test slow bytes=4 ms=5 --times 2", fake: fake{answers: map[string]any{"set_tls_fault": "set"}}, stdout: "set\n",
			call: `set_tls_fault *.test {"bytes":4,"kind":"slow","ms":5,"times":2}`},
		{args: "tls set * alert alert=unknown_ca", fake: fake{answers: map[string]any{"set_tls_fault": "set"}}, stdout: "set\n", call: `set_tls_fault * {"alert":"unknown_ca","kind":"alert"}`},
		{args: "tls set * max_version version=1.0", fake: fake{answers: map[string]any{"set_tls_fault": "set"}}, stdout: "set\n", call: `set_tls_fault * {"kind":"max_version","version":1.0}`},
		{args: "tls set * slow bytes", stderr: `j: <param=value>: got "bytes", want the name of another parameter, = and its value (see j proxy tls set --help)` + "\n", code: 80},
		{args: "tls list", fake: fake{answers: map[string]any{"list_tls_faults": `[]`}}, stdout: "No TLS faults are set.\n"},
		{args: "tls list", fake: fake{answers: map[string]any{"list_tls_faults": `[{"host": "*", "kind": "expired", "from": "method", "met": 3}, {"host": "a.test", "kind": "alert", "alert": "unknown_ca", "times": 2, "from": "scenario", "line": 4, "met": 1}]`}},
			stdout: "  *  expired  3 met\n  a.test  alert unknown_ca  1 of 2 met  (scenario, line 4)\n"},
		{args: "doctor --for 2s", fake: fake{answers: map[string]any{"doctor": `{"seconds": 2, "devices": [{"client": "192.0.2.7", "findings": [{"finding": "reaches", "ok": true, "text": "reaches the proxy", "advice": ""}, {"finding": "pins", "ok": false, "text": "pins a.test", "advice": "leave it alone"}]}]}`}},
			stdout: "192.0.2.7\n  reaches the proxy\n! pins a.test\n  → leave it alone\n", stderr: "Watching the devices for 2s\n", code: 1, call: "doctor  2"},
		{args: "doctor --client 192.0.2.7 --json", fake: fake{answers: map[string]any{"doctor": `{"seconds": 60, "devices": [{"client": "192.0.2.7", "findings": []}]}`}},
			stdout: `{"seconds": 60, "devices": [{"client": "192.0.2.7", "findings": []}]}` + "\n", stderr: "Watching the devices for 1m0s\n", call: "doctor 192.0.2.7 60"},
		{args: "doctor", fake: fake{answers: map[string]any{"doctor": `{"seconds": 60, "devices": []}`}}, code: 1, stderr: "Watching the devices for 1m0s\n",
			stdout: "No device has reached the proxy. \"j proxy status\" tells its address; docs/ways-in.md tells how a device gets to it.\n"},
		{args: "clock", fake: fake{answers: map[string]any{"get_clock": `{"now": "2030-01-01T00:00:00.5Z", "turned": true, "frozen": true, "offset_seconds": -3600.2}`}}, stdout: "2030-01-01T00:00:00Z  (frozen, 1h0m0s behind)\n"},
		{args: "clock", fake: fake{answers: map[string]any{"get_clock": `{"now": "2030-01-01T00:00:00Z", "turned": false, "frozen": false, "offset_seconds": 0}`}}, stdout: "2030-01-01T00:00:00Z\n"},
		{args: "clock set --frozen +36h", fake: fake{answers: map[string]any{"set_clock": "Clock set"}}, stdout: "Clock set\n", call: "set_clock +36h true"},
		{args: "clock advance 1h30m", fake: fake{answers: map[string]any{"advance_clock": "Clock advanced"}}, stdout: "Clock advanced\n", call: "advance_clock 5400"},
		{args: "clock reset", fake: fake{answers: map[string]any{"reset_clock": "Clock reset"}}, stdout: "Clock reset\n", call: "reset_clock"},
		{args: "tls clear", fake: fake{answers: map[string]any{"clear_tls_faults": "TLS faults removed: 1"}}, stdout: "TLS faults removed: 1\n", call: "clear_tls_faults"},
		{args: "tls clear a.test", fake: fake{answers: map[string]any{"clear_tls_faults": "TLS faults removed: 0"}}, stdout: "TLS faults removed: 0\n", call: "clear_tls_faults a.test"},
		{args: "status", fake: fake{answers: map[string]any{"status": `{"running": true, "mode": "mock", "pid": 7, "proxy_address": "h:1", "mock_count": 1, "tls_faults": [{"host": "*", "kind": "stall", "after": "server_hello", "met": 0}]}`}},
			stdout: "Proxy is running (PID 7)\n  Mode:    mock\n  Listen:  h:1\n  Mocks:   1 endpoint(s)\n  TLS:     *  stall after server_hello  0 met\n"},
		{args: "faults set missing.yaml", stderr: "j: stat missing.yaml: no such file or directory\n", code: 1},
		{args: "faults list", fake: fake{answers: map[string]any{"list_fault_plans": `[]`}}, stdout: "No fault plans are in force.\n"},
		{args: "faults list", fake: fake{answers: map[string]any{"list_fault_plans": `[{"name": "cut", "fault": "truncate", "source": "ota.yaml:2", "requests": 4, "fired": 1}, {"name": "x", "fault": "reset", "source": "", "requests": 0, "fired": 0}]`}},
			stdout: "  cut  truncate  1 of 4 requests  (ota.yaml:2)\n  x  reset  0 of 0 requests\n"},
		{args: "faults clear", fake: fake{answers: map[string]any{"clear_fault_plans": "Fault plans removed: 1"}}, stdout: "Fault plans removed: 1\n", call: "clear_fault_plans"},
		{args: "faults clear x", fake: fake{answers: map[string]any{"clear_fault_plans": "Fault plans removed: 1"}}, stdout: "Fault plans removed: 1\n", call: "clear_fault_plans x"},
		{args: "faults event login", fake: fake{answers: map[string]any{"mark_event": "Event marked: login"}}, stdout: "Event marked: login\n", call: "mark_event login"},
		{args: "status", fake: fake{answers: map[string]any{"status": `{"running": true, "mode": "mock", "pid": 7, "proxy_address": "h:1", "mock_count": 1, "fault_plans": [{"name": "x", "fault": "reset", "requests": 3, "fired": 2}]}`}},
			stdout: "Proxy is running (PID 7)\n  Mode:    mock\n  Listen:  h:1\n  Mocks:   1 endpoint(s)\n  Fault:   x  reset  2 of 3 requests\n"},
		{args: "state list", fake: fake{answers: map[string]any{"list_scenario_states": `{}`, "get_all_state": `{}`}}, stdout: "No state.\n"},
		{args: "state list", fake: fake{answers: map[string]any{"list_scenario_states": `{"login": {"state": "in", "states": ["Started", "in"]}, "cart": {"state": "Started", "states": ["Started"]}}`,
			"get_all_state": `{"scenario.login": "in", "hits": 3, "a": {"b": [1]}}`}}, stdout: "  cart  Started  (of Started)\n  login  in  (of Started, in)\n  a = {\"b\": [1]}\n  hits = 3\n"},
		{args: "state move login out", fake: fake{answers: map[string]any{"set_scenario_state": "Scenario login: in → out"}}, stdout: "Scenario login: in → out\n", call: "set_scenario_state login out"},
		{args: "state reset", fake: fake{answers: map[string]any{"reset_scenario_states": "Reset 2 scenario(s)"}}, stdout: "Reset 2 scenario(s)\n", call: "reset_scenario_states"},
		{args: "state reset login", fake: fake{answers: map[string]any{"reset_scenario_states": "Reset 1 scenario(s)"}}, stdout: "Reset 1 scenario(s)\n", call: "reset_scenario_states login"},
		{args: "status", fake: fake{answers: map[string]any{"status": `{"running": true, "mode": "mock", "pid": 7, "proxy_address": "h:1", "mock_count": 1, "scenario_states": {"login": "in", "cart": "Started"}}`}},
			stdout: "Proxy is running (PID 7)\n  Mode:    mock\n  Listen:  h:1\n  Mocks:   1 endpoint(s)\n  State:   cart: Started\n  State:   login: in\n"},
		{args: "mock webhooks", fake: fake{answers: map[string]any{"list_webhooks": `[]`}}, stdout: "No webhooks were sent.\n"},
		{args: "mock webhooks", fake: fake{answers: map[string]any{"list_webhooks": `[{"method": "POST", "url": "http://a/", "endpoint": "GET /x", "status": 204, "error": ""}, {"method": "PUT", "url": "http://b/", "error": "refused"}]`}},
			stdout: "  --:--:-- POST http://a/  204  (GET /x)\n  --:--:-- PUT http://b/  failed: refused  (later())\n"},
		{args: "status", fake: fake{answers: map[string]any{"status": `{"running": true, "mode": "mock", "pid": 7, "proxy_address": "h:1", "mock_count": 1, "webhooks": {"pending": 1, "sent": 2, "failed": 3, "last_error": "POST http://a/: refused"}}`}},
			stdout: "Proxy is running (PID 7)\n  Mode:    mock\n  Listen:  h:1\n  Mocks:   1 endpoint(s)\n  After:   2 webhook(s) sent, 3 failed, 1 pending\n  Error:   webhook POST http://a/: refused\n"},
		{args: "mock reset", fake: fake{answers: map[string]any{"reset_mocks": "Reset to 2 mock(s)"}}, stdout: "Reset to 2 mock(s)\n"},
		{args: "mock remove GET /a", fake: fake{answers: map[string]any{"remove_mock": "Removed mock: GET /a"}}, stdout: "Removed mock: GET /a\n", call: "remove_mock GET /a"},
		{args: "mock remove GET /b", fake: fake{answers: map[string]any{"remove_mock": "Mock not found: GET /b"}}, stderr: "j: Mock not found: GET /b\n", code: 1},
		{args: "mock load nowhere.yaml", stderr: "j: File not found: nowhere.yaml\n", code: 1},
		{args: "flow list", fake: fake{answers: map[string]any{"list_flow_files": `[]`}}, stdout: "No flow files found.\n"},
		{args: "flow list", fake: fake{answers: map[string]any{"list_flow_files": `[{"name": "a.bin", "size_bytes": 1536, "modified": "2026-01-31T12:00:00"}]`}},
			stdout: "  a.bin  (1.5 KB, 2026-01-31T12:00:00)\n"},
		{args: "capture list", fake: fake{answers: map[string]any{"get_captured_requests": `[]`}}, stdout: "No captured requests.\n"},
		{args: "capture list", fake: fake{answers: map[string]any{"get_captured_requests": "[" + event + "]"}}, stdout: "1 captured request(s):\n" + line},
		{args: "capture list --filter-expr ~c&4xx", stderr: "j: --filter-expr: column 3: expected a status (404, 4xx, 200-299, 401,403) after ~c (see j proxy capture list --help)\n", code: 80},
		{args: "capture list --filter-expr=~s|/api", fake: fake{answers: map[string]any{"list_captured_requests": "[" + event + "]"}}, stdout: "1 captured request(s):\n" + line,
			call: "list_captured_requests ~s|/api"},
		{args: "capture list --filter-expr ~e", fake: fake{answers: map[string]any{"list_captured_requests": "[]"}}, stdout: "No captured requests match.\n"},
		{args: "capture list --filter-expr ~e", fake: fake{answers: map[string]any{"list_captured_requests": &client.Error{Code: codes.NotFound, Message: "method list_captured_requests not found on driver"}}},
			stderr: stock, code: 1},
		{args: "capture list --filter-expr ~e", fake: fake{answers: map[string]any{"list_captured_requests": &client.Error{Code: codes.Unavailable, Message: "gone"}}}, stderr: "j: gone\n", code: 1},
		{args: "capture -f /api/* --filter-expr ~s", fake: fake{streams: map[string][]string{"watch_captured_requests": {other, event}}}, stdout: "Watching captured requests (Ctrl+C to stop)...\n" + line,
			call: "watch_captured_requests ~s"},
		{args: "capture watch --filter-expr ~s", fake: fake{answers: map[string]any{"watch_captured_requests": &client.Error{Code: codes.Unknown,
			Message: "MitmproxyDriver.watch_captured_requests() takes 1 positional argument but 2 were given"}}}, stdout: "Watching captured requests (Ctrl+C to stop)...\n", stderr: stock, code: 1},
		{args: "capture watch --filter-expr ~s", fake: fake{answers: map[string]any{"watch_captured_requests": &client.Error{Code: codes.InvalidArgument,
			Message: "watch_captured_requests: got 1, want at most 0 arguments"}}}, stdout: "Watching captured requests (Ctrl+C to stop)...\n", stderr: stock, code: 1},
		{args: "capture clear", fake: fake{answers: map[string]any{"clear_captured_requests": "Cleared 1 captured request(s)"}}, stdout: "Cleared 1 captured request(s)\n"},
		{args: "capture -f /api/*", fake: fake{streams: map[string][]string{"watch_captured_requests": {other, event}}}, stdout: "Watching captured requests (Ctrl+C to stop)...\n" + line},
		{args: "capture watch --filter /api/x", fake: fake{streams: map[string][]string{"watch_captured_requests": {other, event}}}, stdout: "Watching captured requests (Ctrl+C to stop)...\n" + line},
		{args: "capture watch", stdout: "Watching captured requests (Ctrl+C to stop)...\n", stderr: "j: nothing to stream\n", code: 1},
		{args: "cert", fake: fake{answers: map[string]any{"get_ca_cert": "Error: CA cert not found at /x. Start proxy once to generate."}},
			stderr: "j: CA cert not found at /x. Start proxy once to generate.\n", code: 1},
		{args: "bogus", stderr: "j: unexpected argument bogus (see j proxy --help)\n", code: 80},
		{args: "mock", stderr: "j: expected one of \"list\", \"clear\", \"load\", \"fault\", \"webhooks\", ... (see j proxy mock --help)\n", code: 80},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := proxyCommand(t, &test.fake, strings.Fields(test.args)...)
			if stdout != test.stdout || stderr != test.stderr || code != test.code {
				t.Errorf("exit code %d, want %d\nstdout\n%swant\n%sstderr\n%swant\n%s", code, test.code, stdout, test.stdout, stderr, test.stderr)
			}
			if test.call != "" && (len(test.fake.calls) == 0 || test.fake.calls[len(test.fake.calls)-1] != test.call) {
				t.Errorf("calls %q, want %q last", test.fake.calls, test.call)
			}
		})
	}
}

// tempDir is a directory without symbolic links in its path, as messages show it.
func tempDir(t *testing.T) string {
	t.Helper()
	return resolved(t.TempDir())
}

func TestMockLoad(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	outside := filepath.Join(tempDir(t), "secret")
	for name, text := range map[string]string{
		outside:                            "secret",
		filepath.Join(dir, "a.bin"):        "A",
		filepath.Join(dir, "deep/b.bin"):   "B",
		filepath.Join(dir, "scenario.yml"): "endpoints:\n  GET /a: {file: a.bin}\n  GET /b: {rules: [{file: deep/b.bin}, {file: ../x}]}\n  GET /c: {sequence: [{file: missing.bin}, {file: a.bin}]}\n  http://h/d: [{response: {file: link}}, {file: 7}]\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	f := &fake{answers: map[string]any{"upload_mock_file": "Uploaded: x (1 bytes)", "load_mock_scenario_content": "Loaded 4 endpoint(s) from scenario.yml"}}
	stdout, stderr, code := proxyCommand(t, f, "mock", "load", dir)
	want := "  uploading a.bin\n  uploading deep/b.bin\n  skipped unsafe file path: ../x\n  uploading a.bin\n  skipped unsafe file path: link\nLoaded 4 endpoint(s) from scenario.yml\n"
	if stdout != want || stderr != "" || code != 0 {
		t.Errorf("exit code %d\nstdout\n%swant\n%sstderr %s", code, stdout, want, stderr)
	}
	if f.calls[0] != "upload_mock_file a.bin QQ==" || f.calls[1] != "upload_mock_file deep/b.bin Qg==" ||
		!strings.HasPrefix(f.calls[2], "load_mock_scenario_content scenario.yml endpoints:") || len(f.calls) != 3 {
		t.Errorf("calls %q", f.calls)
	}

	f.answers["load_mock_scenario_content"] = "Failed to parse scenario: line 1"
	if _, stderr, code := proxyCommand(t, f, "mock", "load", filepath.Join(dir, "scenario.yml")); code != 1 || stderr != "j: Failed to parse scenario: line 1\n" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	f.answers["upload_mock_file"] = "Invalid file path: a.bin"
	if _, stderr, code := proxyCommand(t, f, "mock", "load", dir); code != 1 || stderr != "j: a.bin: Invalid file path: a.bin\n" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

func TestDownloads(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	piece := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	f := &fake{
		answers: map[string]any{
			"get_ca_cert":              "-----BEGIN CERTIFICATE-----\nx\n",
			"export_captured_scenario": `{"yaml": "endpoints: {}\n", "files": ["responses/GET/a.bin"]}`,
			"clean_capture_spool":      "No spool directory found",
			"missing_from_export":      "[]",
		},
		streams: map[string][]string{"get_flow_file": {piece("one "), piece("two")}, "get_captured_file": {piece("body")}},
	}
	check := func(args []string, stdout, file, content string) {
		t.Helper()
		got, stderr, code := proxyCommand(t, f, args...)
		if got != stdout || stderr != "" || code != 0 {
			t.Errorf("%s: exit code %d\nstdout\n%swant\n%sstderr %s", args, code, got, stdout, stderr)
		}
		if data, err := os.ReadFile(file); err != nil || string(data) != content {
			t.Errorf("%s: %q, %v; want %q", file, data, err, content)
		}
	}
	flow := filepath.Join(dir, "boot.flow")
	if err := os.WriteFile(flow, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	check([]string{"flow", "save", "a.bin", flow}, "Flow file saved to: "+flow+"\n", flow, "one two")
	cert := filepath.Join(dir, "ca.pem")
	check([]string{"cert", cert}, "CA certificate written to: "+cert+"\n", cert, "-----BEGIN CERTIFICATE-----\nx\n")
	saved := filepath.Join(dir, "new", "recorded")
	check([]string{"capture", "save", saved, "-f", "/a*", "--exclude-mocked"},
		"Scenario written to: "+saved+"/scenario.yaml\n  responses/GET/a.bin\nNo spool directory found\n", filepath.Join(saved, "responses/GET/a.bin"), "body")
	// Captured traffic holds passwords and tokens; a certificate is for everybody.
	check([]string{"capture", "save", saved, "-f", "/a*", "--exclude-mocked"}, // over what is there
		"Scenario written to: "+saved+"/scenario.yaml\n  responses/GET/a.bin\nNo spool directory found\n", filepath.Join(saved, "scenario.yaml"), "endpoints: {}\n")
	for name, want := range map[string]os.FileMode{flow: 0o600, filepath.Join(saved, "scenario.yaml"): 0o600, filepath.Join(saved, "responses/GET/a.bin"): 0o600, cert: 0o644} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v (%v)", name, info.Mode(), want, err)
		}
	}
	if f.calls[2] != "export_captured_scenario /a* true" {
		t.Errorf("calls %q", f.calls)
	}
	// What is not in the scenario is told.
	f.answers["export_captured_scenario"] = `{"yaml": "endpoints: {}\n", "files": [], "left_out": ["\"GET http://a/\": \"it broke off\""]}`
	if _, stderr, code := proxyCommand(t, f, "capture", "save", saved); code != 0 || stderr != "warning: left out: \"GET http://a/\": \"it broke off\"\n" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}

	// A download that breaks off leaves the old file, and nothing new.
	f.streams["get_flow_file"] = []string{piece("three"), "not base64!"}
	if _, stderr, code := proxyCommand(t, f, "flow", "save", "a.bin", flow); code != 1 || !strings.Contains(stderr, "base64") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	if data, _ := os.ReadFile(flow); string(data) != "one two" {
		t.Errorf("%s: %q after a broken download", flow, data)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 3 {
		t.Errorf("left behind: %v", entries)
	}

	// Names that lead out of the directory are not followed.
	f.answers["export_captured_scenario"] = `{"yaml": "", "files": ["../escaped"]}`
	if _, stderr, code := proxyCommand(t, f, "capture", "save", saved); code != 1 || !strings.Contains(stderr, "../escaped") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "new", "escaped")); err == nil {
		t.Error("a file was written outside the directory")
	}
}

func TestWeb(t *testing.T) {
	t.Parallel()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go http.Serve(server, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello "+r.URL.Query().Get("token")) }))
	f := &fake{web: server.Addr().String(), answers: map[string]any{
		"status": `{"running": true, "web_ui_enabled": true, "web_ui_address": "http://0.0.0.0:8081/?token=T%2B1"}`}}
	c := newConsole()
	r, w := io.Pipe()
	c.Stdout = w
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- c.dispatch(ctx, "j proxy", &proxyCommands{}, []string{"web", "--address", "127.0.0.1", "--port", "0"}, proxy{f})
		w.Close()
	}()
	buffer := make([]byte, 200)
	n, err := r.Read(buffer)
	if err != nil {
		t.Fatal(err, c.stderr.String())
	}
	address, ok := strings.CutPrefix(strings.TrimSpace(string(buffer[:n])), "mitmweb UI available at: ")
	if !ok || !strings.HasSuffix(address, "/?token=T%2B1") {
		t.Fatalf("printed %q", buffer[:n])
	}
	go io.Copy(io.Discard, r)
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(body) != "hello T+1" {
		t.Errorf("body %q", body)
	}
	cancel() // the client's connection is kept alive: it must not hold us up
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestUploadTooLarge(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	for name, text := range map[string]string{"scenario.yaml": "GET /a: {file: a.bin}\n", "a.bin": "firmware"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The words of grpc-go and of the core library behind Python.
	for _, message := range []string{"grpc: received message larger than max (5592500 vs. 4194304)", "CLIENT: Received message larger than max (5592500 vs. 4194304)"} {
		f := &fake{answers: map[string]any{"upload_mock_file": &client.Error{Code: codes.ResourceExhausted, Message: message}}}
		_, stderr, code := proxyCommand(t, f, "mock", "load", dir)
		want := "j: a.bin: 8 B are too much for one message to this exporter, which takes files of up to 3.0 MB: copy the file to its files directory by other means\n"
		if code != 1 || stderr != want {
			t.Errorf("exit code %d, stderr %q, want %q", code, stderr, want)
		}
	}
}

// The help of "capture list" has every operator, in its way.
func TestOperatorHelp(t *testing.T) {
	t.Parallel()
	for _, op := range filter.Operators() {
		arg := map[filter.ArgKind]string{filter.Regex: "RE", filter.Status: "STATUS", filter.Millis: "MS", filter.Size: "BYTES"}[op.Arg]
		if !regexp.MustCompile(strings.TrimSpace("~"+op.Name+" "+arg) + `\b`).MatchString(operatorHelp) {
			t.Errorf("~%s %s is missing", op.Name, arg)
		}
	}
	for _, name := range regexp.MustCompile(`~(\w+)`).FindAllStringSubmatch(operatorHelp, -1) {
		if x, err := filter.Parse("~" + name[1] + " 200"); err != nil {
			t.Errorf("~%s: %v %v", name[1], x, err)
		}
	}
}

// TestSaveKeepsTheRest tells what a file lacks, and has an exporter that can't
// remove some of the bodies keep them all.
func TestSaveKeepsTheRest(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	f := &fake{
		answers: map[string]any{
			"export_captured_scenario": `{"yaml": "endpoints: {}\n", "files": []}`,
			"clean_capture_spool":      "Removed 2 spool file(s)",
			"missing_from_export":      `["\"GET http://a/b\": the body of the response, 9 bytes: gone"]`,
		},
		streams: map[string][]string{"export_captures": {base64.StdEncoding.EncodeToString([]byte("{}"))}},
	}
	har := filepath.Join(dir, "a.har")
	stdout, stderr, code := proxyCommand(t, f, "capture", "save", "--har", har, "-f", "/b*")
	if stdout != "HAR document written to: "+har+"\n" || stderr != "warning: missing: \"GET http://a/b\": the body of the response, 9 bytes: gone\n" || code != 0 {
		t.Errorf("exit code %d\nstdout %s\nstderr %s", code, stdout, stderr)
	}
	if got := f.calls[len(f.calls)-1]; got != "missing_from_export har /b* false" {
		t.Errorf("asked %q", got)
	}
	if _, stderr, code := proxyCommand(t, f, "capture", "save", "--har", har, "--filter-expr", "~e"); code != 0 {
		t.Errorf("exit code %d, stderr %s", code, stderr)
	}
	if got := f.calls[len(f.calls)-2:]; got[0] != "export_captures har  false ~e" || got[1] != "missing_from_export har  false ~e" {
		t.Errorf("asked %q", got)
	}
	if _, stderr, code := proxyCommand(t, f, "capture", "save", dir, "--filter-expr", "~e"); code != 80 || !strings.Contains(stderr, "want --filter GLOB") {
		t.Errorf("a scenario with a filter expression: exit code %d, stderr %s", code, stderr)
	}
	for _, c := range []struct {
		flags  []string
		stock  bool
		cleans bool
	}{
		{nil, true, true},
		{[]string{"-f", "/b*"}, true, false},
		{[]string{"--exclude-mocked"}, true, false},
		{[]string{"-f", "/b*"}, false, true},
	} {
		f.calls = nil
		if c.stock {
			f.answers["missing_from_export"] = &client.Error{Code: codes.NotFound, Message: "method not found"}
		} else {
			f.answers["missing_from_export"] = "[]"
		}
		_, stderr, code := proxyCommand(t, f, append([]string{"capture", "save", dir}, c.flags...)...)
		if got := slices.Contains(f.calls, "clean_capture_spool"); got != c.cleans || code != 0 || (stderr == "") != c.cleans {
			t.Errorf("%v, stock %v: cleans %v, want %v; exit code %d, stderr %s", c.flags, c.stock, got, c.cleans, code, stderr)
		}
	}
}

// TestMockLoadOfAll sends the files of all places in which a scenario can name
// one, and those that a name with a template fits.
func TestMockLoadOfAll(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	for name, text := range map[string]string{
		"files/a.bin": "A", "files/users/1.json": "1", "files/users/2.json": "2", "files/c.bin": "C",
		"s.yaml": "config: {files_dir: files}\nendpoints:\n  GET /a: {rules: [{sequence: [{file: a.bin}]}]}\n  GET /u/{id}: {file: 'users/{{request_path(1)}}.json'}\n",
		"s.star": "config = {\"files_dir\": \"files\"}\ndef f(req):\n    return response(file = \"c.bin\")\nendpoints = {\"GET /a\": {\"file\": \"a.bin\"}, \"GET /f\": f}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"s.yaml": "  uploading files/a.bin\n  uploading files/users/1.json\n  uploading files/users/2.json\nLoaded 2 endpoint(s)\n",
		"s.star": "  uploading files/a.bin\n  uploading files/c.bin\nLoaded 2 endpoint(s)\n",
	} {
		f := &fake{answers: map[string]any{"upload_mock_file": "Uploaded: x (1 bytes)", "load_mock_scenario_content": "Loaded 2 endpoint(s)"}}
		stdout, stderr, code := proxyCommand(t, f, "mock", "load", filepath.Join(dir, name))
		if stdout != want || stderr != "" || code != 0 {
			t.Errorf("%s: exit code %d\nstdout\n%swant\n%sstderr %s", name, code, stdout, want, stderr)
		}
	}
}
