package driver

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
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
