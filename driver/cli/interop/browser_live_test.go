package interop

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// lineOf tells whether the row at a place of the list, from 1, fulfils a condition about r.
func lineOf(place int, condition string) string {
	return fmt.Sprintf(`(r => r && (%s))([...document.querySelectorAll("#sheet .row")].find(r => !r.hidden && r.ariaRowIndex == %d))`, condition, place+1)
}

// rowsShown is the number of rows in the list.
const rowsShown = `[...document.querySelectorAll("#sheet .row")].filter(r => !r.hidden).length`

// Exchanges in flight are rows from their header on. One that is cut off, or that ends,
// becomes the row of its entry at its place, and stays selected.
func TestBrowserExchangesInFlight(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	next := make(chan string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hangs" {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			http.NewResponseController(w).Flush()
			data, more := <-next
			if !more {
				return
			}
			io.WriteString(w, data)
		}
	}))
	defer server.Close()
	tr := p.b.transport(false)
	defer tr.CloseIdleConnections()
	ends := make(chan error, 2)
	begin := func(path string) {
		go func() {
			res, err := (&http.Client{Transport: tr}).Get(server.URL + path)
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			ends <- err
		}()
	}

	// A server that hangs: the row counts its age, and the detail has the request.
	begin("/hangs")
	p.until(lineOf(1, `r.textContent.includes("/hangs") && r.textContent.includes("waiting")`))
	p.shows("#tally", "1 in flight")
	begin("/events")
	p.until(lineOf(2, `r.textContent.includes("/events") && r.textContent.includes("event stream")`))
	p.until(lineOf(1, `/^[2-9] s$/.test(r.querySelector(".c-duration").textContent)`))
	p.key("g" + kb.Enter)
	p.shows("#detail-head", server.URL+"/hangs")
	p.click(`[data-tab="request"]`)
	p.shows("#panel", "Accept-Encoding")
	p.shows("#in-flight", "waiting")
	p.fits("an exchange in flight")
	if source, err := os.ReadFile(filepath.Join(root(t), ".clients", "node/node_modules/axe-core/axe.min.js")); err == nil {
		p.do(chromedp.Evaluate(string(source), nil))
		p.accessible("an exchange in flight")
	}

	// Others come and go: it stays where it is, and selected. The filter knows it.
	p.ask("GET", "http://car.test/api/status", "", nil)
	p.until(rowsShown + ` === 3`)
	p.until(lineOf(3, `r.textContent.includes("/api/status")`))
	p.until(lineOf(1, `r.ariaSelected === "true"`))
	p.fill("#filter", "!~open")
	p.until(rowsShown + ` === 1`)
	p.fill("#filter", "~open")
	p.until(rowsShown + ` === 2`)
	p.fill("#filter", "")
	p.until(rowsShown + ` === 3`)

	// It is cut off by the keyboard.
	p.do(chromedp.Focus("#rows"))
	p.key("!" + kb.Enter)
	select {
	case err := <-ends:
		if err == nil {
			t.Error("the device got an answer")
		}
	case <-time.After(patience):
		t.Fatal("the exchange was not cut off")
	}
	p.until(lineOf(1, `r.textContent.includes("cut offby hand") && r.ariaSelected === "true" && r.dataset.seq > 0`))
	p.until(`/^#\/traffic\/\d+\//.test(location.hash) && document.querySelector("#in-flight").hidden`)
	p.click(`[data-tab="why"]`)
	p.shows("#panel", "cut off by hand")

	// An event stream shows what has come so far, and becomes an entry when it ends.
	p.key("j")
	p.shows("#detail-head", server.URL+"/events")
	next <- "data: first\n\n"
	p.shows("#in-flight", "13 B sent")
	p.key(kb.Escape + kb.Enter)
	p.shows("#tabs", "Response")
	p.click(`[data-tab="response"]`)
	p.shows("#panel", "first")
	close(next)
	if err := <-ends; err != nil {
		t.Error(err)
	}
	p.until(lineOf(2, `!r.querySelector(".k-open") && r.ariaSelected === "true" && r.dataset.seq > 0`))
	p.until(`!document.querySelector("#tally").textContent.includes("in flight")`)

	// The way to the real server is told in phases.
	p.click(`[data-tab="timing"]`)
	p.shows("#panel", "Connect")
	p.shows("#panel", "Receiving")
	p.quiet()
}
