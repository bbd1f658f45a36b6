package mock

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

func TestReject(t *testing.T) {
	t.Parallel()
	table := NewTable()
	status := endpoint(t, "POST /api/v1/status")
	status.Source = Source{Name: "s", File: "/x/happy.yaml", Line: 3}
	table.ReplaceAll([]*Endpoint{
		endpoint(t, "GET /somewhere/else/altogether"),
		endpoint(t, "GET /api/v1/state"),
		endpoint(t, "GET /api/v1/status#a", func(m *Match) { m.Headers = map[string]string{"X-A": "1"} }),
		status,
		endpoint(t, "https://other.test/api/v1/status"),
		endpoint(t, "GET /api/v2/*"),
		endpoint(t, "GET /api/v1/{what}/{id}"),
	})
	res := ask(t, Reject(table), request(t, "GET /api/v1/status?x=1\nX-A: 2"))
	var got struct {
		Error, Request string
		Nearest        []struct {
			Endpoint, Source string
			Why              []string
		}
	}
	if err := json.Unmarshal([]byte(body(t, res)), &got); err != nil {
		t.Fatal(err)
	}
	if res.Status != 501 || res.Origin != exchange.FromProxy || got.Request != "GET http://device.test/api/v1/status?x=1" || got.Error == "" {
		t.Error(res, got)
	}
	want := []string{
		`GET /api/v1/status#a  [header X-A is "2", expected "1"]`,
		`POST /api/v1/status happy.yaml:3 [method is GET, expected POST]`,
		`https://other.test/api/v1/status  [scheme is http, expected https host is device.test, expected other.test port is 80, expected 443]`,
		`GET /api/v2/*  [path is "/api/v1/status", expected "/api/v2/*"]`,
		`GET /api/v1/{what}/{id}  [path is "/api/v1/status", expected "/api/v1/{what}/{id}"]`,
	}
	for i, n := range got.Nearest {
		if line := fmt.Sprint(n.Endpoint, " ", n.Source, " ", n.Why); i >= len(want) || line != want[i] {
			t.Errorf("%d: %s", i, line)
		}
	}
	if len(got.Nearest) != len(want) {
		t.Errorf("%d nearest, expected %d", len(got.Nearest), len(want))
	}
	// An empty table is not an error, and a list stays a list.
	res = ask(t, Reject(NewTable()), request(t, "GET /"))
	if text := body(t, res); !strings.Contains(text, `"nearest":[]`) {
		t.Error(text)
	}
}

func BenchmarkMisses(b *testing.B) {
	table := bigTable(b)
	r := request(b, "GET /api/v1/device/500/state")
	for b.Loop() {
		table.Misses(r, 5)
	}
}

// The endpoints that are meant come first: a path with a typing error, then the
// path that begins alike, and only then the method and the server.
func TestMissesOrder(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		request string
		keys    []string // in the expected order
	}{
		{"GET /api/v1/chargers/42/tariff", []string{"POST /api/v1/chargers/{id}/sessions/{session}", "GET /api/v1/health", "GET /health", "GET /"}},
		{"GET /api/v1/firmware/latest/download", []string{"POST /api/v1/firmware/latest", "GET /api/v1/firmware", "GET /x/v1/firmware/latest/download"}},
		{"GET /api/v1/statsu", []string{"GET /api/v1/status", "POST /api/v1/status", "GET /api/v1/stations", "GET /other"}},
		{"GET /apj/v1/status", []string{"GET /api/v1/status", "GET /apj", "GET /nothing/alike"}},
		{"DELETE /users/7/keys", []string{"GET /users/*", "DELETE /users/{id}", "DELETE /groups"}},
		{"GET /files/a/b/c", []string{"GET /files/a/x", "GET /files", "GET /tiles/a/b/c/d/e/f"}},
		{"POST /v2/items", []string{"GET /v2/items", "POST /v1/items", "POST /v2", "POST /v1"}},
	} {
		table := NewTable()
		var list []*Endpoint
		for _, key := range test.keys {
			list = append([]*Endpoint{endpoint(t, key)}, list...)
		}
		table.ReplaceAll(list)
		var got []string
		for _, m := range table.Misses(request(t, test.request), len(list)) {
			got = append(got, m.Endpoint.Name)
		}
		if strings.Join(got, "\n") != strings.Join(test.keys, "\n") {
			t.Errorf("%s: got %q, want %q", test.request, got, test.keys)
		}
	}
}
