package flow

import (
	"crypto/tls"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// exchanges returns captured exchanges of all kinds that a flow can have.
func exchanges() map[string]*capture.Entry {
	start := time.Unix(1700000000, 123456000)
	client, server := netip.MustParseAddrPort("192.0.2.7:40123"), netip.MustParseAddrPort("[2001:db8::1]:443")
	blob := func(s string) capture.Blob { return capture.Blob{Size: int64(len(s)), Data: []byte(s)} }
	h1 := func(e capture.Entry) *capture.Entry {
		e.Start, e.Conn, e.Client, e.Proto = start, 3, client, "HTTP/1.1"
		e.Method, e.Scheme, e.Host, e.Port, e.Target, e.Authority = "GET", "http", "api.test", 80, "/a?b=c%20d", "api.test"
		e.RequestHeader = append(exchange.HeaderOf("Host", "api.test"), e.RequestHeader...)
		return &e
	}
	tls12 := exchange.TLS{Version: tls.VersionTLS12, Cipher: tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, ALPN: "http/1.1"}
	h2 := &capture.Entry{
		Start: start, Duration: 30 * time.Millisecond, Uploaded: time.Millisecond, Answered: 20 * time.Millisecond, Client: client, Conn: 3,
		ClientTLS: exchange.TLS{Version: tls.VersionTLS13, Cipher: tls.TLS_AES_128_GCM_SHA256, ALPN: "h2"}, SNI: "api.test",
		Server: exchange.Peer{Addr: server, TLS: tls12}, Method: "POST", Scheme: "https", Host: "api.test", Port: 443, Target: "/v1", Proto: "HTTP/2.0",
		Authority: "api.test", RequestHeader: exchange.HeaderOf("x-b", "1", "a", "\xff"), RequestTrailer: exchange.HeaderOf("t", "1"), RequestBody: blob("up\x00"),
		Status: 200, ResponseHeader: exchange.HeaderOf("Content-Length", "4", "B", "2", "b", "3"), ResponseTrailer: exchange.HeaderOf("u", "2"), ResponseBody: blob("down"),
	}
	length := exchange.HeaderOf("Content-Length", "2")
	return map[string]*capture.Entry{
		"real server": h2,
		"mock": h1(capture.Entry{Status: 203, ResponseHeader: length, ResponseBody: blob("ok"), Origin: exchange.FromMock, Endpoint: "GET /a", Source: "x.yaml:3", Way: "socks5@1080",
			Notes: []exchange.Note{{Level: "warning", Text: "slow"}, {Level: exchange.Met, Text: "network edge"}}}),
		"patch":       h1(capture.Entry{Status: 200, ResponseHeader: length, ResponseBody: blob("ok"), Origin: exchange.FromPatch, Endpoint: "GET /a"}),
		"replay":      h1(capture.Entry{Status: 200, ResponseHeader: length, ResponseBody: blob("ok"), Origin: exchange.FromReplay, Source: "r.bin"}),
		"no mock":     h1(capture.Entry{Status: 501, ResponseHeader: length, ResponseBody: blob("no"), Origin: exchange.FromProxy, Unmatched: true}),
		"unreachable": h1(capture.Entry{Status: 502, Origin: exchange.FromProxy, Error: "no such host", Duration: time.Second}),
		"broken off":  h1(capture.Entry{Status: 200, ResponseHeader: exchange.HeaderOf("Content-Length", "9"), ResponseBody: capture.Blob{Size: 2, Data: []byte("be"), Partial: true}, Error: "unexpected EOF"}),
		"not kept":    h1(capture.Entry{Status: 200, ResponseHeader: exchange.HeaderOf("Content-Length", "9"), ResponseBody: capture.Blob{Size: 9, Truncated: true}}),
		"no response": h1(capture.Entry{Error: "the device closed the connection"}),
	}
}

// An exchange that is written to a flow file and read back is the same exchange.
func TestEntryRoundTrip(t *testing.T) {
	t.Parallel()
	for name, e := range exchanges() {
		before := FromEntry(e, nil, nil, uuid.UUID{1})
		file := opened(t, encoded(t, before), Options{})
		f := all(t, file.Flows())[0]
		if diff := cmp.Diff(e, f.Entry(3), cmpopts.EquateComparable(netip.AddrPort{}), cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); diff != "" {
			t.Errorf("%s (-captured +read):\n%s", name, diff)
		}
		after := FromEntry(f.Entry(3), nil, nil, uuid.UUID{1})
		if diff := cmp.Diff(before, after, unexported, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-flow of what was captured +flow of what was read):\n%s", name, diff)
		}
	}
}

