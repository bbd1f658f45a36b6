package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestOddAnswers has a server give an odd answer, and then a device ask for one more
// thing on the same connection. Whether that comes on the server's connection as
// well ("kept") or on another one ("next") tells whether the connection was trusted.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, c := range map[string]struct {
		method, answer string
		want           string // statuses of the answers, then which connection had the second one
	}{
		"a usual one":               {"GET", ok + "Content-Length: 2\r\n\r\nok", "200 200 kept"},
		"bytes behind the body":     {"GET", ok + "Content-Length: 2\r\n\r\nokEXTRA", "200 200 next"},
		"204 with a body":           {"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", "204 200 next"},
		"304 with a length":         {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", "304 200 kept"},
		"HEAD with a body":          {"HEAD", ok + "Content-Length: 2\r\n\r\nok", "200 200 next"},
		"HEAD with chunks":          {"HEAD", ok + "Transfer-Encoding: chunked\r\n\r\n", "200 200 kept"},
		"interim ones":              {"GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok", "103 200 200 kept"},
		"both lengths":              {"GET", ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "200 200 next"},
		"differing lengths":         {"GET", ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", "502 200 next"},
		"the same length twice":     {"GET", ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", "200 200 kept"},
		"a length with a sign":      {"GET", ok + "Content-Length: +2\r\n\r\nok", "502 200 next"},
		"a blank before the colon":  {"GET", ok + "Content-Length : 2\r\n\r\nok", "200 200 kept"},
		"a length of this hop":      {"GET", ok + "Connection: Content-Length\r\nContent-Length: 2\r\n\r\nok", "200 200 kept"},
		"a line that goes on":       {"GET", ok + "X: a\r\n b\r\nContent-Length: 2\r\n\r\nok", "200 200 kept"},
		"an empty line before":      {"GET", "\r\n" + ok + "Content-Length: 2\r\n\r\nok", "200 200 kept"},
		"another coding":            {"GET", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "502 200 next"},
		"trailers that are not due": {"GET", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Late: 1\r\n\r\n", "200 200 kept"},
		"no reason":                 {"GET", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "200 200 kept"},
		"a status of 999":           {"GET", "HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\nok", "999 200 kept"},
		"101 that nobody asked for": {"GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "502 200 next"},
		"another protocol":          {"GET", "SSH-2.0-OpenSSH\r\n", "502 200 next"},
		"a close":                   {"GET", ok + "Connection: close\r\nContent-Length: 2\r\n\r\nok", "200 200 next"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := rawListener(t, false, func(nc net.Conn, br *bufio.Reader) {
				which := "next"
				for {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					if r.RequestURI == "/second" {
						io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"+which)
						continue
					}
					which = "kept"
					io.WriteString(nc, c.answer)
				}
			})
			b := start(t, nil)
			nc, br := b.dial()
			io.WriteString(nc, c.method+" /first HTTP/1.1\r\nHost: "+target+"\r\n\r\nGET /second HTTP/1.1\r\nHost: "+target+"\r\nConnection: close\r\n\r\n")
			all, err := io.ReadAll(br)
			if err != nil {
				t.Error(err)
			}
			var got strings.Builder
			for _, m := range statusLine.FindAllStringSubmatch(string(all), -1) {
				got.WriteString(m[1] + " ")
			}
			got.Write(all[max(0, len(all)-len("kept")):])
			if got.String() != c.want {
				t.Errorf("got %s, want %s\n%s", got.String(), c.want, all)
			}
		})
	}
}
