package driver

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
)

// The copied command asks for the same target, once, whatever brackets are in it.
func TestCopiedCurl(t *testing.T) {
	t.Parallel()
	var asked = make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Method + " " + r.RequestURI }))
	defer server.Close()
	b := newBench(t, nil)
	proxy := b.start()
	for _, target := range []string{"/a[1-3]/{x,y}?q=[]&z={}", "/[::1]", "/{", "/]?a=[b", "/it's?x=$HOME&y=`id`"} {
		c, err := net.Dial("tcp", proxy.Host)
		if err != nil {
			t.Fatal(err)
		}
		host := strings.TrimPrefix(server.URL, "http://")
		c.Write([]byte("GET " + server.URL + target + " HTTP/1.1\r\nx-tWo: a\r\nhost: " + host + "\r\nAccept: */*\r\nX-Two: b\r\nconnection: close\r\n\r\n"))
		want := <-asked
		c.Close()
		b.call("wait_for_request", "GET", target)
		var e struct{ Curl string }
		if err := json.Unmarshal([]byte(b.call("get_capture", float64(b.d.journal.Last()))), &e); err != nil {
			t.Fatal(err)
		}
		const header = " --globoff \\\n  -H 'x-tWo: a' \\\n  -H 'Accept: */*' \\\n  -H 'X-Two: b' \\\n  -H 'connection: close'"
		if !strings.HasPrefix(e.Curl, "curl ") || !strings.HasSuffix(e.Curl, header) {
			t.Errorf("%s: %s", target, e.Curl)
		}
		if _, err := exec.LookPath("curl"); err != nil {
			continue
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", e.Curl)
		cmd.Env = append(cmd.Environ(), "http_proxy=", "HTTP_PROXY=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", e.Curl, err, out)
		}
		if got := <-asked; got != want || len(asked) > 0 {
			t.Errorf("%s asked for %s, want %s once", e.Curl, got, want)
		}
	}
}
