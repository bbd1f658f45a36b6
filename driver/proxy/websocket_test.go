package proxy

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// withSockets gives a bench a journal for messages.
func withSockets(j *capture.Sockets) func(*Config) { return func(c *Config) { c.Sockets = j } }

// TestWebSocketMessages checks that the messages of a socket are journaled as
// they were meant, however they were packed for the way.
func TestWebSocketMessages(t *testing.T) {
	t.Parallel()
	h := func(mode websocket.CompressionMode) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: mode, CompressionThreshold: 1})
			if err != nil {
				return
			}
			c.SetReadLimit(1 << 20)
			defer c.CloseNow()
			for {
				ty, b, err := c.Read(r.Context())
				if err != nil {
					return
				}
				c.Write(r.Context(), ty, append([]byte("re:"), b...))
			}
		}
	}
	for name, mode := range map[string]websocket.CompressionMode{
		"plain": websocket.CompressionDisabled, "takeover": websocket.CompressionContextTakeover, "no takeover": websocket.CompressionNoContextTakeover,
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(name, secure), func(t *testing.T) {
				t.Parallel()
				sockets := capture.NewSockets(capture.New(capture.Options{}), capture.Options{})
				defer sockets.Close()
				b := start(t, nil, withSockets(sockets))
				ws, _, err := websocket.Dial(t.Context(), strings.Replace(origin(t, false, secure, h(mode)).URL, "http", "ws", 1),
					&websocket.DialOptions{HTTPClient: b.client(false), CompressionMode: mode, CompressionThreshold: 1})
				if err != nil {
					t.Fatal(err)
				}
				ws.SetReadLimit(1 << 20)
				sent := []string{"hello", "hello again, hello", "", strings.Repeat("0123456789", 20_000), "ü"}
				for i, m := range sent {
					ty := websocket.MessageText
					if i == 1 {
						ty = websocket.MessageBinary
					}
					if err := ws.Write(t.Context(), ty, []byte(m)); err != nil {
						t.Fatal(err)
					}
					if _, got, err := ws.Read(t.Context()); string(got) != "re:"+m {
						t.Fatalf("%.40q %v", got, err)
					}
				}
				ws.Close(4001, "bye")
				end, err := sockets.Wait(t.Context(), func(e *capture.Entry) bool { return e.Kind == capture.SocketEnd })
				if err != nil {
					t.Fatal(err)
				}
				handshake := b.journal.Entries(nil)[0]
				if end.Socket != handshake.Seq || end.CloseCode != 4001 || end.CloseReason != "bye" || !end.FromClient || end.Target != handshake.Target || end.Status != 101 {
					t.Errorf("the end is %+v", end)
				}
				var got []string
				for _, e := range sockets.Entries(func(e *capture.Entry) bool { return e.Kind == capture.Message }) {
					who, data := "server", e.ResponseBody.Data
					if e.FromClient {
						who, data = "client", e.RequestBody.Data
					}
					got = append(got, fmt.Sprintf("%s %v %s", who, e.Binary, data))
					if e.Socket != handshake.Seq || e.Start.IsZero() {
						t.Errorf("message %+v", e)
					}
				}
				var want []string
				for i, m := range sent {
					want = append(want, fmt.Sprintf("client %v %s", i == 1, m), fmt.Sprintf("server %v re:%s", i == 1, m))
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("messages are %.500q", got)
				}
			})
		}
	}
}

// TestScriptSocketMessages checks that the messages of a script's socket are
// journaled, too, and what it noted.
func TestScriptSocketMessages(t *testing.T) {
	t.Parallel()
	sockets := capture.NewSockets(capture.New(capture.Options{}), capture.Options{})
	defer sockets.Close()
	echo := exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		return &exchange.Response{Status: 101, Header: exchange.HeaderOf("Upgrade", "websocket"), Origin: exchange.FromMock,
			Body: exchange.Socket(func(ctx context.Context, c exchange.Conn) error {
				nc, rw, err := c.Hijack()
				if err != nil {
					return err
				}
				defer nc.Close()
				rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Made: up\r\n\r\n\x81\x02hi\x88\x02\x03\xe8")
				x.Notes.Add("info", "said hi")
				return rw.Flush()
			})}, nil
	})
	b := start(t, echo, withSockets(sockets))
	c, br := b.dial()
	fmt.Fprint(c, "GET http://car.test/ws HTTP/1.1\r\nHost: car.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	end, err := sockets.Wait(t.Context(), func(e *capture.Entry) bool { return e.Kind == capture.SocketEnd })
	if err != nil {
		t.Fatal(err)
	}
	if end.CloseCode != 1000 || end.FromClient || len(end.Notes) != 1 || end.ResponseHeader.Get("X-Made") != "up" {
		t.Errorf("the end is %+v", end)
	}
	if e := sockets.Entries(nil)[0]; e.Kind != capture.Message || string(e.ResponseBody.Data) != "hi" || e.FromClient {
		t.Errorf("the message is %+v", e)
	}
}

