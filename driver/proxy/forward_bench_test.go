package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"testing"
)

// BenchmarkForward is what a small exchange with a real server costs over kept
// connections, beside one that a mock answers (see BenchmarkScript). Server and
// device do next to nothing.
func BenchmarkForward(b *testing.B) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\nok"
	addr := rawListener(b, false, func(c net.Conn, br *bufio.Reader) {
		for {
			if _, err := readHead(br); err != nil {
				return
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	})
	p := start(b, nil)
	c, br := p.dial()
	req := fmt.Appendf(nil, "GET http://%s/ HTTP/1.1\r\nHost: %s\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n\r\n", addr, addr)
	buf := make([]byte, len(answer))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(req); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(br, buf); err != nil || string(buf[9:12]) != "200" {
			b.Fatalf("%q %v", buf, err)
		}
	}
}
