package flow

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"iter"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// readPackets reads a packet capture. It returns the bytes that each end of each
// connection sent, by "source>destination", in the order of the connections, and the
// comments of the packets.
func readPackets(t *testing.T, file []byte) (order []string, sent map[string][]byte, comments string) {
	t.Helper()
	sent = map[string][]byte{}
	next := map[string]uint32{}
	for len(file) > 0 {
		n := binary.LittleEndian.Uint32(file[4:])
		block := file[8 : n-4]
		if kind := binary.LittleEndian.Uint32(file); kind == packetBlock {
			length := int(binary.LittleEndian.Uint32(block[12:]))
			packet := block[20 : 20+length]
			for options := block[20+(length+3)/4*4:]; len(options) >= 4; {
				size := int(binary.LittleEndian.Uint16(options[2:]))
				if binary.LittleEndian.Uint16(options) == commentOption {
					comments += string(options[4:4+size]) + "\n"
				}
				options = options[4+(size+3)/4*4:]
			}
			from, to, tcp := readIP(t, packet)
			seq, data := binary.BigEndian.Uint32(tcp[4:]), tcp[tcp[12]>>4*4:]
			key := from.String() + ">" + to.String()
			if tcp[13]&tcpSyn != 0 {
				if _, again := sent[key]; again {
					t.Errorf("%s is used for a second connection", key)
				}
				order, sent[key], next[key] = append(order, key), nil, seq+1
			} else if tcp[13]&tcpRst == 0 && seq != next[key] {
				t.Errorf("%s: sequence number %d, want %d", key, seq, next[key])
			}
			sent[key] = append(sent[key], data...)
			next[key] += uint32(len(data))
			if tcp[13]&tcpFin != 0 {
				next[key]++
			}
		}
		file = file[n:]
	}
	return order, sent, comments
}

// readIP checks the checksums of a packet, and returns its ends and its TCP segment.
func readIP(t *testing.T, p []byte) (from, to netip.AddrPort, tcp []byte) {
	t.Helper()
	at, size := 8, 16
	if p[0]>>4 == 4 {
		at, size = 12, 4
		if onesSum(0, p[:20]) != 0xffff {
			t.Error("an IP header has a wrong checksum")
		}
	}
	src, _ := netip.AddrFromSlice(p[at : at+size])
	dst, _ := netip.AddrFromSlice(p[at+size : at+2*size])
	tcp = p[at+2*size:]
	if got := onesSum(uint32(onesSum(uint32(6+len(tcp)), p[at:at+2*size])), tcp); got != 0xffff {
		t.Errorf("a segment has a wrong checksum: %#x", got)
	}
	return netip.AddrPortFrom(src, binary.BigEndian.Uint16(tcp)), netip.AddrPortFrom(dst, binary.BigEndian.Uint16(tcp[2:])), tcp
}

// packetFlows are exchanges of the kinds that differ in a packet capture.
func packetFlows() []*Flow {
	start := time.Date(2026, 11, 28, 12, 0, 0, 5, time.UTC)
	body := func(s string) Body { return Body{Blob: capture.Blob{Size: int64(len(s)), Data: []byte(s)}} }
	client := Conn{ID: "one", Peer: "10.0.0.5:40000", TLS: true, TLSVersion: "TLSv1.3"}
	get := Request{Method: "GET", Scheme: "https", Host: "api.example.com", Port: 443, Path: "/a?b=1", Proto: "HTTP/2.0",
		Authority: "api.example.com", Start: start}
	post := get
	post.Method, post.Header, post.Body = "POST", exchange.HeaderOf("Transfer-Encoding", "chunked"), body(strings.Repeat("x", 70_000))
	post.Proto = "HTTP/1.1"
	head := get
	head.Method = "HEAD"
	long := body("")
	long.Size, long.Missing = 1<<20, true
	plain := Request{Method: "GET", Scheme: "http", Host: "::1", Port: 8080, Path: "/", Proto: "HTTP/1.1",
		Header: exchange.HeaderOf("Host", "x")}
	client6 := Conn{ID: "six", Peer: "[fe80::1%eth0]:5"}
	socket := get
	socket.Path, socket.Header = "/ws", exchange.HeaderOf("Upgrade", "websocket", "Connection", "Upgrade")
	byClient := true
	flows := []*Flow{
		{Request: get, Client: client, Response: &Response{Status: 200, Body: body("hello"), Start: start.Add(time.Second)},
			Metadata: map[string]any{endpointKey: "GET /a", sourceKey: "a.yaml:3", notesKey: []any{[]any{"met", "network edge"}}}},
		{Request: post, Client: client, Response: &Response{Status: 204, Header: exchange.HeaderOf("A", "b\r\nc")}},
		{Request: head, Client: client, Response: &Response{Status: 200, Header: exchange.HeaderOf("Content-Length", "12")}},
		{Request: get, Client: client, Response: &Response{Status: 200, Header: exchange.HeaderOf("Content-Length", "1048576"), Body: long}},
		{Request: get, Client: client, Error: &Error{Message: "connection refused"}},
		{Request: get, Client: client, Response: &Response{Status: 404, Header: exchange.HeaderOf("Transfer-Encoding", "chunked"),
			Body: body("gone"), Trailer: exchange.HeaderOf("X-Sum", "1")}},
		{Request: plain, Client: client6, Response: &Response{Status: 200, Body: body("six")}},
		{Request: socket, Client: client, Response: &Response{Status: 101, Header: exchange.HeaderOf("Upgrade", "websocket")},
			WebSocket: &WebSocket{
				Messages:       []Message{{Data: []byte("up"), FromClient: true}, {Data: []byte(strings.Repeat("d", 300)), Binary: true}},
				ClosedByClient: &byClient, CloseCode: 1000, CloseReason: "done",
			}},
		{Request: Request{Scheme: "tls", Host: "mqtt.example.com", Port: 8883}, Client: Conn{ID: "m", Peer: "10.0.0.5:40001"}, Stream: true,
			WebSocket: &WebSocket{Messages: []Message{{Data: []byte{0x10, 1}, FromClient: true}, {Data: []byte{0x20}}}, ClosedByClient: &byClient}},
	}
	for i, f := range flows {
		f.Request.Start = start.Add(time.Duration(i) * 2 * time.Second)
	}
	return flows
}

