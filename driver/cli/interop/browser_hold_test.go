package interop

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// asking asks through the proxy meanwhile, and returns where the answer comes.
func (p *page) asking(method, target, body string) <-chan string {
	got := make(chan string, 1)
	go func() { got <- p.ask(method, target, body, nil) }()
	return got
}

// A person without a mouse holds requests, edits one, answers one by hand, holds and edits
// a response, and releases the rest.
func TestBrowserHold(t *testing.T) {
	t.Parallel()
	p := open(t, `      mocks:
        GET /one: {body: {n: 1}}
        GET /two: {body: {n: 2}}
        POST /echo: {body: never}
`)
	p.until(`document.querySelector("#intercept").title`)
	p.key("i")
	p.until(`document.activeElement.id === "hold-expr"`)
	p.fill("#hold-expr", "~zz")
	p.key(kb.Enter)
	p.shows("#popup", "unknown operator ~zz")
	p.fill("#hold-expr", "~u one | ~m POST")
	p.key(kb.Enter)
	p.until(`document.querySelector("#intercept").ariaPressed === "true" && document.activeElement.id === "intercept"`)

	// The request goes to another mock.
	one, echo := p.asking("GET", "http://car.test/one", ""), p.asking("POST", "http://car.test/echo", "first\nsecond")
	p.shows("#held", "2 held")
	p.do(chromedp.Focus("#rows"))
	p.key("n")
	p.until(`document.activeElement.matches("#hold select")`)
	if strings.Contains(value[string](p, `document.querySelector("#hold select").selectedOptions[0]?.textContent`), "POST") {
		p.key("n")
	}
	p.until(`document.querySelector("#hold select").selectedOptions[0]?.textContent.includes("GET http://car.test/one")`)
	p.until(`/goes on in \d+ s/.test(document.querySelector("#hold").textContent)`)
	p.tabTo("#hold-url")
	p.fill("#hold-url", "http://car.test/two")
	p.release()
	if got := <-one; got != `200 {"n":2}` {
		t.Errorf("got %s, want the answer of the other mock", got)
	}

	// The next one is shown. It is answered by hand.
	p.until(`document.querySelector("#hold select").selectedOptions[0]?.textContent.includes("POST")`)
	p.until(`document.querySelector("#hold-body").value === "first\nsecond"`)
	p.do(chromedp.Focus("#rows"))
	p.key("n")
	p.until(`document.activeElement.matches("#hold select")`)
	p.key("w")
	p.shows("#hold-release", "Send the answer")
	p.fill("#hold-status", "418")
	p.fill("#hold-body", `{"tea": true}`)
	p.release()
	if got := <-echo; got != `418 {"tea": true}` {
		t.Errorf("got %s, want the answer by hand", got)
	}
	p.until(`document.querySelector("#hold").hidden && document.querySelector("#held").hidden`)

	// A response, which its row opens. A mistake keeps it held.
	p.b.mustJ(t, p.b.dir, "proxy", "intercept", "~u /", "--side", "response")
	one = p.asking("GET", "http://car.test/one", "")
	p.shows("#held", "1 held")
	p.until(`document.querySelector("#rows .row.k-held")?.textContent.includes("held response")`)
	p.do(chromedp.Focus("#rows"))
	p.key("G" + kb.Enter)
	p.shows("#hold-release", "Release the response")
	p.fill("#hold-headers", "no header")
	p.release()
	p.shows("#hold output", "got no header, want Name: value")
	p.fill("#hold-headers", "X-New: 1")
	p.fill("#hold-body", "changed")
	p.release()
	if got := <-one; got != "200 changed" {
		t.Errorf("got %s, want the body by hand", got)
	}
	var told struct {
		Edits []struct{ By, Side, Part, Before, After string }
		Notes []struct{ Text string }
	}
	if err := json.Unmarshal([]byte(awaited[string](p, `fetch("api/call/get_capture", {method: "POST", headers: {"Content-Type": "application/json"}, body: "[3]"}).then(r => r.json()).then(r => JSON.stringify(r.result))`)), &told); err != nil {
		t.Fatal(err)
	}
	if len(told.Edits) != 2 || told.Edits[1].After != "changed" || told.Edits[1].Before != `{"n":1}` {
		t.Errorf("got %+v", told)
	}

	// All go on, by one key.
	one, two := p.asking("GET", "http://car.test/one", ""), p.asking("GET", "http://car.test/two", "")
	p.shows("#held", "2 held")
	p.do(chromedp.Focus("#rows"))
	p.key("A")
	if a, b := <-one, <-two; a != `200 {"n":1}` || b != `200 {"n":2}` {
		t.Errorf("got %s, %s", a, b)
	}
	p.until(`document.querySelector("#held").hidden`)
	p.quiet()
}

// release presses Ctrl+Enter.
func (p *page) release() {
	p.t.Helper()
	p.do(chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(2)))
}
