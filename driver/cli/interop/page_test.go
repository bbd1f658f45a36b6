package interop

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/log"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// page is a browser that has the web UI of a bench open.
type page struct {
	t    testing.TB
	ctx  context.Context
	b    *bench
	link string // that the proxy printed

	close func() // a tab, when it is no longer needed

	mu     sync.Mutex
	faults []string // exceptions, and what the page's policy forbade
}

// live tells in the page that it hears of what happens, and that all of it is loaded.
const live = `document.querySelector("#connection")?.textContent === "live" && !!document.documentElement.dataset.whole`

// watch notes what goes wrong in the page from now on.
func (p *page) watch() {
	note := func(what string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.faults = append(p.faults, what)
	}
	chromedp.ListenTarget(p.ctx, func(e any) {
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			note(e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if e.Entry.Source == log.SourceSecurity || e.Entry.Source == log.SourceViolation {
				note(e.Entry.Text)
			}
		}
	})
}

// quiet checks that nothing went wrong in the page.
func (p *page) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		p.t.Errorf("the page: %s", f)
	}
}

// chromium starts a browser with an empty profile, or skips where there is none.
func chromium(t testing.TB, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	forMakeTest(t)
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no chromium here: .ci/run installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(tempDir(t)), chromedp.WindowSize(1400, 900),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("proxy-server", "direct://"))
	options = append(options, more...)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithLogf(func(string, ...any) {}))
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*patience)
	t.Cleanup(cancel)
	return ctx
}

// startWeb starts the proxy with its web UI and gives the link that it prints.
func (b *bench) startWeb(t testing.TB) string {
	t.Helper()
	_, link, ok := strings.Cut(b.mustJ(t, b.dir, "proxy", "start", "--web-ui"), "Web UI: ")
	if !ok {
		t.Fatal("start prints no link")
	}
	return strings.TrimSpace(link)
}

// open starts the proxy with its web UI and opens the link.
func open(t testing.TB, more string, options ...chromedp.ExecAllocatorOption) *page {
	t.Helper()
	ctx := chromium(t, options...)
	b := ours(t, more)
	p := &page{t: t, ctx: ctx, b: b, link: b.startWeb(t)}
	p.watch()
	p.do(chromedp.Navigate(p.link))
	p.until(live)
	return p
}

func (p *page) do(actions ...chromedp.Action) {
	p.t.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// until waits for a condition in the page.
func (p *page) until(condition string) {
	p.t.Helper()
	if err := chromedp.Run(p.ctx, chromedp.Poll(condition, nil, chromedp.WithPollingTimeout(30*time.Second), chromedp.WithPollingInterval(20*time.Millisecond))); err != nil {
		var text string
		chromedp.Run(p.ctx, chromedp.Evaluate(`document.body.innerText.slice(0, 3000)`, &text))
		p.t.Fatalf("%s: %v\n%s", condition, err, text)
	}
}

// click clicks an element, once it is there.
func (p *page) click(selector string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`(e => e && (e.click(), true))(document.querySelector(%q))`, selector))
}

// awaitPromise has an evaluation give what its promise gives.
func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// press clicks the button with a label within an element, once it is there.
func (p *page) press(within, label string) {
	p.t.Helper()
	// In one step, since the page may make the button anew between two.
	p.until(fmt.Sprintf(`(b => b && (b.click(), true))([...%s.querySelectorAll("button")].find(b => b.textContent === %q))`, within, label))
}

// counts waits until the list says that it has so many exchanges.
func (p *page) counts(n int) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.querySelector("#tally").textContent.replace(/\D/g, "").startsWith("%d")`, n))
}

// fill types into a field as a user would: the page hears of it.
func (p *page) fill(selector, text string) {
	p.t.Helper()
	p.do(chromedp.Evaluate(fmt.Sprintf(`(e => { e.focus(); e.value = %q; e.dispatchEvent(new Event("input", {bubbles: true})); e.dispatchEvent(new Event("change", {bubbles: true})); })(document.querySelector(%q))`, text, selector), nil))
}

// pick opens an exchange of the list.
func (p *page) pick(seq int) {
	p.t.Helper()
	row := fmt.Sprintf(`#rows [data-seq="%d"]`, seq)
	p.until(fmt.Sprintf(`document.querySelector(%q)`, row))
	p.click(row)
	p.until(`!document.querySelector("#detail").hidden && document.querySelector("#tabs").children.length > 0`)
}

// shows waits until a part of the page has a text.
func (p *page) shows(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.querySelector(%q)?.textContent.includes(%q)`, selector, text))
}

// ask sends a request through the proxy.
func (p *page) ask(method, target, body string, h http.Header) string {
	p.t.Helper()
	tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: fmt.Sprint("127.0.0.1:", p.b.port)}), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for k, v := range h {
		req.Header[k] = v
	}
	res, err := (&http.Client{Transport: tr, Timeout: patience}).Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, data)
}

// sendOver sends a request through the proxy of a transport.
func sendOver(tr http.RoundTripper, target string) error {
	req, err := http.NewRequest("GET", target, nil)
	if err != nil {
		return err
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// key presses keys as a person does, on whatever has the focus.
func (p *page) key(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// value evaluates an expression in the page.
func value[T any](p *page, expression string) (v T) {
	p.t.Helper()
	p.do(chromedp.Evaluate(expression, &v))
	return v
}

// front brings a tab to the front: behind others it paints nothing.
func (p *page) front() {
	p.t.Helper()
	p.do(cdppage.BringToFront())
}

// tab opens another tab of the same browser.
func (p *page) tab(link string) *page {
	p.t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx)
	p.t.Cleanup(cancel)
	q := &page{t: p.t, ctx: ctx, b: p.b, link: p.link, close: cancel}
	q.watch()
	q.do(cdppage.BringToFront(), chromedp.Navigate(link))
	return q
}

// shown is the rows in sight, from the top.
const shown = `[...document.querySelectorAll("#rows [data-seq]")].filter(r => !r.hidden).sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).map(r => r.dataset.seq).join()`

// fits checks that the page is not wider than the screen.
func (p *page) fits(what string) {
	p.t.Helper()
	if over := value[float64](p, `Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll("dialog[open]")].map(d => d.getBoundingClientRect().right)) - innerWidth`); over > 0 {
		p.t.Errorf("%s is %v pixels too wide", what, over)
	}
}

// allowClipboard lets pages read and write the clipboard unasked.
var allowClipboard = chromedp.Tasks{
	browser.SetPermission(&browser.PermissionDescriptor{Name: "clipboard-read"}, browser.PermissionSettingGranted),
	browser.SetPermission(&browser.PermissionDescriptor{Name: "clipboard-write"}, browser.PermissionSettingGranted),
}

// awaited is value of a promise.
func awaited[T any](p *page, expression string) (v T) {
	p.t.Helper()
	p.do(chromedp.Evaluate(expression, &v, awaitPromise))
	return v
}