// TestPCAPNGOverlap writes two exchanges that are under way at the same time in one
// connection.
func TestPCAPNGOverlap(t *testing.T) {
	t.Parallel()
	flows := packetFlows()[:2]
	flows[1].Request.Start = flows[0].Request.Start.Add(time.Millisecond)
	var file bytes.Buffer
	if err := WritePCAPNG(&file, listed(flows)); err != nil {
		t.Fatal(err)
	}
	order, _, comments := readPackets(t, file.Bytes())
	if len(order) != 4 || !strings.Contains(comments, "at the same time as others of the connection from port 40000") {
		t.Errorf("got the connections %v, and the comments %q; want two connections", order, comments)
	}
}

func listed(flows []*Flow) iter.Seq2[*Flow, error] {
	return func(yield func(*Flow, error) bool) {
		for _, f := range flows {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func TestPCAPNG(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	if err := WritePCAPNG(&file, listed(packetFlows())); err != nil {
		t.Fatal(err)
	}
	order, sent, comments := readPackets(t, file.Bytes())
	want := []string{
		"10.0.0.5:40000>192.0.2.1:80", "192.0.2.1:80>10.0.0.5:40000", "10.0.0.5:65535>192.0.2.1:80", "192.0.2.1:80>10.0.0.5:65535",
		"[fe80::1]:5>[::1]:8080", "[::1]:8080>[fe80::1]:5", "10.0.0.5:40001>192.0.2.2:1883", "192.0.2.2:1883>10.0.0.5:40001",
	}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("the connections (-want +got):\n%s", diff)
	}
	requests := bufio.NewReader(bytes.NewReader(sent[want[0]]))
	responses := bufio.NewReader(bytes.NewReader(sent[want[1]]))
	var got []string
	for {
		r, err := http.ReadRequest(requests)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		asked, _ := io.ReadAll(r.Body)
		line := r.Method + " " + r.Host + r.RequestURI + " " + string(asked[:min(len(asked), 3)])
		if s, err := http.ReadResponse(responses, r); err == nil {
			answered, err := io.ReadAll(s.Body)
			if err != nil {
				t.Fatal(err)
			}
			line += " " + s.Status + " " + string(answered)
		}
		got = append(got, line)
	}
	if diff := cmp.Diff([]string{
		"GET api.example.com/a?b=1  200 hello", "POST api.example.com/a?b=1 xxx 204 ", "HEAD api.example.com/a?b=1  200 ",
		"GET api.example.com/a?b=1  200 ", "GET api.example.com/a?b=1 ",
	}, trimmed(got)); diff != "" {
		t.Errorf("the exchanges of the first connection (-want +got):\n%s", diff)
	}
	if !bytes.Contains(sent[want[3]], []byte("4\r\ngone\r\n0\r\nX-Sum: 1\r\n\r\n")) || !bytes.HasSuffix(sent[want[2]], []byte("\x03\xe8done")) {
		t.Errorf("the second connection: got %q and %q, want a trailer, and a close frame at the end", sent[want[2]],
			sent[want[3]])
	}
	if !bytes.Equal(sent[want[6]], []byte{0x10, 1}) || !bytes.Equal(sent[want[7]], []byte{0x20}) {
		t.Errorf("the stream: got %x and %x", sent[want[6]], sent[want[7]])
	}
	for _, part := range []string{"decrypted: the device spoke TLS here TLSv1.3", "endpoint GET /a at a.yaml:3", "met: network edge", "connection refused",
		"https://api.example.com/a?b=1", "its body of 1048576 bytes was not kept", "Content-Length was 1048576"} {
		if !strings.Contains(comments, part) {
			t.Errorf("no comment has %q:\n%s", part, comments)
		}
	}
}

// trimmed takes doubled blanks out of status texts, which these responses lack.
func trimmed(lines []string) []string {
	for i, l := range lines {
		for _, code := range []string{"200", "204"} {
			l = strings.ReplaceAll(l, code+"  ", code+" ")
		}
		lines[i] = l
	}
	return lines
}
