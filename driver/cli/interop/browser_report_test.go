package interop

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

// sessionFiles makes a session with exchanges of several kinds and returns the files of
// it: a bundle, a flow file, a HAR document, and a recording.
func sessionFiles(t testing.TB) (b *bench, files map[string]string) {
	b = ours(t, browserMocks)
	write(t, filepath.Join(b.dir, "addons", "echo.star"), echoAddon)
	write(t, filepath.Join(b.dir, "mock-files", "pic.png"), picture(t))
	b.mustJ(t, b.dir, "proxy", "start")
	p := &page{t: t, b: b}
	p.ask("GET", "https://api.example.com/api/status?x=1", "", http.Header{"X-Markup": {`"><img src=x onerror=alert(1)>`}})
	b.mustJ(t, b.dir, "proxy", "faults", "event", "half-time")
	p.ask("GET", "http://car.test/page", "", nil)
	p.ask("GET", "http://car.test/pic.png", "", nil)
	tr := b.transport(false)
	defer tr.CloseIdleConnections()
	ws, _, err := websocket.Dial(t.Context(), "ws://car.test/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}})
	if err != nil {
		t.Fatal(err)
	}
	ws.Write(t.Context(), websocket.MessageText, []byte("hello there"))
	if _, text, err := ws.Read(t.Context()); err != nil || string(text) != "you said hello there" {
		t.Fatalf("%q %v", text, err)
	}
	ws.Close(websocket.StatusNormalClosure, "")
	p.ask("POST", "http://127.0.0.1:1/api/status", "level=7", nil) // no mock, no server
	files = map[string]string{}
	for name, args := range map[string][]string{
		"session.zip": {"bundle", "save"}, "session.flow": {"capture", "save", "--flow"}, "session.har": {"capture", "save", "--har"},
	} {
		files[name] = filepath.Join(b.dir, name)
		b.mustJ(t, b.dir, append(append([]string{"proxy"}, args...), files[name])...)
	}
	return b, files
}

// explore uses a page that shows the session of sessionFiles. whole says that the file has
// all that is known, as a HAR document has not.
func explore(p *page, whole bool) {
	t := p.t
	t.Helper()
	p.counts(5)
	for _, id := range []string{"clear", "pause", "follow", "save", "make-mock", "resend"} {
		if value[bool](p, fmt.Sprintf(`document.querySelector("#%s").checkVisibility()`, id)) {
			t.Errorf("%s is shown, which a session that is over has no use for", id)
		}
	}
	p.pick(1)
	p.click(`[data-tab="response"]`)
	p.shows("#panel", "charger-07")
	p.click(`[data-tab="request"]`)
	p.shows("#panel", `"><img src=x onerror=alert(1)>`)
	p.pick(2)
	p.click(`[data-tab="response"]`)
	p.shows("#panel", "<script>document.title")
	if value[bool](p, `!!window.hacked || document.title === "hacked" || !!document.querySelector("#panel script, #panel iframe")`) {
		t.Error("a captured page has run in ours")
	}
	p.pick(3)
	p.click(`[data-tab="response"]`)
	p.until(`document.querySelector("#panel img")?.naturalWidth === 40`)
	p.pick(4)
	p.click(`[data-tab="messages"]`)
	p.shows("#panel", "you said hello there")
	p.pick(5)
	p.click(`[data-tab="request"]`)
	p.shows("#panel", "level=7")
	if whole {
		p.pick(1)
		p.click(`[data-tab="why"]`)
		p.shows("#panel", "GET /api/status")
		p.pick(5)
		p.click(`[data-tab="why"]`)
		p.shows("#panel", "GET /api/status")
	}
	for expr, want := range map[string]string{
		"~u pic": "3", "~bs charger": "1", "~b 'hello there'": "4", "~hq '^x-markup: .*onerror'": "1", "~m POST | ~c 101": "4,5", "!(~ts html | ~websocket) ~s": "1,3",
		"~bq level=\\d$": "5", "~ts ^image & ~size 10": "3",
	} {
		p.fill("#filter", expr)
		p.until(shown + fmt.Sprintf(" === %q", want))
	}
	p.fill("#filter", "~c x")
	p.until(`!document.querySelector("#filter-error").hidden && document.querySelector("#filter-error").textContent.includes("expected a status")`)
	p.fill("#filter", "")
	p.until(shown + ` === "1,2,3,4,5"`)
	p.fill("#highlight", "~bs charger")
	p.until(`document.querySelector('#rows [data-seq="1"]').classList.contains("lit") && !document.querySelector('#rows [data-seq="2"]').classList.contains("lit")`)
	p.click("#hosts")
	p.shows("#hosts-rows", "api.example.com")
	p.press(`document.querySelector("#hosts-rows")`, "api.example.com")
	p.until(shown + ` === "1"`)
	p.press(`document.querySelector("#hosts-rows")`, "api.example.com")
	p.until(shown + ` === "1,2,3,4,5"`)
	if value[bool](p, `!!document.querySelector("#sidebar .live")?.checkVisibility()`) {
		t.Error("devices of a session that is over can be named")
	}
	p.click("#hosts")
	if value[bool](p, `document.querySelector('[data-view="timeline"]').checkVisibility()`) {
		p.click(`[data-view="timeline"]`)
		p.shows("#timeline-rows", "half-time")
		p.do(chromedp.Evaluate(`[...document.querySelectorAll("#timeline-rows tr")].find(r => r.textContent.includes("half-time")).querySelector("button").click()`, nil))
		p.until(`!document.querySelector("#detail").hidden && document.querySelector("#detail-head").textContent.includes("/page")`)
	} else if strings.Contains(value[string](p, `document.querySelector("#status").textContent`), "timeline.jsonl") {
		t.Error("the bundle has a timeline, and the page does not show it")
	}
	p.click(`[data-view="control"]`)
	p.shows("#status", "exchanges")
	p.click(`[data-view="traffic"]`)
	p.quiet()
}

// A report is opened from a file, without a network, and shows the session.
func TestBrowserReport(t *testing.T) {
	t.Parallel()
	// No name has an address, and the way to all addresses is closed.
	ctx := chromium(t, chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"), chromedp.Flag("proxy-server", "127.0.0.1:1"), chromedp.Flag("proxy-bypass-list", "<-loopback>"))
	b, files := sessionFiles(t)
	dir := tempDir(t)
	archive, err := zip.OpenReader(files["session.zip"])
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	report, err := fs.ReadFile(archive, "report.html")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "report.html"), string(report))
	small := filepath.Join(dir, "har.html")
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "starproxy"), "view", files["session.har"], "--html", small)
	cmd.Env = environ(nil)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := chromedp.Run(ctx); err != nil { // the browser, of which each file gets a tab
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "report.html"), small} {
		tab, cancel := chromedp.NewContext(ctx)
		defer cancel()
		p := &page{t: t, ctx: tab, b: b}
		p.watch()
		var asked []string
		chromedp.ListenTarget(tab, func(e any) {
			if e, ok := e.(*network.EventRequestWillBeSent); ok && !strings.HasPrefix(e.Request.URL, "file://") && !strings.HasPrefix(e.Request.URL, "blob:") && !strings.HasPrefix(e.Request.URL, "data:") {
				p.mu.Lock()
				asked = append(asked, e.Request.URL)
				p.mu.Unlock()
			}
		})
		p.do(network.Enable(), cdppage.BringToFront(), chromedp.Navigate((&url.URL{Scheme: "file", Path: path}).String()))
		p.until(`document.querySelector("#connection")?.textContent === "report"`)
		explore(p, path != small)
		// A link to a filtered report works, too.
		p.do(chromedp.Evaluate(`location.hash = "#/traffic?f=~bs%20charger"`, nil), chromedp.Reload())
		p.until(shown + ` === "1"`)
		p.mu.Lock()
		if len(asked) > 0 {
			t.Errorf("%s asked for %q, want nothing but itself", path, asked)
		}
		p.mu.Unlock()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", filepath.Base(path), info.Size())
	}
}

