package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// conversationHandler forwards what has /server in its target, takes its time for
// /slow, and reads the body unless /unread says not to.
var conversationHandler = exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	q := x.Request
	if strings.HasPrefix(q.Target, "/slow") {
		if err := exchange.Sleep(ctx, 10*lookAfter); err != nil {
			return nil, err
		}
	}
	if strings.HasPrefix(q.Target, "/server") {
		return nil, nil
	}
	if q.Body != nil && q.Target != "/unread" {
		if _, err := q.Body.Bytes(1 << 20); err != nil {
			return nil, err
		}
	}
	return &exchange.Response{Status: 200, Body: exchange.Bytes("mock"), Origin: exchange.FromMock}, nil
})

// conversationServer is a real server that takes its time. It notes each request
// with its body, "!" behind one that broke off.
func conversationServer(t *testing.T, heard chan<- string) string {
	return rawListener(t, false, func(c net.Conn, br *bufio.Reader) {
		for {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			b, err := io.ReadAll(r.Body)
			if err != nil {
				heard <- r.RequestURI + " " + string(b) + "!"
				return
			}
			heard <- r.RequestURI + " " + string(b)
			time.Sleep(5 * lookAfter)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nserver")
		}
	})
}

var statusLine = regexp.MustCompile(`HTTP/1\.[01] (\d+) `)