// The messages of a WebSocket and the pieces of a stream come back, with their end.
func TestSocketRoundTrip(t *testing.T) {
	t.Parallel()
	begin, over, pieces := streamEntries()
	shake := *exchanges()["real server"]
	shake.Status, shake.ResponseBody = 101, capture.Blob{}
	closed := shake
	closed.Kind, closed.FromClient, closed.CloseCode, closed.CloseReason, closed.Duration = capture.SocketEnd, true, 1001, "bye", time.Minute
	for name, tt := range map[string]struct {
		begin, end *capture.Entry
		messages   []*capture.Entry
	}{
		"stream": {begin, over, pieces},
		"WebSocket": {&shake, &closed, []*capture.Entry{
			{Kind: capture.Message, Start: shake.Start, FromClient: true, RequestBody: capture.Blob{Size: 2, Data: []byte("hi")}},
			{Kind: capture.Message, Start: shake.Start, Binary: true, ResponseBody: capture.Blob{Size: 1, Data: []byte{0xff}}},
		}},
		"open WebSocket": {&shake, nil, []*capture.Entry{{Kind: capture.Message, Start: shake.Start}}},
	} {
		var messages []Message
		for _, m := range tt.messages {
			messages = append(messages, FromMessage(m))
		}
		before := FromEntry(tt.begin, messages, tt.end, uuid.UUID{1})
		f := all(t, opened(t, encoded(t, before), Options{Streams: true}).Flows())[0]
		e := f.Entry(tt.begin.Conn)
		got, end := f.Messages(e, 7)
		if len(got) != len(tt.messages) || (end != nil) != (tt.end != nil) {
			t.Errorf("%s: got %d messages, end %v, want %d, %v", name, len(got), end, len(tt.messages), tt.end)
			continue
		}
		again := make([]Message, len(got))
		for i, m := range got {
			if m.Kind != capture.Message || m.Socket != 7 {
				t.Errorf("%s: message %d: got kind %d of socket %d", name, i, m.Kind, m.Socket)
			}
			again[i] = FromMessage(m)
			if tt.begin.Stream() { // files do not have it
				again[i].Binary = messages[i].Binary
			}
		}
		if diff := cmp.Diff(before, FromEntry(e, again, end, uuid.UUID{1}), unexported, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-captured +read):\n%s", name, diff)
		}
	}
}

// Recordings of mitmproxy of all versions become exchanges with the same content.
func TestSamplesAsEntries(t *testing.T) {
	t.Parallel()
	for name := range samples(t) {
		file, err := Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for i, f := range all(t, file.Flows()) {
			e := f.Entry(1)
			again := FromEntry(e, nil, nil, uuid.UUID{1})
			if again.Request.Method != f.Request.Method || again.Request.Path != f.Request.Path || again.Request.Host != f.Request.Host || again.Request.Body.Size != f.Request.Body.Size ||
				!again.Created.Equal(e.Start) || (again.Response == nil) != (f.Response == nil) {
				t.Errorf("%s: flow %d: got %s, want %s", name, i, text(again), text(f))
			}
			if f.Response != nil && (again.Response.Status != f.Response.Status || again.Response.Body.Size != f.Response.Body.Size || again.Response.Body.Missing != f.Response.Body.Missing) {
				t.Errorf("%s: flow %d: got %s, want %s", name, i, text(again), text(f))
			}
			if (e.ClientTLS.Version != 0) != (f.Client.TLSVersion != "") {
				t.Errorf("%s: flow %d: got TLS %d, want %q", name, i, e.ClientTLS.Version, f.Client.TLSVersion)
			}
		}
	}
}
