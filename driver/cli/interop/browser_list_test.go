package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// heads are the columns that the list has.
const heads = `[...document.querySelectorAll("#head button")].map(b => b.textContent).join()`

// widthIn is the width of an element in pixels.
func widthIn(selector string) string {
	return fmt.Sprintf(`document.querySelector(%q).getBoundingClientRect().width`, selector)
}

// pull drags an element so many pixels to the right.
func (p *page) pull(selector string, by float64) {
	p.t.Helper()
	at := value[[2]float64](p, fmt.Sprintf(`(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector(%q).getBoundingClientRect())`, selector))
	p.drag(at[0], at[0]+by, at[1])
}

// Columns are chosen, widths are changed by mouse and by keyboard, and a reload keeps both.
// The host and the scheme of a row are always told.
func TestBrowserColumns(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	p.ask("GET", "https://api.example.com/api/status?b", "", nil)
	p.ask("GET", "http://car.test/api/status?a", "", nil)
	p.until(shown + ` === "1,2"`)
	const all = "Time,Status,Answered,Method,Scheme,Host,Path,Size,Duration"
	p.until(heads + fmt.Sprintf(" === %q", all))
	row := func(n int) string {
		return fmt.Sprintf(`document.querySelector('#rows [data-seq="%d"]')?.textContent`, n)
	}

	// One column less, one more.
	tick := func(name string) {
		p.do(chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll("#popup label")].find(l => l.textContent === %q).querySelector("input").click()`, name), nil))
	}
	p.click("#columns")
	tick("Host")
	tick("Number")
	p.key(kb.Escape)
	p.until(heads + ` === "Number,Time,Status,Answered,Method,Scheme,Path,Size,Duration"`)
	p.until(row(1) + `.includes("api.example.com/api/status?b")`)

	// A column gets wider by dragging, and by keys; Enter brings back the width of before.
	handle := func(name string) string { return fmt.Sprintf(`#head [aria-label="Width of %s"]`, name) }
	before := value[float64](p, widthIn("#head .c-method"))
	p.pull(handle("Method"), 50)
	p.until(widthIn("#head .c-method") + fmt.Sprintf(" === %v", before+50))
	p.do(chromedp.Focus(handle("Method")))
	p.key(kb.ArrowRight)
	p.until(widthIn("#rows .c-method") + fmt.Sprintf(" === %v", before+58))
	p.until(fmt.Sprintf(`document.activeElement.ariaValueNow === "%v"`, before+58))
	p.do(chromedp.Reload())
	p.until(live + ` && ` + heads + `.startsWith("Number,Time")`)
	p.until(widthIn("#head .c-method") + fmt.Sprintf(" === %v", before+58))
	p.do(chromedp.Focus(handle("Method")))
	p.key(kb.Enter)
	p.until(widthIn("#head .c-method") + fmt.Sprintf(" === %v", before))

	// The splitter shares the width between list and detail. Where the list gets narrow, the
	// host and the scheme are in the cell of the path.
	p.pick(1)
	half := value[float64](p, widthIn(".list"))
	p.pull("#splitter", 100)
	p.until(fmt.Sprintf("Math.abs(%s - %v) < 15", widthIn(".list"), half+100))
	p.do(chromedp.Focus("#splitter"))
	p.key(kb.Home)
	p.until(`document.activeElement.ariaValueNow === "15"`)
	p.key(kb.Enter + kb.ArrowLeft)
	p.until(fmt.Sprintf("%s < %v", widthIn(".list"), half))
	p.until(`document.querySelector("#tabs [aria-selected=true]").dataset.tab === "response"`) // the arrow was for the splitter
	for seq, host := range map[int]string{1: "https://api.example.com", 2: "http://car.test"} {
		p.until(row(seq) + fmt.Sprintf("?.includes(%q)", host))
	}
	narrow := value[float64](p, widthIn(".list"))
	p.do(chromedp.Reload())
	p.until(fmt.Sprintf("%s === %v", widthIn(".list"), narrow))

	// On a telephone, too. It has no heads, but the order can be chosen.
	p.click("#close")
	p.do(emulation.SetDeviceMetricsOverride(360, 740, 2, true))
	p.until(row(1) + `?.includes("https://api.example.com") && ` + row(1) + `.includes("/api/status?b")`)
	p.fits("the list")
	p.click("#columns")
	p.do(chromedp.Evaluate(`(s => { s.value = "Path ▲"; s.onchange(); })(document.querySelector("#popup select"))`, nil))
	p.until(shown + ` === "2,1"`)
	p.quiet()
}

// Rows are in the order of their start, in both directions, and a reload keeps the order.
func TestBrowserOrder(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	begun, end := make(chan bool), make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		begun <- true
		<-end
	}))
	defer server.Close()
	p.ask("GET", "http://car.test/api/status", "", nil)
	done := make(chan string)
	go func() { done <- p.ask("GET", server.URL+"/slow", "", nil) }()
	<-begun
	p.ask("GET", "http://car.test/api/status", "", nil)
	end <- true
	<-done
	p.counts(3)
	path := `[...document.querySelectorAll("#rows [data-seq]")].filter(r => !r.hidden).sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)[1].textContent`
	p.until(path + `.includes("/slow")`) // it ended last, but has begun before another one
	ascending := value[string](p, shown)
	p.click("#head .c-time button")
	reversed := strings.Split(ascending, ",")
	slices.Reverse(reversed)
	p.until(shown + fmt.Sprintf(" === %q", strings.Join(reversed, ",")))
	p.do(chromedp.Reload())
	p.until(live + ` && ` + shown + fmt.Sprintf(" === %q", strings.Join(reversed, ",")))
	p.until(`document.querySelector("#head .c-time").ariaSort === "descending"`)
	p.quiet()
}

