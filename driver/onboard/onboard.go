// Package onboard tells how devices are set up: how they use the proxy and trust its CA,
// and at which addresses they reach it.
//
// package ca answers devices with its page, driver gives the same guides to people.
package onboard

import (
	"bytes"
	_ "embed" // the page
	"encoding/base64"
	"fmt"
	"html/template"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"rsc.io/qr"
)

// Host is the name under which a device that uses the proxy gets the page and the CA's
// certificate: http://mitm.it/.
const Host = "mitm.it"

// Prefix is the path under which a device that does not use the proxy yet gets them from
// the address of the proxy.
const Prefix = "/" + Host

// unknown stands for the proxy's address where it is not known.
const unknown = "PROXY:PORT"

// Guide says how one kind of device is set up.
type Guide struct {
	Name string `json:"name"`
	// Proxy are the steps after which it uses the proxy, Trust those after which it trusts
	// the CA.
	Proxy []Step `json:"proxy"`
	Trust []Step `json:"trust"`
}

// Step is a sentence, with a command or not.
type Step struct {
	Text    string `json:"text"`
	Command string `json:"command,omitempty"`
}

// Guides returns the guides for a proxy at an address, host:port; empty for one that is
// not known. A device downloads the certificate from base, such as http://mitm.it.
func Guides(address, base string) []Guide {
	if address == "" {
		address = unknown
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = address, "8080"
	}
	say := func(text string) []Step { return []Step{{Text: text}} }
	run := func(text, command string) []Step {
		return []Step{{text, strings.NewReplacer("{proxy}", address, "{host}", host, "{port}", port, "{base}", base).Replace(command)}}
	}
	manual := say(fmt.Sprintf("Settings, Wi-Fi, the network, Proxy: Manual; host %s, port %s.", host, port))
	variables := run("In the shell that starts the program:",
		"export http_proxy=http://{proxy} https_proxy=http://{proxy} HTTP_PROXY=http://{proxy} HTTPS_PROXY=http://{proxy}")
	return []Guide{
		{"Linux", variables, append(run("Debian, Ubuntu, Yocto, as root:",
			"curl -so /usr/local/share/ca-certificates/starproxy.crt {base}/cert/pem && update-ca-certificates"),
			run("Fedora, as root:", "curl -so /etc/pki/ca-trust/source/anchors/starproxy.pem {base}/cert/pem && update-ca-trust")...)},
		{"Android", manual, say("Download the certificate for Android (CER) below. Then Settings, Security, Install a certificate, CA " +
			"certificate. Apps trust it if their network security configuration allows user CAs.")},
		{"iOS, iPadOS", manual, say("Open the certificate (PEM) below in Safari and allow the profile. Install it: Settings, Profile " +
			"Downloaded. Then switch it on: Settings, General, About, Certificate Trust Settings.")},
		{"Windows", say(fmt.Sprintf("Settings, Network, Proxy, Manual: address %s, port %s.", host, port)),
			run("Download the certificate (PEM) below. In a terminal of an administrator:",
				"certutil -addstore root mitmproxy-ca-cert.pem")},
		{"macOS", run("In a terminal, for Wi-Fi:", "networksetup -setwebproxy Wi-Fi {host} {port}; "+
			"networksetup -setsecurewebproxy Wi-Fi {host} {port}"),
			run("In a terminal:", "curl -so ca.pem {base}/cert/pem && sudo security add-trusted-cert -d -r trustRoot "+
				"-k /Library/Keychains/System.keychain ca.pem")},
		{"curl", run("With each call:", "curl -x http://{proxy} URL"),
			run("Once, then with each call --cacert ca.pem:", "curl -so ca.pem {base}/cert/pem")},
		{"Python", variables, run("requests, and ssl of the standard library:", "export REQUESTS_CA_BUNDLE=ca.pem SSL_CERT_FILE=ca.pem")},
		{"Node.js", run("From release 24 on:", "export NODE_USE_ENV_PROXY=1 HTTP_PROXY=http://{proxy} HTTPS_PROXY=http://{proxy}"),
			run("", "export NODE_EXTRA_CA_CERTS=ca.pem")},
		{"Java", run("", "java -Dhttp.proxyHost={host} -Dhttp.proxyPort={port} -Dhttps.proxyHost={host} -Dhttps.proxyPort={port} …"),
			run("", "keytool -importcert -noprompt -cacerts -storepass changeit -alias starproxy -file ca.pem")},
		{"Go", variables, run("On Linux; elsewhere Go asks the system:", "export SSL_CERT_FILE=ca.pem")},
		{"Embedded", say("Set the proxy of the HTTP client at build or run time, for instance CURLOPT_PROXY of libcurl. A device that " +
			"can't be told to use a proxy reaches it by another way in: SOCKS5, a transparent way, or a resolver."),
			say("Put the certificate (PEM) into the bundle of CAs that the TLS library reads, for instance CURLOPT_CAINFO, " +
				"mbedtls_x509_crt_parse_file, or /etc/ssl/certs/ca-certificates.crt of the image.")},
	}
}

// page is the page for devices. It needs no script.
//
//go:embed page.html
var page string

// Page returns the page that devices see, in HTML. base is the path before that of the
// certificates: empty at [Host]. address is that of the proxy, empty for one that is not
// known.
func Page(base, address string) ([]byte, error) {
	t, err := template.New("page").Parse(page)
	if err != nil {
		return nil, err
	}
	from := "http://" + Host
	if base != "" {
		from = "http://" + address + base
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		Base, Address string
		Guides        []Guide
	}{base, address, Guides(address, from)})
	return b.Bytes(), err
}

// Addresses returns where devices reach a proxy that listens at a host and port: the host,
// or each address of this machine's interfaces, those of the machine alone last.
func Addresses(host string, port int) []string {
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		return []string{net.JoinHostPort(host, strconv.Itoa(port))}
	}
	all, _ := net.InterfaceAddrs() // the system may not tell
	var own, list []string
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLinkLocalUnicast() {
			continue
		}
		at := net.JoinHostPort(n.IP.String(), strconv.Itoa(port))
		if n.IP.IsLoopback() {
			own = append(own, at)
		} else {
			list = append(list, at)
		}
	}
	slices.SortStableFunc(list, func(a, b string) int { return strings.Count(a, ":") - strings.Count(b, ":") }) // IPv4 first
	return append(list, own...)
}

// URL returns the link to the page for a device that does not use the proxy yet.
func URL(address string) string { return "http://" + address + Prefix + "/" }

// QR returns a picture of a text as a QR code (ISO/IEC 18004), as the URL of an SVG
// document. The error is that of a text that is too long.
func QR(text string) (string, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("QR code: %w", err)
	}
	const quiet = 4 // modules around the code
	side := code.Size + 2*quiet
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %[1]d" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path d="%s"/></svg>`, side, path.String())
	return "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(svg)), nil
}
