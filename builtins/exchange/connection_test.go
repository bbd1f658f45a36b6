package exchange

import (
	"strings"
	"testing"
)

// TestHops has all names that the lists of the house had, in odd spellings.
func TestHops(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"Connection": true, "keep-alive": true, "PROXY-CONNECTION": true, "Proxy-Authorization": true, "te": true,
		"Transfer-Encoding": true, "upgrade": true, "HTTP2-Settings": true,
		"Host": false, "Trailer": false, "Content-Length": false, "Proxy-Authenticate": false, "Expect": false, "": false,
		"Keep-Alive2": false, "\u212aeep-alive": false, // the sign of kelvin, which folds into "k"
	} {
		if got := IsHop(name); got != want {
			t.Errorf("%q: got %t, want %t", name, got, want)
		}
	}
}

func headerText(h Header) string {
	var b strings.Builder
	for _, f := range h {
		b.WriteString(f.Name + "=" + f.Value + " ")
	}
	return strings.TrimSpace(b.String())
}

func TestDropHops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		h    Header
		want string
	}{
		{nil, ""},
		{HeaderOf("A", "1", "Connection", "close", "B", "2"), "A=1 B=2"},
		{HeaderOf("X-Own", "1", "connection", "x-own, Keep-Alive", "Keep-Alive", "timeout=5", "Y", "2"), "Y=2"},
		{HeaderOf("Upgrade", "h2c", "TE", "trailers", "Transfer-Encoding", "chunked", "Proxy-Connection", "close", "Trailer", "T"), "Trailer=T"},
	} {
		if c.h.DropHops(); headerText(c.h) != c.want {
			t.Errorf("got %q, want %q", headerText(c.h), c.want)
		}
	}
}

func TestDropBody(t *testing.T) {
	t.Parallel()
	h := HeaderOf("Content-Type", "a/b", "content-length", "3", "Content-MD5", "x", "ETag", `"1"`, "Etag", `"2"`, "Trailer", "T", "Digest", "d",
		"Content-Digest", "d", "Repr-Digest", "d", "Content-Encoding", "gzip", "Last-Modified", "l", "Accept-Ranges", "bytes", "Transfer-Encoding", "chunked", "Vary", "v")
	if h.DropBody(); headerText(h) != "Content-Type=a/b Vary=v" {
		t.Errorf("got %q, want Content-Type and Vary", headerText(h))
	}
}
