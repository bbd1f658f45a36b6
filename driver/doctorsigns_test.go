package driver

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// The doctor tells of devices that ask our resolver and do not come, and of those that may
// not.
func TestDoctorOfDevicesThatDoNotCome(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	b := newBench(t, func(c *Config) {
		c.Listen.Modes = modesOf(t, fmt.Sprintf("dns@%d", port))
		c.Listen.Allow = []ClientRange{ClientRange(netip.MustParsePrefix("127.0.0.8/32"))}
		c.DNS.Names = []string{"*.test"}
	})
	b.call("start", "mock", false, "", 0.0)
	address := b.status()["proxy_address"].(string)
	done := make(chan string)
	go func() { done <- b.call("doctor", "", 0.5) }()
	resolver := net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	asker, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 8)}, &resolver)
	if err != nil {
		t.Skipf("no other loopback addresses here: %v", err)
	}
	defer asker.Close()
	var text string
	for text == "" {
		select {
		case text = <-done:
			continue
		default:
		}
		// Questions for lost.test and for other.invalid, which is not ours to answer.
		for _, name := range []string{"\x04lost\x04test", "\x05other\x07invalid"} {
			if _, err := asker.Write([]byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + name + "\x00\x00\x01\x00\x01")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := asker.Read(make([]byte, 512)); err != nil { // so that they have come
			t.Fatal(err)
		}
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
		if c, err := d.Dial("tcp", address); err == nil {
			c.Read(make([]byte, 1)) // it is closed
			c.Close()
		}
	}
	var r checkup
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var got []string
	for _, d := range r.Devices {
		for _, f := range d.Findings {
			got = append(got, d.Client+" "+string(f.Kind)+": "+f.Text)
		}
	}
	want := []string{
		"127.0.0.8 around: sent nothing to the proxy",
		"127.0.0.8 around: asks for lost.test and does not connect to the address that it gets from our resolver",
		"127.0.0.9 turned_away: is turned away: listen.allow does not have its address (",
	}
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
}