// view serves the page over each kind of file.
func TestBrowserView(t *testing.T) {
	t.Parallel()
	ctx := chromium(t)
	b, files := sessionFiles(t)
	recording := filepath.Join(b.dir, "again.bin")
	b.mustJ(t, b.dir, "proxy", "flow", "convert", files["session.flow"], recording)
	files["again.bin"] = recording
	for name, path := range files {
		viewer := start(t, b.dir, environ(nil), []int{-1, 0, 130}, filepath.Join(bin, "starproxy"), "view", path, "--no-open")
		link := strings.TrimSpace(viewer.await(t, "The page: "))
		p := &page{t: t, ctx: ctx, b: b, link: link}
		p.watch()
		p.do(chromedp.Navigate(link))
		p.until(live)
		explore(p, name != "session.har")
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/api/call/status", "/api/call/clear_captured_requests"} {
			res, err := http.Post("http://"+u.Host+path, "application/json", strings.NewReader("[]"))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusForbidden {
				t.Errorf("%s without a session: got %s, want 403", path, res.Status)
			}
		}
		if got := awaited[int](p, `fetch("api/call/clear_captured_requests", {method: "POST", headers: {"Content-Type": "application/json"}, body: "[]"}).then(r => r.status)`); got != http.StatusNotFound {
			t.Errorf("clear_captured_requests: got %d, want 404: there is no such method", got)
		}
		viewer.cmd.Process.Signal(os.Interrupt)
	}
}

