package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// replacePorts puts free ports in the place of those an example names.
func replacePorts(t *testing.T, path string, proxy, web int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("port: 8080", fmt.Sprint("port: ", proxy), "port: 8081", fmt.Sprint("port: ", web)).Replace(string(data))
	write(t, path, text)
}

// trial is a request to a scenario and what the answer must be.
type trial struct {
	method, url, body string
	header            http.Header

	status int
	want   string      // the body: equal as JSON, or literally
	answer http.Header // fields the answer must have
}

// The example scenarios answer what they are there for.
func TestExampleScenarios(t *testing.T) {
	t.Parallel()
	const api = "http://api.example.com"
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	for name, trials := range map[string][]trial{
		"happy-path.yaml": {
			{method: "GET", url: api + "/api/v1/status", status: 200, want: `{"station": "charger-07", "backend": "ok", "firmware": "2.4.1"}`},
			{method: "GET", url: api + "/api/v1/tariff", status: 200, answer: http.Header{"Cache-Control": {"max-age=900"}}},
			{method: "POST", url: api + "/api/v1/sessions", body: `{"connector": 2}`, status: 201},
			{method: "GET", url: api + "/api/v1/sessions/s7", status: 200, want: `{"id": "s7", "state": "charging"}`},
			{method: "POST", url: api + "/api/v1/telemetry/7", status: 202, want: `{"accepted": true}`},
			{method: "GET", url: api + "/api/v1/firmware", status: 200, want: `{"update": false, "current": "2.4.1"}`},
		},
		"update-available.yaml": {
			{method: "GET", url: api + "/api/v1/firmware?version=2.4.1", status: 200},
			{method: "GET", url: api + "/api/v1/firmware?version=2.5.0", status: 200, want: `{"update": false, "current": "2.5.0"}`},
			{method: "GET", url: "http://updates.example.com/charger/2.5.0.bin", status: 200, want: "charger firmware 2.5.0, a stand-in\n"},
			{method: "POST", url: api + "/api/v1/firmware/result", status: 503},
			{method: "POST", url: api + "/api/v1/firmware/result", status: 204},
			{method: "POST", url: api + "/api/v1/firmware/result", status: 204},
		},
		"backend-degraded.yaml": {
			{method: "GET", url: api + "/api/v1/status", status: 200, want: `{"station": "charger-07", "backend": "slow"}`},
			{method: "GET", url: api + "/api/v1/tariff", status: 503, answer: http.Header{"Retry-After": {"1"}}},
			{method: "GET", url: api + "/api/v1/tariff", status: 503},
			{method: "GET", url: api + "/api/v1/tariff", status: 200},
			{method: "POST", url: api + "/api/v1/sessions", status: 401},
			{method: "POST", url: api + "/api/v1/sessions", header: bearer("expired"), status: 403},
			{method: "POST", url: api + "/api/v1/sessions", header: bearer("good"), status: 500},
			{method: "GET", url: api + "/api/v1/firmware", status: 200, want: "<html>gateway timeout</html>", answer: http.Header{"Content-Type": {"application/json"}}},
			{method: "POST", url: api + "/api/v1/telemetry/1", status: 429},
		},
		"full": {
			{method: "GET", url: api + "/api/v1/status", status: 200, answer: http.Header{"X-Backend": {"mock"}, "Set-Cookie": {"a=1", "b=2"}}},
			{method: "GET", url: api + "/firmware/latest", status: 200, want: "charger firmware 2.5.0, a stand-in\n", answer: http.Header{"Content-Type": {"application/octet-stream"}}},
			{method: "GET", url: api + "/firmware/latest", header: http.Header{"Range": {"bytes=8-15"}}, status: 206, want: "firmware"},
			{method: "GET", url: api + "/api/v1/slow", status: 200, want: `{"late": true}`},
			{method: "GET", url: api + "/api/v1/slower", status: 200, want: `{"late": true}`},
			{method: "GET", url: api + "/api/v1/door", status: 200, want: `{"open": true}`},
			{method: "PUT", url: api + "/api/v1/lock", status: 204},
			{method: "GET", url: api + "/api/v1/door", status: 423},
			{method: "PUT", url: api + "/api/v1/unlock", status: 204},
			{method: "GET", url: api + "/api/v1/door", status: 200},
			{method: "POST", url: api + "/api/v1/login", body: `{"user": "service", "pin": 4711}`, status: 200, want: `{"token": "service-token"}`},
			{method: "POST", url: api + "/api/v1/login", body: `{"user": "guest"}`, status: 200, want: `{"token": "guest-token"}`},
			{method: "POST", url: api + "/api/v1/login", body: `{}`, status: 401},
			{method: "GET", url: api + "/api/v1/report", status: 401},
			{method: "GET", url: api + "/api/v1/report", header: bearer("service-token"), status: 200, want: `{"energy_kwh": 182.4}`},
			{method: "GET", url: api + "/api/v1/job", status: 202, want: `{"state": "queued"}`},
			{method: "GET", url: api + "/api/v1/job", status: 202, want: `{"state": "running"}`},
			{method: "GET", url: api + "/api/v1/job", status: 202, want: `{"state": "running"}`},
			{method: "GET", url: api + "/api/v1/job", status: 200, want: `{"state": "done"}`},
			{method: "GET", url: api + "/api/v1/connectors/4", status: 200, want: `{"id": "4"}`},
			{method: "GET", url: api + "/static/a/b.css", status: 200, want: "static\n"},
			{method: "DELETE", url: api + "/api/v1/legacy/thing", status: 410},
			{method: "GET", url: "http://tariffs.example.com/v2/prices", status: 502},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := scenarioServer(t, filepath.Join(root(t), "examples", "scenarios", name))
			for i, x := range trials {
				if x.status == 502 {
					continue // only says that the endpoint keeps to its own address
				}
				x.check(t, i, port)
			}
			if name == "full" {
				echo(t, port)
			}
		})
	}
}

