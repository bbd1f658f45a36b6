package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// maxCallAnswer bounds how much of an answer a Caller reads, in bytes.
const maxCallAnswer = 64 << 10

// Caller sends requests that are no device's, such as those of webhooks, to real
// servers. It keeps to the rules of a proxy: none reaches a listener of our own.
// It is for any number of goroutines.
type Caller struct {
	upstream *upstream
	client   http.Client
}

// NewCaller makes a Caller of the parts of cfg about real servers: Insecure,
// MinTLS, Listeners and Counters.
func NewCaller(cfg Config) *Caller {
	c := &Caller{upstream: newUpstream(cfg.complete())}
	c.client = http.Client{
		Transport: &http.Transport{
			DialContext:            func(ctx context.Context, _, addr string) (net.Conn, error) { return c.upstream.dial(ctx, addr) },
			TLSClientConfig:        c.upstream.tls,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxResponseHead,
			TLSHandshakeTimeout:    headerTimeout,
		},
		// A redirect is an answer like any other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Call sends a request and returns the status of its answer, of which 64 KiB are
// read. It ends after the time limit.
func (c *Caller) Call(req *http.Request, limit time.Duration) (status int, err error) {
	ctx, cancel := context.WithTimeout(req.Context(), limit)
	defer cancel()
	res, err := c.client.Do(req.WithContext(ctx))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.CopyN(io.Discard, res.Body, maxCallAnswer)
	if err == io.EOF {
		err = nil
	}
	return res.StatusCode, err
}
