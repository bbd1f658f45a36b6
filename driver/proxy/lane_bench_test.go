package proxy

import (
	"io"
	"net"
	"testing"

	"starproxy/driver/network"
)

// BenchmarkLane sends a byte over a socket, over a lane without a profile, and over a
// line whose profile was cleared. The first two are to take the same time.
func BenchmarkLane(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for name, wrap := range map[string]func(*net.TCPConn) io.Writer{
		"socket": func(c *net.TCPConn) io.Writer { return c },
		"lane":   func(c *net.TCPConn) io.Writer { return New(Config{Network: network.New(network.Options{})}).newLane(c) },
		"cleared": func(c *net.TCPConn) io.Writer {
			table, on := onNetwork(b, "offline")
			cfg := Config{}
			on(&cfg)
			lane := New(cfg).newLane(c)
			lane.joined()
			table.Clear(nil)
			return lane
		},
	} {
		b.Run(name, func(b *testing.B) {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			device, err := l.Accept()
			if err != nil {
				b.Fatal(err)
			}
			go io.Copy(io.Discard, device)
			w, one := wrap(c.(*net.TCPConn)), []byte("x")
			for b.Loop() {
				w.Write(one)
			}
		})
	}
}
