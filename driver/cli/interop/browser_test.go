package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

// page is a browser that has the web UI of a bench open.
type page struct {
	t    testing.TB
	ctx  context.Context
	b    *bench
	link string // that the proxy printed

	close func() // a tab, when it is no longer needed

	mu     sync.Mutex
	faults []string // exceptions, and what the page's policy forbade
}

// live tells in the page that it hears of what happens.
const live = `document.querySelector("#connection")?.textContent === "live"`

// watch notes what goes wrong in the page from now on.
func (p *page) watch() {
	note := func(what string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.faults = append(p.faults, what)
	}
	chromedp.ListenTarget(p.ctx, func(e any) {
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			note(e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if e.Entry.Source == log.SourceSecurity || e.Entry.Source == log.SourceViolation {
				note(e.Entry.Text)
			}
		}
	})
}

// quiet checks that nothing went wrong in the page.
func (p *page) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		p.t.Errorf("the page: %s", f)
	}
}

// chromium starts a browser with an empty profile, or skips where there is none.
func chromium(t testing.TB, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no chromium here: .ci/run installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(tempDir(t)), chromedp.WindowSize(1400, 900),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("proxy-server", "direct://"))
	options = append(options, more...)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithLogf(func(string, ...any) {}))
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*patience)
	t.Cleanup(cancel)
	return ctx
}

// startWeb starts the proxy with its web UI and gives the link that it prints.
func (b *bench) startWeb(t testing.TB) string {
	t.Helper()
	_, link, ok := strings.Cut(b.mustJ(t, b.dir, "proxy", "start", "--web-ui"), "Web UI: ")
	if !ok {
		t.Fatal("start prints no link")
	}
	return strings.TrimSpace(link)
}

// open starts the proxy with its web UI and opens the link.
func open(t testing.TB, more string, options ...chromedp.ExecAllocatorOption) *page {
	t.Helper()
	ctx := chromium(t, options...)
	b := ours(t, more)
	p := &page{t: t, ctx: ctx, b: b, link: b.startWeb(t)}
	p.watch()
	p.do(chromedp.Navigate(p.link))
	p.until(live)
	return p
}

func (p *page) do(actions ...chromedp.Action) {
	p.t.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// until waits for a condition in the page.
func (p *page) until(condition string) {
	p.t.Helper()
	if err := chromedp.Run(p.ctx, chromedp.Poll(condition, nil, chromedp.WithPollingTimeout(30*time.Second), chromedp.WithPollingInterval(20*time.Millisecond))); err != nil {
		var text string
		chromedp.Run(p.ctx, chromedp.Evaluate(`document.body.innerText.slice(0, 3000)`, &text))
		p.t.Fatalf("%s: %v\n%s", condition, err, text)
	}
}

func (p *page) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Evaluate(fmt.Sprintf(`(e => { if (!e) throw new Error("no %[1]s"); e.click(); })(document.querySelector(%[2]q))`, strings.ReplaceAll(selector, `"`, `'`), selector), nil))
}

// awaitPromise has an evaluation give what its promise gives.
func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// fill types into a field as a user would: the page hears of it.
func (p *page) fill(selector, text string) {
	p.t.Helper()
	p.do(chromedp.Evaluate(fmt.Sprintf(`(e => { e.focus(); e.value = %q; e.dispatchEvent(new Event("input", {bubbles: true})); e.dispatchEvent(new Event("change", {bubbles: true})); })(document.querySelector(%q))`, text, selector), nil))
}

// pick opens an exchange of the list.
func (p *page) pick(seq int) {
	p.t.Helper()
	row := fmt.Sprintf(`#rows [data-seq="%d"]`, seq)
	p.until(fmt.Sprintf(`document.querySelector(%q)`, row))
	p.click(row)
	p.until(`!document.querySelector("#detail").hidden && document.querySelector("#tabs").children.length > 0`)
}

