package proxy

import (
	"bytes"
	"net"
	"strings"
	"testing"
)

func TestFirstLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want spoken
	}{
		{"", undecided},
		{"GET", undecided},
		{"GET / HTTP/1.1", undecided},
		{"GET / HTTP/1.1\r\n", spokenHTTP},
		{"GET / HTTP/1.1\n", spokenHTTP},
		{"GET / HTTP/1.0\r\nHost: a\r\n", spokenHTTP},
		{"\r\nGET / HTTP/1.1\r\n", spokenHTTP},
		{"get / HTTP/1.1\r\n", spokenHTTP},
		{"M-SEARCH * HTTP/1.1\r\n", spokenHTTP},
		{"x_1!~ /a b HTTP/1.1\r\n", spokenHTTP},
		{"GET http://h/ HTTP/1.1\r\n", spokenHTTP},
		{"CONNECT h:1 HTTP/1.1\r\n", spokenHTTP},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", spokenHTTP},
		{"GET /" + strings.Repeat("a", maxFirstLine), spokenHTTP},
		{"SSH-2.0-OpenSSH_9.2p1\r\n", spokenElse},
		{"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", spokenElse},
		{"SSH-2.0-OpenSSH_9.2p1 Debian-2", undecided},
		{"EHLO device.example\r\n", spokenElse},
		{"a001 CAPABILITY\r\n", spokenElse},
		{"GET /key\r\n", spokenElse}, // Redis, or HTTP/0.9
		{"GET key\r\n", spokenElse},
		{"OPTIONS rtsp://h/ RTSP/1.0\r\n", spokenElse},
		{"INVITE sip:a@b SIP/2.0\r\n", spokenElse},
		{"SOURCE /m ICE/1.0\r\n", spokenElse},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", spokenElse},
		{"HTTP/1.1 200 OK\r\n", spokenElse},
		{"GET / HTTP/\r\n", spokenElse},
		{"GET / HTTP/x\r\n", spokenElse},
		{"NICK a\r\nUSER GET / HTTP/1.1\r\n", spokenElse},
		{"\x10\x12\x00\x04MQTT\x04\x02", spokenElse},
		{"\x00\x00\x00\x08\x04\xd2\x16\x2f", spokenElse}, // PostgreSQL's SSLRequest
		{"GET /\x00\x01", undecided},
		{"GET /\x00\x01 HTTP/1.1\r\n", spokenHTTP}, // malformed, but no way around mocks
		{"GET /\rHTTP/1.1\r\n", spokenElse},
		{"GET", undecided},
		{strings.Repeat("A", maxMethod+1), spokenElse},
		{" GET / HTTP/1.1\r\n", spokenElse},
		{"{\"op\":1}\n", spokenElse},
		{"\x16", undecided},
		{"\x16\x03", undecided},
		{"\x16\x03\x01", spokenTLS},
		{"\x16\x03\x01\x02\x00\x01\x00", spokenTLS},
		{"\x16\x03\x01\x02\x00\x02\x00", spokenElse},
		{"\x16\x04\x01", spokenElse},
		{"\x16\x03\x09", spokenElse},
	} {
		if got := firstLine([]byte(c.in)); got != c.want {
			t.Errorf("firstLine(%.60q) = %d, want %d", c.in, got, c.want)
		}
	}
}

// Whatever pieces a beginning comes in, the decision is that on the whole.
func FuzzFirstLine(f *testing.F) {
	for _, s := range []string{"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-a b\r\n", "\x16\x03\x01\x00\x05\x01", "\r\n\r\nPRI * HTTP/2.0\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		settled := undecided
		for n := range len(b) + 1 {
			what := firstLine(b[:n])
			// A record is taken for TLS before the type of its message is there.
			if settled != undecided && what != settled && settled != spokenTLS && n < maxFirstLine {
				t.Fatalf("%q: %d after %d bytes, settled as %d before", b, what, n, settled)
			}
			if what != undecided {
				settled = what
			}
		}
	})
}

// A line that comes byte by byte is put together.
func TestSniffPieces(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]spoken{
		"POST /a HTTP/1.1\r\n":             spokenHTTP,
		"SSH-2.0-dropbear comment\r\n":     spokenElse,
		"\x16\x03\x03\x00\x10\x01\x00\x00": spokenTLS,
	} {
		near, far := net.Pipe()
		go func() {
			for i := range len(in) {
				far.Write([]byte{in[i]})
			}
		}()
		first, what, err := sniff(near, nil)
		if err != nil || what != want || !bytes.HasPrefix([]byte(in), first) {
			t.Errorf("sniff of %q in pieces = %q, %d, %v, want %d", in, first, what, err, want)
		}
		near.Close()
		far.Close()
	}
}
