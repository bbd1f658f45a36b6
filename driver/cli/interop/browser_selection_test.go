package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// downloads lets the browser keep downloaded files, and returns a function that waits for
// one and returns its content.
func (p *page) downloads() func(name string) []byte {
	p.t.Helper()
	into := tempDir(p.t)
	p.do(browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(into).WithEventsEnabled(true))
	done := make(chan bool, 10)
	chromedp.ListenTarget(p.ctx, func(e any) {
		if e, ok := e.(*browser.EventDownloadProgress); ok && e.State == browser.DownloadProgressStateCompleted {
			done <- true
		}
	})
	return func(name string) []byte {
		p.t.Helper()
		select {
		case <-done:
		case <-time.After(patience):
			p.t.Fatalf("%s was not downloaded", name)
		}
		data, err := os.ReadFile(filepath.Join(into, name))
		if err != nil {
			p.t.Fatal(err)
		}
		return data
	}
}

// clickWith clicks a row while keys are held down.
func (p *page) clickWith(seq int, keys input.Modifier) {
	p.t.Helper()
	at := value[[2]float64](p, fmt.Sprintf(`(r => [r.x + 200, r.y + 12])(document.querySelector('#rows [data-seq="%d"]').getBoundingClientRect())`, seq))
	p.do(chromedp.MouseClickXY(at[0], at[1], chromedp.ButtonModifiers(keys)))
}

// selected are the rows that are selected, from the top.
const selected = `[...document.querySelectorAll("#rows [aria-selected=true]")].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).map(r => r.dataset.seq).join()`

// Several rows are selected by mouse and by keys, saved, compared, deleted, and back again.
func TestBrowserSelection(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	for n := range 6 {
		p.ask("GET", fmt.Sprintf("http://car.test/api/status?n=%d", n+1), "", nil)
	}
	p.until(shown + ` === "1,2,3,4,5,6"`)
	p.clickWith(2, input.ModifierCtrl)
	p.clickWith(5, input.ModifierCtrl)
	p.until(selected + ` === "2,5" && document.querySelector("#detail").hidden`)
	p.shows("#selected", "2 selected")

	// Saved: these and no others.
	downloaded := p.downloads()
	p.click("#save")
	p.press(`document.querySelector("#popup")`, "2 selected as har")
	var har struct {
		Log struct {
			Entries []struct{ Request struct{ URL string } }
		}
	}
	if err := json.Unmarshal(downloaded("selection.har"), &har); err != nil || len(har.Log.Entries) != 2 || har.Log.Entries[1].Request.URL != "http://car.test/api/status?n=5" {
		t.Errorf("selection.har: %v, %+v", err, har)
	}

	// Compared, and back to the list with what was selected.
	p.key("=")
	p.until(`location.hash === "#/compare/2/5"`)
	p.shows("#compare-parts", "n")
	p.key("1")
	p.until(selected + ` === "2,5"`)

	// A range by Shift; Escape forgets it.
	p.clickWith(3, input.ModifierShift)
	p.until(selected + ` === "3,4,5"`)
	p.key(kb.Escape)
	p.until(`document.querySelector("#selection").hidden`)

	// All of it by keys: from the first on, then one more by itself, then all.
	shift := func(key string) {
		t.Helper()
		p.do(chromedp.KeyEvent(key, chromedp.KeyModifiers(input.ModifierShift)))
	}
	p.key("g")
	shift(kb.ArrowDown)
	shift(kb.ArrowDown)
	p.until(selected + ` === "1,2,3"`)
	shift(kb.ArrowUp)
	p.until(selected + ` === "1,2"`)
	p.key("Gv")
	p.until(selected + ` === "1,2,6"`)

	// Deleted here and there, and brought back by a key.
	other := p.tab(value[string](p, `location.origin`))
	other.until(live + ` && ` + shown + ` === "1,2,3,4,5,6"`)
	p.front()
	p.key(kb.Delete)
	for _, q := range []*page{other, p} {
		q.front()
		q.until(shown + ` === "3,4,5"`)
	}
	p.shows("#toast", "Deleted 3 exchanges.")
	if got := p.b.mustJ(t, p.b.dir, "proxy", "capture", "list"); len(got) == 0 {
		t.Error("no captures are listed")
	}
	p.do(chromedp.KeyEvent("z", chromedp.KeyModifiers(input.ModifierCtrl)))
	for _, q := range []*page{other, p} {
		q.front()
		q.until(shown + ` === "1,2,3,4,5,6"`)
	}
	p.do(chromedp.Focus("#rows"), chromedp.KeyEvent("a", chromedp.KeyModifiers(input.ModifierCtrl)))
	p.shows("#selected", "6 selected")
	p.click("#delete-selected")
	p.until(shown + ` === ""`)
	p.press(`document.querySelector("#toast")`, "Undo")
	p.until(shown + ` === "1,2,3,4,5,6"`)

	// What is selected goes with the exchanges that are cleared.
	p.key("v")
	p.until(`!document.querySelector("#selection").hidden`)
	p.key("z" + kb.Enter)
	p.until(shown + ` === "" && document.querySelector("#selection").hidden`)
	p.quiet()
	other.quiet()
}