// shows waits until a part of the page has a text.
func (p *page) shows(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.querySelector(%q)?.textContent.includes(%q)`, selector, text))
}

// ask sends a request through the proxy.
func (p *page) ask(method, target, body string, h http.Header) string {
	p.t.Helper()
	tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: fmt.Sprint("127.0.0.1:", p.b.port)}), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for k, v := range h {
		req.Header[k] = v
	}
	res, err := (&http.Client{Transport: tr, Timeout: patience}).Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, data)
}

// sendOver sends a request through the proxy of a transport.
func sendOver(tr http.RoundTripper, target string) error {
	req, err := http.NewRequest("GET", target, nil)
	if err != nil {
		return err
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

const browserMocks = `      mocks:
        GET /api/status: {body: {device: charger-07, tags: [a, {deep: true}]}}
        GET /page: {body: "<html><script>document.title = 'hacked'; parent.hacked = 1</script><img src=x onerror='window.hacked = 1'>", content_type: text/html}
        GET /pic.png: {file: pic.png, content_type: image/png}
        WEBSOCKET /ws: {addon: echo}
`

// echoAddon answers a WebSocket.
const echoAddon = `def websocket(ws, config):
    for msg in ws:
        ws.send("you said " + msg.text)
`

func picture(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 40, 30))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The page as a test engineer uses it.
func TestBrowser(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	write(t, filepath.Join(p.b.dir, "addons", "echo.star"), echoAddon)
	write(t, filepath.Join(p.b.dir, "mock-files", "pic.png"), picture(t))
	p.until(`document.querySelector("#empty")?.textContent.includes("curl -x http://127.0.0.1:")`)
	p.until(`!location.search`) // the token is not in the history

	// A request arrives and is explained.
	p.ask("GET", "https://api.example.com/api/status?x=1", "", http.Header{"X-Markup": {`"><img src=x onerror=alert(1)>`}})
	p.shows("#rows", "/api/status?x=1")
	p.pick(1)
	p.click(`[data-tab="response"]`)
	p.shows("#panel", "charger-07")
	p.click(`[data-tab="request"]`)
	p.shows("#panel", `"><img src=x onerror=alert(1)>`)
	p.click(`[data-tab="why"]`)
	p.shows("#panel", "GET /api/status")
	p.click(`[data-tab="timing"]`)
	p.shows("#panel", "TLS 1.3")

	// A body that is a page with a script is text.
	p.ask("GET", "http://car.test/page", "", nil)
	p.pick(2)
	p.click(`[data-tab="response"]`)
	p.shows("#panel", "<script>document.title")
	var hacked bool
	p.do(chromedp.Evaluate(`!!window.hacked || document.title === "hacked" || !!document.querySelector("#panel script, #panel iframe")`, &hacked))
	if hacked {
		t.Error("a captured page has run in ours")
	}

	// An image is shown as one.
	p.ask("GET", "http://car.test/pic.png", "", nil)
	p.pick(3)
	p.click(`[data-tab="response"]`)
	p.until(`document.querySelector("#panel img")?.naturalWidth === 40`)

	// A WebSocket's messages come while it talks.
	tr := p.b.transport(false)
	defer tr.CloseIdleConnections()
	ws, _, err := websocket.Dial(t.Context(), "ws://car.test/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	p.pick(4)
	p.click(`[data-tab="messages"]`)
	ws.Write(t.Context(), websocket.MessageText, []byte("hello there"))
	p.shows("#panel", "you said hello there")
	ws.Close(websocket.StatusNormalClosure, "")
	p.until(`/\d (ms|s)$/.test(document.querySelector('#rows [data-seq="4"] .c-duration').textContent)`)

	// A filter, one that is wrong, and none.
	p.fill("#filter", "~u pic")
	p.until(`[...document.querySelectorAll("#rows [data-seq]")].filter(r => !r.hidden).map(r => r.dataset.seq).join() === "3"`)
	p.fill("#filter", "~c x")
	p.until(`!document.querySelector("#filter-error").hidden && document.querySelector("#filter-error").textContent.includes("expected a status")`)
	p.fill("#filter", "")
	p.until(`[...document.querySelectorAll("#rows [data-seq]")].filter(r => !r.hidden).length === 4`)

	// What no mock answered becomes one.
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"from": "server"}`)
	}))
	defer real.Close()
	p.ask("GET", real.URL+"/thing", "", nil)
	p.pick(5)
	p.click("#make-mock")
	p.until(`document.querySelector("#mock-text")?.value.includes("from: server")`)
	p.fill("#mock-text", "status: 200\nboddy: 1\n")
	p.shows("#mock-error", "boddy")
	p.fill("#mock-text", "status: 203\nbody:\n  from: mock\n")
	p.until(`!document.querySelector("#mock-save").disabled && !document.querySelector("#mock-error").textContent`)
	p.click("#mock-save")
	p.shows("#toast", "Mock set: GET /thing")
	if got := p.ask("GET", real.URL+"/thing", "", nil); got != `203 {"from":"mock"}` {
		t.Error(got)
	}

	// The table of mocks tells of it; switched off it does not answer.
	p.click(`[data-view="mocks"]`)
	p.shows("#mocks-rows", "GET /thing")
	p.do(chromedp.Evaluate(`[...document.querySelectorAll("#mocks-rows tr")].find(r => r.textContent.includes("GET /thing")).querySelector("input").click()`, nil))
	p.shows("#toast", "Mock disabled")
	if got := p.ask("GET", real.URL+"/thing", "", nil); got != `200 {"from": "server"}` {
		t.Error(got)
	}

	// State is edited.
	p.click(`[data-view="state"]`)
	p.click("#state-add")
	p.fill("#state-key", "user")
	p.fill("#state-text", `{"name": "Ada"}`)
	p.until(`!document.querySelector("#state-save").disabled`)
	p.click("#state-save")
	p.shows("#state-rows", "Ada")

	// A script breaks, is told of, and is mended.
	addon := filepath.Join(p.b.dir, "addons", "echo.star")
	p.click(`[data-view="scripts"]`)
	write(t, addon, "def websocket(ws, config):\n    return tru\n")
	p.shows("#scripts-rows", "echo.star:2:12: undefined: tru")
	p.until(`document.querySelector('[data-view="scripts"]').classList.contains("alert")`)
	write(t, addon, echoAddon)
	p.until(`!document.querySelector("#scripts-rows").textContent.includes("undefined")`)

	// The proxy is stopped and started; the page goes on.
	p.click(`[data-view="control"]`)
	p.click("#stop")
	p.until(`document.querySelector("#summary").textContent.includes("stopped")`)
	p.click(`[data-view="state"]`)
	p.click(`[data-view="control"]`)
	p.click("#start")
	p.until(`document.querySelector("#summary").textContent.includes("mock")`)

	// The exporter's side is stopped and started anew.
	p.b.mustJ(t, p.b.dir, "proxy", "stop")
	p.until(`document.querySelector("#connection").textContent !== "live"`)
	p.b.startWeb(t)
	p.until(live)
	p.click(`[data-view="traffic"]`)
	p.ask("GET", "http://car.test/api/status?again", "", nil)
	p.shows("#rows", "/api/status?again")
	p.quiet()
}

// Ten thousand exchanges, at a rate of hundreds a second, leave the page quick.
func TestBrowserUnderLoad(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	const total = 10_000
	p.do(chromedp.Evaluate(`window.slow = []; new PerformanceObserver(l => l.getEntries().forEach(e => slow.push(e.duration))).observe({type: "longtask"})`, nil))
	tr := p.b.transport(false)
	defer tr.CloseIdleConnections()
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range total / 4 {
				if err := sendOver(tr, fmt.Sprintf("http://car.test/api/status?n=%d", worker*total/4+i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	p.until(`document.querySelector("#tally").textContent.replace(/\D/g, "").startsWith("10000")`)
	p.until(`document.querySelector('#rows [data-seq="10000"]')`)
	var elements int
	p.do(chromedp.Evaluate(`document.querySelectorAll("#rows [data-seq]").length`, &elements))
	if elements > 200 {
		t.Errorf("%d rows have elements", elements)
	}
	// Scrolled from end to end in steps, each of which paints.
	var frames []float64
	p.do(chromedp.Evaluate(`new Promise(done => {
		const rows = document.querySelector("#rows"), times = [];
		let last = performance.now(), step = 0;
		const frame = now => {
			times.push(now - last);
			last = now;
			rows.scrollTop = rows.scrollHeight * (1 - ++step / 60);
			step < 60 ? requestAnimationFrame(frame) : done(times);
		};
		requestAnimationFrame(frame);
	})`, &frames, awaitPromise))
	p.until(`document.querySelector('#rows [data-seq="1"]')`)
	var slow []float64
	p.do(chromedp.Evaluate(`window.slow`, &slow))
	worst := 0.0
	for _, f := range frames {
		worst = max(worst, f)
	}
	t.Logf("10,000 exchanges: %d row elements; while they came %d long tasks; scrolling through: worst of %d frames %.0f ms", elements, len(slow), len(frames), worst)
	if len(frames) < 50 {
		t.Errorf("%d frames", len(frames))
	}
}

// Python's j carries the page through the exporter, with the link it prints.
func TestBrowserThroughPythonsTunnel(t *testing.T) {
	t.Parallel()
	py := python(t)
	b := ours(t, browserMocks)
	b.mustJ(t, b.dir, "proxy", "start", "--web-ui")
	port := freePort(t)
	tunnel := start(t, b.dir, environ([]string{py}, append(b.environ, "PYTHONUNBUFFERED=1")...), []int{-1, 0, 1, 130, 143}, "j", "proxy", "web", "--port", fmt.Sprint(port))
	// It waits for the browser's connections when it is asked to end.
	t.Cleanup(func() { tunnel.cmd.Process.Kill() })
	link := tunnel.await(t, "available at: ")
	p := &page{t: t, ctx: chromium(t), b: b, link: link}
	p.do(chromedp.Navigate(link))
	p.until(live)
	p.ask("GET", "http://car.test/api/status", "", nil)
	p.shows("#rows", "/api/status")
}

// The page is small, and whole by itself.
func TestBrowserWeight(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root(t), "driver", "web", "ui", "*"))
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 60<<10 {
		t.Errorf("the page has %d bytes in %d files, at most %d are allowed", size, len(files), 60<<10)
	}
	p := open(t, "")
	p.until(`performance.getEntriesByType("resource").some(e => e.name.endsWith("/control.js"))`)
	hosts := value[[]string](p, `[...new Set(performance.getEntriesByType("resource").map(e => new URL(e.name).host))]`)
	if len(hosts) != 1 || !strings.HasPrefix(hosts[0], "127.0.0.1:") {
		t.Errorf("the page asked %v", hosts)
	}
	p.quiet()
}
