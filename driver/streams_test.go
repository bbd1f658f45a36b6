package driver

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starproxy/driver/flow"
)

// shout is a server of bytes: it answers each line in upper case.
func shout(t *testing.T) string {
	t.Helper()
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
				lines := bufio.NewReader(c)
				for {
					line, err := lines.ReadString('\n')
					io.WriteString(c, strings.ToUpper(line))
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// say opens a tunnel through the running proxy, says a line, and gives the
// connection and what came back.
func (b *bench) say(target, line string) (*net.TCPConn, string) {
	b.Helper()
	c, err := net.Dial("tcp", b.status()["proxy_address"].(string))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	r := bufio.NewReader(c)
	for {
		if head, err := r.ReadString('\n'); err != nil {
			b.Fatal(err)
		} else if head == "\r\n" {
			break
		}
	}
	io.WriteString(c, line)
	answer, _ := r.ReadString('\n')
	return c.(*net.TCPConn), answer
}

// events gives the captured events that a filter picks.
func (b *bench) events(expr string) (list []map[string]any) {
	b.Helper()
	if err := json.Unmarshal([]byte(b.call("list_captured_requests", expr)), &list); err != nil {
		b.Fatal(err)
	}
	return list
}

// A stream is in every list while it goes on, and after its end.
func TestStreamsAreListed(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"mock", "passthrough", "record"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			b.call("start", mode)
			target := shout(t)
			c, answer := b.say(target, "SSH-2.0-device one\n")
			if answer != "SSH-2.0-DEVICE ONE\n" {
				t.Fatal(answer)
			}
			host, port, _ := net.SplitHostPort(target)
			for _, expr := range []string{"", "~tcp", "~b 'DEVICE ONE'", "~bq device", "~dst " + port, "~u tcp://"} {
				list := b.events(expr)
				if len(list) != 1 {
					t.Fatalf("%q picks %d events", expr, len(list))
				}
				e := list[0]
				if e["kind"] != "tcp" || e["method"] != "TCP" || e["path"] != target || e["url"] != "tcp://"+target || e["protocol"] != "TCP" ||
					e["body"] != "SSH-2.0-device one\n" || e["response_body"] != answer || e["body_size"] != 19.0 || e["response_size"] != 19.0 {
					t.Errorf("%q: %v", expr, e)
				}
			}
			for _, expr := range []string{"~http", "~websocket", "~bs nothing", "~c 200", "~tls", "~udp"} {
				if list := b.events(expr); len(list) != 0 {
					t.Errorf("%q picks %v", expr, list)
				}
			}
			row := func() map[string]any {
				var list struct{ Rows []map[string]any }
				json.Unmarshal([]byte(b.call("list_captures", "~tcp", "", 0, 10)), &list)
				if len(list.Rows) != 1 {
					t.Fatal(list)
				}
				return list.Rows[0]
			}
			if r := row(); r["kind"] != "tcp" || r["open"] != true || r["host"] != host {
				t.Errorf("row %v", r)
			}
			var messages []map[string]any
			json.Unmarshal([]byte(b.call("list_messages", 1, 0)), &messages)
			if len(messages) != 2 || messages[0]["from"] != "client" || messages[1]["data"] != answer || messages[1]["binary"] != false {
				t.Errorf("messages %v", messages)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			news, err := b.d.Stream(ctx, "watch_captures", []any{"", "", 1, ""})
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			for v, err := range news {
				if err != nil {
					t.Fatal(err)
				}
				if text := v.(string); strings.Contains(text, `"open":false`) && strings.Contains(text, `"update":true`) {
					break
				}
			}
			if r := row(); r["open"] != false || r["size"] != 19.0 {
				t.Errorf("row %v", r)
			}
			var all map[string]any
			json.Unmarshal([]byte(b.call("get_capture", 1)), &all)
			if s, _ := all["socket"].(map[string]any); s["closed"] != true || s["messages"] != 2.0 || s["by"] != "client" || all["curl"] != "" {
				t.Errorf("get_capture: %v", all)
			}
			if text := b.call("get_capture_body", 1, "response", 0, 100); !strings.Contains(text, `"data":"U1NILTIuMC1ERVZJQ0UgT05FCg=="`) {
				t.Error(text)
			}
		})
	}
}

// Where nothing may be connected the attempt is captured.
func TestRefusedStreamsAreListed(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Unmatched = Reject })
	b.start()
	if _, answer := b.say(shout(t), "\x10\x0c\x00\x04MQTT\n"); answer != "" {
		t.Errorf("connected: %q", answer)
	}
	list := b.events("~tcp & ~e")
	if len(list) != 1 || list[0]["body"] != "\x10\x0c\x00\x04MQTT\n" || list[0]["origin"] != "proxy" || !strings.Contains(list[0]["failure"].(string), "refused") {
		t.Errorf("%v", list)
	}
}

// Recordings and exports have streams, those too that the end of the proxy ends.
func TestStreamsAreSaved(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.call("start", "record")
	if _, answer := b.say(shout(t), "\x00hello\n"); answer != "\x00HELLO\n" {
		t.Fatal(answer)
	}
	streams := func(path string) (n int, said string) {
		f, err := flow.OpenWith(path, flow.Options{Streams: true})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for fl, err := range f.Flows() {
			if err != nil {
				t.Fatal(err)
			}
			n++
			for _, m := range fl.WebSocket.Messages {
				said += string(m.Data)
			}
		}
		return n, said
	}
	if n, said := streams(b.write("export.bin", b.collect("export_captures", "flow"))); n != 1 || said != "\x00hello\n\x00HELLO\n" {
		t.Errorf("exported %d flows: %q", n, said)
	}
	if har := b.collect("export_captures", "har"); !strings.Contains(har, `"entries":[`+"\n]") || !strings.Contains(har, "1 TCP stream(s) are left out") {
		t.Error(har)
	}
	b.call("stop")
	files, _ := filepath.Glob(filepath.Join(b.dir, "flows", "*.bin"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	if n, said := streams(files[0]); n != 1 || said != "\x00hello\n\x00HELLO\n" {
		t.Errorf("recorded %d flows: %q", n, said)
	}
}
