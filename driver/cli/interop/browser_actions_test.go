package interop

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"starproxy/driver/flow"
)

// Everything by keyboard, and what can be done with an exchange.
func TestBrowserActions(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	type heard struct{ method, target, body, header string }
	asked := make(chan heard, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- heard{r.Method, r.RequestURI, string(body), r.Header.Get("X-Edited")}
		w.WriteHeader(202)
	}))
	defer server.Close()
	p.ask("GET", "http://car.test/api/status?b", "", nil)
	p.ask("GET", "http://car.test/api/status?a", "", nil)
	p.ask("POST", server.URL+"/order", `{"n": 1}`, http.Header{"Content-Type": {"application/json"}})
	<-asked
	p.until(shown + ` === "1,2,3"`)

	// Along the list: the cursor, opening, the tabs, closing.
	p.key("g")
	p.until(`document.querySelector('#rows [aria-selected=true]')?.dataset.seq === "1"`)
	p.key("j" + kb.Enter)
	p.until(`!document.querySelector("#detail").hidden && document.querySelector("#detail-head").textContent.includes("status?a")`)
	tab := value[string](p, `document.querySelector("#tabs [aria-selected=true]").dataset.tab`)
	p.key("l")
	p.until(fmt.Sprintf(`document.querySelector("#tabs [aria-selected=true]").dataset.tab !== %q`, tab))
	p.key("h")
	p.until(fmt.Sprintf(`document.querySelector("#tabs [aria-selected=true]").dataset.tab === %q`, tab))
	p.key("G")
	p.shows("#detail-head", "/order")
	p.key("k")
	p.shows("#detail-head", "status?a")
	p.key(kb.Escape)
	p.until(`document.querySelector("#detail").hidden`)

	// The help, the views, the theme.
	p.key("?")
	p.until(`document.querySelector("#keys").open`)
	for _, what := range []string{"resend", "make a mock", "pause", "views"} {
		p.shows("#keys", what)
	}
	p.key(kb.Escape)
	p.until(`!document.querySelector("#keys").open`)
	p.key("3")
	p.until(`!document.querySelector("#state").hidden && document.querySelector("#traffic").hidden`)
	p.key("1")
	p.until(`!document.querySelector("#traffic").hidden`)
	light := value[string](p, `getComputedStyle(document.body).backgroundColor`)
	p.key("d")
	if dark := value[string](p, `getComputedStyle(document.body).backgroundColor`); dark == light {
		t.Errorf("dark and light are both %s", light)
	}
	p.key("d")

	// Sorted by path, one way and the other, and by time again.
	p.click("#head .c-path button")
	p.until(shown + ` === "2,1,3"`)
	p.click("#head .c-path button")
	p.until(shown + ` === "3,1,2"`)
	p.click("#head .c-time button")
	p.until(shown + ` === "1,2,3"`)

	// The filter has the focus after a slash, and gives it back.
	p.key("/")
	p.until(`document.activeElement.id === "filter"`)
	p.key("~u order")
	p.until(shown + ` === "3"`)
	p.do(chromedp.Evaluate(`document.querySelector("#filter").select()`, nil))
	p.key(kb.Backspace)
	p.until(shown + ` === "1,2,3"`)
	p.key(kb.Escape)
	p.until(`document.activeElement.id === "rows"`)
	p.fill("#highlight", "~m POST")
	p.until(`[...document.querySelectorAll("#rows .lit")].map(r => r.dataset.seq).join() === "3"`)

	// Copied as the command that sends it again.
	p.do(allowClipboard)
	p.key(kb.Escape)
	p.pick(3)
	p.key("c")
	p.shows("#toast", "Copied.")
	if got := awaited[string](p, `navigator.clipboard.readText()`); !strings.HasPrefix(got, "curl ") || !strings.Contains(got, server.URL+"/order") || !strings.Contains(got, `{"n": 1}`) {
		t.Errorf("copied %q", got)
	}

	// Sent once more, as it was edited; a header that is none is refused. The cursor is enough.
	p.key(kb.Escape)
	p.until(`document.querySelector("#detail").hidden`)
	p.key("r")
	p.until(`document.querySelector("#resend-text")?.value.includes('{"n": 1}')`)
	if got := value[string](p, `document.querySelector("#resend-key").value`); got != "POST "+server.URL+"/order" {
		t.Errorf("resend offers %q", got)
	}
	p.fill("#resend-text", "no header\n\n")
	p.shows("#resend-error", "1:1: expected Name: value")
	p.until(`document.querySelector("#resend-save").disabled`)
	p.fill("#resend-key", "PUT "+server.URL+"/order/7")
	p.fill("#resend-text", "Content-Type: application/json\nX-Edited: yes\n\n{\"n\": 2}\n\nend")
	p.until(`!document.querySelector("#resend-save").disabled`)
	p.click("#resend-save")
	select {
	case got := <-asked:
		if want := (heard{"PUT", "/order/7", "{\"n\": 2}\n\nend", "yes"}); got != want {
			t.Errorf("the server heard %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatal("nothing was sent")
	}
	p.until(`document.querySelector('#rows [aria-selected=true]')?.dataset.seq === "4"`)
	p.shows("#detail-head", "/order/7")

	// Marks and comments are seen by whoever looks.
	other := p.tab(value[string](p, `location.origin`))
	other.until(live)
	p.front()
	p.key("x")
	p.until(`document.querySelector('#rows [data-seq="4"] .dot')`)
	p.fill("#comment", "look <b>here</b>")
	for _, q := range []*page{other, p} {
		q.front()
		q.until(`document.querySelector('#rows [data-seq="4"] em')?.textContent === "look <b>here</b>"`)
		q.until(`document.querySelector('#rows [data-seq="4"] .dot')?.title === "red"`)
	}

	// Saved: this one, and all that the filter shows.
	into := tempDir(t)
	p.do(browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(into).WithEventsEnabled(true))
	done := make(chan bool, 10)
	chromedp.ListenTarget(p.ctx, func(e any) {
		if e, ok := e.(*browser.EventDownloadProgress); ok && e.State == browser.DownloadProgressStateCompleted {
			done <- true
		}
	})
	downloaded := func(name string) []byte {
		t.Helper()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatalf("%s was not downloaded", name)
		}
		data, err := os.ReadFile(filepath.Join(into, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	choose := func(label string) {
		p.click("#save")
		p.press(`document.querySelector("#popup")`, label)
	}
	choose("This exchange as har")
	var har struct {
		Log struct {
			Entries []struct{ Request struct{ Method, URL string } }
		}
	}
	if err := json.Unmarshal(downloaded("4.har"), &har); err != nil || len(har.Log.Entries) != 1 || har.Log.Entries[0].Request.Method != "PUT" {
		t.Errorf("4.har: %v, %+v", err, har)
	}
	choose("This exchange as flow")
	for f, err := range flowsIn(t, downloaded("4.flow")) {
		if err != nil || f.Marked != ":red_circle:" || f.Comment != "look <b>here</b>" {
			t.Errorf("4.flow: %v, marked %q, %q", err, f.Marked, f.Comment)
		}
	}
	p.fill("#filter", "~u status")
	p.until(shown + ` === "1,2"`)
	choose("All shown as flow")
	var targets []string
	for f, err := range flowsIn(t, downloaded("captures.flow")) {
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, f.Request.Path)
		if f.Marked != "" || f.Comment != "" {
			t.Errorf("%s is marked %q, %q", f.Request.Path, f.Marked, f.Comment)
		}
	}
	if want := []string{"/api/status?b", "/api/status?a"}; !slices.Equal(targets, want) {
		t.Errorf("captures.flow has %q, want %q", targets, want)
	}
	p.fill("#filter", "")
	p.until(shown + ` === "1,2,3,4"`)

	// A pause holds back what is new; clearing takes all away, here and there.
	p.key(kb.Escape)
	p.click("#pause")
	p.ask("GET", "http://car.test/api/status?paused", "", nil)
	p.shows("#tally", "4 + 1")
	other.front()
	other.until(`document.querySelector('#rows [data-seq="5"]')`)
	p.front()
	p.click("#pause")
	p.until(shown + ` === "1,2,3,4,5"`)
	p.key("z")
	p.shows("#popup", "forget all 5 exchanges")
	p.key(kb.Enter)
	for _, q := range []*page{other, p} {
		q.front()
		q.until(shown + ` === ""`)
		q.shows("#empty", "Waiting for the first request")
	}
	p.ask("GET", "http://car.test/api/status?after", "", nil)
	p.until(shown + ` === "6"`)
	p.quiet()
	other.quiet()
}

// The tables: mocks, scenarios, state.
func TestBrowserTables(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	write(t, filepath.Join(p.b.dir, "mock-responses", "night.yaml"), "endpoints:\n  GET /night:\n    body: dark\n")
	row := func(table, text string) string {
		return fmt.Sprintf(`[...document.querySelectorAll("#%s-rows tr")].find(r => r.textContent.includes(%q))`, table, text)
	}
	press := func(table, text, label string) {
		t.Helper()
		p.until(row(table, text))
		p.press(row(table, text), label)
	}

	// A mock is added, found wrong while one types, edited, removed.
	p.key("2")
	p.shows("#mocks-rows", "GET /api/status")
	p.click("#mock-add")
	p.fill("#mock-key", "GET /new/{id}")
	p.fill("#mock-text", "status: 200\nbody: {a: 1\n")
	p.until(`/^\d+:\d+: /.test(document.querySelector("#mock-error").textContent) && document.querySelector("#mock-save").disabled`)
	p.fill("#mock-text", "status: 201\nbody_template: {id: \"{{path_params.id}}\"}\n")
	p.fill("#mock-text", "status: 201\nbody: {made: here}\n")
	p.until(`!document.querySelector("#mock-save").disabled && !document.querySelector("#mock-error").textContent`)
	p.click("#mock-save")
	p.until(row("mocks", "GET /new/{id}"))
	if got := p.ask("GET", "http://car.test/new/7", "", nil); got != `201 {"made":"here"}` {
		t.Error(got)
	}
	p.until(row("mocks", "GET /new/{id}") + `.children[2].textContent === "1"`)
	press("mocks", "GET /new/{id}", "Edit")
	p.until(`document.querySelector("#mock-text")?.value.includes("made: here")`)
	p.fill("#mock-text", "status: 202\nbody: edited\n")
	p.until(`!document.querySelector("#mock-save").disabled`)
	p.click("#mock-save")
	p.until(`!document.querySelector("#mock-editor")`)
	if got := p.ask("GET", "http://car.test/new/7", "", nil); got != `202 edited` {
		t.Error(got)
	}
	press("mocks", "GET /new/{id}", "Remove")
	p.until(`!` + row("mocks", "GET /new/{id}"))

	// A scenario takes the place of what there is, or adds to it.
	p.key("1")
	p.key("2")
	p.until(`[...document.querySelector("#scenarios").options].some(o => o.value === "night.yaml")`)
	p.do(chromedp.Evaluate(`document.querySelector("#scenarios").value = "night.yaml"`, nil))
	p.click("#scenario-load")
	p.until(row("mocks", "GET /night"))
	if got := p.ask("GET", "http://car.test/night", "", nil); got != `200 dark` {
		t.Error(got)
	}
	p.click("#mocks-clear")
	p.until(`!document.querySelector("#mocks-none").hidden`)

	// State: what is no JSON is refused with its place.
	p.key("3")
	p.until(`!document.querySelector("#state-none").hidden`)
	p.click("#state-add")
	p.fill("#state-key", "limits")
	p.fill("#state-text", "{\n \"max\": x}")
	p.until(`/^2:9: /.test(document.querySelector("#state-error").textContent) && document.querySelector("#state-save").disabled`)
	p.fill("#state-text", `{"max": 9007199254740993}`)
	p.until(`!document.querySelector("#state-save").disabled`)
	p.do(chromedp.Focus("#state-key"), chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(2))) // Ctrl+Enter
	p.shows("#state-rows", "9007199254740993")
	press("state", "limits", "Edit")
	p.until(`document.querySelector("#state-text")?.value.includes("9007199254740993")`)
	p.key(kb.Escape)
	p.until(`!document.querySelector("#state-editor")`)
	press("state", "limits", "Delete")
	p.until(`!document.querySelector("#state-none").hidden`)
	p.quiet()
}

// Another process under the same address asks for its own link; then the page
// goes on by itself, and takes nothing of the old one for the new.
func TestBrowserAfterARestart(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	for n := range 3 {
		p.ask("GET", fmt.Sprint("http://car.test/api/status?old=", n), "", nil)
	}
	p.until(shown + ` === "1,2,3"`)
	p.b.restart(t)
	p.until(`document.querySelector("#connection").textContent === "reconnecting"`)
	link := p.b.startWeb(t)
	p.until(`!document.querySelector("#no-session").hidden`)
	for n := range 5 {
		p.ask("GET", fmt.Sprint("http://car.test/api/status?new=", n), "", nil)
	}
	q := p.tab(link)
	for _, q := range []*page{q, p} {
		q.front()
		q.until(live)
		q.until(shown + ` === "1,2,3,4,5"`)
		if old := value[int](q, `[...document.querySelectorAll("#rows [data-seq]")].filter(r => !r.hidden && r.textContent.includes("old=")).length`); old > 0 {
			t.Errorf("%d rows are of the process that ended", old)
		}
	}
	p.until(`document.querySelector("#no-session").hidden`)
	p.ask("GET", "http://car.test/api/status?last", "", nil)
	p.until(shown + ` === "1,2,3,4,5,6"`)
}

// On a telephone nothing is wider than the screen, and details cover the list.
func TestBrowserOnAPhone(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	p.do(emulation.SetDeviceMetricsOverride(360, 740, 2, true), emulation.SetTouchEmulationEnabled(true))
	p.ask("GET", "https://a-rather-long-host-name.example.com/api/status?"+strings.Repeat("long=parameter&", 20), "", nil)
	p.pick(1)
	for _, tab := range []string{"request", "response", "why", "timing"} {
		p.click(fmt.Sprintf("[data-tab=%q]", tab))
		p.until(fmt.Sprintf(`document.querySelector("#tabs [aria-selected=true]").dataset.tab === %q`, tab))
		p.fits(tab)
	}
	if w := value[float64](p, `document.querySelector("#detail").getBoundingClientRect().width`); w != 360 {
		t.Errorf("details are %v wide", w)
	}
	p.click("#close")
	for _, view := range []string{"traffic", "mocks", "state", "scripts", "control"} {
		p.click(fmt.Sprintf("[data-view=%q]", view))
		p.until(fmt.Sprintf(`!document.querySelector("#%s").hidden`, view))
		p.fits(view)
	}
	p.click(`[data-view="mocks"]`)
	p.click("#mock-add")
	p.until(`document.querySelector("#mock-editor")?.open`)
	p.fits("the editor")
	p.quiet()
}

// Where browsers have no clipboard to write, as in pages that come neither from
// this machine nor by TLS, copying works all the same.
func TestBrowserCopiesAnywhere(t *testing.T) {
	t.Parallel()
	name, err := os.Hostname()
	if err != nil || name == "localhost" {
		t.Skip("this machine has no name")
	}
	p := open(t, browserMocks, chromedp.Flag("host-resolver-rules", "MAP "+name+" 127.0.0.1"))
	link := strings.Replace(p.link, "127.0.0.1", name, 1)
	q := p.tab(link)
	q.until(live)
	if value[bool](q, `isSecureContext`) {
		t.Fatalf("%s is a secure context", link)
	}
	p.ask("GET", "http://car.test/api/status?copy", "", nil)
	q.pick(1)
	q.click("#copy-curl")
	q.shows("#toast", "Copied.")
	// Only a page that is near may look what was copied.
	p.do(allowClipboard)
	p.front()
	if got := awaited[string](p, `navigator.clipboard.readText()`); !strings.HasPrefix(got, "curl 'http://car.test/api/status?copy'") {
		t.Errorf("copied %q", got)
	}
}

// flowsIn yields the flows of a flow file.
func flowsIn(t *testing.T, data []byte) iter.Seq2[*flow.Flow, error] {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.flow")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := flow.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file.Flows()
}
