package interop

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The keys of held exchanges do what they do while the pane's list has the focus, where the
// key n puts it.
func TestBrowserHoldKeys(t *testing.T) {
	t.Parallel()
	p := open(t, "      mocks:\n        GET /one: {body: {n: 1}}\n")
	p.until(`document.querySelector("#intercept").title`)
	p.key("i")
	p.until(`document.activeElement.id === "hold-expr"`)
	p.fill("#hold-expr", "~u one")
	p.key(kb.Enter)
	p.until(`document.querySelector("#intercept").ariaPressed === "true" && document.activeElement.id === "intercept"`)
	one := p.asking("GET", "http://car.test/one", "")
	p.shows("#held", "1 held")
	p.do(chromedp.Focus("#rows"))
	p.key("n")
	p.until(`document.activeElement.matches("#hold select")`)
	p.key("a")
	if got := <-one; got != `200 {"n":1}` {
		t.Errorf("got %s, want the answer of the mock", got)
	}
}
