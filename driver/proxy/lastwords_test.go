package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starproxy/driver/mock"
)

const lastWordsScript = `
def slow(ws):
    for msg in ws:
        sleep("20ms")
        state.incr("slow " + ws.request.query["id"] + " " + msg.text)
    sleep("20ms")
    state.incr("ended")

def answering(ws):
    for msg in ws:
        sleep("20ms")
        ws.send("re " + msg.text)
        state.incr("answering " + ws.request.query["id"] + " " + msg.text)
    state.incr("ended")

def asking(ws):
    while not ws.closed:
        sleep("20ms")
        msg = ws.recv(timeout = "5ms")
        if msg:
            state.incr("asking " + ws.request.query["id"] + " " + msg.text)
    state.incr("ended")

def late(ws):
    sleep("200ms")
    for msg in ws:
        state.incr("late " + ws.request.query["id"] + " " + msg.text)
    state.incr("ended")

def feeding(ws):
    hello = ws.recv()
    state.incr("feeding " + ws.request.query["id"] + " " + hello.text)
    for n in range(10000):
        ws.send("tick")
        sleep("1ms")

def nagging(ws):
    for msg in ws:
        state.incr("nagging " + ws.request.query["id"] + " " + msg.text)
    state.incr("ended")
    while True:
        ws.recv(timeout = "1ms")

def own(ws):
    ws.close(4000)
    state.set("own", try_(ws.send, "x").error)

def report(req):
    return {"body": {k: state.get(k) for k in state.keys()}}
`

// All that a device sent before it closed reaches the function, in its order,
// however slow that is and however the device closes; then the loop ends, and
// the function comes to its end.
func TestSocketLastWords(t *testing.T) {
	t.Parallel()
	kinds := []string{"slow", "answering", "asking", "late", "feeding", "nagging"}
	keys := map[string]string{"GET /report": "report"}
	for _, k := range kinds {
		keys["WEBSOCKET /"+k] = k
	}
	table := newTable(t, lastWordsScript, keys)
	b := start(t, table.Handler(mock.Reject(table)))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	want := map[string]bool{}
	ends := 0
	for _, kind := range kinds {
		for id, close := range []func(c *websocket.Conn){
			func(c *websocket.Conn) { go c.Close(4001, "bye") },
			func(c *websocket.Conn) { c.CloseNow() },
		} {
			for n := range 4 {
				id := id*10 + n
				c, err := b.dialSocket(ctx, fmt.Sprintf("%s://car.test/%s?id=%d", []string{"ws", "wss"}[n%2], kind, id))
				if err != nil {
					t.Fatal(err)
				}
				words := 1 + n*3
				if kind == "feeding" {
					words = 1
				} else {
					ends++
				}
				for i := range words {
					if err := c.Write(ctx, websocket.MessageText, []byte(fmt.Sprint(i))); err != nil {
						t.Fatal(err)
					}
					want[fmt.Sprint(kind, " ", id, " ", i)] = true
				}
				close(c)
			}
		}
	}
	want["ended"] = true
	for {
		body, _ := get(t, b.client(false), "http://car.test/report")
		var missing []string
		for k := range want {
			if !strings.Contains(body, `"`+k+`":`) {
				missing = append(missing, k)
			}
		}
		if len(missing) == 0 && strings.Contains(body, fmt.Sprintf(`"ended":%d`, ends)) {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("missing %q in %s", missing, body)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A function that has closed its socket sees that it can't send any more.
func TestSocketClosedByItsFunction(t *testing.T) {
	t.Parallel()
	table := newTable(t, lastWordsScript, map[string]string{"WEBSOCKET /own": "own", "GET /report": "report"})
	b := start(t, table.Handler(mock.Reject(table)))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := b.dialSocket(ctx, "ws://car.test/own")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != 4000 {
		t.Error(err)
	}
	for body := ""; !strings.Contains(body, `"own":"ws.send: the socket is closed"`); {
		if ctx.Err() != nil {
			t.Fatal(body)
		}
		body, _ = get(t, b.client(false), "http://car.test/report")
	}
}

// frame makes a WebSocket frame as a client sends it.
func frame(first byte, masked bool, data []byte) []byte {
	b := []byte{first, byte(len(data))}
	if !masked {
		return append(b, data...)
	}
	b[1] |= 0x80
	b = append(b, 0, 0, 0, 0) // a mask that changes nothing
	return append(b, data...)
}

// What breaks the protocol is answered with the right close code, behind the
// messages that did not (RFC 6455 sections 5.1, 5.2, 5.4, 5.5 and 8.1).
func TestSocketViolations(t *testing.T) {
	t.Parallel()
	b, _ := socketBench(t)
	for _, c := range []struct {
		name  string
		bytes []byte
		code  uint16
	}{
		{"text that is not UTF-8", frame(0x81, true, []byte("a\xff")), 1007},
		{"text cut in a character", frame(0x81, true, []byte("\xe2\x82")), 1007},
		{"surrogate in text", frame(0x81, true, []byte("\xed\xa0\x80")), 1007},
		{"fragments that are not UTF-8", append(frame(0x01, true, []byte("\xe2")), frame(0x80, true, []byte("\x28"))...), 1007},
		{"no mask", frame(0x81, false, []byte("hi")), 1002},
		{"no mask on a ping", frame(0x89, false, nil), 1002},
		{"no mask on binary", frame(0x82, false, []byte{1}), 1002},
		{"reserved bit", frame(0xa1, true, []byte("hi")), 1002},
		{"reserved opcode", frame(0x83, true, []byte("hi")), 1002},
		{"reserved control opcode", frame(0x8b, true, nil), 1002},
		{"continuation of nothing", frame(0x80, true, []byte("hi")), 1002},
		{"text within a message", append(frame(0x01, true, []byte("a")), frame(0x81, true, []byte("b"))...), 1002},
		{"fragmented ping", frame(0x09, true, nil), 1002},
		{"close of one byte", frame(0x88, true, []byte{3}), 1002},
		{"close with 1005", frame(0x88, true, binary.BigEndian.AppendUint16(nil, 1005)), 1002},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			nc, br := b.dial()
			fmt.Fprintf(nc, "GET http://car.test/echo HTTP/1.1\r\nHost: car.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
				t.Fatal(res, err)
			}
			nc.Write(append(frame(0x81, true, []byte("good")), c.bytes...))
			var got []string
			for {
				op, data, err := readFrame(br)
				if err != nil {
					t.Fatalf("%q, then %v", got, err)
				}
				if op == opClose {
					if len(data) < 2 || binary.BigEndian.Uint16(data) != c.code {
						t.Errorf("closed with %q, want %d", data, c.code)
					}
					break
				}
				got = append(got, string(data))
			}
		})
	}
}

// readFrame reads a frame of a server.
func readFrame(br *bufio.Reader) (byte, []byte, error) {
	var h [2]byte
	if _, err := io.ReadFull(br, h[:]); err != nil {
		return 0, nil, err
	}
	n := int(h[1])
	if n == 126 {
		var l [2]byte
		io.ReadFull(br, l[:])
		n = int(binary.BigEndian.Uint16(l[:]))
	}
	var data bytes.Buffer
	_, err := io.CopyN(&data, br, int64(n))
	return h[0] & 0x0f, data.Bytes(), err
}
