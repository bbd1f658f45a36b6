package interop

import (
	"strings"
	"testing"
)

// The page shows the network that all devices are on, and sets it.
func TestBrowserNetwork(t *testing.T) {
	t.Parallel()
	p := open(t, browserMocks)
	p.click(`[data-view="control"]`)
	p.until(`document.querySelector("#network").value === "unlimited"`)
	choose := func(name string) {
		p.until(`(() => { const s = document.querySelector("#network"); s.value = ` + "`" + name + "`" + `; s.dispatchEvent(new Event("change")); return s.value === ` + "`" + name + "`" + ` })()`)
	}
	choose("edge")
	p.until(`/Network set for all connections: edge/.test(document.querySelector("#toast").innerText)`)
	if got := p.b.mustJ(t, p.b.dir, "proxy", "network", "show"); strings.TrimSpace(got) != "all connections  edge" {
		t.Errorf("after the choice of edge: got %s", got)
	}
	p.b.mustJ(t, p.b.dir, "proxy", "network", "set", "--latency", "5ms")
	p.until(`document.querySelector("#network").value === "latency 5ms"`)
	choose("unlimited")
	p.until(`/Network profiles removed: 1/.test(document.querySelector("#toast").innerText)`)
	p.quiet()
}
