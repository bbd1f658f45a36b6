package labtest

import (
	"crypto/tls"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestPings holds that a client may ping without a call and as often as it
// likes, as stock clients do.
func TestPings(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{})
	for name, addr := range map[string]string{"controller": l.Endpoint(), "router": l.router.addr} {
		conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: l.roots, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
			t.Fatal(err)
		}
		framer := http2.NewFramer(conn, conn)
		if err := framer.WriteSettings(); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if err := framer.WritePing(false, [8]byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
		for acks := 0; acks < 10; {
			f, err := framer.ReadFrame()
			if err != nil {
				t.Fatalf("%s: after %d answers: %v", name, acks, err)
			}
			switch f := f.(type) {
			case *http2.PingFrame:
				if f.IsAck() {
					acks++
				}
			case *http2.GoAwayFrame:
				t.Fatalf("%s: after %d answers: %v %s", name, acks, f.ErrCode, f.DebugData())
			}
		}
	}
}
