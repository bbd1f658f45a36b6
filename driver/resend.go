package driver

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/rpc"
)

// resent is a request that somebody sends from the web UI.
type resent struct {
	Method  string      `json:"method"`
	URL     string      `json:"url"`
	Headers [][2]string `json:"headers"`
	Body    string      `json:"body"`
	Base64  string      `json:"body_base64"`
}

// header returns the first value of a header, ignoring case.
func (r *resent) header(name string) string {
	for _, h := range r.Headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

// resendTime bounds how long a resent request may take.
const resendTime = 60 * time.Second

// resendRequest sends a request through the proxy, as a device would, so that
// mocks answer it and captures show it.
func (d *Driver) resendRequest(ctx context.Context, text string) (string, error) {
	bad := func(format string, args ...any) (string, error) {
		return "", rpc.Refuse(rpc.InvalidArgument, "resend_request: %s", fmt.Sprintf(format, args...))
	}
	var in resent
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return bad("%v", err)
	}
	r := d.run.Load()
	if r == nil {
		return "", rpc.Refuse(rpc.FailedPrecondition, "resend_request: the proxy is not running")
	}
	u, err := url.Parse(in.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return bad("url: expected http://… or https://…, found %q", in.URL)
	}
	body := []byte(in.Body)
	if in.Base64 != "" {
		if body, err = base64.StdEncoding.DecodeString(in.Base64); err != nil {
			return bad("body_base64: %v", err)
		}
	}
	if in.Base64 == "" {
		ok := true
		typ := in.header("Content-Type")
		if body, ok = exchange.EncodeText(body, typ); !ok {
			return bad("body: it has characters that the content type %q does not", typ)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, resendTime)
	defer cancel()
	var from netip.AddrPort
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if a, ok := info.Conn.LocalAddr().(*net.TCPAddr); ok {
			from = a.AddrPort()
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		}
	}})
	req, err := http.NewRequestWithContext(ctx, strings.ToUpper(in.Method), in.URL, bytes.NewReader(body))
	if err != nil {
		return bad("%v", err)
	}
	req.Header["User-Agent"] = nil // none, instead of Go's own
	for _, h := range in.Headers {
		switch http.CanonicalHeaderKey(h[0]) {
		case "Host":
			req.Host = h[1]
		case "Content-Length", "Transfer-Encoding", "Connection", "Proxy-Connection", "Keep-Alive", "Upgrade":
		default:
			req.Header[h[0]] = append(req.Header[h[0]], h[1])
		}
	}
	proxy := &url.URL{Scheme: "http", Host: net.JoinHostPort(d.ownHost(), strconv.Itoa(r.port))}
	client := &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true, DisableCompression: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, // the proxy is our own
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	last := d.journal.Last()
	res, err := client.Do(req)
	status := 0
	if err == nil {
		status = res.StatusCode
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	wait, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	answer := map[string]any{"status": status}
	for e, ferr := range d.journal.Follow(wait, func(e *capture.Entry) bool { return e.Client == from }, last) {
		if ferr == nil {
			answer["seq"] = e.Seq
			break
		}
	}
	if err != nil && answer["seq"] == nil {
		return "", rpc.Refuse(rpc.Unavailable, "resend_request: %v", errors.Unwrap(err))
	}
	return rpc.JSON(answer)
}

// ownHost is where the proxy is reached from here.
func (d *Driver) ownHost() string {
	if ip := net.ParseIP(d.cfg.Listen.Host); d.cfg.Listen.Host != "" && (ip == nil || !ip.IsUnspecified()) {
		return d.cfg.Listen.Host
	}
	return "127.0.0.1"
}
