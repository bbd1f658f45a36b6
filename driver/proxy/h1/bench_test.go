package h1

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

// browser is a request as browsers send them.
const browser = "GET /api/v1/devices?limit=20 HTTP/1.1\r\nHost: device.test:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n" +
	"Accept: application/json\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en\r\nCookie: session=0123456789abcdef\r\nConnection: keep-alive\r\n\r\n"

const upload = "POST /api/v1/devices HTTP/1.1\r\nHost: device.test:8080\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"name\":\"x1\"}"

const chunkedUpload = "POST /api/v1/devices HTTP/1.1\r\nHost: device.test:8080\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{\"name\":\"x1\"}\r\n0\r\n\r\n"

const answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\nDate: Mon, 23 Nov 2026 06:44:02 GMT\r\nServer: nginx\r\n\r\n{\"name\":\"x1\"}"

// endless is a connection on which one message comes again and again.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.text[e.at:])
	e.at = (e.at + n) % len(e.text)
	return n, nil
}

// drain reads a body to its end.
func drain(t testing.TB, sink []byte, r io.Reader) {
	for {
		if _, err := r.Read(sink); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkRead reads messages with their bodies beside net/http, which is why the
// codec is here: it takes a third of the time and a quarter of the allocations.
func BenchmarkRead(b *testing.B) {
	sink := make([]byte, 4<<10)
	for name, text := range map[string]string{"get": browser, "post": upload, "chunked": chunkedUpload} {
		b.Run(name+"/ours", func(b *testing.B) {
			r := NewReader(bufio.NewReader(&endless{text: text}))
			var q Request
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Request(&q); err != nil {
					b.Fatal(err)
				}
				if _, err := ParseTarget(q.Method, q.Target); err != nil {
					b.Fatal(err)
				}
				drain(b, sink, r.Body(q.Body, nil))
			}
		})
		b.Run(name+"/nethttp", func(b *testing.B) {
			br := bufio.NewReader(&endless{text: text})
			b.ReportAllocs()
			for b.Loop() {
				q, err := http.ReadRequest(br)
				if err != nil {
					b.Fatal(err)
				}
				drain(b, sink, q.Body)
			}
		})
	}
}

// BenchmarkReadAnswer is the same for answers.
func BenchmarkReadAnswer(b *testing.B) {
	sink := make([]byte, 4<<10)
	b.Run("ours", func(b *testing.B) {
		r := NewReader(bufio.NewReader(&endless{text: answer}))
		var res Response
		b.ReportAllocs()
		for b.Loop() {
			if err := r.Response(&res, "GET"); err != nil {
				b.Fatal(err)
			}
			drain(b, sink, r.Body(res.Body, nil))
		}
	})
	b.Run("nethttp", func(b *testing.B) {
		br := bufio.NewReader(&endless{text: answer})
		q := &http.Request{Method: "GET"}
		b.ReportAllocs()
		for b.Loop() {
			res, err := http.ReadResponse(br, q)
			if err != nil {
				b.Fatal(err)
			}
			drain(b, sink, res.Body)
		}
	})
}

// TestAllocations holds what a head costs: one string for all of it, and one list
// of lines.
func TestAllocations(t *testing.T) {
	for text, most := range map[string]float64{browser: 2, upload: 2 + 1 /* the body */, chunkedUpload: 2 + 1} {
		r := NewReader(bufio.NewReader(&endless{text: text}))
		var q Request
		sink := make([]byte, 4<<10)
		got := testing.AllocsPerRun(200, func() {
			if err := r.Request(&q); err != nil {
				t.Fatal(err)
			}
			drain(t, sink, r.Body(q.Body, nil))
		})
		if got > most {
			t.Errorf("%.4s: got %v allocations a message, want %v at most", text, got, most)
		}
	}
}

// BenchmarkWrite writes a head of an answer.
func BenchmarkWrite(b *testing.B) {
	var r Response
	if err := NewReader(bufio.NewReader(strings.NewReader(answer))).Response(&r, "GET"); err != nil {
		b.Fatal(err)
	}
	r.Header = append(r.Header, exchange.Field{Name: "X-More", Value: "1"})
	w := bufio.NewWriter(io.Discard)
	b.ReportAllocs()
	for b.Loop() {
		writeResponse(w, &r)
	}
}
