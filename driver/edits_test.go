package driver

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An exchange has what a patch and the hooks of scripts changed in it, before and after. One
// in which they changed nothing has no edits.
func TestEdits(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"soc":80,"vin":"W1"}`)
	}))
	defer server.Close()
	b := newBench(t, nil)
	b.write("mock-responses/s.star", `
def asked(req):
    if req.path == "/hooked":
        req.headers["X-Asked"] = "1"
        req.body = "new"
        req.path = "/other"
def answered(req, res):
    if req.path == "/other":
        res.status = 203
        res.body = "twice"
        res.body = "changed " + req.text
hooks = {"request": asked, "response": answered}
endpoints = {"GET /patched": {"patch": {"soc": 5}, "headers": {"X-Patch": "1"}}, "GET /same": {"patch": {"soc": 80}}}
`)
	b.call("load_mock_scenario", "s.star")
	proxy := b.start()
	type edit struct{ By, Side, Part, Before, After string }
	edits := func(method, path string) (list []edit) {
		t.Helper()
		req, err := http.NewRequest(method, server.URL+path, strings.NewReader("old"))
		if err != nil {
			t.Fatal(err)
		}
		tr := &http.Transport{Proxy: http.ProxyURL(proxy)}
		defer tr.CloseIdleConnections()
		res, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		b.call("wait_for_request", method, "/*")
		var e struct{ Edits []edit }
		if err := json.Unmarshal([]byte(b.call("get_capture", float64(b.d.journal.Last()))), &e); err != nil {
			t.Fatal(err)
		}
		for _, x := range e.Edits {
			if x.Part == "headers" {
				var kept [2][]string
				for i, text := range []string{x.Before, x.After} {
					for line := range strings.Lines(text) {
						if strings.HasPrefix(line, "X-") {
							kept[i] = append(kept[i], line)
						}
					}
				}
				x.Before, x.After = strings.Join(kept[0], ""), strings.Join(kept[1], "")
			}
			list = append(list, x)
		}
		return list
	}
	for _, test := range []struct {
		method, path string
		want         []edit
	}{
		{"GET", "/patched", []edit{{"patch", "response", "body", `{"soc":80,"vin":"W1"}`, `{"soc":5,"vin":"W1"}`}, {"patch", "response", "headers", "", "X-Patch: 1\n"}}},
		{"GET", "/same", nil},
		{"GET", "/plain", nil},
		{"POST", "/hooked", []edit{
			{"script", "request", "body", "(not read)", "new"},
			{"script", "request", "headers", "", "X-Asked: 1\n"},
			{"script", "request", "url", server.URL + "/hooked", server.URL + "/other"},
			{"script", "response", "body", "(not read)", "changed new"},
			{"script", "response", "status", "200", "203"},
		}},
	} {
		if diff := cmp.Diff(test.want, edits(test.method, test.path)); diff != "" {
			t.Errorf("%s %s: (-want +got)\n%s", test.method, test.path, diff)
		}
	}
}
