package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"starproxy/driver"
)

// sent tells a request in one text, but for lines that differ in each client.
func sent(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	var lines []string
	for name, values := range r.Header {
		if name != "Connection" && name != "Content-Length" {
			lines = append(lines, name+"="+strings.Join(values, ", "))
		}
	}
	sort.Strings(lines)
	return fmt.Sprintf("%s %s %s %q", r.Method, r.RequestURI, strings.Join(lines, "|"), body)
}

// A copied request, run by its client, is the same as the one that was captured: directly,
// and through the proxy.
func TestCopies(t *testing.T) {
	t.Parallel()
	program(t, "curl")
	bin := venv(t, ".venv-clients", "http")
	asked := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked <- sent(r) }))
	defer server.Close()
	cfg := driver.DefaultConfig()
	cfg.Listen = driver.Listen{Host: "127.0.0.1"}
	cfg.Directories.Data = t.TempDir()
	d, err := driver.New(cfg, driver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	method := func(name string, args ...any) string {
		t.Helper()
		v, err := d.Call(context.Background(), name, args)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return fmt.Sprint(v)
	}
	method("start", "passthrough")
	var status struct {
		Address string `json:"proxy_address"`
	}
	if err := json.Unmarshal([]byte(method("status")), &status); err != nil {
		t.Fatal(err)
	}
	proxy := &url.URL{Scheme: "http", Host: status.Address}
	tr := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return proxy, nil }, DisableCompression: true}
	defer tr.CloseIdleConnections()

	for seq, c := range []struct{ method, target, body, kind string }{
		{"GET", "/a?q=%5B1%5D&z=it's", "", ""},
		{"POST", "/form?x=$HOME", "a=1&b='2'\n", "application/x-www-form-urlencoded"},
		{"PUT", "/json", `{"a": "ä", "b": "\\"}`, "application/json"},
		{"POST", "/untyped", "text", ""},
	} {
		req, err := http.NewRequest(c.method, server.URL+c.target, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"User-Agent": {"car/1"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip"}, "X-Odd": {`=@it's "x": y`}, "Cookie": {"a=1; b=2"}}
		if c.kind != "" {
			req.Header.Set("Content-Type", c.kind)
		}
		res, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		want := <-asked
		method("wait_for_request", c.method, strings.Split(c.target, "?")[0])
		ways := []string{""}
		if seq == 1 {
			ways = append(ways, proxy.String())
		}
		var list struct{ Last float64 }
		if err := json.Unmarshal([]byte(method("list_captures")), &list); err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{"curl", "httpie", "python"} {
			for _, through := range ways {
				text := method("copy_request", list.Last, form, through)
				dir := t.TempDir()
				write(t, filepath.Join(dir, ".config", "httpie", "config.json"), `{"disable_update_warnings": true}`)
				argv := []string{"sh", "-c", text}
				switch form {
				case "python":
					write(t, filepath.Join(dir, "x.py"), text)
					argv = []string{filepath.Join(bin, "python"), "x.py"}
				case "httpie":
					argv[2] = bin + "/" + text
				}
				if out := run(t, dir, append(os.Environ(), "http_proxy=", "no_proxy=", "NO_PROXY=", "HOME="+dir), argv...); out.code != 0 {
					t.Fatalf("%s: %s", text, out)
				}
				if got := <-asked; got != want {
					t.Errorf("%s through %q:\n got %s\nwant %s\nby %s", form, through, got, want, text)
				}
				if through != "" { // it is captured, too
					method("wait_for_request", c.method, strings.Split(c.target, "?")[0])
				}
			}
		}
	}
}
