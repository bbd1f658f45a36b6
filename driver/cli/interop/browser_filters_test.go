package interop

import (
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Filters are completed while they are typed, and kept under names.
func TestBrowserFilterBox(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	p.ask("GET", "http://car.test/api/status", "", nil)
	p.ask("POST", "http://meter.test/page", "", nil)
	p.counts(2)
	const choices = `[...document.querySelectorAll("#filter-options li code")].map(c => c.textContent).join()`
	const chosen = `document.getElementById(document.querySelector("#filter").getAttribute("aria-activedescendant"))?.querySelector("code").textContent`

	// Operators, as far as they are typed; then the values that the list has.
	p.do(chromedp.Focus("#filter"))
	p.key("~t")
	p.until(choices + ` === "~t,~tq,~ts,~tls,~tcp"`)
	p.until(`document.querySelector("#filter").ariaExpanded === "true" && !document.querySelector("#filter").getAttribute("aria-activedescendant")`)
	p.key(kb.Escape) // which closes the list only
	p.until(`document.querySelector("#filter-options").hidden && document.activeElement.id === "filter"`)
	p.key(kb.Backspace + "d")
	p.until(choices + ` === "~d,~dst,~dns"`)
	p.key(kb.ArrowDown)
	p.until(chosen + ` === "~d"`)
	p.key(kb.Enter)
	p.until(choices + ` === "car.test,meter.test"`)
	p.key("m")
	p.until(choices + ` === "meter.test"`)
	p.key(kb.ArrowDown + kb.Enter)
	p.until(`document.querySelector("#filter").value === "~d meter.test"`)
	p.until(shown + ` === "2"`)

	// It is kept under a name, and found again after a reload: in the menu and in the box.
	p.key(kb.Escape + kb.Escape)
	p.key("F")
	p.fill("#popup input", "the meter")
	p.press(`document.querySelector("#popup")`, "Save this filter")
	p.fill("#filter", "")
	p.until(shown + ` === "1,2"`)
	p.do(chromedp.Reload())
	p.until(live + ` && ` + shown + ` === "1,2" && document.querySelector("#filter").role === "combobox"`)
	p.click("#filters")
	p.press(`document.querySelector("#popup")`, "the meter")
	p.until(shown + ` === "2"`)
	p.fill("#filter", "")
	p.until(shown + ` === "1,2"`)
	p.do(chromedp.Focus("#filter"))
	p.key(kb.ArrowDown)
	p.until(chosen + ` === "the meter"`)
	p.key(kb.Enter)
	p.until(shown + ` === "2"`)

	// Deleted, and back again.
	p.click("#filters")
	p.click(`[aria-label="Delete the meter"]`)
	p.click("#filters")
	p.until(`!document.querySelector("#popup").textContent.includes("the meter")`)
	p.key(kb.Escape)
	p.do(chromedp.Focus("#rows"), chromedp.KeyEvent("z", chromedp.KeyModifiers(input.ModifierCtrl)))
	p.click("#filters")
	p.shows("#popup", "the meter")
	p.quiet()
}