// The filters of the page match what those of driver/filter match, and have the same
// errors.
func TestBrowserFilters(t *testing.T) {
	t.Parallel()
	ctx := chromium(t)
	site := http.NewServeMux()
	site.Handle("/ui/", http.FileServerFS(os.DirFS(filepath.Join(root(t), "driver", "web"))))
	site.Handle("/testdata/", http.FileServerFS(os.DirFS(filepath.Join(root(t), "driver", "filter"))))
	site.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!doctype html><title>filters</title>") })
	server := httptest.NewServer(site)
	defer server.Close()
	p := &page{t: t, ctx: ctx}
	p.do(chromedp.Navigate(server.URL))
	text := awaited[string](p, vectorsScript)
	var found struct {
		Compared int
		Wrong    []string
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		t.Fatal(err)
	}
	for _, w := range found.Wrong {
		t.Error(w)
	}
	if found.Compared < 800 {
		t.Errorf("%d comparisons, want at least 800", found.Compared)
	}
	t.Logf("%d comparisons", found.Compared)
}

// vectorsScript compares the filters of the page with driver/filter/testdata/vectors.json.
const vectorsScript = `(async () => {
	const { compile, Body } = await import("/ui/filter.js"), { regex } = await import("/ui/regex.js");
	const { texts, vectors } = await (await fetch("/testdata/vectors.json")).json();
	const wrong = [];
	let compared = 0;
	const check = (what, got, want) => {
		compared++;
		if (got !== want) wrong.push(what + ": got " + got + ", want " + want);
	};
	for (const { Pattern, Mode, Error, Matches } of vectors.patterns) {
		let got;
		try {
			const re = regex(Pattern, Mode);
			got = texts.flatMap((t, i) => re.test(t) ? [i] : []).join();
		} catch (e) {
			got = e.message;
		}
		check("regular expression " + Pattern + " (" + Mode + ")", got, Error || Matches.join());
	}
	const bytes = text => new Body(Uint8Array.from(atob(text || ""), c => c.charCodeAt(0)));
	const subjects = Object.entries(vectors.subjects).map(([name, s]) => [name, {
		fields: s.Fields, headers: s.Headers, bodies: Object.fromEntries(Object.entries(s.Bodies).map(([k, v]) => [k, v.map(bytes)])),
	}]);
	for (const { Expr, Want } of vectors.matches) {
		let got;
		try {
			const x = compile(Expr, vectors.rules);
			got = subjects.filter(([, s]) => !x || x.match(s)).map(([name]) => name).sort().join(" ");
		} catch (e) {
			got = e.message;
		}
		check("expression " + Expr, got, Want);
	}
	for (const { Expr, Message, Column } of vectors.mistakes) {
		let got;
		try {
			compile(Expr, vectors.rules);
		} catch (e) {
			got = e.column + " " + e.message;
		}
		check("mistake " + Expr, got, Column + " column " + Column + ": " + Message);
	}
	return JSON.stringify({ compared, wrong });
})()`