// scenarioServer runs a scenario as "starproxy run --scenario" does.
func scenarioServer(t *testing.T, scenario string) (port int) {
	t.Helper()
	port = freePort(t)
	home := tempDir(t)
	p := start(t, home, environ(nil, "HOME="+home, "XDG_DATA_HOME="+home, "XDG_RUNTIME_DIR="+home), []int{0},
		filepath.Join(bin, "starproxy"), "run", "--scenario", scenario, "--port", fmt.Sprint(port))
	p.await(t, "JUMPSTARTER_HOST=")
	return port
}

// do makes the request through the proxy.
func (x trial) do(t *testing.T, port int) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), x.method, x.url, strings.NewReader(x.body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range x.header {
		req.Header[k] = v
	}
	tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: fmt.Sprint("127.0.0.1:", port)})}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", x.method, x.url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", x.method, x.url, err)
	}
	return resp, body
}

func (x trial) check(t *testing.T, i, port int) {
	t.Helper()
	resp, body := x.do(t, port)
	if resp.StatusCode != x.status {
		t.Errorf("%d: %s %s: status %d, want %d: %s", i, x.method, x.url, resp.StatusCode, x.status, body)
	}
	if x.want != "" && !equalBody(body, []byte(x.want)) {
		t.Errorf("%d: %s %s: body %q, want %q", i, x.method, x.url, body, x.want)
	}
	for k, v := range x.answer {
		if got := resp.Header.Values(k); strings.Join(got, "|") != strings.Join(v, "|") {
			t.Errorf("%d: %s %s: %s is %q, want %q", i, x.method, x.url, k, got, v)
		}
	}
}

// equalBody compares JSON by value, other bodies byte by byte.
func equalBody(got, want []byte) bool {
	var a, b any
	if json.Unmarshal(want, &b) != nil {
		return bytes.Equal(got, want)
	}
	if json.Unmarshal(got, &a) != nil {
		return false
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// echo checks the template of the full scenario.
func echo(t *testing.T, port int) {
	t.Helper()
	x := trial{method: "POST", url: "http://api.example.com/api/v1/echo?lang=de", body: `{"user": {"name": "Ada"}}`,
		header: http.Header{"User-Agent": {"charger/2"}}}
	_, body := x.do(t, port)
	var got struct {
		Path, Name, Lang, Agent, Tariff string
		Count, Dice                     float64
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if got.Path != "/api/v1/echo?lang=de" || got.Name != "Ada" || got.Lang != "de" || got.Agent != "charger/2" ||
		got.Tariff != "night" || got.Dice < 1 || got.Dice > 6 {
		t.Errorf("the template rendered %s", body)
	}
}

// The example exporter is a file that the exporter reads.
func TestExampleExporter(t *testing.T) {
	t.Parallel()
	dir := exampleDir(t)
	out := run(t, dir, environ(nil, "HOME="+dir), filepath.Join(bin, "starproxy"), "shell", "--exporter-config", "exporter.yaml", "--",
		"sh", "-c", "j proxy start && j proxy mock list && j proxy mock load scenarios/full && j proxy stop")
	for _, want := range []string{
		"Started in 'mock' mode on 127.0.0.1:",
		"  GET /api/v1/time  ->  200 (template)\n", "  GET /api/v1/status  ->  200\n",
		"  uploading firmware/2.5.0.txt\n", "endpoint(s) from scenario.yaml\n",
	} {
		if !strings.Contains(out.stdout, want) {
			t.Errorf("no %q in: %s", want, out)
		}
	}
}
