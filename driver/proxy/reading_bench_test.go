package proxy

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"

	"starproxy/driver/mock"
)

// BenchmarkReading is a request to a handler that makes one call of a builtin for
// which there is a faster way beside the general one, over a kept connection.
func BenchmarkReading(b *testing.B) {
	const src = `
R = response(status = 200)
def header(req):
    return R if req.header("Authorization") else None
def answer(req):
    return response(status = 200, body = "x", content_type = "text/plain")
def small(req):
    return R if req.json("user.name") else None
def medium(req):
    return R if req.json("user.name") else None
`
	const user = `"user":{"name":"ada"}}`
	bodies := map[string]string{
		"medium": `{"items":[` + strings.Repeat(`{"id":1234,"name":"sensor","tags":["a","b"],"value":1.5},`, 20) + `{}],` + user,
	}
	table := newTable(b, src, map[string]string{"POST /header": "header", "POST /answer": "answer", "POST /small": "small", "POST /medium": "medium"})
	for _, name := range []string{"header", "answer", "small", "medium"} {
		b.Run(name, func(b *testing.B) {
			c, _ := start(b, table.Handler(mock.Forward)).dial()
			body := bodies[name]
			if body == "" {
				body = "{" + user
			}
			req := fmt.Appendf(nil, "POST http://api.test/%s HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer abc\r\n"+
				"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", name, len(body), body)
			answer := make([]byte, 64<<10)
			br := bufio.NewReaderSize(c, len(answer))
			length := 0
			for b.Loop() {
				if _, err := c.Write(req); err != nil {
					b.Fatal(err)
				}
				if length == 0 { // all answers are alike
					n, err := c.Read(answer)
					if err != nil || string(answer[9:12]) != "200" {
						b.Fatalf("got %q, %v, want 200", answer[:n], err)
					}
					length = n
				} else if _, err := io.ReadFull(br, answer[:length]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
