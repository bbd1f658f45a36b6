package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A server that answers by the header alone and closes resets the connection,
// for it leaves an upload unread. Its answer reaches the device all the same.
func TestAnswerBeforeAReset(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		addr := rawListener(t, secure, func(c net.Conn, br *bufio.Reader) {
			if _, err := http.ReadRequest(br); err == nil {
				io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
			}
			c.Close()
		})
		scheme := "http"
		if secure {
			scheme = "https"
		}
		b := start(t, nil)
		for _, length := range []bool{true, false} {
			t.Run(fmt.Sprint(scheme, " length=", length), func(t *testing.T) {
				for range 60 {
					body := io.Reader(strings.NewReader(strings.Repeat("x", 400_000)))
					if !length {
						body = struct{ io.Reader }{body}
					}
					req, err := http.NewRequest("POST", scheme+"://"+addr+"/", body)
					if err != nil {
						t.Fatal(err)
					}
					res, err := b.client(false).Do(req)
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(res.Body)
					res.Body.Close()
					if res.StatusCode != 413 || string(got) != "big" || err != nil {
						t.Fatalf("%d %q %v, want the server's 413", res.StatusCode, got, err)
					}
				}
			})
		}
	}
}
