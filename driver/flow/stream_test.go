package flow

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// streamEntries are a stream of MQTT over TLS and its pieces.
func streamEntries() (begin, end *capture.Entry, pieces []*capture.Entry) {
	start := time.Unix(1_700_000_000, 0)
	e := capture.Entry{
		Kind: capture.TCP, Seq: 7, Start: start, Client: netip.MustParseAddrPort("192.0.2.1:1000"), Conn: 3,
		ClientTLS: exchange.TLS{Version: 0x303, Cipher: 0xc02f, ALPN: "mqtt"},
		Server:    exchange.Peer{Addr: netip.MustParseAddrPort("192.0.2.2:8883"), TLS: exchange.TLS{Version: 0x304, Cipher: 0x1301, ALPN: "mqtt"}},
		Method:    "TCP", Scheme: "tls", Host: "broker.test", Port: 8883, Proto: capture.ProtoTCP, SNI: "broker.test",
	}
	for i, s := range []string{"\x10\x0c\x00\x04MQTT", "\x20\x02\x00\x00", "", "text"} {
		p := &capture.Entry{Kind: capture.Message, Proto: capture.ProtoTCP, Socket: 7, Start: start.Add(time.Duration(i) * time.Second), FromClient: i%2 == 0}
		b := capture.Blob{Size: int64(len(s)), Data: []byte(s)}
		if p.FromClient {
			p.RequestBody = b
		} else {
			p.ResponseBody = b
		}
		pieces = append(pieces, p)
	}
	last := e
	last.Kind, last.Socket, last.Duration, last.FromClient = capture.SocketEnd, 7, 5*time.Second, true
	last.RequestBody.Size, last.ResponseBody.Size = 8, 8
	return &e, &last, pieces
}

