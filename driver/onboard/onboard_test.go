package onboard_test

import (
	"encoding/base64"
	"encoding/xml"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"starproxy/driver/onboard"
)

// TestGuides checks that each guide has its steps, with the address and the place of the
// certificate in the commands.
func TestGuides(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, g := range onboard.Guides("10.1.2.3:8081", "http://mitm.it") {
		if len(g.Proxy) == 0 || len(g.Trust) == 0 {
			t.Errorf("%s: got %d steps for the proxy and %d for the CA", g.Name, len(g.Proxy), len(g.Trust))
		}
		for _, s := range append(g.Proxy, g.Trust...) {
			all.WriteString(s.Text + s.Command + "\n")
		}
	}
	for _, want := range []string{"HTTPS_PROXY=http://10.1.2.3:8081", "Wi-Fi 10.1.2.3 8081;", "host 10.1.2.3, port 8081", "-Dhttps.proxyPort=8081", "http://mitm.it/cert/pem"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no guide has %s", want)
		}
	}
	if i := strings.IndexAny(all.String(), "{}"); i >= 0 {
		t.Errorf("a guide has no value in %.60s", all.String()[i:])
	}
}

// TestPage checks the page at mitm.it and that at the address of the proxy.
func TestPage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ base, address, link, command string }{
		{"", "", `href="/cert/pem"`, "http_proxy=http://PROXY:PORT"},
		{"/mitm.it", "10.1.2.3:8080", `href="/mitm.it/cert/pem"`, "http_proxy=http://10.1.2.3:8080"},
	} {
		b, err := onboard.Page(tt.base, tt.address)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{tt.link, tt.command, "Android", "Java", "Embedded"} {
			if !strings.Contains(string(b), want) {
				t.Errorf("base %q: the page lacks %s", tt.base, want)
			}
		}
		if strings.Contains(string(b), "<script") {
			t.Error("the page needs a script")
		}
	}
	if b, _ := onboard.Page("/mitm.it", `<img src=x>`); strings.Contains(string(b), "<img") {
		t.Error("an address becomes markup")
	}
}

// TestAddresses checks that a wildcard stands for the addresses of this machine.
func TestAddresses(t *testing.T) {
	t.Parallel()
	if got := onboard.Addresses("10.0.0.1", 80); !slices.Equal(got, []string{"10.0.0.1:80"}) {
		t.Errorf("got %q", got)
	}
	for _, host := range []string{"", "0.0.0.0", "::"} {
		list := onboard.Addresses(host, 8080)
		if !slices.Contains(list, "127.0.0.1:8080") {
			t.Errorf("%q: got %q, want 127.0.0.1:8080 among them", host, list)
		}
		for i, a := range list {
			h, _, err := net.SplitHostPort(a)
			if err != nil || net.ParseIP(h).IsUnspecified() || net.ParseIP(h).IsLoopback() && i < len(list)-2 {
				t.Errorf("%q: got %q, want addresses with those of this machine alone at the end", host, list)
			}
		}
	}
}

// TestQR checks that the picture is an SVG document with the corners that all codes have.
func TestQR(t *testing.T) {
	t.Parallel()
	url, err := onboard.QR(onboard.URL("192.168.1.5:8080"))
	if err != nil {
		t.Fatal(err)
	}
	svg, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(url, "data:image/svg+xml;base64,"))
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(string(svg))); err != io.EOF; {
		if _, err = d.Token(); err != nil && err != io.EOF {
			t.Fatal(err)
		}
	}
	if !strings.Contains(string(svg), "M4 4h1v1h-1z") || strings.Contains(string(svg), "M5 5h1v1h-1z") {
		t.Errorf("the corner of a code is black with a white ring in it: %.200s", svg)
	}
	if _, err := onboard.QR(strings.Repeat("x", 5000)); err == nil {
		t.Error("a text that is too long is taken")
	}
}
