package interop

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

const screenshotMocks = `      unmatched: passthrough
      mocks:
        GET /api/v1/status: {body: {station: charger-07, online: true, firmware: {installed: 2.4.1, available: 2.5.0}, tags: [lab, bench-3]}}
        POST /api/v1/auth: {status: 201, body_template: {token: "tok-{{uuid}}", issued: "{{now_iso}}"}}
        GET /api/v1/firmware/{version}: {status: 404, body: {error: no such version}}
        GET /api/v1/tariff: {patch: {per_kwh: 0.31}}
        GET /api/v1/sessions*: {rules: [{match: {query: {state: active}}, body: []}, {status: 403, body: {error: forbidden}}]}
        GET /api/v1/report: {addon: report}
        WEBSOCKET /api/v1/events: {addon: report}
`

// TestScreenshots makes the pictures of README and docs ("make screenshots").
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("STARPROXY_SCREENSHOTS")
	if dir == "" {
		t.Skip("set STARPROXY_SCREENSHOTS=DIRECTORY, or run \"make screenshots\"")
	}
	p := open(t, screenshotMocks)
	write(t, filepath.Join(p.b.dir, "addons", "report.star"), "def handle(req, config):\n    rows = req.json(\"rows\")\n    return {\"body\": {\"first\": rows[0]}}\n")
	p.click(`[data-view="scripts"]`)
	p.shows("#scripts-rows", "fine")
	p.click(`[data-view="traffic"]`)
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"per_kwh": 0.5, "currency": "EUR", "valid_until": "2027-01-01"}`)
	}))
	defer real.Close()
	const api = "https://api.example.com/api/v1"
	p.ask("POST", api+"/auth", `{"user": "charger-07"}`, nil)
	for range 2 {
		p.ask("GET", api+"/status", "", nil)
		p.ask("GET", real.URL+"/api/v1/tariff", "", nil)
		p.ask("GET", real.URL+"/api/v1/time", "", nil)
		p.ask("GET", api+"/sessions?state=active&page=1", "", nil)
		p.ask("GET", api+"/sessions?state=closed", "", nil)
	}
	p.ask("GET", api+"/firmware/2.5.0", "", nil)
	p.ask("GET", api+"/report", "", nil)
	p.ask("GET", "http://127.0.0.1:9/api/v1/telemetry", "", nil)
	p.ask("GET", api+"/status", "", nil)
	p.shows("#rows", "/telemetry")

	shoot := func(name, view string, width, height int64, dark bool, seq int) {
		scheme := "light"
		if dark {
			scheme = "dark"
		}
		p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
			emulation.SetDeviceMetricsOverride(width, height, 1, width < 600))
		if view != "" {
			p.click(fmt.Sprintf("[data-view=%q]", view))
		}
		if seq > 0 {
			p.pick(seq)
		}
		p.until(`document.querySelector("#connection").textContent === "live" && document.fonts.status === "loaded"`)
		var png []byte
		p.do(chromedp.ActionFunc(func(ctx context.Context) error { return chromedp.CaptureScreenshot(&png).Do(ctx) }))
		if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shoot("traffic-light", "traffic", 1280, 720, false, 2)
	shoot("traffic-dark", "traffic", 1280, 720, true, 13)
	shoot("mocks-light", "mocks", 1280, 480, false, 0)
	shoot("mocks-dark", "mocks", 1280, 480, true, 0)
	shoot("phone-dark", "traffic", 390, 780, true, 0)
	p.click("#close")
	shoot("device-light", "device", 1280, 720, false, 0)
	shoot("figures-light", "figures", 1280, 640, false, 0)
	p.do(chromedp.Evaluate(`location.hash = "#/compare/2/3"`, nil))
	p.until(`document.querySelector("#compare-parts table")`)
	shoot("compare-light", "", 1280, 640, false, 0)
	shoot("scripts-light", "scripts", 1280, 560, false, 0)

	// A request that waits for a person.
	p.b.mustJ(t, p.b.dir, "proxy", "intercept", "~m POST", "--side", "request")
	done := make(chan string, 1)
	go func() { done <- p.ask("POST", api+"/auth", `{"user": "charger-07", "pin": "0000"}`, nil) }()
	p.click(`[data-view="traffic"]`)
	p.until(`document.querySelector("#held").checkVisibility()`)
	p.click("#held")
	p.until(`document.querySelector("#hold").checkVisibility()`)
	shoot("hold-light", "", 1280, 720, false, 0)
	p.b.mustJ(t, p.b.dir, "proxy", "intercept", "--off")
	<-done
}
