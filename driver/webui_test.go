package driver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starproxy/driver/flow"
	"starproxy/driver/view"
)

// browser is somebody at the web UI of a bench.
type browser struct {
	*bench
	client *http.Client
	base   string
	token  string
}

// newBrowser starts a proxy with its web UI and opens the link that it prints.
func newBrowser(t *testing.T, change func(*Config)) (*browser, *url.URL) {
	t.Helper()
	b := newBench(t, func(c *Config) {
		c.Web = Web{Host: "127.0.0.1", Port: 0}
		if change != nil {
			change(c)
		}
	})
	started := b.call("start", "mock", true)
	_, link, ok := strings.Cut(started, " | Web UI: ")
	if !ok {
		t.Fatal(started)
	}
	s := b.status()
	if s["web_ui_enabled"] != true || s["web_ui_address"] != link {
		t.Fatal(s["web_ui_address"])
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	w := &browser{bench: b, base: "http://" + u.Host, token: u.Query().Get("token")}
	w.client = w.visitor()
	if res := w.fetch("GET", "/?token="+w.token, nil, ""); res.StatusCode != 200 || res.Request.URL.RawQuery != "" {
		t.Fatal(res.Status, res.Request.URL)
	}
	return w, &url.URL{Scheme: "http", Host: s["proxy_address"].(string)}
}

// visitor is a browser without a session.
func (b *browser) visitor() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	tr := &http.Transport{}
	b.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: tr}
}

func (b *browser) fetch(method, path string, h http.Header, body string) *http.Response {
	b.Helper()
	req, err := http.NewRequest(method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range h {
		req.Header[k] = v
		if k == "Host" { // a browser at another name has the cookie, if it has one
			req.Host = v[0]
			u, _ := url.Parse(b.base)
			for _, c := range b.client.Jar.Cookies(u) {
				req.AddCookie(c)
			}
		}
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	data, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(data))
	return res
}

// post calls a method as the page does and gives its result.
func (b *browser) post(dst any, method string, args ...any) (failure string) {
	b.Helper()
	text, _ := json.Marshal(args)
	res := b.fetch("POST", "/api/call/"+method, nil, string(text))
	var answer struct {
		Result json.RawMessage
		Error  string
		Code   string
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		b.Fatal(res.Status, err)
	}
	if answer.Error != "" {
		return fmt.Sprintf("%d %s %s", res.StatusCode, answer.Code, answer.Error)
	}
	if dst != nil {
		if err := json.Unmarshal(answer.Result, dst); err != nil {
			b.Fatalf("%s: %v in %s", method, err, answer.Result)
		}
	}
	return ""
}

// events follows a stream: the ids and data of its events.
func (b *browser) events(ctx context.Context, path string, h http.Header) <-chan [2]string {
	b.Helper()
	req, err := http.NewRequestWithContext(ctx, "GET", b.base+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	for k, v := range h {
		req.Header[k] = v
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		b.Fatal(res.Status)
	}
	ch := make(chan [2]string, 1000)
	go func() {
		defer close(ch)
		defer res.Body.Close()
		var e [2]string
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			line := lines.Text()
			if id, ok := strings.CutPrefix(line, "id: "); ok {
				e[0] = id
			} else if data, ok := strings.CutPrefix(line, "data: "); ok {
				e[1] = data
			} else if line == "" && e[1] != "" {
				ch <- e
				e = [2]string{}
			}
		}
	}()
	return ch
}

func (b *browser) next(ch <-chan [2]string) (id string, r view.Row) {
	b.Helper()
	select {
	case e, ok := <-ch:
		if !ok {
			b.Fatal("the stream has ended")
		}
		if err := json.Unmarshal([]byte(e[1]), &r); err != nil {
			b.Fatal(err, e[1])
		}
		return e[0], r
	case <-time.After(20 * time.Second):
		b.Fatal("no event")
	}
	return "", r
}

// A start from the page keeps it. Any other start has a token and sessions of its own,
// and a stop ends the page.
func TestPageFollowsStarts(t *testing.T) {
	t.Parallel()
	b, _ := newBrowser(t, nil)
	u, _ := url.Parse(b.base)
	first := b.token
	if failure := b.post(nil, "restart", "mock", true); failure != "" {
		t.Error(failure)
	}
	if res := b.fetch("POST", "/api/call/status", nil, "[]"); res.StatusCode != 200 {
		t.Errorf("after a start from the page: %s", res.Status)
	}
	b.call("restart", "mock", true)
	if address, _ := b.status()["web_ui_address"].(string); !strings.HasPrefix(address, b.base+"/") {
		t.Fatalf("the page moved to %s", address)
	}
	b.client.CloseIdleConnections()
	if res := b.fetch("POST", "/api/call/status", nil, "[]"); res.StatusCode != 403 {
		t.Errorf("a cookie of an earlier start: %s", res.Status)
	}
	second, _ := b.status()["web_ui_address"].(string)
	if strings.Contains(second, first) {
		t.Error("the token is the old one")
	}
	b.call("stop")
	if s := b.status(); s["web_ui_enabled"] != false || s["web_ui_address"] != nil {
		t.Error(s)
	}
	if _, err := net.Dial("tcp", u.Host); err == nil {
		t.Error("the web UI outlives the proxy")
	}
}

func TestWebThroughTheTunnel(t *testing.T) {
	t.Parallel()
	b, _ := newBrowser(t, nil)
	b.client = b.visitor()
	b.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return b.d.Connect(ctx, "connect_web") }}
	b.base = "http://localhost:18081"
	if res := b.fetch("GET", "/", nil, ""); res.StatusCode != 403 {
		t.Error(res.Status)
	}
	if res := b.fetch("GET", "/?token=jumpstarter", nil, ""); res.StatusCode != 200 || res.Request.URL.RawQuery != "" {
		t.Error(res.Status, res.Request.URL)
	}
	var s map[string]any
	if failure := b.post(&s, "status"); failure != "" || s["mode"] != "mock" {
		t.Error(failure, s)
	}
	if res := b.fetch("GET", "/?token=other", nil, ""); res.StatusCode != 403 {
		t.Error(res.Status)
	}
}

