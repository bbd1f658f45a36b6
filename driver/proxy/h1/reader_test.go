package h1

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"starproxy/builtins/exchange"
)

// read reads one request whole and writes down what it is.
func read(src io.Reader, size int) string {
	r := NewReader(bufio.NewReaderSize(src, size))
	var q Request
	if err := r.Request(&q); err != nil {
		return "error: " + err.Error()
	}
	var trailer exchange.Header
	body, err := io.ReadAll(r.Body(q.Body, func(h exchange.Header) { trailer = h }))
	var b strings.Builder
	w := bufio.NewWriter(&b)
	WriteRequest(w, &q)
	w.Write(body)
	WriteHeader(w, trailer)
	w.Flush()
	if err != nil {
		b.WriteString("error: " + err.Error())
	}
	return b.String()
}

// TestSplit reads messages that come in pieces of every kind, with a buffer of
// every kind.
func TestSplit(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"\r\n\r\nPOST /%zz?a=%&b HTTP/1.1\r\nhost:a\r\nX-long:  " + long + " \r\ncontent-length: 5\r\n\r\nhello",
		"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5;ext=1\r\nhello\r\n0\r\nSum: 1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nFolded: one\r\n\ttwo\r\n\r\n",
	} {
		want := read(strings.NewReader(text), 64<<10)
		if strings.Contains(want, "error") {
			t.Fatalf("%q: %s", text, want)
		}
		for _, size := range []int{16, 64, 4096} {
			for name, src := range map[string]io.Reader{
				"whole": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text)), "halves": iotest.HalfReader(strings.NewReader(text)),
			} {
				if got := read(src, size); got != want && !(size < 64 && strings.Contains(got, "4 KiB")) {
					t.Errorf("%.30q, %s, buffer %d:\n%q, want\n%q", text, name, size, got, want)
				}
			}
		}
	}
}
