package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"starproxy/builtins/exchange"
)

func TestForwardFailures(t *testing.T) {
	t.Parallel()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	mute := rawOrigin(t, func(c net.Conn) {})
	secure := origin(t, false, true, func(http.ResponseWriter, *http.Request) {})
	plain := origin(t, false, false, func(http.ResponseWriter, *http.Request) {})
	b := start(t, nil, func(c *Config) { c.Insecure = false })
	for url, want := range map[string]string{
		"http://" + dead.Addr().String():                         "connection refused",
		"https://" + dead.Addr().String():                        "connection refused",
		"http://" + mute:                                         "closed the connection without an answer",
		secure.URL:                                               "certificate",
		strings.Replace(plain.URL, "http:", "https:", 1):         "does not speak TLS",
		"http://" + b.addr() + "/loop":                           "the proxy itself",
		"http://" + rawOrigin(t, say("NONSENSE\r\n\r\n")) + "/x": "malformed",
		"http://" + rawOrigin(t, say("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("y", 2<<20))) + "/x": "header over 1 MiB",
	} {
		body, res := get(t, b.client(false), url)
		if res.StatusCode != 502 || !strings.Contains(body, want) {
			t.Errorf("%s: %s %q, want %q", url, res.Status, body, want)
		}
	}
	for _, e := range b.journal.Entries(nil) {
		if e.Status != 0 || e.Error == "" || e.Origin != exchange.FromProxy {
			t.Errorf("%+v", e)
		}
	}
}

// rawOrigin is a server that reads one header block and then does f.
func rawOrigin(t *testing.T, f func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					f(c)
				}
			}()
		}
	}()
	return l.Addr().String()
}

func say(s string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, s) } }

// A body that breaks off is broken off for the device, too, and the entry says so.
func TestForwardTruncated(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for _, head := range []string{"Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"} {
		o := rawOrigin(t, say("HTTP/1.1 200 OK\r\n"+head+"\r\n5\r\nhello\r\n"))
		res, err := b.client(false).Get("http://" + o)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		if err == nil {
			t.Error(head, "the device got a whole answer")
		}
	}
	es := b.journal.Entries(nil)
	if len(es) != 2 || es[0].Error == "" || es[1].Error == "" {
		t.Errorf("%+v", es)
	}
}

// A body without length or chunks ends with the connection.
func TestForwardUntilClose(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for range 2 {
		body, _ := get(t, b.client(false), "http://"+rawOrigin(t, say("HTTP/1.0 200 OK\r\n\r\nall of it")))
		if body != "all of it" {
			t.Errorf("%q", body)
		}
	}
}

// The server is told when the device leaves.
func TestForwardDeviceLeaves(t *testing.T) {
	t.Parallel()
	var entered, gone sync.Map // of channels, by path: the ways run at the same time
	channel := func(m *sync.Map, path string) chan struct{} {
		c, _ := m.LoadOrStore(path, make(chan struct{}, 1))
		return c.(chan struct{})
	}
	everyWay(t, func(w http.ResponseWriter, r *http.Request) {
		channel(&entered, r.URL.Path) <- struct{}{}
		<-r.Context().Done()
		channel(&gone, r.URL.Path) <- struct{}{}
	}, func(t *testing.T, b *bench, c *http.Client, url string) {
		ctx, cancel := context.WithCancel(t.Context())
		path := "/" + t.Name()
		req, _ := http.NewRequestWithContext(ctx, "GET", url+path, nil)
		go func() { <-channel(&entered, path); cancel() }()
		if _, err := c.Do(req); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		<-channel(&gone, path)
	})
}

// A kept connection that the server has closed is not an error for the device.
func TestForwardStaleConnection(t *testing.T) {
	t.Parallel()
	n := 0
	o := rawOrigin(t, func(c net.Conn) {
		n++
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
	})
	b := start(t, nil)
	c := b.client(false)
	for i := 1; i <= 5; i++ {
		if body, res := get(t, c, "http://"+o); body != fmt.Sprint(i) {
			t.Fatal(body, res.Status)
		}
	}
}
