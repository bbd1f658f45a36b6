package proxy

import (
	"context"
	"net/http"
	"testing"

	"starproxy/builtins/exchange"
)

// TestHopLinesOfAMock has a mock whose header has lines about the connection. Over
// HTTP/2 such an answer is malformed (RFC 9113 section 8.2.2).
func TestHopLinesOfAMock(t *testing.T) {
	t.Parallel()
	header := exchange.HeaderOf("Upgrade", "TLS/1.2", "Keep-Alive", "timeout=5", "TE", "trailers", "Proxy-Connection", "close", "X-Own", "1")
	b := start(t, exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
		return &exchange.Response{Status: http.StatusUpgradeRequired, Header: header, Body: exchange.Bytes("x"), Origin: exchange.FromMock}, nil
	}))
	for _, h2 := range []bool{false, true} {
		_, res := get(t, b.client(h2), "https://mock.test/")
		if res.Header.Get("X-Own") != "1" {
			t.Errorf("%s: got X-Own %q, want 1", res.Proto, res.Header.Get("X-Own"))
		}
		for _, name := range []string{"Upgrade", "Keep-Alive", "Te", "Proxy-Connection"} {
			if sent := res.Header.Get(name) != ""; sent == h2 {
				t.Errorf("%s: %s: got %q", res.Proto, name, res.Header.Get(name))
			}
		}
	}
}
