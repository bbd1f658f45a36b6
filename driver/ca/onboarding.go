package ca

import (
	"context"
	"net/http"

	"starproxy/builtins/exchange"
)

// OnboardingHost is the name under which a device that uses the proxy gets the
// CA certificate: http://mitm.it/.
const OnboardingHost = "mitm.it"

const onboardingPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Install the proxy's certificate</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}</style>
<h1>Install the proxy's certificate</h1>
<p>This device reaches the network through a test proxy. To let it read HTTPS, install its certificate authority:</p>
<ul>
<li><a href="/cert/pem">PEM</a>: Linux, macOS, iOS, Firefox
<li><a href="/cert/cer">CER</a>: Android
<li><a href="/cert/p12">PKCS #12</a>: Windows (empty password)
</ul>
<p>Only install it on test devices: whoever holds the proxy's private key can read all their traffic.</p>
`

// Respond answers requests to OnboardingHost with the certificate in the form
// asked for, at the paths that mitmproxy uses.
func (a *Authority) Respond(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	var name, contentType string
	var data []byte
	switch x.Request.Path() {
	case "/":
		return &exchange.Response{Status: http.StatusOK, Origin: exchange.FromProxy,
			Header: exchange.HeaderOf("Content-Type", "text/html; charset=utf-8"), Body: exchange.Bytes(onboardingPage)}, nil
	case "/cert/pem":
		name, contentType, data = certFile, "application/x-x509-ca-cert", a.CertPEM()
	case "/cert/cer":
		name, contentType, data = certCERFile, "application/x-x509-ca-cert", a.CertPEM()
	case "/cert/p12":
		b, err := a.certP12()
		if err != nil {
			return nil, err
		}
		name, contentType, data = certP12File, "application/x-pkcs12", b
	default:
		r := exchange.Text(http.StatusNotFound, "not found; try /cert/pem, /cert/cer or /cert/p12")
		r.Origin = exchange.FromProxy
		return r, nil
	}
	return &exchange.Response{Status: http.StatusOK, Origin: exchange.FromProxy, Body: exchange.Bytes(data),
		Header: exchange.HeaderOf("Content-Type", contentType, "Content-Disposition", "attachment; filename="+name)}, nil
}

var _ exchange.Handler = (*Authority)(nil)