// streamsIn reads the streams of a file.
func streamsIn(t *testing.T, path string) (list []*Flow) {
	t.Helper()
	f, err := OpenWith(path, Options{Streams: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for flow, err := range f.Flows() {
		if err != nil {
			t.Fatal(err)
		}
		if flow.Stream {
			list = append(list, flow)
		}
	}
	return list
}

// told by a stream: who said what.
func dialogue(f *Flow) (text string) {
	for _, m := range f.WebSocket.Messages {
		from := "<"
		if m.FromClient {
			from = ">"
		}
		text += from + string(m.Data)
	}
	return text
}

const dialogueWant = ">\x10\x0c\x00\x04MQTT<\x20\x02\x00\x00><text"

// A recording has streams as flows of type tcp, those too that were open when
// the process was killed, and a conversion keeps them, but not to HAR.
func TestStreamsAreRecorded(t *testing.T) {
	t.Parallel()
	begin, end, pieces := streamEntries()
	for _, ending := range []string{"ended", "closed", "killed"} {
		t.Run(ending, func(t *testing.T) {
			t.Parallel()
			r, err := Record(t.TempDir(), time.Now(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range pieces {
				r.Message(begin, p)
			}
			path := r.Path()
			switch ending {
			case "ended":
				r.SocketEnd(end)
				fallthrough
			case "closed":
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
			}
			list := streamsIn(t, path)
			if len(list) != 1 || dialogue(list[0]) != dialogueWant {
				t.Fatalf("%d streams, %+v", len(list), list)
			}
			f := list[0]
			if f.Server.Address != "broker.test:8883" || f.Client.ALPN != "mqtt" || f.Server.SNI != "broker.test" || !f.Server.TLS || f.Error != nil {
				t.Errorf("%+v", f)
			}
			back := filepath.Join(t.TempDir(), "again.bin")
			if n, warnings, err := Convert(path, back); n != 1 || len(warnings) > 0 || err != nil {
				t.Errorf("converted %d, %q, %v", n, warnings, err)
			}
			if list := streamsIn(t, back); len(list) != 1 || dialogue(list[0]) != dialogueWant {
				t.Errorf("converted: %+v", list)
			}
			har := filepath.Join(t.TempDir(), "x.har")
			if n, warnings, err := Convert(path, har); n != 0 || len(warnings) != 1 || !strings.Contains(warnings[0], "of type tcp are left out") || err == nil || !strings.Contains(err.Error(), "it gives no flow") {
				t.Errorf("converted to HAR: %d, %q, %v", n, warnings, err)
			}
		})
	}
}

// A HAR leaves streams out and says so.
func TestStreamsInHAR(t *testing.T) {
	t.Parallel()
	begin, end, pieces := streamEntries()
	var messages []Message
	for _, p := range pieces {
		messages = append(messages, FromMessage(p))
	}
	f := FromEntry(begin, messages, end, [16]byte{1})
	var out strings.Builder
	err := WriteHAR(&out, func(yield func(*Flow, error) bool) {
		for range 2 {
			if !yield(f, nil) {
				return
			}
		}
	}, "1")
	var doc struct {
		Log struct {
			Entries []any
			Comment string
		}
	}
	if err == nil {
		err = json.Unmarshal([]byte(out.String()), &doc)
	}
	if err != nil || len(doc.Log.Entries) != 0 || doc.Log.Comment != "2 TCP stream(s) are left out" {
		t.Errorf("%s %v", out.String(), err)
	}
}

// What the captures did not keep of a stream is told in the flow.
func TestIncompleteStream(t *testing.T) {
	t.Parallel()
	begin, end, pieces := streamEntries()
	end.ResponseBody = capture.Blob{Size: 1000, Truncated: true}
	f := FromEntry(begin, []Message{FromMessage(pieces[0])}, end, [16]byte{1})
	if f.Error == nil || f.Error.Message != "8 of 1008 bytes were kept in the captures" {
		t.Errorf("%+v", f.Error)
	}
}

// mitmproxy reads what we write, and we read what it makes of it.
func TestMitmproxyReadsStreams(t *testing.T) {
	t.Parallel()
	begin, end, pieces := streamEntries()
	dir := t.TempDir()
	r, err := Record(dir, time.Now(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		r.Message(begin, p)
	}
	r.SocketEnd(end)
	failed := *end
	failed.Socket, failed.Error = 8, "connection refused"
	r.SocketEnd(&failed)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(dir, "again.bin")
	out := run(t, `
import json, sys
from mitmproxy import io
flows = list(io.FlowReader(open(sys.argv[1], "rb")).stream())
print(json.dumps([[f.type, [[m.from_client, m.content.decode("latin-1"), m.timestamp] for m in f.messages], f.error and f.error.msg,
    list(f.server_conn.address), f.server_conn.sni, f.client_conn.alpn.decode()] for f in flows]))
with open(sys.argv[2], "wb") as out:
    w = io.FlowWriter(out)
    for f in flows: w.add(f)
`, r.Path(), again)
	var got, want any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	json.Unmarshal([]byte(`[["tcp", [[true, "\u0010\f\u0000\u0004MQTT", 1700000000], [false, " \u0002\u0000\u0000", 1700000001], [true, "", 1700000002], [false, "text", 1700000003]],
		null, ["broker.test", 8883], "broker.test", "mqtt"], ["tcp", [], "connection refused", ["broker.test", 8883], "broker.test", "mqtt"]]`), &want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("mitmproxy read %s", out)
	}
	list := streamsIn(t, again)
	if len(list) != 2 || dialogue(list[0]) != dialogueWant || list[1].Error.Message != "connection refused" {
		t.Errorf("read back: %+v", list)
	}
}

// The streams that mitmproxy 8 recorded are read.
func TestRecordedStream(t *testing.T) {
	t.Parallel()
	f, err := OpenWith("testdata/mixed-mitmproxy-8.1.1-v17.bin", Options{Streams: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for flow, err := range f.Flows() {
		if err != nil {
			t.Fatal(err)
		}
		if flow.Stream {
			n++
			if len(flow.WebSocket.Messages) == 0 || flow.Server.Address == "" {
				t.Errorf("%+v", flow)
			}
		}
	}
	if n != 1 || len(f.Skipped()) > 0 {
		t.Errorf("%d streams, skipped %v", n, f.Skipped())
	}
}
