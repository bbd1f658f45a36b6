package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
)

// BenchmarkScript is what a handler costs that reads a header, a JSON field
// and the state and returns a dict, beside a static mock, over one kept
// connection whose client does next to nothing.
func BenchmarkScript(b *testing.B) {
	const src = `
def device(req):
    if req.header("Authorization") != "Bearer " + state.get("token", "abc"):
        return {"status": 401}
    return {"status": 200, "body": {"id": req.json("user.name"), "n": 7, "ok": True}}
`
	table := newTable(b, src, map[string]string{"POST /script": "device"})
	m, err := mock.ParseKey("POST /static")
	if err != nil {
		b.Fatal(err)
	}
	table.Set(&mock.Endpoint{Name: "POST /static", Match: m,
		Handler: mock.NewStatic(200, exchange.HeaderOf("Content-Type", "application/json"), []byte(`{"id":"ada","n":7,"ok":true}`), 0)})
	for _, name := range []string{"static", "script"} {
		b.Run(name, func(b *testing.B) {
			p := start(b, table.Handler(mock.Forward))
			c, _ := p.dial()
			body := `{"user":{"name":"ada"}}`
			req := []byte(fmt.Sprintf("POST http://api.test/%s HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer abc\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", name, len(body), body))
			br := bufio.NewReaderSize(c, 64<<10)
			buf := make([]byte, 64<<10)
			length := 0
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(req); err != nil {
					b.Fatal(err)
				}
				if length == 0 { // all answers are alike
					n, err := c.Read(buf)
					if err != nil || string(buf[9:12]) != "200" {
						b.Fatal(string(buf[:n]), err)
					}
					length = n
					continue
				}
				if _, err := io.ReadFull(br, buf[:length]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkQuiet measures the look at a kept connection before it is used.
func BenchmarkQuiet(b *testing.B) {
	for _, secure := range []bool{false, true} {
		b.Run(fmt.Sprint("tls=", secure), func(b *testing.B) {
			o := origin(b, false, secure, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
			u := newUpstream(Config{Insecure: true}.complete())
			defer u.close()
			c, err := u.conn(b.Context(), h1Key{addr: o.Listener.Addr().String(), tls: secure}, nil)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if !c.quiet() {
					b.Fatal("not quiet")
				}
			}
		})
	}
}
