package interop

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/coder/websocket"
)

// bodyServer answers with a body of each kind, by path, and sends n messages on a WebSocket.
func bodyServer(t *testing.T, n int) *httptest.Server {
	t.Helper()
	answers := map[string][2]string{
		"/events":  {"text/event-stream", "id: 41\nevent: soc\ndata: {\"percent\": 80, \"cells\": [3.91, 3.92]}\n\n"},
		"/xml":     {"application/xml", "<car><vin>WDB1</vin><script>window.hacked = 1</script></car>"},
		"/grpc":    {"application/grpc", "\x00\x00\x00\x00\x0b\x08\x96\x01\x12\x06VIN-77"},
		"/patched": {"application/json", `{"soc":80,"vin":"W1"}`},
		"/cbor":    {"application/cbor", "\xa2\x61a\x01\x61b\x82\xf5\x43\x00\x01\x02"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			for i := 1; i <= n; i++ {
				c.Write(r.Context(), websocket.MessageText, fmt.Appendf(nil, `{"count":%d}`, i))
			}
			c.Read(r.Context()) // until the client says that it has all
			c.Write(r.Context(), websocket.MessageText, []byte(`{"count":"late"}`))
			c.Read(r.Context())
			c.Close(websocket.StatusNormalClosure, "done")
			return
		}
		a := answers[r.URL.Path]
		w.Header().Set("Content-Type", a[0])
		fmt.Fprint(w, a[1])
		if r.URL.Path == "/grpc" {
			w.(http.Flusher).Flush() // so that there is no Content-Length
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "5")
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// Bodies that the proxy lays out, as the page shows them, and the messages of a WebSocket in
// pages.
func TestBrowserDetail(t *testing.T) {
	t.Parallel()
	const n = 1203
	p := open(t, "      mocks:\n        GET /patched: {patch: {soc: 5}}\n")
	server := bodyServer(t, n)
	seq := 0
	look := func(method, target, body, kind, tab string) {
		t.Helper()
		p.ask(method, target, body, http.Header{"Content-Type": {kind}, "x-oDD-Name": {"1"}})
		seq++
		p.pick(seq)
		p.click(fmt.Sprintf("[data-tab=%q]", tab))
	}

	// A folded event shows its beginning. Keys unfold it.
	look("GET", server.URL+"/events", "", "", "response")
	p.shows("#panel .bodybar", "Events")
	p.shows("#panel .json", "percent: 80")
	p.do(chromedp.Focus(`#panel .json li li`))
	p.until(`document.activeElement.textContent.includes("41")`)
	p.key(kb.ArrowLeft)
	p.until(`document.activeElement.ariaExpanded === "false" && document.activeElement.querySelector(".preview").checkVisibility()`)
	p.shows("#panel .json li li .preview", `{id: "41", event: "soc", data: {percent: 80`)
	p.key(kb.ArrowRight)
	p.until(`!document.activeElement.querySelector(".preview").checkVisibility()`)

	look("GET", server.URL+"/xml", "", "", "response")
	p.shows("#panel pre", "<car>\n  <vin>WDB1</vin>\n  <script>")
	look("GET", server.URL+"/grpc", "", "", "response")
	p.shows("#panel .json", "VIN-77")
	p.shows("#panel .json", "11 bytes")
	p.shows("#panel", "5 NOT_FOUND")
	look("GET", server.URL+"/cbor", "", "", "response")
	p.shows("#panel .json", "000102")
	look("POST", server.URL+"/xml", `{"query": "query Q { car(id: 7) { soc } }", "variables": {"id": 7}}`, "application/json", "request")
	p.shows("#panel pre", "query Q {\n  car(id: 7) {\n    soc\n  }\n}")
	p.press(`document.querySelector("#panel .bodybar")`, "Pretty")
	p.shows("#panel pre", `"id": 7`)
	p.until(`[...document.querySelectorAll("#panel .pairs th")].some(th => th.textContent === "x-oDD-Name")`)

	// The parts of a body with their headers, an image as one.
	var multi bytes.Buffer
	w := multipart.NewWriter(&multi)
	w.WriteField("vin", "WDB123")
	part, _ := w.CreatePart(textproto.MIMEHeader{"Content-Type": {"image/png"}, "Content-Disposition": {`form-data; name="photo"; filename="p.png"`}})
	part.Write([]byte(picture(t)))
	w.Close()
	look("POST", server.URL+"/xml", multi.String(), w.FormDataContentType(), "request")
	p.shows("#panel", "photo (p.png)")
	p.shows("#panel", "WDB123")
	p.until(`document.querySelector("#panel img")?.naturalWidth === 40`)

	// What a patch changed, and the forms in which a request is copied.
	look("GET", server.URL+"/patched", "", "", "why")
	p.shows("#panel .diff del", `"soc": 80`)
	p.shows("#panel .diff ins", `"soc": 5`)
	p.shows("#panel", "body of the response, by patch")
	p.key("C")
	p.shows("#popup", "Python requests through the proxy")
	p.key(kb.Escape)
	p.until(`!document.querySelector("#popup:popover-open")`)

	// The newest messages come first, and follow. The others are pages before them.
	tr := p.b.transport(false)
	defer tr.CloseIdleConnections()
	ws, _, err := websocket.Dial(t.Context(), server.URL+"/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	for range n {
		if _, _, err := ws.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	seq++
	p.pick(seq)
	p.click(`[data-tab="messages"]`)
	p.shows("#panel .bodybar", "704–1,203 of 1,203 messages, following")
	p.press(`document.querySelector("#panel .bodybar")`, "⏮")
	p.shows("#panel .bodybar", "1–500 of 1,203 messages.")
	p.shows("#panel .message", `{"count":1}`)
	p.press(`document.querySelector("#panel .bodybar")`, "▶")
	p.shows("#panel .bodybar", "501–1,000 of")
	p.press(`document.querySelector("#panel .bodybar")`, "◀")
	p.shows("#panel .bodybar", "1–500 of")
	p.press(`document.querySelector("#panel .bodybar")`, "⏭")
	p.shows("#panel .bodybar", "following")
	ws.Write(t.Context(), websocket.MessageText, []byte("more"))
	p.shows("#panel .message:last-child", "late")
	p.shows("#panel .bodybar", "of 1,205 messages, following")
	p.do(chromedp.Evaluate(`document.querySelector("#panel .message:last-child").open = true`, nil))
	p.shows("#panel .message .json", `"late"`)
	ws.Write(t.Context(), websocket.MessageText, []byte("end"))
	ws.Read(t.Context())
	ws.Read(t.Context())
	p.shows("#panel .bodybar", "Closed by the server: 1000 done")
	if value[bool](p, `!!window.hacked`) {
		t.Error("a captured document has run in the page")
	}
	p.quiet()
}