// The bar at the side counts hosts and devices, sets the filter, and names devices for all.
func TestBrowserSidebar(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	p.ask("GET", "http://car.test/api/status", "", nil)
	p.ask("GET", "http://car.test/page", "", nil)
	p.ask("GET", "http://127.0.0.1:1/nobody", "", nil)
	p.counts(3)
	p.key("b")
	cells := func(table, name string) string {
		return fmt.Sprintf(`[...[...document.querySelectorAll("#%s-rows tr")].find(r => r.textContent.includes(%q))?.children || []].slice(1, 3).map(c => c.textContent).join("|")`, table, name)
	}
	p.until(cells("hosts", "car.test") + ` === "2|"`)
	p.until(cells("hosts", "127.0.0.1") + ` === "1|1 ✕"`)
	p.until(cells("devices", "127.0.0.1") + ` === "3|1 ✕"`)

	// A click shows those of one, another click all.
	p.press(`document.querySelector("#hosts-rows")`, "car.test")
	p.until(shown + ` === "1,2" && document.querySelector("#filter").value === "~d ^car\\.test$"`)
	p.until(`document.querySelector("#hosts-rows [aria-pressed=true]").textContent === "car.test"`)
	p.until(cells("hosts", "127.0.0.1") + ` === "1|1 ✕"`) // the filter does not change the counts
	p.press(`document.querySelector("#hosts-rows")`, "car.test")
	p.until(shown + ` === "1,2,3"`)
	p.press(`document.querySelector("#devices-rows")`, "127.0.0.1")
	p.until(shown + ` === "1,2,3" && document.querySelector("#filter").value.startsWith("~src ^127")`)

	// A name is kept by the proxy: another tab has it, too, and filters find it.
	p.click(`[aria-label="Name 127.0.0.1"]`)
	p.fill("#popup input", "charger-07")
	p.press(`document.querySelector("#popup")`, "Save")
	p.shows("#devices-rows", "charger-07")
	other := p.tab(value[string](p, `location.origin`))
	other.until(live)
	other.shows("#devices-rows", "charger-07")
	other.fill("#filter", "~src charger")
	other.until(shown + ` === "1,2,3"`)
	p.front()
	p.click("#columns")
	p.do(chromedp.Evaluate(`[...document.querySelectorAll("#popup label")].find(l => l.textContent === "Device").querySelector("input").click()`, nil))
	p.key(kb.Escape)
	p.until(`document.querySelector('#rows [data-seq="1"] .c-device')?.textContent === "charger-07"`)
	p.key("b")
	p.until(`document.querySelector("#sidebar").hidden`)
	p.quiet()
	other.quiet()
}
