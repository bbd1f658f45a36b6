package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const carScenario = "# The car.\nendpoints:\n  # its state\n  GET /car:\n    status: 200   # fine\n    body: {vin: 1}\n\n  GET /turns: {sequence: [{body: one, repeat: 1}, {body: two, repeat: 1}, {body: three}]}\n"

// Mocks are made of an exchange with choices, grouped by file, undone, and saved to the file
// once the change has been seen, all without a mouse.
func TestBrowserMakeAndSaveMock(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	file := filepath.Join(p.b.dir, "mock-responses", "car.yaml")
	write(t, file, carScenario)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "real "+r.URL.Path) }))
	defer server.Close()
	row := func(text string) string {
		return fmt.Sprintf(`[...document.querySelectorAll("#mocks-rows tr")].find(r => r.textContent.includes(%q))`, text)
	}
	p.key("2")
	p.until(`[...document.querySelector("#scenarios").options].some(o => o.value === "car.yaml")`)
	p.do(chromedp.Evaluate(`document.querySelector("#scenarios").value = "car.yaml"`, nil))
	p.click("#scenario-load")
	p.until(row("GET /turns"))
	for range 2 {
		p.ask("GET", "http://car.test/turns", "", nil)
	}
	p.until(row("GET /turns") + `.children[3].textContent === "sequence 2 of 3"`)
	if got := value[string](p, row("GET /car")+`.children[4].textContent`); got != "car.yaml:4" {
		t.Errorf("the source is %q", got)
	}

	// A file is folded by its name, and unfolded.
	if got := value[string](p, `document.querySelector("#mocks-rows .fold").parentNode.textContent`); got != "car.yamlmocks: 2, hits: 2" {
		t.Errorf("the group is %q", got)
	}
	p.do(chromedp.Focus(".fold"))
	p.key(kb.Enter)
	p.until(`!` + row("GET /turns") + ` && document.querySelector(".fold").ariaExpanded === "false"`)
	p.key(kb.Enter)
	p.until(row("GET /turns"))

	// A draft keeps the host, changes with the choices, and leaves no trace.
	p.ask("GET", server.URL+"/car/4711?x=1", "", nil)
	p.key("1")
	p.counts(3)
	p.key("G" + kb.Enter)
	p.shows("#detail-head", "/car/4711")
	p.key("m")
	p.shows("#make", "GET "+server.URL+"/car/4711")
	p.shows("#make pre", "query:")
	choose := func(label string) {
		t.Helper()
		p.do(chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll("#make .choice")].find(l => l.textContent.includes(%q)).querySelector("input").focus()`, label), nil))
		p.key(" ")
	}
	choose("/car/{id}")
	choose("every host")
	choose("any query")
	p.until(`document.querySelector("#make p code").textContent === "GET /car/{id}" && !document.querySelector("#make pre").textContent.includes("query")`)
	choose("every host")
	choose("/car/{id}")
	p.shows("#make p code", "GET "+server.URL+"/car/4711")
	p.click("#make summary")
	choose("User-Agent")
	p.shows("#make pre", "headers:\n    User-Agent: ")
	p.key(kb.Escape)
	p.until(`!document.querySelector("#make")`)
	if got := p.ask("GET", server.URL+"/car/4711", "", nil); got != "200 real /car/4711" {
		t.Errorf("a draft answers: %s", got)
	}

	// It tells what it takes the place of, and is saved and undone by keys.
	p.ask("GET", "http://car.test/car", "", nil)
	p.counts(5)
	p.key("G" + kb.Enter)
	p.shows("#detail-head", "http://car.test/car")
	p.key("m")
	p.until(`document.querySelector("#make")`)
	choose("every host")
	p.shows("#make-told", "It takes the place of GET /car (car.yaml:4).")
	p.do(chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(2)))
	p.shows("#toast", "Mock set: GET /car")
	p.key("2")
	p.until(row("GET /car") + `?.children[4].textContent === "set in the pageover car.yaml:4"`)
	p.do(chromedp.KeyEvent("z", chromedp.KeyModifiers(2))) // Ctrl+Z
	p.until(row("GET /car") + `?.children[4].textContent === "car.yaml:4"`)
	p.click("#mocks-clear")
	p.until(`!document.querySelector("#mocks-none").hidden`)
	p.click("#mocks-undo")
	p.until(row("GET /turns") + `?.children[2].textContent === "2"`)

	// The change of the file is seen before it is made.
	p.press(row("GET /car"), "Edit")
	p.until(`document.querySelector("#mock-text")?.value.includes("vin")`)
	p.fill("#mock-text", "status: 503\nbody: {vin: 1}\n")
	p.until(`!document.querySelector("#mock-save").disabled`)
	p.click("#mock-save")
	p.until(row("GET /car") + `?.textContent.includes("set in the page")`)
	p.press(row("GET /car"), "Save…")
	p.until(`document.querySelector("#save-diff ins")?.textContent.startsWith("+")`)
	p.shows("#save-diff", "-    status: 200   # fine")
	p.shows("#save-diff", "+    status: 503   # fine")
	p.fill("#save-file", "new.yaml")
	p.shows("#save-told", "new.yaml is a new file.")
	p.fill("#save-file", "x.star")
	p.shows("#save-told", "is a script")
	p.until(`document.querySelector("#save-save").disabled`)
	p.fill("#save-file", "")
	p.shows("#save-diff", "car.yaml")
	p.until(`!document.querySelector("#save-save").disabled`)
	if data, err := os.ReadFile(file); err != nil || string(data) != carScenario {
		t.Errorf("the file was written before: %v %s", err, data)
	}
	write(t, file, carScenario+"# more\n")
	p.do(chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(2)))
	p.shows("#save-told", "has changed since the preview")
	p.click("#save-save")
	p.until(`!document.querySelector("#save-mock")`)
	p.shows("#toast", "Saved GET /car to car.yaml")
	want := strings.Replace(carScenario, "status: 200", "status: 503", 1) + "# more\n"
	if data, err := os.ReadFile(file); err != nil || string(data) != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, data, want)
	}
	p.until(row("GET /car") + `?.children[4].textContent === "car.yaml:4"`)

	// One of the file goes until the next reset, or from the file.
	p.press(row("GET /turns"), "Remove")
	p.press(`document.querySelector("#popup")`, "Until the next reset")
	p.until(`!` + row("GET /turns"))
	p.do(chromedp.KeyEvent("z", chromedp.KeyModifiers(2))) // Ctrl+Z
	p.until(row("GET /turns"))
	p.press(row("GET /turns"), "Remove")
	p.press(`document.querySelector("#popup")`, "From car.yaml, too…")
	p.shows("#save-diff", "-  GET /turns")
	p.until(`!document.querySelector("#save-save").disabled`)
	p.click("#save-save")
	p.shows("#toast", "Removed GET /turns from car.yaml")
	if data, err := os.ReadFile(file); err != nil || strings.Contains(string(data), "turns") || !strings.Contains(string(data), "# more") {
		t.Errorf("got %v\n%s", err, data)
	}
	p.quiet()
}
