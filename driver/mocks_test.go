package driver

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The calls of the stock client carry matchers, names of files and text with
// expressions, and bytes.
func TestMocksThatAreRendered(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.call("upload_mock_file", "fw/1.bin", base64.StdEncoding.EncodeToString([]byte("one")))
	b.call("upload_mock_file", "page.txt", base64.StdEncoding.EncodeToString([]byte("page {{request_param(id)}}")))
	b.want("File mock set: GET /fw/{v} → fw/{{request_param(v)}}.bin (application/octet-stream)", "set_mock_file", "GET", "/fw/{v}", "fw/{{request_param(v)}}.bin")
	b.want("Sequence mock set: GET /s → 3 step(s)", "set_mock_sequence", "GET", "/s",
		`[{"body_text_template": "{{fmt('%03d', 7)}}\n", "repeat": 1}, {"body_base64": "aGk=", "repeat": 1}, {"body": "last"}]`)
	b.want("Conditional mock set: GET /c/{id} → 3 rule(s)", "set_mock_conditional", "GET", "/c/{id}",
		`[{"match": {"params": {"id": {"gt": 10}}, "query": {"q": {"regex": "^a"}}}, "body": "matched"},
		  {"match": {"cookies": {"sid": {"absent": false}}}, "file_template": "page.txt"}, {"status": 404}]`)
	proxy := b.start()
	for path, want := range map[string]string{
		"/fw/1": "200 one", "/fw/2": `404 {"error":"Mock file not found: fw/2.bin"}`, "/c/11?q=abc": "200 matched", "/c/11?q=b": "404 ", "/c/9?q=abc": "404 ",
	} {
		if got := b.get(proxy, "http://nowhere.invalid"+path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	for _, want := range []string{"200 007\n", "200 hi", "200 last"} {
		if got := b.get(proxy, "http://nowhere.invalid/s"); got != want {
			t.Errorf("/s: got %q, want %q", got, want)
		}
	}
	if got := b.do(proxy, "GET", "http://nowhere.invalid/c/9", http.Header{"Cookie": {"sid=1"}}); got != "200 page 9" {
		t.Error(got)
	}
}

func TestMockKinds(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	real := server(t)
	b.want("Sequence mock set: GET /s → 2 step(s)", "set_mock_sequence", "GET", "/s",
		`[{"status": 200, "body": "up", "repeat": 2}, {"status": 503, "body": "down"}]`)
	b.want("Template mock set: GET /t → 202", "set_mock_template", "GET", "/t",
		`{"n": "{{counter(hits)}}", "path": "{{request_path}}", "s": "{{state(mode)}}"}`, 202.0)
	b.want("Conditional mock set: GET /c → 2 rule(s)", "set_mock_conditional", "GET", "/c",
		`[{"match": {"headers": {"X-Key": "abc"}}, "status": 200, "body": "yes"}, {"status": 403, "body": "no"}]`)
	b.want("Mock set: GET /l → 200 (+30ms)", "set_mock_with_latency", "GET", "/l", 200.0, `"slow"`, 30.0)
	b.want("Mock set: * /any* → 204", "set_mock", "*", "/any*", 204.0, `""`)
	b.call("upload_mock_file", "fw.bin", base64.StdEncoding.EncodeToString([]byte("firmware")))
	b.call("set_mock_file", "GET", "/fw", "fw.bin")
	b.call("set_state", "mode", `{"deep": [1]}`)
	proxy := b.start()
	get := func(path, want string) {
		t.Helper()
		if got := b.get(proxy, "http://nowhere.invalid"+path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	run := func() {
		t.Helper()
		for _, want := range []string{"200 up", "200 up", "503 down", "503 down"} {
			get("/s", want)
		}
	}
	run()
	template := b.get(proxy, "http://nowhere.invalid/t?q")
	if want := `202 {"n":1,"path":"/t?q","s":{"deep":[1]}}`; strings.ReplaceAll(template, ": ", ":") != want && strings.ReplaceAll(strings.ReplaceAll(template, ": ", ":"), ", ", ",") != want {
		t.Error(template)
	}
	get("/c", "403 no")
	if got := b.do(proxy, "GET", "http://nowhere.invalid/c", http.Header{"X-Key": {"abc"}}); got != "200 yes" {
		t.Error(got)
	}
	begin := time.Now()
	get("/l", "200 slow")
	if took := time.Since(begin); took < 30*time.Millisecond {
		t.Error(took)
	}
	get("/anything", "204 ")
	get("/fw", "200 firmware")

	// Sequences begin anew when set again and at a start.
	b.call("set_mock_sequence", "GET", "/s", `[{"body": "up", "repeat": 2}, {"status": 503, "body": "down"}]`)
	run()
	b.call("restart")
	run()
	if got := b.get(proxy, "http://nowhere.invalid/t"); !strings.Contains(strings.ReplaceAll(got, " ", ""), `"n":1,`) {
		t.Error("the counter went on over a restart", got)
	}
	b.want("Patch mock set: GET /p", "set_mock_patch", "GET", "/p", `{"a": 1}`)
	if got := b.get(proxy, real.URL+"/p"); !strings.HasPrefix(got, "200 real /p") {
		t.Error("an answer that is no JSON was changed", got)
	}
}
