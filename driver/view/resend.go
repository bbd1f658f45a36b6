package view

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
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/rpc"
)

// resent is a request that somebody sends from the page.
type resent struct {
	Method  string      `json:"method"`
	URL     string      `json:"url"`
	Headers [][2]string `json:"headers"`
	Body    string      `json:"body"`
	Base64  string      `json:"body_base64"` // in place of Body
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

// content returns the bytes of the body. A text is encoded as its content type says.
func (r *resent) content() ([]byte, error) {
	if r.Base64 != "" {
		data, err := base64.StdEncoding.DecodeString(r.Base64)
		if err != nil {
			return nil, fmt.Errorf("body_base64: %w", err)
		}
		return data, nil
	}
	typ := r.header("Content-Type")
	data, ok := exchange.EncodeText([]byte(r.Body), typ)
	if !ok {
		return nil, fmt.Errorf("body: got characters that the content type %q does not have", typ)
	}
	return data, nil
}

// request makes the request, without headers that concern one connection only.
func (r *resent) request(ctx context.Context) (*http.Request, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("url: got %q, want http://… or https://…", r.URL)
	}
	body, err := r.content()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, strings.ToUpper(r.Method), r.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header["User-Agent"] = nil // none, instead of Go's own
	for _, h := range r.Headers {
		switch name := h[0]; {
		case exchange.EqualName(name, "Host"):
			req.Host = h[1]
		case exchange.IsFraming(name), exchange.IsHop(name) && !exchange.EqualName(name, "TE"): // the proxy passes TE on
		default:
			req.Header[h[0]] = append(req.Header[h[0]], h[1])
		}
	}
	return req, nil
}

// resendTime bounds how long a resent request may take, and captureTime how long
// its capture may take after that.
const (
	resendTime  = 60 * time.Second
	captureTime = time.Second
)

// answered is what came of a resent request.
type answered struct {
	Status int    `json:"status"`        // 0 when there was no answer
	Seq    uint64 `json:"seq,omitempty"` // number of the captured exchange, 0 when it was not found
}

// resend sends a request through the proxy, as a device would, so that mocks
// answer it and captures show it.
func (s *Service) resend(ctx context.Context, text string) (answered, error) {
	var in resent
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return answered{}, rpc.Refuse(rpc.InvalidArgument, "resend_request: %v", err)
	}
	proxy, running := s.Address()
	if !running {
		return answered{}, rpc.Refuse(rpc.FailedPrecondition, "resend_request: the proxy is not running")
	}
	ctx, cancel := context.WithTimeout(ctx, resendTime)
	defer cancel()
	var from netip.AddrPort
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if a, ok := info.Conn.LocalAddr().(*net.TCPAddr); ok {
			from = netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
		}
	}})
	req, err := in.request(ctx)
	if err != nil {
		return answered{}, rpc.Refuse(rpc.InvalidArgument, "resend_request: %v", err)
	}
	last := s.Journal.Last()
	var answer answered
	answer.Status, err = send(req, proxy, s.Login)
	answer.Seq = s.capturedFrom(ctx, from, last)
	if err != nil && answer.Seq == 0 {
		return answered{}, rpc.Refuse(rpc.Unavailable, "resend_request: %v", errors.Unwrap(err))
	}
	return answer, nil
}

// send sends a request through the proxy at an address, as the user of a login. It returns the status also
// when the body of the answer breaks off.
func send(req *http.Request, proxy, login string) (status int, err error) {
	through := &url.URL{Scheme: "http", Host: proxy}
	if name, password, ok := strings.Cut(login, ":"); ok {
		through.User = url.UserPassword(name, password)
	}
	client := &http.Client{
		Transport: &http.Transport{
			Proxy:             http.ProxyURL(through),
			DisableKeepAlives: true, DisableCompression: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the proxy is our own
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// capturedFrom waits for the exchange of a client that is captured after the entry
// with the number last. It returns 0 when none comes in time.
func (s *Service) capturedFrom(ctx context.Context, client netip.AddrPort, last uint64) uint64 {
	ctx, stop := context.WithTimeout(ctx, captureTime)
	defer stop()
	for e, err := range s.Journal.Follow(ctx, func(e *capture.Entry) bool { return e.Client == client }, last) {
		if err == nil {
			return e.Seq
		}
	}
	return 0
}
