package driver

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	xproxy "golang.org/x/net/proxy"
)

// freePort returns a port that was free just now, and that nobody is given who asks for
// any.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		// Below 32768: the system gives those above to connections as it likes.
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(12_000+rand.IntN(20_000)))); err == nil {
			defer l.Close()
			return l.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// modesOf reads modes.
func modesOf(t *testing.T, texts ...string) (list []Mode) {
	t.Helper()
	for _, text := range texts {
		var m Mode
		if err := m.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

func TestWaysIn(t *testing.T) {
	t.Parallel()
	socks, reverse, resolver := freePort(t), freePort(t), freePort(t)
	b := newBench(t, func(c *Config) {
		c.Listen.Modes = modesOf(t, "regular", fmt.Sprintf("socks5@%d", socks), fmt.Sprintf("reverse:http://car.test@%d", reverse),
			fmt.Sprintf("dns@%d", resolver))
		c.Listen.Auth = []Login{"bench:tiger"}
		c.Unmatched = Reject
	})
	if ways, _ := json.Marshal(b.status()["ways"]); string(ways) != "[]" {
		t.Errorf("stopped: got ways %s, want none", ways)
	}
	b.call("set_mock", "GET", "/a", 200.0, `{"a":1}`)
	b.call("start", "mock", false, "", 0.0)
	b.call("restart", "", false, "", 0.0) // takes the sockets over
	address := b.status()["proxy_address"].(string)
	ways, _ := json.Marshal(b.status()["ways"])
	want := fmt.Sprintf(`[{"address":"%s","mode":"regular"},{"address":"127.0.0.1:%d","mode":"socks5@%d"},`+
		`{"address":"127.0.0.1:%d","mode":"reverse:http://car.test:80@%d"},`+
		`{"address":"127.0.0.1:%d","mode":"dns@%d"}]`, address, socks, socks, reverse, reverse, resolver, resolver)
	if string(ways) != want {
		t.Errorf("got ways  %s\nwant %s", ways, want)
	}
	dialer, err := xproxy.SOCKS5("tcp", fmt.Sprintf("127.0.0.1:%d", socks), &xproxy.Auth{User: "bench", Password: "tiger"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		tr  *http.Transport
		url string
	}{
		"regular": {&http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: address, User: url.UserPassword("bench", "tiger")})}, "http://car.test/a"},
		"socks5":  {&http.Transport{DialContext: dialer.(xproxy.ContextDialer).DialContext}, "http://car.test/a"},
		"reverse": {&http.Transport{}, fmt.Sprintf("http://127.0.0.1:%d/a", reverse)},
	} {
		res, err := (&http.Client{Transport: c.tr}).Get(c.url)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		res.Body.Close()
		c.tr.CloseIdleConnections()
		if res.StatusCode != 200 {
			t.Errorf("%s: got %s, want the mock's answer", name, res.Status)
		}
	}
	asker, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", resolver))
	if err != nil {
		t.Fatal(err)
	}
	defer asker.Close()
	asker.SetDeadline(time.Now().Add(10 * time.Second))
	asker.Write([]byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03car\x04test\x00\x00\x01\x00\x01"))
	answer := make([]byte, 512)
	if n, err := asker.Read(answer); err != nil || !strings.HasSuffix(string(answer[:n]), "\x7f\x00\x00\x01") {
		t.Errorf("dns: got %q, %v, want the proxy's address", answer[:n], err)
	}
	// The page sends requests again as a user of the proxy.
	if text := b.call("resend_request", `{"method":"GET","url":"http://car.test/a","headers":[],"body":""}`); !strings.Contains(text, `"status":200`) {
		t.Errorf("resend_request: got %s, want status 200", text)
	}
	b.call("stop")
	if _, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", socks)); err == nil {
		t.Error("a way still listens after stop")
	}
}

// TestWayOut asks servers through the proxy of another driver.
func TestWayOut(t *testing.T) {
	t.Parallel()
	far := newBench(t, func(c *Config) { c.Listen.Auth = []Login{"me:tiger"} })
	far.call("set_mock", "GET", "/a", 200.0, `{"far":1}`)
	far.call("start", "mock", false, "", 0.0)
	mode := "upstream:http://me:tiger@" + far.status()["proxy_address"].(string)
	near := newBench(t, func(c *Config) { c.Listen.Modes = modesOf(t, mode) })
	near.call("start", "passthrough", false, "", 0.0)
	ways, _ := json.Marshal(near.status()["ways"])
	if text := string(ways); strings.Contains(text, "tiger") || !strings.Contains(text, `"mode":"upstream:http://me:xxxxx@`) {
		t.Errorf("got ways %s, want the upstream proxy without its password", text)
	}
	tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: near.status()["proxy_address"].(string)})}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Get("http://car.test/a")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); !strings.Contains(string(text), "far") {
		t.Errorf("got %s %s, want the answer of the far mock", res.Status, text)
	}
}

func TestWayInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	b := newBench(t, func(c *Config) { c.Listen.Modes = modesOf(t, fmt.Sprintf("socks5@%d", port)) })
	want := fmt.Sprintf("Failed to start (port %d is already in use by another program)", port)
	if got := b.call("start", "mock", false, "", 0.0); !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	b.want("false", "is_running")
}
