package interop

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"mime/multipart"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const bodyMocks = `      unmatched: reject
      mocks:
        POST /form: {status: 204}
        GET /log: {file: car.log, content_type: text/plain}
        GET /tree: {file: tree.gz, content_type: application/json, headers: {Content-Encoding: gzip}}
        GET /raw: {file: raw.bin, content_type: application/octet-stream}
        GET /broken: {addon: broken}
        GET /api/v1/status: {body: {ok: true}}
`

// Bodies of every kind, and the reasons of answers.
func TestBrowserBodies(t *testing.T) {
	t.Parallel()
	p := open(t, bodyMocks)
	files := filepath.Join(p.b.dir, "mock-files")
	const line = "something happened\n"
	write(t, filepath.Join(files, "car.log"), "first line\n"+strings.Repeat(line, 300_000)+"last line\n")
	write(t, filepath.Join(files, "raw.bin"), "\x00\x01\xfe\xffABC")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, `{"deep": {"er": ["x", 9007199254740993, 1.50]}}`)
	z.Close()
	write(t, filepath.Join(files, "tree.gz"), packed.String())
	write(t, filepath.Join(p.b.dir, "addons", "broken.star"), "def handle(req, config):\n    return deeper(req)\n\ndef deeper(req):\n    return {}[req.path]\n")

	// look opens a tab of the exchange that was captured last.
	seq := 0
	look := func(tab string) {
		t.Helper()
		p.pick(seq)
		p.click(fmt.Sprintf("[data-tab=%q]", tab))
	}
	ask := func(method, target, body, kind string) {
		t.Helper()
		p.ask(method, target, body, http.Header{"Content-Type": {kind}, "Accept-Encoding": {"gzip"}})
		seq++
	}
	// Forms.
	ask("POST", "http://car.test/form", "user=Ada+L&mode=%3Cb%3E", "application/x-www-form-urlencoded")
	look("request")
	p.shows("#panel", "Ada L")
	p.shows("#panel", "<b>")
	var multi bytes.Buffer
	w := multipart.NewWriter(&multi)
	w.WriteField("vin", "WDB123")
	f, _ := w.CreateFormFile("trace", "can.bin")
	f.Write([]byte{1, 2, 3})
	w.Close()
	ask("POST", "http://car.test/form", multi.String(), w.FormDataContentType())
	look("request")
	p.shows("#panel", "trace (can.bin)")

	// A tree with its numbers as they were written, unfolded by keyboard, too.
	ask("GET", "http://car.test/tree", "", "")
	look("response")
	p.shows("#panel .json", "9007199254740993")
	p.shows("#panel .json", "1.50")
	p.press(`document.querySelector("#panel .bodybar")`, "Hex")
	p.shows("#panel .hex", "7b 22 64 65 65 70 22")
	p.press(`document.querySelector("#panel .bodybar")`, "JSON")
	p.do(chromedp.Focus("#panel .json li"))
	p.key(kb.ArrowLeft)
	p.until(`document.querySelector("#panel .json li").ariaExpanded === "false"`)
	p.key(kb.ArrowRight)
	p.until(`document.querySelector("#panel .json li").ariaExpanded === "true"`)

	// Bytes.
	ask("GET", "http://car.test/raw", "", "")
	look("response")
	p.shows("#panel .hex", "00 01 fe ff 41 42 43")
	p.shows("#panel .hex", "····ABC")

	// A log of 5.7 MB comes in pieces.
	ask("GET", "http://car.test/log", "", "")
	look("response")
	p.shows("#panel pre", "first line")
	if n := value[int](p, `document.querySelector("#panel").textContent.length`); n > 200_000 {
		t.Errorf("%d characters are shown at once", n)
	}
	more := `[...document.querySelectorAll("#panel button")].find(b => b.textContent.startsWith("Show more"))`
	before := value[int](p, `document.querySelector("#panel pre").textContent.length`)
	p.do(chromedp.Evaluate(more+`.click()`, nil))
	p.until(fmt.Sprintf(`document.querySelector("#panel pre").textContent.length > 3 * %d`, before))

	// Why: a mistyped path is near a mock; a script fails with a backtrace.
	ask("GET", "http://car.test/api/v1/statsu", "", "")
	look("why")
	p.shows("#panel", "Mocks that came nearest")
	p.shows("#panel .card", "GET /api/v1/status")
	ask("GET", "http://car.test/broken", "", "")
	look("why")
	for _, text := range []string{"broken.star:5:14: in deeper", "broken.star:2:18: in handle"} {
		p.shows("#panel", text)
	}

	p.click(`[data-view="scripts"]`)
	p.shows("#scripts-rows .error", "broken.star:5:14: in deeper")
	p.click(`[data-view="traffic"]`)

	// What no mock answered becomes one that does, not the proxy's own error.
	p.pick(6)
	p.click("#make-mock")
	p.until(`document.querySelector("#make pre")?.textContent.startsWith("status: 200\n")`)
	p.key(kb.Escape)
	p.until(`!document.querySelector("dialog[open]")`)

	// A client that does not trust the CA is a row, and says why.
	c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", p.b.port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "CONNECT pinned.test:443 HTTP/1.1\r\nHost: pinned.test:443\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
		t.Fatal(err)
	}
	if err := tls.Client(c, &tls.Config{ServerName: "pinned.test"}).Handshake(); err == nil {
		t.Fatal("the client trusts the CA")
	}
	seq++
	p.shows("#rows", "TLS failure")
	look("why")
	p.shows("#panel", "the device refused the TLS handshake")
	p.shows("#detail-head", "pinned.test")
	p.until(`["make-mock", "resend", "copy-curl"].every(id => document.getElementById(id).disabled)`)

	// So is a request that the proxy refuses, with what came.
	refused, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", p.b.port))
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Close()
	fmt.Fprint(refused, "GET /<b>\x1b HTTP/1.1\r\nHost: car.test\r\n\r\n")
	seq++
	p.shows("#rows .k-refused", "refused")
	look("why")
	p.shows("#panel .error", "target: got")
	p.shows("#panel", `GET /<b>\x1b HTTP/1.1\r\n`)
	p.shows("#detail-head", "refused")
	p.until(`["make-mock", "resend", "copy-curl"].every(id => document.getElementById(id).disabled)`)
	look("request")
	p.shows("#panel", "Host: car.test")
	p.key("r")
	p.pick(1)
	p.until(`!document.querySelector("#resend").disabled && !document.querySelector("dialog[open]")`)
	p.quiet()
}
