package web

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/flow"
	"starproxy/driver/view"

	"github.com/google/uuid"
)

// hostile is a text that would be script if it became part of the page.
const hostile = `</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1"><!--`

// recorded returns flows as a session has them.
func recorded() []*flow.Flow {
	start := time.Unix(1700000000, 0)
	blob := func(s string) capture.Blob { return capture.Blob{Size: int64(len(s)), Data: []byte(s)} }
	space := uuid.UUID{1}
	get := capture.Entry{
		Start: start, Duration: 5 * time.Millisecond, Client: netip.MustParseAddrPort("192.0.2.7:1000"), Method: "GET", Scheme: "https", Host: "api.test", Port: 443, Target: "/status?q=" + hostile,
		Proto: "HTTP/1.1", Authority: "api.test", RequestHeader: exchange.HeaderOf("Host", "api.test", "X-Odd", hostile), Status: 200,
		ResponseHeader: exchange.HeaderOf("Content-Type", "text/html"), ResponseBody: blob(hostile), Origin: exchange.FromMock, Endpoint: "GET /status",
	}
	socket := get
	socket.Target, socket.Status, socket.ResponseBody = "/ws", 101, capture.Blob{}
	socket.RequestHeader = exchange.HeaderOf("Host", "api.test", "Upgrade", "websocket")
	end := socket
	end.Kind, end.CloseCode = capture.SocketEnd, 1000
	messages := []flow.Message{{FromClient: true, Data: []byte(hostile), Time: start}, {Binary: true, Data: []byte{0, 0xff}, Time: start}}
	miss := get
	miss.Target, miss.Status, miss.Origin, miss.Endpoint, miss.Unmatched = "/none", 501, exchange.FromProxy, "", true
	missed := flow.FromEntry(&miss, nil, nil, space)
	missed.Metadata["starproxy.misses"] = []any{[]any{"GET /status", "a.yaml:3", "path: got /none, want /status"}}
	missed.Marked, missed.Comment = ":green_circle:", "look"
	return []*flow.Flow{flow.FromEntry(&get, nil, nil, space), flow.FromEntry(&socket, messages, &end, space), missed}
}

// reported returns a report of flows.
func reported(t testing.TB, flows []*flow.Flow, known view.Known, b view.Budget) string {
	t.Helper()
	s, err := view.NewSession(func(yield func(*flow.Flow, error) bool) {
		for _, f := range flows {
			if !yield(f, nil) {
				return
			}
		}
	}, known)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out bytes.Buffer
	if err := WriteReport(t.Context(), &out, s, b); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestReportIsSafe holds that nothing from outside is in the document as it is, that it
// names no other file, and that its policy allows nothing but its own script.
func TestReportIsSafe(t *testing.T) {
	t.Parallel()
	text := reported(t, recorded(), view.Known{Name: "</title>" + hostile, Timeline: []json.RawMessage{[]byte(`{"kind":"mark","what":"</script><b>"}`)}}, view.Budget{})
	if os.Getenv("KEEP_REPORT") != "" {
		os.WriteFile(os.Getenv("KEEP_REPORT"), []byte(text), 0o600)
	}
	if strings.Contains(text, "window.hacked") || strings.Contains(text, "</script><b>") {
		// The name of the file is in the title, as text.
		if strings.Contains(strings.ReplaceAll(text, "&lt;/script&gt;&lt;script&gt;window.hacked = 1&lt;/script&gt;&lt;img src=x onerror=&#34;window.hacked = 1&#34;&gt;", ""), "window.hacked") {
			t.Error("a text from outside is in the document as it is")
		}
	}
	if n := strings.Count(text, "<script"); n != strings.Count(text, "</script>") || n != 3 {
		t.Errorf("got %d scripts, want one part, the index and the page's own", n)
	}
	for _, foreign := range []string{"src=\"app.js\"", "href=\"app.css\"", "http-equiv=\"refresh\"", "'unsafe"} {
		if strings.Contains(text, foreign) {
			t.Errorf("got %s in the document, want nothing of the kind", foreign)
		}
	}
	if !strings.Contains(text, `content="default-src 'none'; script-src 'sha256-`) {
		t.Error("got no policy that forbids all but one script")
	}
}

// A report has no more of the bodies than its budget.
func TestReportBudget(t *testing.T) {
	t.Parallel()
	flows := recorded()
	noise := make([]byte, 300<<10)
	for i := range noise {
		noise[i] = byte(i * i >> 3 * 7)
	}
	for range 20 {
		f := *flows[0]
		r := *f.Response
		r.Body = flow.Body{Blob: capture.Blob{Size: int64(len(noise)), Data: bytes.Clone(noise)}}
		noise[0]++
		f.Response = &r
		flows = append(flows, &f)
	}
	small := reported(t, flows, view.Known{}, view.Budget{Body: 1000, All: 5000})
	if most := 400 << 10; len(small) > most {
		t.Errorf("got %d bytes for a budget of 5000, want at most %d", len(small), most)
	}
	if large := reported(t, flows, view.Known{}, view.Budget{}); len(large) <= len(small) {
		t.Errorf("got %d bytes, want more than the %d of a small budget", len(large), len(small))
	}
}

// link refuses what it does not know, and what would end a script in HTML.
func TestLink(t *testing.T) {
	t.Parallel()
	ok := map[string]string{
		"a.js": "import { one as two, $ } from './b.js';\nimport './c.js';\ntwo($);\nimport(`./${x}.js`);\n",
		"b.js": "export const one = 1;\nexport function $() {}\nexport async function more() {}\nexport class C {}\n",
		"c.js": "1;\n", "d.js": "2;\n",
	}
	text, err := link(ok, "a.js", map[string]string{"c.js": "d.js"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"const { one: two, $ } = $import('./b.js');", "$import('./c.js');\n", "$import(`./${x}.js`)", "return { one, $, more, C };", "modules[\"./c.js\"] = () => {\n2;\n", "$import(\"./a.js\");\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("got no %q in %s", want, text)
		}
	}
	for _, bad := range []string{"export let x = 1;", "export default 1;", "import x from './b.js';", "import { x } from 'y';", "export { x };", "'</SCRIPT';", "'<!--';"} {
		if text, err := link(map[string]string{"a.js": bad + "\n"}, "a.js", nil); err == nil {
			t.Errorf("%s: got %s, want an error", bad, text)
		}
	}
}
