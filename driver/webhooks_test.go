package driver

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// receiver is a server that gets webhooks.
type receiver struct {
	*httptest.Server
	got chan string // "METHOD /path header body agent"
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{got: make(chan string, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		agent := strings.TrimPrefix(strings.Join(q.Header.Values("User-Agent"), ","), "Go-http-client/1.1")
		r.got <- strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s %s", q.Method, q.URL, q.Header.Get("Content-Type"), q.Header.Get("X-Id"), body, agent))
		if q.URL.Path == "/stall" {
			<-q.Context().Done()
		}
		if q.URL.Path == "/moved" {
			http.Redirect(w, q, "/elsewhere", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(r.Close)
	return r
}

// next is the next webhook that arrives.
func (r *receiver) next(t *testing.T) string {
	t.Helper()
	select {
	case got := <-r.got:
		return got
	case <-time.After(10 * time.Second):
		t.Fatal("no webhook came")
	}
	return ""
}

// reports waits until n webhooks were sent or have failed, and returns them.
func (b *bench) reports(n int) []webhookReport {
	b.Helper()
	for {
		var list []webhookReport
		if err := json.Unmarshal([]byte(b.call("list_webhooks")), &list); err != nil {
			b.Fatal(err)
		}
		if len(list) >= n {
			return list
		}
		b.awaitLog("webhook ")
	}
}

// TestWebhooks checks what is sent after an answer, wherever a definition or a
// script may ask for it.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	to := newReceiver(t)
	b := newBench(t, nil)
	b.write("addons/hook.star", "def handle(req, config):\n    webhook(config[\"url\"], method = \"put\", headers = {\"X-Id\": \"addon\"})\n    return {\"body\": \"ok\"}\n")
	b.write("mock-responses/s.star", strings.ReplaceAll(`
def order(req):
    id = req.query["id"]
    state.set("order", "new")
    later(lambda: ship(id), "20ms")
    return response(body = "ok")

def ship(id):
    state.set("order", "shipped")
    webhook("URL/shipped", body = {"id": id, "state": state("order")})

def events(out):
    webhook("URL/streaming")
    for i in range(1000):
        out.write("tick\n")
        sleep("10s")

def body(req):
    for i in range(4):
        later(lambda: note(req))
    return response(body = "ok")

def note(req):
    webhook("URL/" + req.json("path"), body = try_(forward, req).error[:20])

endpoints = {
    "POST /body": body,
    "GET /fn": order,
    "GET /dict": lambda req: {"body": "ok", "after": {"url": "URL/dict", "body": [1]}},
    "GET /data": {"body": "ok", "after": {"url": "URL/data?id={{request_query(id)}}", "headers": {"X-Id": "{{request_query(id)}}"}, "body": "id is {{request_query(id)}}"}},
    "GET /rules": {"rules": [{"match": {"query": {"id": "8"}}}, {"body": "ok", "after": [{"url": "URL/1"}, {"url": "URL/2", "method": "DELETE", "delay_ms": 30}]}]},
    "GET /steps": {"sequence": [{"body": "ok", "after": {"url": "URL/step"}, "repeat": 1}, {"body": "no"}]},
    "GET /latin": lambda req: {"body": "ok", "after": {"url": "URL/latin", "headers": {"content-type": "text/plain; charset=latin1", "user-agent": "mock/1"}, "body": "é"}},
    "GET /typed": {"body": "ok", "after": {"url": "URL/typed", "headers": {"content-type": "text/x"}, "body": {"n": 18, "a": "{{request_query(id)}}"}}},
    "GET /addon": {"addon": "hook", "addon_config": {"url": "URL/addon"}},
    "GET /reset": {"fault": "reset", "after": {"url": "URL/reset"}},
    "GET /stream": lambda req: response(stream = events),
}
`, "URL", to.URL))
	b.want("Loaded 11 endpoint(s) from s.star", "load_mock_scenario", "s.star")
	proxy := b.start()
	// The request is there when the device has left.
	res, err := (&http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}}).Post("http://nowhere.invalid/body", "application/json", strings.NewReader(`{"path": "kept"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	for range 4 {
		if got := to.next(t); got != "POST /kept text/plain; charset=utf-8  forward: the request" {
			t.Error(got)
		}
	}
	for _, c := range []struct {
		path string
		want []string
	}{
		{"/fn", []string{`POST /shipped application/json  {"id":"7","state":"shipped"}`}},
		{"/dict", []string{"POST /dict application/json  [1]"}},
		{"/data", []string{"POST /data?id=7 text/plain; charset=utf-8 7 id is 7"}},
		{"/rules", []string{"POST /1", "DELETE /2"}},
		{"/steps", []string{"POST /step"}},
		{"/typed", []string{`POST /typed text/x  {"n":18,"a":"7"}`}},
		{"/latin", []string{"POST /latin text/plain; charset=latin1  \xe9 mock/1"}},
		{"/addon", []string{"PUT /addon  addon"}},
	} {
		if got := b.get(proxy, "http://nowhere.invalid"+c.path+"?id=7"); got != "200 ok" {
			t.Errorf("%s: got %s, want 200 ok", c.path, got)
		}
		for _, want := range c.want {
			got := to.next(t)
			if strings.ReplaceAll(got, `{"a":"7","n":18}`, `{"n":18,"a":"7"}`) != want {
				t.Errorf("%s: got %q, want %q", c.path, got, want)
			}
		}
	}
	if got := b.fate(proxy, "/reset"); got != "reset" {
		t.Error(got)
	}
	if got := to.next(t); got != "POST /reset" {
		t.Error(got)
	}
	// A stream need not end first.
	c, err := net.Dial("tcp", proxy.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET http://nowhere.invalid/stream HTTP/1.1\r\nHost: nowhere.invalid\r\n\r\n")
	if got := to.next(t); got != "POST /streaming" {
		t.Error(got)
	}
	list := b.reports(15)
	if r := list[5]; r.Status != 204 || r.Error != "" || r.Endpoint != "GET /dict" || r.Exchange == 0 || r.URL != to.URL+"/dict" || r.Method != "POST" {
		t.Errorf("%+v", r)
	}
	if s := b.d.webhooks.status(); s.Sent != 15 || s.Failed != 0 || s.LastError != "" {
		t.Errorf("%+v", s)
	}
	// Through the methods that take JSON.
	b.call("set_mock_conditional", "GET", "/json", fmt.Sprintf(`[{"body": "ok", "after": {"url": "%s/conditional"}}]`, to.URL))
	b.get(proxy, "http://nowhere.invalid/json")
	if got := to.next(t); got != "POST /conditional" {
		t.Error(got)
	}
	b.reports(16) // the webhook is over before the next one
	b.call("set_mock_sequence", "GET", "/json", fmt.Sprintf(`[{"body": "ok", "after": {"url": "%s/moved"}}]`, to.URL))
	b.get(proxy, "http://nowhere.invalid/json")
	if got := to.next(t); got != "POST /moved" {
		t.Error(got)
	}
	if list := b.reports(17); list[16].Status != http.StatusFound {
		t.Errorf("a redirect is an answer: got %+v", list[16])
	}
}

// TestWebhookFailures checks that a webhook that can't be sent is told of in the
// log, in list_webhooks and in the status, and that the answer comes all the same.
func TestWebhookFailures(t *testing.T) {
	t.Parallel()
	to := newReceiver(t)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	b := newBench(t, func(c *Config) { c.Webhooks.Timeout = 0.2 })
	web := b.call("start", "mock", true)
	if !strings.HasPrefix(web, "Started") {
		t.Fatal(web)
	}
	s := b.status()
	page, _, _ := strings.Cut(s["web_ui_address"].(string), "?")
	own := "http://" + s["proxy_address"].(string) + "/"
	_, port, _ := net.SplitHostPort(s["proxy_address"].(string))
	proxy := b.running()
	for i, c := range []struct{ after, want string }{
		{`{url: "` + closed.URL + `"}`, "connection refused"},
		{`{url: "` + to.URL + `/stall"}`, "no answer within 200ms (webhooks.timeout)"},
		{`{url: "` + own + `"}`, "refused: the destination is the proxy itself"},
		{`{url: "http://[::ffff:127.0.0.1]:` + port + `/"}`, "refused: the destination is the proxy itself"},
		{`{url: "` + page + `"}`, "refused: the destination is the proxy itself"},
		{`{url: "{{request_query(none)}}"}`, "url: "},
		{`{url: "{{'ftp://x/'}}"}`, `url: got "ftp://x/", want http://host/path or https://host/path`},
		{`{url: "http://a/", body: {n: "{{1 // 0}}"}}`, "body: "},
		{`{url: "http://a/", body: "{{'x' * 2000000}}"}`, "body: got 2000000 bytes, want at most 1048576"},
		{`{url: "http://a/", headers: {X-Id: "{{'a\\nb'}}"}}`, "header X-Id: "},
	} {
		if got := b.call("put_mock", "GET /x", "{body: ok, after: "+c.after+"}"); !strings.HasPrefix(got, "Mock set") {
			t.Errorf("%s: %s", c.after, got)
			continue
		}
		if got := b.get(proxy, "http://nowhere.invalid/x"); got != "200 ok" {
			t.Errorf("%s: got %s, want 200 ok", c.after, got)
		}
		r := b.reports(i + 1)[i]
		if !strings.Contains(r.Error, c.want) || r.Status != 0 || r.Endpoint != "GET /x" {
			t.Errorf("%s: got %+v, want %s", c.after, r, c.want)
		}
	}
	st := b.status()["webhooks"].(map[string]any)
	if st["failed"] != 10.0 || st["sent"] != 0.0 || !strings.HasPrefix(st["last_error"].(string), "POST http://a/: ") || !strings.Contains(st["last_error"].(string), "header X-Id: ") {
		t.Error(st)
	}
}

// running is the URL of a proxy that runs already.
func (b *bench) running() *url.URL {
	return &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
}

// TestWebhooksEnd checks that what waits ends with a reset, a load and a stop,
// and that its number is bounded.
func TestWebhooksEnd(t *testing.T) {
	t.Parallel()
	to := newReceiver(t)
	b := newBench(t, nil)
	b.write("mock-responses/s.star", strings.ReplaceAll(`
def many(req):
    for i in range(90):
        webhook("URL/many", delay = "10m")
    return {"body": "ok"}

def all(req):
    for i in range(int(req.query["n"])):
        later(lambda: None, "10m")
    return {"body": "ok"}

def again():
    state.incr("links")
    later(again)

endpoints = {"GET /many": many, "GET /all": all, "GET /chain": lambda req: [later(again), {"body": "ok"}][1]}
`, "URL", to.URL))
	load := func() {
		b.Helper()
		b.want("Loaded 3 endpoint(s) from s.star", "load_mock_scenario", "s.star")
	}
	load()
	proxy := b.start()
	for name, end := range map[string]func(){
		"reset_mocks": func() { b.call("reset_mocks") },
		"clear_mocks": func() { b.call("clear_mocks"); load() },
		"load":        load,
		"stop":        func() { b.call("stop"); proxy = b.start() },
		"restart":     func() { b.call("restart"); proxy = b.running() },
	} {
		b.get(proxy, "http://nowhere.invalid/many")
		if n := b.pending(90); n != 90 {
			t.Errorf("%s: %d are pending, want 90", name, n)
		}
		end()
		if n := b.d.endpoints.Script.Pending(); n != 0 {
			t.Errorf("%s: %d are pending, want none", name, n)
		}
	}
	if got := b.get(proxy, "http://nowhere.invalid/all?n=101"); !strings.HasPrefix(got, "500 ") || !strings.Contains(got, "later: more than 100 are asked for by one request") {
		t.Error(got)
	}
	b.call("reset_mocks")
	for range 11 {
		b.get(proxy, "http://nowhere.invalid/all?n=95")
	}
	b.awaitLog("later: not called")
	if n := b.pending(1000); n != 1000 {
		t.Errorf("%d are pending, want 1000", n)
	}
	b.call("reset_mocks")
	b.get(proxy, "http://nowhere.invalid/chain")
	if got := b.awaitLog("later: script failed"); !strings.Contains(got, "later: more than 1000 follow one from the other") {
		t.Error(got)
	}
	b.want("1000", "get_state", "links")
	b.call("reset_mocks")
	b.get(proxy, "http://nowhere.invalid/many")
	b.pending(90)
	if err := b.d.Close(); err != nil { // as at the end of a lease
		t.Error(err)
	}
	if n := b.d.endpoints.Script.Pending(); n != 0 {
		t.Errorf("%d are pending after the end, want none", n)
	}
	if n := len(to.got); n != 0 {
		t.Errorf("%d webhooks came", n)
	}
}

// pending waits until so many tasks wait, and returns how many do.
func (b *bench) pending(want int) int {
	b.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(5 * time.Second); b.d.endpoints.Script.Pending() != want && time.Now().Before(end); {
		<-tick.C
	}
	return b.d.endpoints.Script.Pending()
}

// TestMaySend checks in which modes webhooks may be sent.
func TestMaySend(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode      string // "" for a proxy that does not run
		unmatched Unmatched
		send      Sending
		want      string
	}{
		{"", Passthrough, SendAlways, "not sent: the proxy does not run"},
		{modeMock, Passthrough, SendAuto, ""},
		{modeMock, Reject, SendAuto, "not sent with unmatched: reject: webhooks.send is not always"},
		{modeMock, Reject, SendAlways, ""},
		{modeReplay, Passthrough, SendAuto, "not sent in replay mode: webhooks.send is not always"},
		{modeReplay, Passthrough, SendNever, "not sent: webhooks.send is never"},
		{modeReplay, Reject, SendAlways, ""},
	} {
		life := &lifecycle{cfg: &Config{Unmatched: c.unmatched, Webhooks: Webhooks{Send: c.send}}}
		if c.mode != "" {
			life.run.Store(&running{mode: c.mode})
		}
		got := ""
		if err := life.maySend(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s, %s, %s: got %q, want %q", c.mode, c.unmatched, c.send, got, c.want)
		}
	}
}

// TestWebhooksHeld checks where none is sent unless that is allowed.
func TestWebhooksHeld(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		unmatched Unmatched
		send      Sending
		want      string // the error, "" when it is sent
	}{
		"mock":              {Passthrough, SendAuto, ""},
		"mock, never":       {Passthrough, SendNever, "not sent: webhooks.send is never"},
		"reject":            {Reject, SendAuto, "not sent with unmatched: reject: webhooks.send is not always"},
		"reject, allowed":   {Reject, SendAlways, ""},
		"reject, never":     {Reject, SendNever, "not sent: webhooks.send is never"},
		"default of a zero": {Passthrough, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := newReceiver(t)
			b := newBench(t, func(cfg *Config) { cfg.Unmatched, cfg.Webhooks.Send = c.unmatched, c.send })
			b.call("put_mock", "GET /x", "{body: ok, after: {url: \""+to.URL+"/\"}}")
			b.get(b.start(), "http://nowhere.invalid/x")
			r := b.reports(1)[0]
			if r.Error != c.want || (len(to.got) == 1) != (c.want == "") {
				t.Errorf("got %+v and %d requests, want %q", r, len(to.got), c.want)
			}
		})
	}
}
