package interop

import (
	"crypto/tls"
	"net/http"
	"testing"
)

// The page tells for each host whether devices trust us, and what a handshake offered.
func TestBrowserTLS(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	p.click(`[data-view="tls"]`)
	p.until(`!document.querySelector("#tls-none").hidden`)

	// The view fills while it is open. A device that trusts us for one host and not for
	// another one pins that.
	p.ask("GET", "https://api.example.com/api/status", "", http.Header{})
	p.shows("#tls-rows", "api.example.com")
	doubting := p.b.transport(false)
	defer doubting.CloseIdleConnections()
	doubting.TLSClientConfig = &tls.Config{ServerName: "bank.example.com"}
	if res, err := (&http.Client{Transport: doubting}).Get("https://bank.example.com/"); err == nil {
		res.Body.Close()
		t.Fatal("a device without our CA trusts us")
	}
	p.shows("#tls-rows", "rejected: it pins this host: it accepts our certificate for others (bad_certificate)")

	// A host opens its handshakes.
	p.press(`document.querySelector("#tls-rows")`, "bank.example.com")
	p.shows("#tls-list", "offered ciphers")
	p.shows("#tls-list", "TLS_AES_128_GCM_SHA256")
	p.until(`document.querySelectorAll("#tls-rows [aria-expanded=true]").length === 1 && /JA4\s*t1[23]d/.test(document.querySelector("#tls-list").innerText)`)

	// So does the exchange that it carried.
	p.click(`[data-view="traffic"]`)
	p.pick(1)
	p.click(`[data-tab="timing"]`)
	p.shows("#panel", "offered extensions")
	p.shows("#panel", "x25519")

	p.click(`[data-view="tls"]`)
	p.click("#tls-clear")
	p.press(`document.querySelector("#popup")`, "Yes, forget all handshakes")
	p.until(`!document.querySelector("#tls-none").hidden && !document.querySelector("#tls-rows tr")`)
	p.quiet()
}