func TestWebCaptures(t *testing.T) {
	t.Parallel()
	b, proxy := newBrowser(t, nil)
	real := server(t)
	html := `<html><script>alert(1)</script>`
	b.call("set_mock", "GET", "/page", 200.0, toText(html), "text/html")
	b.call("set_mock", "POST", "/json", 201.0, `{"a": [1, {"b": null}]}`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all := b.events(ctx, "/api/stream/watch_captures", nil)
	ones := b.events(ctx, "/api/stream/watch_captures?args="+url.QueryEscape(`["~m POST", "~u json"]`), nil)
	b.get(proxy, "http://car.test/page?x=<b>")
	req, _ := http.NewRequest("POST", "https://car.test/json", nil)
	req.Header = http.Header{"X-Evil": {`"><img src=x>`}, "Cookie": {"a=b; c=d"}}
	if res, err := device(t, proxy, false).Do(req); err != nil || res.StatusCode != 201 {
		t.Fatal(res, err)
	}
	b.get(proxy, real.URL+"/real")
	id, r := b.next(all)
	if id != "1" || r.Seq != 1 || r.Method != "GET" || r.Path != "/page?x=<b>" || r.Origin != "mocked" || r.Endpoint != "GET /page" || r.Status != 200 || r.Type != "text/html" || r.Size != int64(len(html)) {
		t.Errorf("%s %+v", id, r)
	}
	_, second := b.next(all)
	id, third := b.next(all)
	if second.Scheme != "https" || third.Origin != "passthrough" || id != "3" {
		t.Errorf("%+v %+v", second, third)
	}
	if id, r := b.next(ones); id != "2" || r.Seq != 2 || !r.Highlight {
		t.Errorf("%s %+v", id, r)
	}
	// A reader that comes back gets what it has not seen.
	if id, r := b.next(b.events(ctx, "/api/stream/watch_captures", http.Header{"Last-Event-Id": {"2"}})); id != "3" || r.Seq != 3 {
		t.Errorf("%s %+v", id, r)
	}

	var list struct {
		Rows  []view.Row
		Last  uint64
		Since string
	}
	if failure := b.post(&list, "list_captures", "", "", 3, 1); failure != "" || len(list.Rows) != 1 || list.Rows[0].Seq != 2 || list.Last != 3 {
		t.Errorf("%s %+v", failure, list)
	}
	if failure := b.post(nil, "list_captures", "~c x"); !strings.HasPrefix(failure, "400 INVALID_ARGUMENT") {
		t.Error(failure)
	}
	var check struct {
		OK     bool
		Column int
		Error  string
	}
	if b.post(&check, "check_filter", "~c x"); check.OK || check.Column == 0 || check.Error == "" {
		t.Errorf("%+v", check)
	}

	var one struct {
		URL     string
		Headers [][2]string `json:"headers_list"`
		Cookies [][2]string `json:"request_cookies"`
		Curl    string
		Why     map[string]any
		TLS     struct{ Client map[string]string }
		Timing  map[string]float64
	}
	if failure := b.post(&one, "get_capture", 2); failure != "" || one.URL != "https://car.test/json" || one.TLS.Client["version"] != "TLS 1.3" ||
		fmt.Sprint(one.Cookies) != "[[a b] [c d]]" || one.Why["endpoint"] != "POST /json" || !strings.Contains(one.Curl, `-H 'X-Evil: "><img src=x>'`) {
		t.Errorf("%s %+v", failure, one)
	}
	b.post(&one, "get_capture", 3)
	if misses, ok := one.Why["misses"].([]any); !ok || len(misses) != 2 {
		t.Errorf("%+v", one.Why)
	}
	if failure := b.post(nil, "get_capture", 99); !strings.HasPrefix(failure, "404 NOT_FOUND") {
		t.Error(failure)
	}
	var piece struct {
		Data string
		Size int64
		More bool
		Type string
	}
	if b.post(&piece, "get_capture_body", 1, "response", 6, 8); piece.Data != base64.StdEncoding.EncodeToString([]byte(html[6:14])) || !piece.More || piece.Type != "text/html" {
		t.Errorf("%+v", piece)
	}
	// Whatever was captured, the browser gets it as data.
	res := b.fetch("GET", "/api/file/export_captures?as=a.har&args="+url.QueryEscape(`["har","",false,"","[1]"]`), nil, "")
	if res.Header.Get("Content-Type") != "application/octet-stream" || res.Header.Get("Content-Disposition") != "attachment; filename=a.har" {
		t.Error(res.Header)
	}
	har, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	file, err := flow.Open(b.write("a.har", string(har)))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	n := 0
	for _, err := range file.Flows() {
		if err != nil {
			t.Error(err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d flows", n)
	}

	if failure := b.post(nil, "annotate_capture", 2, "green", "look"); failure != "" {
		t.Error(failure)
	}
	if _, r := b.next(all); !r.Update || r.Seq != 2 || r.Mark != "green" || r.Comment != "look" {
		t.Errorf("%+v", r)
	}
	if b.post(&list, "list_captures", "~marked", "", 0, 10); len(list.Rows) != 1 || list.Rows[0].Seq != 2 {
		t.Errorf("%+v", list)
	}
	if failure := b.post(nil, "annotate_capture", 2, "pink", ""); !strings.HasPrefix(failure, "400") {
		t.Error(failure)
	}

	// What happens between a list and the stream after it is not lost, and a
	// filter that no longer shows a row says so.
	if failure := b.post(&list, "list_captures", "~marked", ""); failure != "" || list.Since == "" {
		t.Fatal(failure, list)
	}
	b.post(nil, "annotate_capture", 1, "red", "")
	b.post(nil, "annotate_capture", 2, "", "")
	args, _ := json.Marshal([]any{"~marked", "", list.Last, list.Since})
	marked := b.events(ctx, "/api/stream/watch_captures?args="+url.QueryEscape(string(args)), nil)
	if id, r := b.next(marked); id != "" || !r.Update || r.Seq != 1 || r.Mark != "red" || r.Kind != "http" {
		t.Errorf("%q %+v", id, r)
	}
	if id, r := b.next(marked); id != "" || r.Kind != "gone" || r.Seq != 2 {
		t.Errorf("%q %+v", id, r)
	}
	if res := b.fetch("GET", "/api/stream/watch_captures?args="+url.QueryEscape(`["","",0,"1"]`), nil, ""); res.StatusCode != 400 {
		t.Error(res.Status)
	}

	// Send it again, with another header; make a mock of it.
	var again struct {
		Seq    int
		Status int
	}
	if failure := b.post(&again, "resend_request", `{"method":"post","url":"https://car.test/json","headers":[["X-New","1"],["user-agent","car/2"],["Host","car.test"]],"body":"hello"}`); failure != "" || again.Seq != 4 || again.Status != 201 {
		t.Error(failure, again)
	}
	if b.post(&one, "get_capture", 4); strings.Count(strings.ToLower(fmt.Sprint(one.Headers)), "[user-agent ") != 1 || !strings.Contains(one.Curl, "-H 'user-agent: car/2'") {
		t.Errorf("%+v", one)
	}
	var made struct{ Key, Definition string }
	if failure := b.post(&made, "capture_as_mock", 3); failure != "" || !strings.HasPrefix(made.Key, "GET http://127.0.0.1:") {
		t.Fatal(failure, made)
	}
	text := strings.Replace(made.Definition, "real /real", "made", 1)
	var put string
	if failure := b.post(&put, "put_mock", made.Key, text); failure != "" || put != "Mock set: "+made.Key {
		t.Error(failure, put)
	}
	if got := b.get(proxy, real.URL+"/real"); !strings.HasPrefix(got, "200 made") {
		t.Error(got, text)
	}
}

func toText(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// Forms are taken apart, each part of a multipart form with its header.
func TestWebForms(t *testing.T) {
	t.Parallel()
	b, proxy := newBrowser(t, nil)
	b.call("set_mock", "POST", "/form", 204.0, "")
	var multi bytes.Buffer
	w := multipart.NewWriter(&multi)
	w.SetBoundary("edge")
	w.WriteField("user", "Ada <b>")
	f, _ := w.CreateFormFile("log", "car.bin")
	f.Write([]byte{0, 1, 0xff})
	w.Close()
	const disposition = "Content-Disposition: form-data; name=\"user\"\n"
	for seq, c := range []struct{ kind, body, want string }{
		{"application/x-www-form-urlencoded", "a=1&b=%C3%A4+2&a=3&bad=%zz", "a: 1\nb: ä 2\na: 3\nbad: %zz\n"},
		{w.FormDataContentType(), multi.String(), "# user\n" + disposition + "Ada <b>\n\n# log (car.bin)\n" +
			"Content-Disposition: form-data; name=\"log\"; filename=\"car.bin\"\nContent-Type: application/octet-stream\n3 bytes\n"},
		{w.FormDataContentType(), multi.String()[:61], "# user\n" + disposition + "Ada <b\n# The body ends within \"user\".\n"},
		{"multipart/form-data", "no boundary", ""},
		{"application/json", "{}", "{}\n"},
	} {
		res, err := device(t, proxy, false).Post("http://car.test/form", c.kind, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		var r view.Rendered
		if failure := b.post(&r, "render_body", seq+1, "request"); failure != "" {
			t.Fatal(failure)
		}
		got := ""
		for _, v := range r.Views {
			got += string(v.AppendText(nil))
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.kind, got, c.want)
		}
	}
}

func TestWebMocks(t *testing.T) {
	t.Parallel()
	b, proxy := newBrowser(t, nil)
	b.write("mock-responses/a.yaml", "GET /a: {body: 1}\n")
	b.write("mock-responses/d/scenario.star", "endpoints = {}\n")
	b.write("mock-responses/x_test.star", "")
	b.write("addons/bad.star", "def handle(req, config):\n    return tru\n")
	var scenarios []map[string]string
	if b.post(&scenarios, "list_scenarios"); fmt.Sprint(scenarios) != "[map[kind:yaml name:a.yaml] map[kind:dir name:d]]" {
		t.Error(scenarios)
	}
	var text string
	if b.post(&text, "load_mock_scenario", "a.yaml"); text != "Loaded 1 endpoint(s) from a.yaml" {
		t.Error(text)
	}
	for _, c := range []struct{ key, text, want string }{
		{"GET /x", "status: 200\nboddy: 1\n", `{"column":1,"error":"unknown key \"boddy\"`},
		{"GET /x", "body: [1", `"ok":false`},
		{"nonsense", "body: 1", `"ok":false`},
		{"GET /x", "status: 201\nbody:\n  a: 1\n", `"ok":true`},
		{"GET /x", "", `"ok":true`},
		{"GET /x", "body_template: '{{ tru( }}'", `"ok":false`},
		{"GET /x", "body: 1\n", `"warnings":[]`},
		{"GET /x", "status: 200\nbody: '{{uuid}}'", `"warnings":["2:7: endpoint \"GET /x\": body: {{uuid}} is sent as it is: body_text_template computes it"]`},
		{"GET /x", "body_template: '{{now}}'", `"warnings":["1:16: {{now}}: now is text here: did you mean now_epoch or now_iso or sprig.now?"]`},
	} {
		var found json.RawMessage
		if b.post(&found, "check_mock", c.key, c.text); !strings.Contains(string(found), c.want) {
			t.Errorf("%s %q: %s, want %s", c.key, c.text, found, c.want)
		}
	}
	b.post(&text, "put_mock", "GET /x", "status: 201\nbody: {a: 1}\n")
	b.post(&text, "put_mock", "GET /y", "body: y\n", "GET /x")
	if failure := b.post(&text, "put_mock", "GET /z", "boddy: 1\n"); !strings.HasPrefix(failure, "400 INVALID_ARGUMENT put_mock: mock:1:1: ") {
		t.Error(failure)
	}
	b.get(proxy, "http://car.test/y")
	b.get(proxy, "http://car.test/y")
	var list []struct {
		Key, Source, Text string
		Line              int
		Hits              uint64
		Enabled           bool
	}
	if b.post(&list, "list_endpoints"); len(list) != 2 || list[0].Key != "GET /a" || list[0].Line != 1 || list[1].Hits != 2 || !list[1].Enabled || list[1].Source != "set in the page" || list[1].Text != "body: y\n" {
		t.Errorf("%+v", list)
	}
	if b.post(&text, "enable_mock", "GET /y", false); text != "Mock disabled: GET /y" {
		t.Error(text)
	}
	if got := b.get(proxy, server(t).URL+"/y"); !strings.HasPrefix(got, "200 real /y") {
		t.Error(got)
	}
	b.post(&text, "enable_mock", "GET /y", true)
	if got := b.get(proxy, "http://car.test/y"); got != "200 y" {
		t.Error(got)
	}
	if b.post(&list, "list_endpoints"); list[1].Hits != 3 {
		t.Errorf("%+v", list)
	}
	b.post(&text, "set_state", "k", "[1]")
	if b.post(&text, "delete_state", "k"); text != "State deleted: k" {
		t.Error(text)
	}
	b.post(&text, "load_mock_scenario_content", "s.yaml", "GET /b: {addon: bad}\n")
	var addons []map[string]string
	if b.post(&addons, "list_addon_status"); len(addons) != 1 || addons[0]["name"] != "bad" {
		t.Error(addons)
	}
	// The page starts and stops the proxy, and stays.
	if b.post(&text, "stop"); !strings.HasPrefix(text, "Stopped") {
		t.Error(text)
	}
	if b.post(&text, "start", "passthrough", true, "", 0); !strings.HasPrefix(text, "Started in 'passthrough' mode") {
		t.Error(text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	states := b.events(ctx, "/api/stream/watch_status", nil)
	b.followsChanges(b.events(ctx, "/api/stream/watch_status", nil))
	for mode := ""; mode != "mock"; {
		e := <-states
		var s struct{ Mode string }
		json.Unmarshal([]byte(e[1]), &s)
		if mode = s.Mode; mode == "passthrough" {
			b.post(&text, "restart", "mock", true, "", 0)
		}
	}
}

func TestWebSocketsInThePage(t *testing.T) {
	t.Parallel()
	b, proxy := newBrowser(t, nil)
	b.write("mock-responses/s.star", "def echo(ws):\n    for m in ws:\n        ws.send(\"re:\" + m.text)\nendpoints = {\"WEBSOCKET /ws\": echo}\n")
	b.call("load_mock_scenario", "s.star")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rows := b.events(ctx, "/api/stream/watch_captures", nil)
	ws, _, err := websocket.Dial(ctx, "ws://car.test/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, r := b.next(rows); !r.WebSocket || !r.Open || r.Endpoint != "WEBSOCKET /ws" {
		t.Errorf("%+v", r)
	}
	messages := b.events(ctx, "/api/stream/watch_messages?args=[1]", nil)
	ws.Write(ctx, websocket.MessageText, []byte("hi"))
	ws.Read(ctx)
	ws.Close(websocket.StatusNormalClosure, "bye")
	var got []string
	for e := range messages {
		var m view.Message
		json.Unmarshal([]byte(e[1]), &m)
		if m.Kind == "" {
			break
		}
		got = append(got, m.Kind+" "+m.From+" "+m.Data+m.Reason)
	}
	if strings.Join(got, "|") != "message client hi|message server re:hi|end server bye" && strings.Join(got, "|") != "message client hi|message server re:hi|end client bye" {
		t.Errorf("%q", got)
	}
	if _, r := b.next(rows); !r.Update || r.Open {
		t.Errorf("%+v", r)
	}
	var list []view.Message
	if b.post(&list, "list_messages", 1, 0); len(list) != 3 {
		t.Errorf("%+v", list)
	}
}

// A browser that has the proxy for its proxy opens the page through it: its
// token and its cookie are in no capture, log, recording or script.
func TestPageSecretsAreNotCaptured(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"record", "mock", "reject"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b, proxy := newBrowser(t, func(c *Config) {
				if mode == "reject" {
					c.Unmatched = Reject
				}
			})
			u, err := url.Parse(b.base)
			if err != nil {
				t.Fatal(err)
			}
			cookies := b.client.Jar.Cookies(u)
			if len(cookies) != 1 {
				t.Fatal(cookies)
			}
			if mode == "record" {
				b.post(nil, "restart", "record", true)
				proxy.Host = b.status()["proxy_address"].(string)
			}
			script := "endpoints = {\"GET /script\": lambda req: response(body = req.path + str(req.headers))}\n"
			b.call("load_mock_scenario_content", "s.star", script)
			escaped := fmt.Sprintf("%%%02x%s", b.token[0], b.token[1:])
			secrets := []string{b.token, escaped, cookies[0].Value}
			header := http.Header{"Cookie": {"a=1; " + cookies[0].Name + "=" + cookies[0].Value}, "Referer": {b.base + "/?token=" + b.token}}
			for _, target := range []string{"/?token=" + b.token, "/?x=1&token=" + escaped + "&y=2", "/script?token=" + b.token, "/api/call/status"} {
				for _, host := range []string{u.Host, "localhost:" + u.Port(), "other.invalid"} {
					answer := b.do(proxy, "GET", "http://"+host+target, header)
					for _, secret := range secrets {
						if strings.Contains(answer, secret) {
							t.Errorf("%s: the answer holds a secret: %s", target, answer)
						}
					}
				}
			}
			found := b.call("get_captured_requests") + b.call("list_captures")
			for e := range b.d.journal.All(nil) {
				found += b.call("get_capture", float64(e.Seq)) + b.call("get_capture_body", float64(e.Seq))
			}
			if strings.Count(found, "/script?token=hidden") == 0 {
				t.Errorf("the requests are not captured: %s", found)
			}
			found += b.collect("export_captures", "flow") + b.collect("export_captures", "har") + b.call("export_captured_scenario")
			if mode == "record" {
				file := b.status()["flow_file"].(string)
				b.post(nil, "stop")
				data, err := os.ReadFile(file)
				if err != nil || len(data) == 0 {
					t.Errorf("recording: %d bytes, %v", len(data), err)
				}
				found += string(data)
			}
			for len(b.logs) > 0 {
				found += <-b.logs
			}
			for _, secret := range secrets {
				if i := strings.Index(found, secret); i >= 0 {
					t.Errorf("a secret was kept: …%s…", found[max(0, i-200):i])
				}
			}
		})
	}
}

// followsChanges checks that the status counts each change of what the page lists: it
// loads a list again only then.
func (b *browser) followsChanges(states <-chan [2]string) {
	b.Helper()
	count := func() uint64 {
		var s struct{ Changes uint64 }
		select {
		case e := <-states:
			json.Unmarshal([]byte(e[1]), &s)
		case <-b.Context().Done():
		}
		return s.Changes
	}
	before := count()
	for _, change := range [][]any{
		{"set_state", "k", "1"},
		{"set_state", "k", "2"},
		{"clear_state"},
		{"put_mock", "GET /new", "status: 200", ""},
		{"enable_mock", "GET /new", false},
		{"upload_flow_file_part", "new.bin", "id", 0, "MDow", true},
	} {
		var text string
		if failure := b.post(&text, change[0].(string), change[1:]...); failure != "" {
			b.Fatalf("%v: %s", change, failure)
		}
		now := count()
		for now == before {
			now = count() // a report of before the change
		}
		if now < before {
			b.Fatalf("changes after %v: got %d, want more than %d", change, now, before)
		}
		before = now
	}
}
