package interop

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const figuresMocks = `      mocks:
        GET /api/status: {body: {device: charger-07, level: 3, tags: [a, b]}}
        GET /api/slow: {body: slow, latency_ms: 60}
        GET /api/status2: {status: 503, body: {device: charger-07, level: 4, tags: [a, b]}, headers: {X-Only: here}}
`

// Figures and the waterfall follow the filter and the span, which is chosen by mouse or
// keys, and lead back to the list.
func TestBrowserFigures(t *testing.T) {
	t.Parallel()
	p := open(t, figuresMocks)
	p.click(`[data-view="figures"]`)
	p.until(`document.querySelector("#figures-none").checkVisibility()`)
	for range 6 {
		p.ask("GET", "http://car.test/api/status?v=1", "", nil)
	}
	for range 3 {
		p.ask("GET", "http://slow.test/api/slow", "", nil)
	}
	p.ask("GET", "http://car.test/api/status2", "", nil)
	const tile = `Object.fromEntries([...document.querySelectorAll("#figures-sums .tile")].map(t => [t.firstChild.textContent, t.lastChild.textContent.trim()]))`
	p.until(tile + `.Exchanges === "10"`)
	got := value[map[string]string](p, tile)
	if got["Statuses"] != "200 9 503 1" || got["Answered by"] != "mock 10" {
		t.Errorf("got %q", got)
	}
	for _, name := range []string{"Latency p95", "Latency p99", "Slowest"} { // the three slow ones of ten
		if v := got[name]; !strings.HasSuffix(v, " ms") || len(v) < len("60 ms") {
			t.Errorf("%s: got %s, want 60 ms or more", name, v)
		}
	}

	// Groups by host and by endpoint, most exchanges first.
	const names = `[...document.querySelectorAll("#figures-groups tr")].map(r => r.children[0].textContent + " " + r.children[2].textContent).join()`
	if got := value[string](p, names); got != "car.test 7,slow.test 3" {
		t.Error(got)
	}
	p.fill("#figures-by", "endpoint")
	p.until(names + ` === "GET /api/status 6,GET /api/slow 3,GET /api/status2 1"`)
	p.fill("#figures-by", "host")

	// The waterfall has a bar for each, in the order of their beginning, in its place.
	const bars = `[...document.querySelectorAll("#waterfall .bars i")].map(b => [parseFloat(b.style.marginLeft), parseFloat(b.style.width)])`
	all := value[[][2]float64](p, bars)
	if len(all) != 10 || all[0][0] != 0 {
		t.Fatalf("got the bars %v", all)
	}
	for i, b := range all {
		if b[0] < 0 || b[0]+b[1] > 100.01 || i > 0 && b[0] < all[i-1][0] {
			t.Errorf("bar %d: got %v after %v", i, b, all[max(i, 1)-1])
		}
	}

	// A span by mouse, then by keys, then all again.
	type rect struct{ X, Y, Width, Height float64 }
	box := value[rect](p, `document.querySelector("#figures-overview").getBoundingClientRect().toJSON()`)
	y := box.Y + box.Height/2
	p.drag(box.X+box.Width/2, box.X+box.Width, y)
	p.until(tile + `.Exchanges !== "10"`)
	if n := value[string](p, tile+".Exchanges"); n == "0" {
		t.Error("got an empty span, though the last exchange is at its end")
	}
	p.do(chromedp.Focus("#figures-overview"))
	p.key(kb.Escape)
	p.until(tile + `.Exchanges === "10"`)
	p.key(kb.ArrowDown + kb.ArrowLeft + kb.ArrowLeft)
	p.until(tile + `.Exchanges !== "10"`)
	for range 3 {
		p.key(kb.ArrowUp)
	}
	p.until(tile + `.Exchanges === "10"`)

	// A host leads to its exchanges in the list, and the filter to its figures.
	p.press(`document.querySelector("#figures-groups")`, "slow.test")
	p.counts(3)
	p.click(`[data-view="figures"]`)
	p.until(tile + `.Exchanges === "3"`)
	p.click("#waterfall button")
	p.until(`location.hash.startsWith("#/traffic/7/")`)
	p.shows("#detail-head", "http://slow.test/api/slow")

	// A device leads to its exchanges, too.
	p.click("#close")
	p.fill("#filter", "")
	p.counts(10)
	p.click(`[data-view="figures"]`)
	p.fill("#figures-by", "device")
	p.press(`document.querySelector("#figures-groups")`, "127.0.0.1")
	p.until(`document.querySelector("#filter").value === "~src ^127\\.0\\.0\\.1:"`)
	p.counts(10)
	p.quiet()
}

