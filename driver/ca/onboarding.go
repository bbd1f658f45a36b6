package ca

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/driver/onboard"
)

// Respond answers requests to [onboard.Host], and those to the address of the proxy below
// [onboard.Prefix], with a page for devices or with the certificate in the form asked for,
// at the paths that mitmproxy uses.
func (a *Authority) Respond(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	var name, contentType string
	var data []byte
	path, base, address := x.Request.Path(), "", ""
	if x.Request.Host != onboard.Host {
		if after, ok := strings.CutPrefix(path, onboard.Prefix); ok {
			path, base = "/"+strings.TrimPrefix(after, "/"), onboard.Prefix
			address = net.JoinHostPort(x.Request.Host, strconv.Itoa(x.Request.Port))
		}
	}
	switch path {
	case "/":
		page, err := onboard.Page(base, address)
		return &exchange.Response{Status: http.StatusOK, Origin: exchange.FromProxy,
			Header: exchange.HeaderOf("Content-Type", "text/html; charset=utf-8"), Body: exchange.Bytes(page)}, err
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