// TestConversations sends all that a device has to say at once and closes its half
// of the connection, as netcat does. It compares the statuses of the answers with
// what the journal and the real server have.
func TestConversations(t *testing.T) {
	t.Parallel()
	const next = "GET /next HTTP/1.1\r\nHost: HOST\r\n\r\n"
	post := func(path, rest string) string { return "POST " + path + " HTTP/1.1\r\nHost: HOST\r\n" + rest }
	chunked := func(path, body string) string { return post(path, "Transfer-Encoding: chunked\r\n\r\n"+body) }
	for name, c := range map[string]struct {
		sent    string
		answers string
		entries string // status of each, 0 where a side failed, and R for a refusal
		server  string
	}{
		"a slow mock":               {strings.Replace(next, "/next", "/slow", 1), "200", "200", ""},
		"a slow server":             {strings.Replace(next, "/next", "/server", 1), "200", "200", "/server "},
		"a slow server, with body":  {post("/server", "Content-Length: 2\r\n\r\nab"), "200", "200", "/server ab"},
		"a slow server, chunks":     {chunked("/server", "2\r\nab\r\n0\r\n\r\n"), "200", "200", "/server ab"},
		"pipelined":                 {strings.Replace(next, "/next", "/slow", 1) + post("/a", "Content-Length: 2\r\n\r\nab") + next, "200 200 200", "200 200 200", ""},
		"pipelined to a server":     {post("/server1", "Content-Length: 2\r\n\r\nab") + post("/server2", "Content-Length: 2\r\n\r\ncd") + next, "200 200 200", "200 200 200", "/server1 ab,/server2 cd"},
		"a body with GET":           {"GET /server HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\n\r\nab" + next, "200 200", "200 200", "/server ab"},
		"HEAD between":              {"HEAD /a HTTP/1.1\r\nHost: HOST\r\n\r\n" + next, "200 200", "200 200", ""},
		"empty lines between":       {"\r\n\r\n" + next + "\r\n" + next, "200 200", "200 200", ""},
		"line ends of LF":           {strings.ReplaceAll(next+next, "\r\n", "\n"), "200 200", "200 200", ""},
		"a body that is not read":   {post("/unread", "Content-Length: 2\r\n\r\nab") + next, "200 200", "200 200", ""},
		"Expect without waiting":    {post("/a", "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nab") + next, "100 200 200", "200 200", ""},
		"Expect in an old version":  {strings.ReplaceAll(post("/a", "Connection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab")+next, "HTTP/1.1", "HTTP/1.0"), "200 200", "200 200", ""},
		"Expect of something else":  {post("/a", "Expect: fish\r\nContent-Length: 2\r\n\r\nab") + next, "417", "R417", ""},
		"close, and more":           {post("/a", "Connection: close\r\n\r\n") + next, "200", "200", ""},
		"a bad length, and more":    {post("/a", "Content-Length: x\r\n\r\n") + next, "400", "R400", ""},
		"chunks in an old version":  {strings.Replace(chunked("/a", "2\r\nab\r\n0\r\n\r\n"), "HTTP/1.1", "HTTP/1.0", 1) + next, "400", "R400", ""},
		"a chunk without size":      {chunked("/a", "zz\r\nab\r\n0\r\n\r\n") + next, "400", "0", ""},
		"a chunk that is too long":  {chunked("/server", "2\r\nabc\r\n0\r\n\r\n") + next, "400", "0", "/server ab!"},
		"a bad chunk, not read":     {chunked("/unread", "2\r\nabc\r\n0\r\n\r\n") + next, "200", "200", ""},
		"a length in the trailers":  {chunked("/server", "2\r\nab\r\n0\r\nContent-Length: 3\r\n\r\n") + next, "400", "0", "/server ab!"},
		"trailers and extensions":   {chunked("/server", "2;a=b\r\nab\r\n0\r\nX-Sum: 3\r\n\r\n") + next, "200 200", "200 200", "/server ab"},
		"half a body":               {post("/a", "Content-Length: 20\r\n\r\nab"), "400", "0", ""},
		"half a body to a server":   {chunked("/server", "2\r\nab\r\n"), "400", "0", "/server ab!"},
		"CONNECT with a body":       {"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\nContent-Length: 2\r\n\r\nab" + next, "400", "R400", ""},
		"CONNECT with a body, kept": {next + "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next, "200 400", "200 R400", ""},
		"CONNECT between":           {next + "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n" + next, "200 200 200", "200 200", ""},
		"absolute form in a tunnel": {"CONNECT HOST HTTP/1.1\r\nHost: HOST\r\n\r\nGET http://HOST/server HTTP/1.1\r\nHost: else.test\r\n\r\n", "200 200", "200", "/server "},
		"an offer of HTTP/2":        {post("/a", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n") + next, "200 200", "200 200", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			heard := make(chan string, 8)
			b := start(t, conversationHandler)
			host := conversationServer(t, heard)
			nc, br := b.dial()
			io.WriteString(nc, strings.ReplaceAll(c.sent, "HOST", host))
			nc.(*net.TCPConn).CloseWrite()
			all, err := io.ReadAll(br)
			if err != nil {
				t.Error(err)
			}
			var answers, entries, server []string
			for _, m := range statusLine.FindAllStringSubmatch(string(all), -1) {
				answers = append(answers, m[1])
			}
			if got := strings.Join(answers, " "); got != c.answers {
				t.Errorf("answers: got %s, want %s\n%s", got, c.answers, all)
			}
			eventually(t, "all entries", func() bool { return len(b.journal.Entries(nil)) >= len(strings.Fields(c.entries)) })
			for _, e := range b.journal.Entries(nil) {
				kind := ""
				if e.Kind == capture.Refused {
					kind = "R"
				}
				entries = append(entries, fmt.Sprint(kind, e.Status))
			}
			if got := strings.Join(entries, " "); got != c.entries {
				t.Errorf("entries: got %s, want %s", got, c.entries)
			}
			for range strings.Count(c.server, ",") + min(len(c.server), 1) {
				server = append(server, <-heard)
			}
			if got := strings.Join(server, ","); got != c.server || len(heard) > 0 {
				t.Errorf("the server got %q and %d more, want %q", got, len(heard), c.server)
			}
		})
	}
}

// TestHalfCloseInsideTLS ends what is sent with a close_notify alone.
func TestHalfCloseInsideTLS(t *testing.T) {
	t.Parallel()
	b := start(t, conversationHandler)
	nc, _ := b.tunnel("slow.test:443")
	c, br := b.wrap(nc, "slow.test")
	io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: slow.test\r\n\r\n")
	c.CloseWrite()
	if all, err := io.ReadAll(br); err != nil || !strings.HasSuffix(string(all), "mock") {
		t.Errorf("got %q, %v; want the answer", all, err)
	}
}

// TestDeviceLeavesASlowMock has a device reset its connection while a mock waits:
// the entry names the device as the one that failed.
func TestDeviceLeavesASlowMock(t *testing.T) {
	t.Parallel()
	b := start(t, exchange.HandlerFunc(func(ctx context.Context, _ *exchange.Exchange) (*exchange.Response, error) {
		return nil, exchange.Sleep(ctx, time.Minute)
	}))
	nc, _ := b.dial()
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	time.Sleep(2 * lookAfter)
	nc.(*net.TCPConn).SetLinger(0)
	nc.Close()
	eventually(t, "an entry", func() bool { return len(b.journal.Entries(nil)) == 1 })
	const want = "the device closed the connection before it had its answer"
	if e := b.journal.Entries(nil)[0]; e.Error != want || e.Status != 0 {
		t.Errorf("got %q with status %d, want %q", e.Error, e.Status, want)
	}
}
