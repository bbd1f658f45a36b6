package interop

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

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
	if value[bool](p, `!!window.hacked || document.title === "hacked" || !!document.querySelector("#panel script, #panel iframe")`) {
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
	p.shows("#make pre", "from: server")
	p.press(`document.querySelector("#make")`, "Edit…")
	p.until(`document.querySelector("#mock-text")?.value.includes("from: server")`)
	p.fill("#mock-text", "status: 200\nboddy: 1\n")
	p.shows("#mock-error", "boddy")
	p.fill("#mock-text", "status: 203\nbody:\n  from: mock\n")
	p.until(`!document.querySelector("#mock-save").disabled && !document.querySelector("#mock-error").textContent`)
	p.click("#mock-save")
	p.shows("#toast", "Mock set: GET "+real.URL+"/thing")
	if got := p.ask("GET", real.URL+"/thing", "", nil); got != `203 {"from":"mock"}` {
		t.Error(got)
	}

	// The table of mocks tells of it; switched off it does not answer.
	p.click(`[data-view="mocks"]`)
	p.shows("#mocks-rows", "GET "+real.URL+"/thing")
	p.do(chromedp.Evaluate(`[...document.querySelectorAll("#mocks-rows tr")].find(r => r.textContent.includes("/thing")).querySelector("input").click()`, nil))
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
	p.click("#popup button") // yes
	p.until(`document.querySelector("#summary").textContent.includes("stopped")`)
	p.click(`[data-view="state"]`)
	p.click(`[data-view="control"]`)
	p.click("#start")
	p.until(`document.querySelector("#summary").textContent.includes("mock")`)

	// The exporter's side is stopped and started anew.
	p.b.mustJ(t, p.b.dir, "proxy", "stop")
	p.until(`document.querySelector("#connection").textContent !== "live"`)
	link := p.b.startWeb(t) // which ends the session of the page
	p.until(`!document.querySelector("#no-session").hidden`)
	p.tab(link).until(live)
	p.front()
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
	p.counts(total)
	p.until(`document.querySelector('#rows [data-seq="10000"]')`)
	elements := value[int](p, `document.querySelectorAll("#rows [data-seq]").length`)
	if elements > 200 {
		t.Errorf("%d rows have elements", elements)
	}
	p.do(heapprofiler.CollectGarbage())
	if heap := value[float64](p, `performance.memory.usedJSHeapSize`) / 1e6; heap > 15 {
		t.Errorf("the heap of the tab has %.1f MB with %d exchanges, want at most 15", heap, total)
	}
	// Scrolled from end to end in steps, each of which paints.
	frames := awaited[[]float64](p, `new Promise(done => {
		const rows = document.querySelector("#rows"), times = [];
		let last = performance.now(), step = 0;
		const frame = now => {
			times.push(now - last);
			last = now;
			rows.scrollTop = rows.scrollHeight * (1 - ++step / 60);
			step < 60 ? requestAnimationFrame(frame) : done(times);
		};
		requestAnimationFrame(frame);
	})`)
	p.until(`document.querySelector('#rows [data-seq="1"]')`)
	slow := value[[]float64](p, `window.slow`)
	worst := slices.Max(frames)
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

// onlyOfFiles tells of a module that the page of a file has in the place of a proxy.
func onlyOfFiles(module string) bool {
	return slices.Contains([]string{"record.js", "filter.js", "regex.js"}, filepath.Base(module))
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
		if onlyOfFiles(f) {
			continue
		}
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 150_000 {
		t.Errorf("the page has %d bytes in %d files, at most %d are allowed", size, len(files), 150_000)
	}
	p := open(t, "")
	p.until(`performance.getEntriesByType("resource").some(e => e.name.endsWith("/control.js"))`)
	hosts := value[[]string](p, `[...new Set(performance.getEntriesByType("resource").map(e => new URL(e.name).host))]`)
	if len(hosts) != 1 || !strings.HasPrefix(hosts[0], "127.0.0.1:") {
		t.Errorf("the page asked %v", hosts)
	}
	p.quiet()
}
