package proxy

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// BenchmarkAccept is what one connection with one request costs, at a socket of
// its own and at a shared one: told by the address, and by the user.
func BenchmarkAccept(b *testing.B) {
	for _, tt := range []struct {
		name string
		who  []string
		device
	}{{"own", nil, device{}}, {"address", []string{"127.0.0.1"}, device{}}, {"user", []string{"user ann"}, device{user: "ann"}}} {
		b.Run(tt.name, func(b *testing.B) {
			d := open(b, NewDemux(nil).Join("127.0.0.1", 0, selected(b, tt.who...), 0), "x")
			req := []byte("GET http://h.test/ HTTP/1.1\r\nHost: h.test\r\nConnection: close\r\n" + tt.credentials() + "\r\n")
			for b.Loop() {
				c, err := net.Dial("tcp", d.addr())
				if err != nil {
					b.Fatal(err)
				}
				c.Write(req)
				if answer, err := io.ReadAll(c); err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) {
					b.Fatal(string(answer), err)
				}
				c.Close()
			}
		})
	}
}

// BenchmarkKeptRequest is what a request on a kept connection costs, at a socket
// of its own and at shared ones.
func BenchmarkKeptRequest(b *testing.B) {
	for _, tt := range []struct {
		name string
		who  []string
		device
	}{{"own", nil, device{}}, {"address", []string{"127.0.0.1"}, device{}}, {"user", []string{"user ann"}, device{user: "ann"}}} {
		b.Run(tt.name, func(b *testing.B) {
			d := open(b, NewDemux(nil).Join("127.0.0.1", 0, selected(b, tt.who...), 0), "x")
			c, br := d.dial()
			c.SetDeadline(time.Time{})
			req := []byte("GET http://h.test/ HTTP/1.1\r\nHost: h.test\r\n" + tt.credentials() + "\r\n")
			b.ReportAllocs()
			for b.Loop() {
				c.Write(req)
				res, err := http.ReadResponse(br, nil)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
			}
		})
	}
}
