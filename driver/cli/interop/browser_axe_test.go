package interop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A screen is one on which the views are judged.
type screen struct {
	name          string
	width, height int64
	zoom          float64
	dark          bool
}

var screens = []screen{
	{"light", 1280, 800, 1, false},
	{"dark", 1280, 800, 1, true},
	{"zoom of 200 %", 640, 400, 2, false},
	{"phone", 390, 780, 3, true},
}

func (p *page) useScreen(s screen) {
	p.t.Helper()
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}),
		emulation.SetDeviceMetricsOverride(s.width, s.height, s.zoom, s.width < 500))
}

// accessible checks the page that is shown with axe, by the rules of WCAG 2.2 at the level
// AA and axe's best practices.
func (p *page) accessible(what string) {
	p.t.Helper()
	type node struct {
		Target  []string `json:"target"`
		Summary string   `json:"failureSummary"`
	}
	type finding struct {
		ID    string `json:"id"`
		Help  string `json:"help"`
		Nodes []node `json:"nodes"`
	}
	text := awaited[string](p, `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"]})
		.then(r => JSON.stringify(r.violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.slice(0, 4).map(({ target, failureSummary }) => ({ target: target.flat(), failureSummary })) }))))`)
	var all []finding
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		p.t.Fatal(err)
	}
	for _, f := range all {
		for _, n := range f.Nodes {
			p.t.Errorf("%s: %s (%s) at %s: %s", what, f.Help, f.ID, strings.Join(n.Target, " "), n.Summary)
		}
	}
}

// Axe finds nothing on any view, in light and dark, at a zoom of 200 % and on a phone.
func TestBrowserAxe(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(made("node/node_modules/axe-core/axe.min.js")(t))
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, browserMocks)
	write(t, filepath.Join(p.b.dir, "addons", "echo.star"), echoAddon)
	write(t, filepath.Join(p.b.dir, "mock-files", "pic.png"), picture(t))
	p.do(chromedp.Evaluate(string(source), nil))
	p.accessible("no traffic")
	p.ask("GET", "https://api.example.com/api/status?x=1", "", http.Header{"X-Markup": {`"><img src=x onerror=alert(1)>`}})
	p.ask("GET", "http://car.test/pic.png", "", nil)
	p.ask("POST", "http://127.0.0.1:1/api/status", "level=7&name=x", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	awaited[any](p, `fetch("api/call/set_state", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(["user", '{"name": "Ada"}'])}).then(r => r.json())`)
	p.key("b")
	p.shows("#hosts-rows", "car.test")
	views := value[[]string](p, `[...document.querySelectorAll("nav a:not([hidden])")].map(a => a.dataset.view)`)
	p.b.mustJ(t, p.b.dir, "proxy", "intercept", "~u /held", "--timeout", "10m")
	held := p.asking("POST", "http://car.test/held", "text")
	p.shows("#held", "1 held")
	for _, s := range screens {
		p.useScreen(s)
		for _, view := range views {
			p.click(fmt.Sprintf("[data-view=%q]", view))
			p.until(fmt.Sprintf(`!document.querySelector("#%s").hidden`, view))
			p.accessible(s.name + ", " + view)
			p.fits(s.name + ", " + view)
		}
		p.click(`[data-view="traffic"]`)
		for _, seq := range []int{1, 2, 3} {
			p.pick(seq)
			for _, tab := range value[[]string](p, `[...document.querySelectorAll("#tabs [role=tab]")].map(t => t.dataset.tab)`) {
				p.click(fmt.Sprintf("[data-tab=%q]", tab))
				p.until(fmt.Sprintf(`document.querySelector("#tabs [aria-selected=true]").dataset.tab === %q && document.querySelector("#panel").children.length > 0`, tab))
				p.accessible(fmt.Sprintf("%s, exchange %d, %s", s.name, seq, tab))
			}
			p.click("#close")
		}
		p.click("#held")
		p.until(`!document.querySelector("#hold").hidden`)
		p.accessible(s.name + ", held exchange")
		p.fits(s.name + ", held exchange")
		p.click("#hold [aria-label=Close]")
		p.click("#intercept")
		p.accessible(s.name + ", intercept")
		p.do(chromedp.Evaluate(`document.querySelector("#popup").hidePopover()`, nil))
		p.do(chromedp.Evaluate(`location.hash = "#/compare/1/2"`, nil))
		p.until(`document.querySelector("#compare-parts table")`)
		p.accessible(s.name + ", compare")
		p.click(`[data-view="traffic"]`)
		p.pick(1)
		p.click("#make-mock")
		p.until(`document.querySelector("#make[open]")`)
		p.accessible(s.name + ", make a mock")
		p.do(chromedp.Evaluate(`document.querySelector("dialog[open]").close()`, nil))
		p.click("#close")
		p.click(`[data-view="mocks"]`)
		p.press(`document.querySelector("#mocks-rows")`, "Save…")
		p.until(`document.querySelector("#save-told").textContent`)
		p.accessible(s.name + ", save a mock")
		p.do(chromedp.Evaluate(`document.querySelector("dialog[open]").close()`, nil))
		p.click("#mock-add")
		p.until(`document.querySelector("dialog[open]")`)
		p.accessible(s.name + ", editor")
		p.do(chromedp.Evaluate(`document.querySelector("dialog[open]").close()`, nil))
		p.click(`[data-view="traffic"]`)
		p.fill("#filter", "~")
		p.until(`!document.querySelector("#filter-options").hidden`)
		p.accessible(s.name + ", completions")
		p.fill("#filter", "")
		for _, opens := range []string{"#columns", "#filters", "#save", `[aria-label^="Name "]`} {
			p.click(opens)
			p.until(`!!document.querySelector("#popup:popover-open")`)
			p.accessible(s.name + ", " + opens)
			p.do(chromedp.Evaluate(`document.querySelector("#popup").hidePopover()`, nil))
		}
		p.click("#help")
		p.accessible(s.name + ", keys")
		p.do(chromedp.Evaluate(`document.querySelector("dialog[open]").close()`, nil))
	}
	p.b.mustJ(t, p.b.dir, "proxy", "intercept", "--off")
	<-held
	p.quiet()
}
