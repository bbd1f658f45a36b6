package interop

import (
	"os"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// openMock opens the editor of a new mock, once the page has it.
func openMock(p *page) {
	p.t.Helper()
	p.click(`[data-view="mocks"]`)
	p.until(`document.querySelector("#mock-add").onclick`)
	p.click("#mock-add")
	p.until(`document.querySelector("#mock-editor[open]")`)
}

// rich tells whether CodeMirror is in the build.
func rich() bool {
	_, err := os.Stat("../../web/codemirror/dist/codemirror.js")
	return err == nil
}

// editing is the place where the text of a mock is edited.
const editing = `(document.querySelector("#mock-editor .area .grow").shadowRoot?.querySelector(".cm-content"))`

// TestBrowserEditor checks that no text is lost by a key, and that keys and values of the
// schema are offered. It uses CodeMirror where the build has it, else the text field.
func TestBrowserEditor(t *testing.T) {
	t.Parallel()
	p := open(t, "")

	// A dialog whose text is unchanged closes at once; one that has changed asks.
	openMock(p)
	p.key(kb.Escape)
	p.until(`!document.querySelector("#mock-editor")`)
	openMock(p)
	p.fill("#mock-text", "status: 204\n")
	for range 2 { // Escape asks, and once more goes back to the text
		p.key(kb.Escape)
		p.until(`!document.querySelector("#mock-unsaved").hidden`)
		p.key(kb.Escape)
		p.until(`document.querySelector("#mock-unsaved").hidden && document.querySelector("#mock-editor[open]")`)
	}
	p.press(`document.querySelector("#mock-editor")`, "Cancel")
	p.until(`!document.querySelector("#mock-unsaved").hidden && document.activeElement.textContent === "Keep editing"`)
	p.press(`document.querySelector("#mock-unsaved")`, "Keep editing")
	if got := value[string](p, `document.querySelector("#mock-text").value`); got != "status: 204\n" {
		t.Errorf("the text is %q", got)
	}
	if !value[bool](p, `(e => { dispatchEvent(e); return e.defaultPrevented })(new Event("beforeunload", {cancelable: true}))`) {
		t.Error("the tab can be closed without a question")
	}

	// Warnings have their lines.
	p.fill("#mock-text", "fault: reset\nbody: x\n")
	p.shows("#mock-error", "body does not count beside fault")
	if rich() {
		p.until("!!" + editing)
		p.until("!!" + editing + `.parentElement.querySelector(".cm-lint-marker-warning")`)
	} else {
		p.until(`/▶/.test(document.querySelector("#mock-editor .gutter").textContent)`)
	}
	p.fill("#mock-text", "statsu: 1\n")
	p.shows("#mock-error", "1:1: ")

	// Ctrl+Space offers what the schema has.
	p.fill("#mock-text", "match:\n  header")
	if rich() {
		p.do(chromedp.Evaluate(editing+".focus()", nil), chromedp.KeyEvent(kb.End, chromedp.KeyModifiers(2)), chromedp.KeyEvent(" ", chromedp.KeyModifiers(2)))
		p.until("!!" + editing + `.getRootNode().querySelector(".cm-tooltip-autocomplete")?.textContent.includes("headers")`)
	} else {
		p.do(chromedp.Evaluate(`(f => { f.focus(); f.setSelectionRange(99, 99) })(document.querySelector("#mock-text"))`, nil), chromedp.KeyEvent(" ", chromedp.KeyModifiers(2)))
		p.until(`!document.querySelector("#mock-editor select").hidden && document.activeElement.textContent.includes("headers")`)
		p.until(`document.querySelector("#mock-text-hint").textContent.length > 20`)
		// The browser types no line break into the field that gets the focus; a driver would.
		p.do(chromedp.Evaluate(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true}))`, nil))
		p.until(`document.querySelector("#mock-text").value === "match:\n  headers: "`)
	}
	p.press(`document.querySelector("#mock-editor")`, "Cancel")
	p.press(`document.querySelector("#mock-unsaved")`, "Discard it")
	p.until(`!document.querySelector("#mock-editor")`)
	p.quiet()
}

// TestBrowserCodeMirror types into CodeMirror, which runs under the policy of the page in a
// shadow root.
func TestBrowserCodeMirror(t *testing.T) {
	t.Parallel()
	if !rich() {
		t.Skip("no CodeMirror in this build: make ui bundles it")
	}
	p := open(t, "")
	if n := value[int](p, `performance.getEntriesByType("resource").filter(r => r.name.endsWith("codemirror.js")).length`); n != 0 {
		t.Error("CodeMirror is loaded before an editor is opened")
	}
	openMock(p)
	p.until("!!" + editing)
	// Styles are in force, and the language is known.
	p.until(`getComputedStyle(` + editing + `.parentElement).overflow.includes("auto")`)
	p.until("!!" + editing + `.querySelector("span[class]")`)
	p.do(chromedp.Evaluate(editing+".focus()", nil), chromedp.KeyEvent(kb.Home, chromedp.KeyModifiers(2)), chromedp.KeyEvent("latency_ms: 5\n"))
	p.until(`document.querySelector("#mock-text").value.startsWith("latency_ms: 5\n")`)
	// Keys of the list do nothing meanwhile, Tab leaves, Ctrl+Enter saves.
	p.do(chromedp.KeyEvent(kb.Tab))
	p.until(`document.activeElement.textContent === "Cancel"`)
	p.do(chromedp.Evaluate(editing+".focus()", nil), chromedp.KeyEvent("\r", chromedp.KeyModifiers(2)))
	p.shows("#toast", "Mock set: GET /api/example")
	p.until(`!document.querySelector("#mock-editor")`)
	p.quiet()
}
