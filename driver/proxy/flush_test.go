package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"starproxy/driver/capture"
)

// Each part of an answer reaches the device before the server sends the next
// one, whatever its size and framing; and a server that dies in the middle
// leaves the device all that came before.
func TestAnswersAreNotHeldBack(t *testing.T) {
	t.Parallel()
	type way struct {
		name       string
		secure, h2 bool // of both sides; the server speaks HTTP/1.1
	}
	for _, w := range []way{{"http", false, false}, {"https", true, false}, {"h2", true, true}} {
		for _, framing := range []string{"length", "chunked", "one chunk", "close"} {
			for _, size := range []int{500, 1100, 5000, 200 << 10, 2 << 20} {
				for _, end := range []string{"whole", "FIN", "RST"} {
					for _, journal := range []bool{true, false} {
						if !journal && (size < 5000 || w.h2) {
							continue
						}
						t.Run(fmt.Sprint(w.name, "/", framing, "/", size, "/", end, "/", journal), func(t *testing.T) {
							t.Parallel()
							f := &flushed{framing: framing, size: size, end: end, next: make(chan struct{}), dead: make(chan struct{})}
							target := rawListener(t, w.secure, f.serve)
							b := start(t, nil, noPanics(t), func(c *Config) {
								if !journal {
									c.Journal = nil
								}
							})
							f.check(t, b, b.client(w.h2), w.secure, target)
							if journal {
								f.journaled(t, b)
							}
						})
					}
				}
			}
		}
	}
}

// flushed is an answer in parts. The server sends one when next gives a value.
type flushed struct {
	framing, end string
	size         int
	next, dead   chan struct{}
}

// cuts are the places at which the server waits.
func (f *flushed) cuts() []int {
	var at []int
	for _, n := range []int{1, 100, 700, 4096, 70_000, 140_000, f.size - 1} {
		if n < f.size && (len(at) == 0 || n > at[len(at)-1]) {
			at = append(at, n)
		}
	}
	return at
}

func (f *flushed) content() []byte {
	return bytes.Repeat([]byte("0123456789abcdef"), f.size/16+1)[:f.size]
}

func (f *flushed) serve(c net.Conn, br *bufio.Reader) {
	if _, err := readHead(br); err != nil {
		return
	}
	defer close(f.dead)
	switch f.framing {
	case "length":
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", f.size)
	case "chunked":
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	case "one chunk":
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", f.size)
	default:
		io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
	}
	body, from := f.content(), 0
	for _, to := range f.cuts() {
		<-f.next
		f.write(c, body[from:to])
		from = to
	}
	<-f.next
	switch f.end {
	case "whole":
		f.write(c, body[from:])
		switch f.framing {
		case "one chunk":
			io.WriteString(c, "\r\n0\r\n\r\n")
		case "chunked":
			io.WriteString(c, "0\r\n\r\n")
		}
	case "RST":
		bare(c).SetLinger(0)
		bare(c).Close()
	}
}

func (f *flushed) write(c net.Conn, b []byte) {
	if f.framing == "chunked" {
		fmt.Fprintf(c, "%x\r\n%s\r\n", len(b), b)
		return
	}
	c.Write(b)
}

// check reads what the server sends, part by part.
func (f *flushed) check(t *testing.T, b *bench, c *http.Client, secure bool, target string) {
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	c.Timeout = time.Minute
	res, err := c.Get(scheme + target + "/") // the header
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, from := f.content(), 0
	for _, to := range f.cuts() {
		f.next <- struct{}{}
		part := make([]byte, to-from)
		if n, err := io.ReadFull(res.Body, part); err != nil || !bytes.Equal(part, body[from:to]) {
			t.Fatalf("bytes %d to %d: got %d: %v", from, to, n, err)
		}
		from = to
	}
	f.next <- struct{}{}
	rest, err := io.ReadAll(res.Body)
	want := body[from:]
	if f.end != "whole" {
		want = nil
	}
	if !bytes.Equal(rest, want) {
		t.Errorf("%d bytes at the end, want %d", len(rest), len(want))
	}
	if broken := f.end != "whole" && !(f.framing == "close" && f.end == "FIN"); broken != (err != nil) {
		t.Errorf("the end: %v, want broken off %v", err, broken)
	}
}

// journaled looks at the entry.
func (f *flushed) journaled(t *testing.T, b *bench) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e, err := b.journal.Wait(ctx, func(e *capture.Entry) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	size, text := int64(f.size), ""
	switch {
	case f.end == "whole":
	case f.end == "RST":
		size, text = int64(f.size-1), "the server reset the connection in the middle of its answer"
	case f.framing != "close":
		size, text = int64(f.size-1), "the server closed the connection in the middle of its answer"
	default:
		size--
	}
	if e.ResponseBody.Size != size || !strings.HasSuffix(e.Error, text) || (text == "") != (e.Error == "") {
		t.Errorf("the entry has %d bytes and %q, want %d and %q", e.ResponseBody.Size, e.Error, size, text)
	}
}
