package interop

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/cdproto/dom"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// chooses lets a click open the dialog of files, and chooses files there. It returns a tab
// that the page then opens.
func (p *page) chooses(selector string, files ...string) *page {
	p.t.Helper()
	asked := make(chan *cdppage.EventFileChooserOpened, 1)
	chromedp.ListenTarget(p.ctx, func(e any) {
		if e, ok := e.(*cdppage.EventFileChooserOpened); ok {
			asked <- e
		}
	})
	tabs := chromedp.WaitNewTarget(p.ctx, func(i *target.Info) bool { return i.URL != "" })
	p.do(cdppage.SetInterceptFileChooserDialog(true), chromedp.Click(selector), chromedp.ActionFunc(func(ctx context.Context) error {
		select {
		case e := <-asked:
			return dom.SetFileInputFiles(files).WithBackendNodeID(e.BackendNodeID).Do(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}))
	select {
	case id := <-tabs:
		ctx, cancel := chromedp.NewContext(p.ctx, chromedp.WithTargetID(id))
		p.t.Cleanup(cancel)
		q := &page{t: p.t, ctx: ctx, b: p.b, close: cancel}
		q.watch()
		return q
	case <-p.ctx.Done():
		p.t.Fatal("no tab was opened")
		return nil
	}
}

// Files of sessions are opened beside the live traffic, by the button and by dropping them.
func TestBrowserOpens(t *testing.T) {
	t.Parallel()
	ctx := chromium(t)
	b, files := sessionFiles(t)
	b.mustJ(t, b.dir, "proxy", "stop")
	p := &page{t: t, ctx: ctx, b: b, link: b.startWeb(t)}
	p.watch()
	p.do(chromedp.Navigate(p.link))
	p.until(live)
	q := p.chooses("#open", files["session.zip"])
	q.until(live + ` && document.title === "session.zip"`)
	explore(q, true)
	q.do(chromedp.Reload()) // which leaves the page, and comes back
	q.until(live)
	q.counts(5)

	// The live page is as it was, and has what comes.
	p.front()
	p.ask("GET", "http://car.test/api/status?live", "", nil)
	p.shows("#rows", "/api/status?live")

	// A file that is dropped; without a click the browser opens no tab, and the page shows a link.
	drop := func(name, content string) {
		t.Helper()
		p.do(chromedp.Evaluate(fmt.Sprintf(`(dt => {
			dt.items.add(new File([Uint8Array.from(atob(%q), c => c.charCodeAt(0))], %q));
			document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: dt, bubbles: true, cancelable: true}));
		})(new DataTransfer())`, base64.StdEncoding.EncodeToString([]byte(content)), name), nil))
	}
	har, err := os.ReadFile(files["session.har"])
	if err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.Evaluate(`window.open = () => null`, nil))
	drop("a session.har", string(har))
	p.shows("#toast", "a session.har: 5 exchanges. Show them")
	other := p.tab(value[string](p, `document.querySelector("#toast a").href`))
	other.until(live)
	other.counts(5)
	p.front()
	drop("no.har", "this is no session")
	p.until(`document.querySelector("#toast").className === "bad" && document.querySelector("#toast").textContent.includes("no.har")`)
	p.quiet()
	q.quiet()
}
