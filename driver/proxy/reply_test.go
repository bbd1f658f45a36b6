package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

// rawAnswer sends bytes and returns all that comes until the proxy closes.
func rawAnswer(t *testing.T, b *bench, sent string) string {
	t.Helper()
	c, br := b.dial()
	io.WriteString(c, sent)
	c.(*net.TCPConn).CloseWrite()
	got, err := io.ReadAll(br)
	if err != nil {
		t.Errorf("%q: %v", sent, err)
	}
	return string(got)
}

// The line about the connection says what happens to it, whatever an answer's own
// header says.
func TestConnectionLine(t *testing.T) {
	t.Parallel()
	b := start(t, exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		var h exchange.Header
		if v := x.Request.Header.Get("Says"); v != "" {
			h.Set("Connection", v)
		}
		return &exchange.Response{Status: 200, Header: h, Body: exchange.Bytes("ok")}, nil
	}))
	for _, c := range []struct{ proto, asks, says, want string }{
		{"1.1", "", "", ""},
		{"1.1", "", "close", "close"},
		{"1.1", "", "Close", "Close"},
		{"1.1", "", "keep-alive", "keep-alive"},
		{"1.1", "", "x-a", "x-a"},
		{"1.1", "close", "", "close"},
		{"1.1", "close", "keep-alive", "close"},
		{"1.1", "close", "x-a", "close"},
		{"1.1", "close", "x-a, close", "x-a, close"},
		{"1.0", "", "", ""},
		{"1.0", "", "keep-alive", ""},
		{"1.0", "", "x-a", ""},
		{"1.0", "keep-alive", "", "keep-alive"},
		{"1.0", "keep-alive", "x-a", "x-a, keep-alive"},
		{"1.0", "keep-alive", "close", "close"},
	} {
		req := fmt.Sprintf("GET http://car.test/ HTTP/%s\r\nHost: car.test\r\nConnection: %s\r\nSays: %s\r\n\r\n", c.proto, c.asks, c.says)
		answer := rawAnswer(t, b, req)
		var got []string
		for line := range strings.SplitSeq(answer, "\r\n") {
			if v, ok := strings.CutPrefix(line, "Connection: "); ok {
				got = append(got, v)
			}
		}
		if strings.Join(got, "|") != c.want || !strings.HasSuffix(answer, "ok") {
			t.Errorf("%+v: got %q in %q", c, got, answer)
		}
	}
}

// A request that is refused is answered with its reason and a length, as old
// clients need it, also one that ended in the middle.
func TestRefusalsHaveALength(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	good := "GET http://car.test/ HTTP/1.1\r\nHost: car.test\r\n\r\n"
	for sent, want := range map[string]string{
		"GET / HTTP/1.1\r\n\r\n": "Host: got none",
		"GET / HTTP/1.0\r\n\r\n": "no host header",
		"GET http://car.test/ HTTP/1.1\r\nHost: car.test\r\nExpect: tea\r\n\r\n": `Expect: got "tea"`,
		"GET http://car.test:0/ HTTP/1.1\r\nHost: car.test\r\n\r\n":              "port",
		"CONNECT a HTTP/1.1\r\n\r\n":                                             "port",
		"HEAD / HTTP/1.1\r\n\r\n":                                                "",
		"GE":                                                                     "header: it ends",
		"GET http://car.test/ HTTP/1.1":                                          "header: it ends",
		"GET http://car.test/ HTTP/1.1\r\nHost: car.test\r\n":                    "header: it ends",
		"GET http://car.test/ HTTP/1.1\r\nHost: car.test\r\nX: " + strings.Repeat("y", 9000): "header: it ends",
	} {
		for _, before := range []string{"", good} {
			answer := rawAnswer(t, b, before+sent)
			if before != "" {
				_, answer, _ = strings.Cut(answer, "\nHTTP/1.")
			}
			head, body, _ := strings.Cut(answer, "\r\n\r\n")
			length := fmt.Sprintf("\r\nContent-Length: %d", len(body))
			if strings.HasPrefix(sent, "HEAD") {
				length = "\r\nContent-Length: "
			}
			if !strings.Contains(head, " 4") || !strings.Contains(body, want) || !strings.Contains(head, length) || strings.Contains(head, "chunked") {
				t.Errorf("%.60q behind %d bytes: got %q", sent, len(before), answer)
			}
		}
	}
}

// A server gets all trailers of an upload, those that were not announced too.
func TestTrailersOfUploads(t *testing.T) {
	t.Parallel()
	for _, announced := range []string{"", "Trailer: x-sum\r\n"} {
		got := make(chan string, 1)
		target := rawListener(t, false, func(c net.Conn, br *bufio.Reader) {
			readHead(br)
			var body strings.Builder
			for {
				line, err := br.ReadString('\n')
				body.WriteString(line)
				if err != nil || line == "\r\n" {
					break
				}
			}
			got <- body.String()
			io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		})
		b := start(t, nil)
		c, br := b.dial()
		fmt.Fprintf(c, "POST http://%s/ HTTP/1.1\r\nHost: a\r\n%sTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n", target, announced)
		if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 204 {
			t.Fatal(res, err)
		}
		if body := <-got; body != "3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n" {
			t.Errorf("announced by %q: the server got %q", announced, body)
		}
	}
}

// An answer says that its connection ends when the proxy is being closed, and when
// the device may or may not send a body that nobody asked for.
func TestEndIsAnnounced(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan bool), make(chan bool)
	b := start(t, exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		if x.Request.Target == "/wait" {
			asked <- true
			<-answer
		}
		return &exchange.Response{Status: 200, Body: exchange.Bytes("ok")}, nil
	}))
	said := func(br *bufio.Reader) {
		t.Helper()
		res, err := http.ReadResponse(br, nil)
		if err != nil || !res.Close {
			t.Fatal(res, err, "want Connection: close")
		}
		if body, err := io.ReadAll(res.Body); string(body) != "ok" || err != nil {
			t.Errorf("%q %v", body, err)
		}
		if _, err := br.ReadByte(); err != io.EOF {
			t.Errorf("then %v, want the end", err)
		}
	}
	c, br := b.dial()
	io.WriteString(c, "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	said(br)
	c, br = b.dial()
	io.WriteString(c, "GET http://a.test/wait HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-asked
	closed := make(chan bool)
	go func() {
		b.p.Close(context.Background())
		close(closed)
	}()
	for !b.p.ending.Load() {
		runtime.Gosched()
	}
	answer <- true
	said(br)
	<-closed
}

// A device that waits with its body is told to send it before a server's answer
// comes, however quick that is. It could not tell later what is wanted of it.
func TestInvitedBeforeAnEarlyAnswer(t *testing.T) {
	t.Parallel()
	target := rawListener(t, false, func(c net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
		io.Copy(io.Discard, br)
	})
	b := start(t, nil)
	for range 50 {
		c, br := b.dial()
		fmt.Fprintf(c, "POST http://%s/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n", target)
		if line, err := br.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("got %q %v, want 100 first", line, err)
		}
		c.Close()
	}
}