// TestHeaderOrder checks that the order of header lines is kept in the journal
// and on the way to the server.
func TestHeaderOrder(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	got := make(chan string, 1)
	addr := rawListener(t, false, func(c net.Conn, br *bufio.Reader) {
		head := ""
		for !strings.HasSuffix(head, "\r\n\r\n") {
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			head += line
		}
		got <- head
		io.WriteString(c, "HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: a=1\r\nDate: now\r\nset-cookie: b=2\r\nContent-Length: 2\r\n\r\nok")
	})
	c, br := b.dial()
	fmt.Fprintf(c, "GET http://%s/ HTTP/1.1\r\nX-B: 1\r\nHost: %s\r\nAccept: */*\r\nX-A: 1\r\nx-b: 2\r\n\r\n", addr, addr)
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	if head := <-got; !strings.Contains(head, "\r\nX-B: 1\r\nHost: "+addr+"\r\nAccept: */*\r\nX-A: 1\r\nx-b: 2\r\n") {
		t.Errorf("the server got %q", head)
	}
	e := b.journal.Entries(nil)[0]
	if want := exchange.HeaderOf("X-B", "1", "Host", addr, "Accept", "*/*", "X-A", "1", "x-b", "2"); !slices.Equal(e.RequestHeader, want) {
		t.Errorf("request header: got %q, want %q", e.RequestHeader, want)
	}
	if want := exchange.HeaderOf("Server", "x", "Set-Cookie", "a=1", "Date", "now", "set-cookie", "b=2", "Content-Length", "2"); !slices.Equal(e.ResponseHeader, want) {
		t.Errorf("response header: got %q, want %q", e.ResponseHeader, want)
	}
	if e.Server.Addr.String() != addr || e.Conn == 0 || e.Answered <= 0 {
		t.Errorf("entry %+v", e)
	}
}

// FuzzFrames holds that no bytes disturb the watch, however they are cut.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x81\x02hi\x88\x02\x03\xe8"), uint64(1))
	f.Add([]byte("\x81\x82\x01\x02\x03\x04ab\x01\x01a\x80\x01b"), uint64(2))
	var z bytes.Buffer
	w, _ := flate.NewWriter(&z, 9)
	w.Write([]byte("hello hello hello"))
	w.Flush()
	d := z.Bytes()[:z.Len()-4]
	f.Add(append([]byte{0xc1, byte(len(d))}, d...), uint64(3))
	f.Add([]byte("\x82\x7f\x00\x00\x00\x00\x7f\xff\xff\xff abc"), uint64(4))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		parse := func(cut func(n int) int) string {
			fr := frames{inflate: &inflater{takeover: true}}
			var out strings.Builder
			for rest := data; len(rest) > 0; {
				n := cut(len(rest))
				fr.add(rest[:n], func(m message) { fmt.Fprintf(&out, "%d %v %d %x\n", m.op, m.cut, m.size, m.data) })
				rest = rest[n:]
			}
			return out.String()
		}
		whole := parse(func(n int) int { return n })
		r := rand.New(rand.NewPCG(seed, 1))
		if parts := parse(func(n int) int { return 1 + r.IntN(n) }); parts != whole {
			t.Fatalf("cut into pieces:\n%swhole:\n%s", parts, whole)
		}
	})
}

func TestWebSocketPassesThrough(t *testing.T) {
	t.Parallel()
	h := func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			ty, b, err := c.Read(r.Context())
			if err != nil {
				return
			}
			c.Write(r.Context(), ty, append([]byte("re:"), b...))
		}
	}
	for _, secure := range []bool{false, true} {
		b := start(t, nil)
		ws, res, err := websocket.Dial(t.Context(), strings.Replace(origin(t, false, secure, h).URL, "http", "ws", 1), &websocket.DialOptions{HTTPClient: b.client(false)})
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != 101 {
			t.Error(res.Status)
		}
		for i := range 3 {
			ws.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, "m%d", i))
			if _, m, err := ws.Read(t.Context()); string(m) != fmt.Sprintf("re:m%d", i) {
				t.Fatal(string(m), err)
			}
		}
		if es := b.journal.Entries(nil); len(es) != 1 || es[0].Status != 101 {
			t.Errorf("%+v", es)
		}
		if err := ws.Close(websocket.StatusNormalClosure, "bye"); err != nil {
			t.Error(err)
		}
	}
}
