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
