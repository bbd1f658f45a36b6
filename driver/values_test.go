package driver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestNumbersThroughMethods checks that JSON which callers give comes back and
// goes out with its digits and the order of its keys.
func TestNumbersThroughMethods(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const odd = `{"z":18446744073709551615,"a":{"y":1.50,"b":[-0,1e2,-9223372036854775809]},"m":2.0}`
	b.want("State set: k", "set_state", "k", odd)
	b.want(odd, "get_state", "k")
	b.want("State set: id", "set_state", "id", "18446744073709551615")
	b.want(`{"id":18446744073709551615,"k":`+odd+`}`, "get_all_state")
	for _, bad := range []string{"1e400", "[-1e999]", `{"a":{"b":1` + strings.Repeat("0", 1000) + "}}"} {
		if got := b.call("set_state", "k", bad); !strings.Contains(got, "set_state: ") || !strings.Contains(got, "number") {
			t.Errorf("set_state: %.60s: got %s", bad, got)
		}
		if got := b.call("check_state", "k", bad); !strings.Contains(got, `"ok":false`) {
			t.Errorf("check_state: %.60s: got %s", bad, got)
		}
	}
	b.want(odd, "get_state", "k")

	b.call("set_mock", "GET", "/static", 200.0, odd)
	b.call("set_mock_template", "GET", "/template", `{"q":"{{request_query(x)}}","z":18446744073709551615,"a":{"y":1.50,"b":[-0,1e2]},"s":"{{state(id)}}","k":"{{state(k)}}"}`)
	b.call("set_mock_template", "GET", "/still", odd)
	b.call("set_mock_sequence", "GET", "/sequence", `[{"body_template":{"z":"{{1 + 1}}","a":1.50}}]`)
	b.call("set_mock_conditional", "POST", "/rules", `[{"match":{"body_json":{"id":18446744073709551615}},"body":"exact"},{"body":"other"}]`)
	b.call("set_mock_patch", "GET", "/patch", `{"z":1.50,"b":{"y":18446744073709551616,"a":[]}}`)
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"y":1e400,"a":18446744073709551615}`)
	}))
	t.Cleanup(real.Close)
	proxy := b.start()
	for path, want := range map[string]string{
		"/static":       "200 " + odd,
		"/template?x=1": `200 {"q":"1","z":18446744073709551615,"a":{"y":1.50,"b":[-0,1e2]},"s":18446744073709551615,"k":{"z":18446744073709551615,"a":{"y":1.5,"b":[0,100.0,-9223372036854775809]},"m":2.0}}`,
		"/still":        "200 " + odd,
		"/sequence":     `200 {"z":2,"a":1.50}`,
	} {
		if got := b.get(proxy, "http://nowhere.invalid"+path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if got := b.get(proxy, real.URL+"/patch"); got != `200 {"y":1e400,"a":18446744073709551615,"z":1.50,"b":{"y":18446744073709551616,"a":[]}}` {
		t.Errorf("/patch: got %s", got)
	}
	for id, want := range map[string]string{"18446744073709551615": "exact", "18446744073709551614": "other", "1.8446744073709551615e19": "exact", "1.8446744073709552e19": "other"} {
		if got := post(t, proxy.Host, "http://nowhere.invalid/rules", `{"id":`+id+`}`); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
	if got := b.call("list_mocks"); !strings.Contains(got, `"GET /static"`) || !strings.Contains(got, odd) {
		t.Errorf("list_mocks: %s", got)
	}
}

// post sends a body through the proxy over a socket and returns that of the answer.
func post(t *testing.T, proxy, target, body string) string {
	t.Helper()
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: nowhere.invalid\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", target, len(body), body)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var text strings.Builder
	if _, err := bufio.NewReader(res.Body).WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// raw sends a request without a body through the proxy and returns the bytes of the answer.
func raw(t *testing.T, proxy, target string) string {
	t.Helper()
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: nowhere.invalid\r\nConnection: close\r\n\r\n", target)
	var text strings.Builder
	if _, err := bufio.NewReader(c).WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// TestHeadersAsWritten reads the lines of answers, and of a request to a real
// server, whose headers have expressions or come from scripts.
func TestHeadersAsWritten(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.call("load_mock_scenario_content", "h.yaml", "GET /x:\n  body: ok\n  headers:\n    X-REQUEST-ID: '{{request_path}}'\n    set-cookie: ['a=1', 'p={{request_path}}', 'b=2']\n")
	proxy := b.start()
	holds := func(text string, lines ...string) {
		t.Helper()
		for _, want := range lines {
			if !strings.Contains(text, "\r\n"+want+"\r\n") {
				t.Errorf("got %s, want %q", text, want)
			}
		}
	}
	holds(raw(t, proxy.Host, "http://nowhere.invalid/x"), "X-REQUEST-ID: /x", "set-cookie: a=1\r\nset-cookie: p=/x\r\nset-cookie: b=2")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		var text strings.Builder
		for r := bufio.NewReader(c); !strings.HasSuffix(text.String(), "\r\n\r\n"); {
			line, err := r.ReadString('\n')
			if text.WriteString(line); err != nil {
				break
			}
		}
		got <- text.String()
		io.WriteString(c, "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	}()
	b.call("load_mock_scenario_content", "h.star", `
def via(req):
    req.headers["X-REQ-a"] = "1"
    res = forward(req, headers = {"X-REQ-b": "2"})
    res.headers["etag"] = "new"
    res.headers["X-RES-a"] = "3"
    res.headers.add("x-res-B", "4")
    return res
def hook(req, res):
    res.headers["X-HOOK"] = "5"
hooks = {"response": hook}
endpoints = {"GET /via": via, "GET /given": lambda req: {"headers": {"X-GIVEN": "{{1 + 1}}"}}}
`)
	holds(raw(t, proxy.Host, "http://"+l.Addr().String()+"/via"), "ETag: new", "X-RES-a: 3", "x-res-B: 4", "X-HOOK: 5")
	holds(<-got, "X-REQ-a: 1", "X-REQ-b: 2")
	holds(raw(t, proxy.Host, "http://nowhere.invalid/given"), "X-GIVEN: 2", "X-HOOK: 5")
}