// Nothing is lost by a key: clearing asks, single letters can be switched off, and the
// focus is where the cursor is.
func TestBrowserKeys(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	p.ask("GET", "http://car.test/api/status?a", "", nil)
	p.ask("GET", "http://car.test/api/status?b", "", nil)
	p.until(shown + ` === "1,2"`)
	p.key("z")
	p.shows("#popup", "Yes, forget all 2 exchanges")
	p.key(kb.Escape)
	p.until(shown + ` === "1,2"`)
	p.key("j")
	p.until(`document.activeElement.id === "rows" && document.activeElement.getAttribute("aria-activedescendant") === document.querySelector("#rows .cursor").id`)

	p.key("?")
	p.do(chromedp.Evaluate(`document.querySelector("#keys [type=checkbox]").click()`, nil))
	p.press(`document.querySelector("#keys")`, "Close")
	p.do(chromedp.Reload())
	p.until(live + ` && ` + shown + ` === "1,2"`)
	p.key("z?2/")
	p.key(kb.ArrowDown + kb.Enter) // other keys go on
	p.until(`!document.querySelector("#detail").hidden`)
	if value[bool](p, `document.querySelector("#keys").open || !document.querySelector("#mocks").hidden || !!document.querySelector(":popover-open") || document.activeElement.id === "filter"`) {
		t.Error("a letter acts, although letters are switched off")
	}

	// The focus comes back from a detail that is closed.
	p.do(chromedp.Focus("#tabs [aria-selected=true]"))
	p.key(kb.Escape)
	p.until(`document.querySelector("#detail").hidden && document.activeElement.id === "rows"`)

	// What can be pressed is at least 24 pixels high, and wide.
	small := value[[]string](p, `[...document.querySelectorAll("button, input, select, #rows .row, summary")].filter(e => e.checkVisibility()).filter(e => { const r = e.getBoundingClientRect(); return r.width < 24 && e.type !== "checkbox" || r.height < 24; }).map(e => e.outerHTML.slice(0, 80))`)
	if len(small) > 0 {
		t.Errorf("less than 24 pixels: %q", small)
	}

	// State that was deleted comes back.
	awaited[any](p, `fetch("api/call/set_state", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(["user", '"Ada"'])})`)
	p.click(`[data-view="state"]`)
	p.shows("#state-rows", "Ada")
	p.press(`document.querySelector("#state-rows")`, "Delete")
	p.until(`!document.querySelector("#state-none").hidden`)
	p.press(`document.querySelector("#toast")`, "Undo")
	p.shows("#state-rows", "Ada")
	p.quiet()
}
