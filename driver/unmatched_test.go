package driver

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestUnmatchedLogged checks that the log tells of requests without a mock, and
// that it tells less often of those that come again.
func TestUnmatchedLogged(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Unmatched = Reject })
	proxy := b.start()
	device := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	t.Cleanup(device.CloseIdleConnections)
	get := func(path string) {
		t.Helper()
		res, err := device.Get("http://backend.example" + path)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusNotImplemented {
			t.Fatalf("%s: status %d", path, res.StatusCode)
		}
	}
	for i := range 12 {
		get(fmt.Sprintf("/api?n=%d", i))
	}
	get("/other")
	var got []string
	for {
		text := b.awaitLog("no mock matches: ")
		got = append(got, strings.Join(strings.Fields(text)[3:6], " "))
		if strings.Contains(text, "/other") {
			break
		}
	}
	want := "GET http://backend.example/api times=1|GET http://backend.example/api times=10|GET http://backend.example/other times=1"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
}

// TestUnmatchedBounded checks that many different requests take no more memory
// than the bound says.
func TestUnmatchedBounded(t *testing.T) {
	t.Parallel()
	u := newUnmatched(nil, nil)
	fulls := 0
	for i := range maxUnmatched + 10 {
		if _, full := u.count(unmatchedKey{"GET", fmt.Sprint(i)}); full {
			fulls++
		}
	}
	if len(u.times) != maxUnmatched || fulls != 1 {
		t.Errorf("%d kept, told %d times", len(u.times), fulls)
	}
}

func TestTenfold(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]bool{0: false, 1: true, 2: false, 10: true, 11: false, 20: false, 100: true, 110: false, 1000: true} {
		if tenfold(n) != want {
			t.Errorf("tenfold(%d) is %v", n, !want)
		}
	}
}

// TestUnmatchedFailure checks that a device which is told that the real server
// can't be reached is told of the mocks that it may have meant.
func TestUnmatchedFailure(t *testing.T) {
	t.Parallel()
	nowhere := "http://127.0.0.1:1"
	for _, test := range []struct{ mocks, mode, target, want string }{
		{`GET /api/v1/status: {body: ok}`, "mock", nowhere + "/api/v1/statsu",
			"\nno mock answers this; nearest: GET /api/v1/status (path is \"/api/v1/statsu\", expected \"/api/v1/status\")\n"},
		{`POST /x: {body: ok}`, "mock", nowhere + "/x", "\nno mock answers this; nearest: POST /x (method is GET, expected POST)\n"},
		{`{GET /x: {match: {query: {a: "1"}}, body: ok}, GET /y: {}}`, "mock", nowhere + "/x?a=2", "\nno mock answers this; nearest: GET /x (query parameter a is \"2\", expected \"1\"); GET /y (path is \"/x\", expected \"/y\")\n"},
		{`{}`, "mock", nowhere + "/x", "\nno mock answers this\n"},
		{`GET /x: {patch: {a: 1}}`, "mock", nowhere + "/x", ""}, // a mock took it
		{`GET /x: {body: ok}`, "passthrough", nowhere + "/y", ""},
	} {
		b := newBench(t, func(c *Config) {
			if err := yaml.Unmarshal([]byte(test.mocks), &c.Mocks); err != nil {
				t.Fatal(err)
			}
			c.Mocks = *c.Mocks.Content[0]
		})
		b.call("start", test.mode)
		proxy := &url.URL{Scheme: "http", Host: fmt.Sprint(b.status()["proxy_address"])}
		got := b.get(proxy, test.target)
		if !strings.HasPrefix(got, "502 Bad gateway: ") || test.want != "" && !strings.HasSuffix(got, test.want) || test.want == "" && strings.Contains(got, "no mock") {
			t.Errorf("%s of %s in %s: got %q, want it to end with %q", test.target, test.mocks, test.mode, got, test.want)
		}
	}
}
