package value

import (
	"testing"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// TestReplacedBodyKeepsNoDigest replaces the body of a request: what its header
// says of the old body goes, as with responses.
func TestReplacedBodyKeepsNoDigest(t *testing.T) {
	t.Parallel()
	q := &exchange.Request{Method: "POST", Header: exchange.HeaderOf("Content-Type", "text/plain", "Content-MD5", "x", "digest", "y", "Trailer", "T", "Content-Length", "3")}
	ReplaceBody(&call.Call{}, q, []byte("longer"), "")
	if len(q.Header) != 1 || q.Header[0].Name != "Content-Type" {
		t.Errorf("got %v, want Content-Type alone", q.Header)
	}
	if q.ContentLength != 6 {
		t.Errorf("length: got %d, want 6", q.ContentLength)
	}
}