// drag moves the mouse from one place to another with its button down.
func (p *page) drag(x1, x2, y float64) {
	for _, e := range []struct {
		kind input.MouseType
		x    float64
	}{{input.MousePressed, x1}, {input.MouseMoved, (x1 + x2) / 2}, {input.MouseMoved, x2}, {input.MouseReleased, x2}} {
		p.do(input.DispatchMouseEvent(e.kind, e.x, y).WithButton(input.Left).WithButtons(1).WithClickCount(1))
	}
}

// Two exchanges are compared: only their differences are shown, unless all is wanted.
func TestBrowserCompare(t *testing.T) {
	t.Parallel()
	p := open(t, figuresMocks)
	p.ask("GET", "http://car.test/api/status?v=1&who=me", "", http.Header{"X-Trace": {"1"}})
	p.ask("GET", "http://car.test/api/status2?v=2", "", http.Header{"X-Trace": {"2"}})
	p.counts(2)
	p.do(chromedp.Navigate(strings.Split(p.link, "?")[0] + "#/compare/1/2"))
	p.shows("#compare-parts", "x-only")
	const rows = `[...document.querySelectorAll("#compare-parts tbody tr")].map(r => [...r.children].map(c => c.textContent).join("|"))`
	got := value[[]string](p, rows)
	for _, want := range []string{"path|/api/status|/api/status2", "v|1|2", "who|me|", "x-trace|1|2", "status|200|503", "x-only||here"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	for _, r := range got {
		if name, values, _ := strings.Cut(r, "|"); slices.Contains([]string{"method", "server", "content-type", "user-agent"}, name) {
			t.Errorf("%s is shown as a difference: %s", name, values)
		}
	}
	if d := value[string](p, `[...document.querySelectorAll("#compare-parts .diff")].map(d => [...d.querySelectorAll("del, ins")].map(n => n.textContent.trim())).join()`); d != `-   "level": 3,,+   "level": 4,` {
		t.Errorf("got the difference of bodies %s", d)
	}
	p.shows("#compare-parts", "Both are empty.") // the bodies of the requests
	p.click("#compare-all")
	p.until(rows + `.includes("method|GET|GET")`)
	p.click("#compare-swap")
	p.until(`location.hash === "#/compare/2/1" && ` + rows + `.includes("status|503|200")`)
	p.fill("#compare-second", "77")
	p.shows("#compare-parts .error", "77")
	p.quiet()
}

// The differences of random texts lead from the first to the second, and keep as many lines
// as their longest common sequence has.
func TestBrowserDiff(t *testing.T) {
	t.Parallel()
	p := open(t, figuresMocks)
	const module = `performance.getEntriesByType("resource").find(e => e.name.endsWith("/diff.js"))`
	p.until(module)
	wrong := awaited[string](p, `(async () => {
		const { lines } = await import(`+module+`.name);
		const common = (a, b) => {
			const n = Array.from({ length: a.length + 1 }, () => Array(b.length + 1).fill(0));
			for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) n[i][j] = a[i] === b[j] ? n[i + 1][j + 1] + 1 : Math.max(n[i + 1][j], n[i][j + 1]);
			return n[0][0];
		};
		let seed = 7;
		const random = n => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
		const text = () => Array.from({ length: random(10) }, () => "abc"[random(3)]).join("\n");
		for (let i = 0; i < 3000; i++) {
			const a = text(), b = text(), all = lines(a, b), of = not => all.filter(([sign]) => sign !== not).map(([, line]) => line).join("\n");
			if (of("+") !== a || of("-") !== b || all.filter(([sign]) => sign === " ").length !== common(a.split("\n"), b.split("\n"))) return JSON.stringify([a, b, all]);
		}
		const long = n => Array.from({ length: 20000 }, (_, i) => i % n ? "same " + i : "line " + n).join("\n");
		const all = lines(long(3), long(7));
		return all.filter(([sign]) => sign !== "+").length === 20000 && all.filter(([sign]) => sign !== "-").length === 20000 ? "" : "texts with many differences";
	})()`)
	if wrong != "" {
		t.Errorf("got the wrong differences for %s", wrong)
	}
}
