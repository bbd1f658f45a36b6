package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starproxy/driver/mock"
)

const socketScript = `
def echo(ws):
    ws.send({"path": ws.request.path})
    for msg in ws:
        if msg.text == "quit":
            ws.close(4000, "as asked")
            return
        if msg.text == "fail":
            fail("as asked")
        if msg.text == "late":
            ws.send("none" if ws.recv(timeout = "5ms") == None else "some")
            continue
        ws.send(msg.bytes if msg.binary else msg.text)
    state.set("ended", True)

def feed(ws):
    n = 0
    while True:
        n += 1
        ws.send("frame %d" % n)
        sleep("1ms")

def deaf(ws):
    ws.send("hello")
    state.incr("open")
    sleep("1h")

def ended(req):
    return {"body": {"ended": state.get("ended", False)}}
`

// dialSocket opens a WebSocket through the proxy.
func (b *bench) dialSocket(ctx context.Context, url string) (*websocket.Conn, error) {
	c, res, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: b.client(false), Subprotocols: []string{"telemetry.v1"}})
	if err != nil && res != nil {
		return nil, fmt.Errorf("%w: %s", err, res.Status)
	}
	return c, err
}

func socketBench(t *testing.T) (*bench, *mock.Table) {
	table := newTable(t, socketScript, map[string]string{
		"WEBSOCKET /echo": "echo", "WEBSOCKET /feed": "feed", "WEBSOCKET /deaf": "deaf", "GET /ended": "ended",
	})
	return start(t, table.Handler(mock.Reject(table))), table
}

func TestScriptSocket(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			b, _ := socketBench(t)
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			expect := func(c *websocket.Conn, kind websocket.MessageType, want string) {
				t.Helper()
				k, data, err := c.Read(ctx)
				if err != nil || k != kind || string(data) != want {
					t.Fatalf("got %v %q, %v; want %q", k, data, err, want)
				}
			}
			open := func(path string) *websocket.Conn {
				t.Helper()
				c, err := b.dialSocket(ctx, scheme+"://car.test"+path)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.CloseNow() })
				return c
			}
			c := open("/echo")
			if c.Subprotocol() != "telemetry.v1" {
				t.Errorf("subprotocol %q", c.Subprotocol())
			}
			expect(c, websocket.MessageText, `{"path":"/echo"}`)
			c.Write(ctx, websocket.MessageText, []byte("hi"))
			expect(c, websocket.MessageText, "hi")
			c.Write(ctx, websocket.MessageBinary, []byte{0xff, 0})
			expect(c, websocket.MessageBinary, "\xff\x00")
			c.Write(ctx, websocket.MessageText, []byte("late"))
			expect(c, websocket.MessageText, "none")
			c.Write(ctx, websocket.MessageText, []byte("quit"))
			var ce websocket.CloseError
			if _, _, err := c.Read(ctx); !errors.As(err, &ce) || ce.Code != 4000 || ce.Reason != "as asked" {
				t.Error("quit:", err)
			}
			c = open("/echo")
			expect(c, websocket.MessageText, `{"path":"/echo"}`)
			c.Write(ctx, websocket.MessageText, []byte("fail"))
			if _, _, err := c.Read(ctx); !errors.As(err, &ce) || ce.Code != websocket.StatusInternalError || !strings.Contains(ce.Reason, "test.star:9:17") {
				t.Error("fail:", err)
			}
			// Last words are heard after the client has left.
			c = open("/echo")
			expect(c, websocket.MessageText, `{"path":"/echo"}`)
			if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Error("close:", err)
			}
			for {
				if body, _ := get(t, b.client(false), "http://car.test/ended"); strings.Contains(body, "true") {
					break
				} else if ctx.Err() != nil {
					t.Fatal("the function did not end:", body)
				}
			}
		})
	}
}

// TestScriptSocketEnds checks that sockets end with their client, their mock
// and the proxy, many at once.
func TestScriptSocketEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bench, table *mock.Table){
		"mock removed": func(_ *bench, table *mock.Table) { table.Clear() },
		"proxy stops":  func(b *bench, _ *mock.Table) { b.p.Close(context.Background()) },
	} {
		for _, path := range []string{"/feed", "/deaf", "/echo"} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				b, table := socketBench(t)
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
				defer cancel()
				var all []*websocket.Conn
				for i := range 16 {
					c, err := b.dialSocket(ctx, []string{"ws", "wss"}[i%2]+"://car.test"+path)
					if err != nil {
						t.Fatal(err)
					}
					defer c.CloseNow()
					if _, _, err := c.Read(ctx); err != nil {
						t.Fatal(err)
					}
					all = append(all, c)
				}
				began := time.Now()
				end(b, table)
				for _, c := range all {
					for {
						if _, _, err := c.Read(ctx); err != nil {
							break
						}
					}
				}
				if d := time.Since(began); d > 3*time.Second {
					t.Errorf("ended only after %s", d)
				}
			})
		}
	}
}

// TestSocketHandshake checks what is no handshake.
func TestSocketHandshake(t *testing.T) {
	t.Parallel()
	b, _ := socketBench(t)
	for head, want := range map[string]int{
		"Upgrade: websocket\r\nConnection: Upgrade\r\n":                                                           400,
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 7\r\nSec-WebSocket-Key: x\r\n":       400,
		"Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YWJjZGVm\r\n": 426,
	} {
		c, br := b.dial()
		fmt.Fprintf(c, "GET http://car.test/echo HTTP/1.1\r\nHost: car.test\r\n%s\r\n", head)
		res, err := http.ReadResponse(br, nil)
		if err != nil || res.StatusCode != want {
			t.Errorf("%q: %v %v, want %d", head, res, err, want)
		}
	}
}
