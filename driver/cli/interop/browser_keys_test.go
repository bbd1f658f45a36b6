package interop

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// tabTo presses Tab until the element of a selector has the focus. Each element on the way
// must show that it has the focus.
func (p *page) tabTo(selector string) {
	p.t.Helper()
	for range 120 {
		p.key(kb.Tab)
		at := value[struct {
			There, Seen bool
			HTML        string
		}](p, fmt.Sprintf(`(() => { const e = document.activeElement, s = getComputedStyle(e); return { There: e.matches(%q), Seen: e === document.body || s.outlineStyle !== "none" || s.boxShadow !== "none", HTML: e.outerHTML.slice(0, 100) }; })()`, selector))
		if !at.Seen {
			p.t.Errorf("%s does not show that it has the focus", at.HTML)
		}
		if at.There {
			return
		}
	}
	p.t.Fatalf("Tab does not lead to %s", selector)
}

// A person without a mouse finds an exchange, looks at it, makes a mock of it, switches it
// off, and comes back.
func TestBrowserKeysOnly(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	for _, path := range []string{"/api/status?a", "/page", "/api/status?b"} {
		p.ask("GET", "http://car.test"+path, "", nil)
	}
	p.counts(3)

	// A filter, and out of its field to the list.
	p.key("/")
	p.until(`document.activeElement.id === "filter"`)
	p.key("~u page")
	p.counts(1)
	p.key(kb.Escape)
	p.until(`document.activeElement.closest("#rows")`)
	p.key("g" + kb.Enter)
	p.shows("#detail-head", "http://car.test/page")

	// The tabs of the exchange.
	first := value[string](p, `document.querySelector("#tabs [aria-selected=true]").dataset.tab`)
	p.key(kb.ArrowRight)
	p.until(fmt.Sprintf(`document.querySelector("#tabs [aria-selected=true]").dataset.tab !== %q`, first))
	p.key(kb.Escape)
	p.until(`document.querySelector("#detail").hidden`)

	// Without the filter, the next one becomes a mock.
	p.key("/" + kb.Backspace)
	p.counts(3)
	p.key(kb.Escape + "G" + kb.Enter)
	p.shows("#detail-head", "http://car.test/api/status?b")
	p.key("m")
	p.until(`document.querySelector("dialog[open]")?.contains(document.activeElement)`)
	p.key(kb.Escape)
	p.until(`!document.querySelector("dialog[open]")`)

	// The mocks, and the switch of one.
	p.key("2")
	p.until(`document.querySelector("#mocks").checkVisibility() && document.querySelectorAll("#mocks-rows input").length === 4`)
	p.tabTo("#mocks-rows input")
	p.key(" ")
	p.shows("#toast", "Mock disabled")
	p.key(" ")
	p.shows("#toast", "Mock enabled")

	// Each view has its digit, and the help tells all keys.
	for i, view := range value[[]string](p, `[...document.querySelectorAll("nav a:not([hidden])")].map(a => a.dataset.view)`) {
		p.key(fmt.Sprint(i + 1))
		p.until(fmt.Sprintf(`document.querySelector("#%s").checkVisibility()`, view))
	}
	p.key("?")
	p.until(`document.querySelector("#keys").open`)
	p.key(kb.Escape)
	p.until(`!document.querySelector("#keys").open`)
	p.key("1")
	p.until(`document.querySelector("#traffic").checkVisibility()`)
	p.quiet()
}
