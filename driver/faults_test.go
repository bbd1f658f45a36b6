package driver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fate is how an answer ended for a device that speaks HTTP/1.1 over a socket of
// its own: what came, and then "end", "reset" or "nothing".
func (b *bench) fate(proxy *url.URL, path string) string {
	b.Helper()
	c, err := net.Dial("tcp", proxy.Host)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET http://nowhere.invalid%s HTTP/1.1\r\nHost: nowhere.invalid\r\n\r\n", path)
	var got bytes.Buffer
	buf := make([]byte, 4096)
	patience := 10 * time.Second
	if strings.HasPrefix(path, "/stall") {
		patience = 50 * time.Millisecond
	}
	for {
		c.SetReadDeadline(time.Now().Add(patience))
		n, err := c.Read(buf)
		got.Write(buf[:n])
		switch {
		case err == nil:
			continue
		case errors.Is(err, syscall.ECONNRESET):
			return summary(got.Bytes()) + "reset"
		case errors.Is(err, io.EOF):
			return summary(got.Bytes()) + "end"
		case err.(net.Error).Timeout():
			return summary(got.Bytes()) + "nothing"
		}
		b.Fatal(err)
	}
}

// summary is "STATUS BODY, then " of an answer, or what came instead.
func summary(b []byte) string {
	head, body, whole := bytes.Cut(b, []byte("\r\n\r\n"))
	switch {
	case len(b) == 0:
		return ""
	case whole:
		status := strings.Fields(string(head))[1]
		return fmt.Sprintf("%s %s, then ", status, bytes.ReplaceAll(body, []byte("."), nil))
	}
	return fmt.Sprintf("%x…, then ", b[:4])
}

// TestFaults tries each fault over a socket, wherever a definition may ask for
// it: in an endpoint, a rule, a step, by each way to set one.
func TestFaults(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.want("Loaded 10 endpoint(s) from s.yaml", "load_mock_scenario_content", "s.yaml", `
GET /reset: {fault: reset}
GET /close: {fault: {kind: close}}
GET /garbage: {fault: garbage}
GET /stall: {fault: stall}
GET /truncate: {body: hello world, fault: {kind: truncate, after: 5}}
GET /template: {status: 201, body_template: "{{request_path}}", fault: {kind: close, after: 3}}
GET /text: {body_text_template: "{{request_path}}", fault: {kind: truncate, after: 3}}
GET /bytes: {body_base64: aGVsbG8=, fault: {kind: reset, after: 4}, match: {query: {n: {gt: 1}}}}
GET /rule: {rules: [{match: {query: {x: "1"}}, fault: reset}, {fault: {kind: truncate, after: 2}, body: other}]}
GET /step: {sequence: [{fault: garbage, repeat: 1}, {body: up, repeat: 1}, {fault: reset}]}
`)
	b.want("Fault mock set: GET /set → reset", "set_mock_fault", "GET", "/set", "reset")
	b.want(`Fault mock set: GET /json → {"kind": "truncate", "after": 4}`, "set_mock_fault", "get", "/json", `{"kind": "truncate", "after": 4}`, `{"status": 202, "body": "four and more"}`)
	b.want("Conditional mock set: GET /rules → 2 rule(s)", "set_mock_conditional", "GET", "/rules", `[{"match": {"query": {"x": "1"}}, "fault": "reset"}, {"fault": {"kind": "close"}}]`)
	b.want("Sequence mock set: GET /steps → 2 step(s)", "set_mock_sequence", "GET", "/steps", `[{"fault": "reset", "repeat": 1}, {"body": "up", "fault": {"kind": "close", "rate": 0}}]`)
	b.want("Sequence mock set: GET /late → 1 step(s)", "set_mock_sequence", "GET", "/late", `[{"body": "late", "latency_ms": {"min": 30, "max": 40}}]`)
	for name, want := range map[string]string{"explode": "want one of close, corrupt, drip, duplicate, garbage, reset, stall, truncate, wrong_length", "{": "Invalid fault JSON: ", `{"after": 1}`: "got no kind"} {
		if got := b.call("set_mock_fault", "GET", "/bad", name); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	b.want("Invalid answer JSON: got a list, want an object", "set_mock_fault", "GET", "/bad", "reset", "[1]")
	proxy := b.start()
	for _, c := range []struct{ path, want string }{
		{"/reset", "reset"},
		{"/close", "end"},
		{"/garbage", "ff00a517…, then end"},
		{"/stall", "nothing"},
		{"/truncate", "200 hello, then end"},
		{"/template", `201 "/t, then end`},
		{"/text", "200 /te, then end"},
		{"/bytes?n=2", "200 hell, then reset"},
		{"/rule?x=1", "reset"},
		{"/rule", "200 ot, then end"},
		{"/step", "ff00a517…, then end"},
		{"/set", "reset"},
		{"/json", "202 four, then end"},
		{"/rules?x=1", "reset"},
		{"/rules", "end"},
		{"/steps", "reset"},
	} {
		if got := b.fate(proxy, c.path); got != c.want {
			t.Errorf("%s: got %s, want %s", c.path, got, c.want)
		}
	}
	for path, want := range map[string]string{"/step": "200 up", "/steps": "200 up"} {
		if got := b.get(proxy, "http://nowhere.invalid"+path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if got := b.fate(proxy, "/step"); got != "reset" {
		t.Error(got)
	}
	begin := time.Now()
	if got := b.get(proxy, "http://nowhere.invalid/late"); got != "200 late" {
		t.Error(got)
	}
	if took := time.Since(begin); took < 30*time.Millisecond {
		t.Errorf("answered after %s, want 30 ms or more", took)
	}
}
