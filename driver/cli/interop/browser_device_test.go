package interop

import (
	"net/http"
	"testing"
)

// TestBrowserDevice sets a device up: the page shows where it reaches the proxy, and ticks
// off what it has done while it does it.
func TestBrowserDevice(t *testing.T) {
	t.Parallel()
	p := open(t, "      mocks:\n        GET /hello: {body: hi}\n")
	p.click(`[data-view="device"]`)
	p.until(`document.querySelector("#device-addresses img")?.naturalWidth > 0`) // the policy lets the QR code be shown
	p.shows("#device-none", "Waiting for the first device")
	p.shows("#device-guides", "NODE_EXTRA_CA_CERTS")
	p.shows("#device-guides", "Certificate Trust Settings")
	cell := func(n string) string { return "#device-rows tr td:nth-child(" + n + ")" }

	// The link of the code opens in a browser that does not use the proxy.
	link := value[string](p, `document.querySelector("#device-addresses a").href`)
	res, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("%s: got %s", link, res.Status)
	}
	p.shows(cell("2"), "✓")
	p.shows(cell("3"), "not yet")
	p.ask("GET", "http://car.test/hello", "", nil)
	p.shows(cell("4"), "GET /hello")
	p.ask("GET", "https://car.test/hello", "", nil)
	p.shows(cell("3"), "✓")
	p.shows(cell("3"), "car.test")
	p.click(cell("4") + " a")
	p.until(`location.hash.startsWith("#/traffic/2")`)
	p.quiet()
}
