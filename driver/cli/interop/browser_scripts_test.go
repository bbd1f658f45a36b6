package interop

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

const pageScript = `def login(req):
    print("login of " + req.json("user"))
    state.set("user", req.json("user"))
    return response(201, {"hello": req.json("user")})

def broken(req):
    return 1 // 0

endpoints = {"POST /login": login, "GET /broken": broken}
`

// TestBrowserScripts looks at the source of a scenario whose handler fails, and tries
// requests against it.
func TestBrowserScripts(t *testing.T) {
	t.Parallel()
	p := open(t, "")
	dir := filepath.Join(p.b.dir, "scenarios")
	write(t, filepath.Join(dir, "s.star"), pageScript)
	p.b.mustJ(t, p.b.dir, "proxy", "mock", "load", filepath.Join(dir, "s.star"))
	p.ask("GET", "http://car.test/broken", "", nil)
	p.ask("POST", "http://car.test/login", `{"user": "ada"}`, nil)
	p.click(`[data-view="scripts"]`)
	p.shows("#scripts-rows .error", "s.star:7:14: floored division by zero")
	p.press(`document.querySelector("#scripts-rows")`, "scenario")
	p.until(`document.querySelector("#script-text")?.value.startsWith("def login")`)
	p.shows("#script-errors", "line 7")
	p.shows("#script-errors", "floored division by zero")
	p.shows("#script-notes", "login of ada")
	if got := value[string](p, `document.querySelector("#script-notes a").hash`); got != "#/traffic/2/why" {
		t.Errorf("the note leads to %q, want the exchange", got)
	}
	try := func(first, rest string) {
		p.fill("#try-url", first)
		p.fill("#try-text", rest)
		p.click("#try-send")
	}
	try("POST /login", "X-A: 1\n\n"+`{"user": "eve"}`)
	for _, text := range []string{"script:login", "201", "login of eve", `"ada" → "eve"`, `{"hello":"eve"}`} {
		p.shows("#try-outcome", text)
	}
	try("GET http://car.test/broken", "")
	p.shows("#try-outcome", "s.star:7:14: in broken")
	try("GET /brokem", "")
	p.shows("#try-outcome", "the real server, which was not asked")
	p.shows("#try-outcome", "GET /broken: ")
	try("nothing", "")
	p.shows("#try-outcome", "expected a method and a URL")
	if got := value[int](p, `document.querySelectorAll("#rows [data-seq]").length`); got != 2 {
		t.Errorf("%d exchanges are listed, want 2: a trial is none", got)
	}
	p.quiet()
}

// Axe finds nothing on a script that is open with an error, a note and a trial.
func TestBrowserAxeScripts(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(made("node/node_modules/axe-core/axe.min.js")(t))
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, "")
	file := filepath.Join(p.b.dir, "scenarios", "s.star")
	write(t, file, pageScript)
	p.b.mustJ(t, p.b.dir, "proxy", "mock", "load", file)
	p.ask("GET", "http://car.test/broken", "", nil)
	p.do(chromedp.Evaluate(string(source), nil))
	p.click(`[data-view="scripts"]`)
	p.press(`document.querySelector("#scripts-rows")`, "scenario")
	p.until(`document.querySelector("#script-text")`)
	if rich() {
		p.until(`!!document.querySelector("#script-source .grow").shadowRoot`)
	}
	p.fill("#try-url", "GET /broken")
	p.click("#try-send")
	p.shows("#try-outcome", "in broken")
	for _, s := range screens {
		p.useScreen(s)
		p.accessible(s.name + ", source of a script")
		p.fits(s.name + ", source of a script")
	}
	p.quiet()
}
