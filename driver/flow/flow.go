// Package flow reads and writes recordings of traffic: mitmproxy's flow
// files, and HAR documents.
//
// Flows and what is in them are plain values. A Reader or a Writer is for one
// goroutine at a time, a File for any number.
//
// driver records through it, replays from it and converts with it.
package flow

import (
	"strconv"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// Flow is one HTTP exchange or TCP stream of a recording. A zero time.Time anywhere in it
// means that the time isn't known.
type Flow struct {
	// Version is the format the flow was read from; writers have their own.
	Version int
	// Offset is where the record begins in what was read; see [File.FlowAt].
	Offset int64
	// ID is the text of a UUID; writers make one when it is empty.
	ID      string
	Created time.Time
	Request Request
	// Response is nil when there was none.
	Response *Response
	// WebSocket is not nil for a WebSocket, whose handshake the flow is then, and
	// for a stream.
	WebSocket *WebSocket
	// Stream says that the flow is a TCP stream (mitmproxy's type tcp): its bytes
	// are the Messages of WebSocket, and there is no request or response.
	Stream bool
	// Error is what went wrong, nil for nothing.
	Error          *Error
	Client, Server Conn
	// Replayed is "request" or "response" for what did not come from a client or
	// a server but from another recording, empty otherwise.
	Replayed string
	// Marked is empty or the mark a user gave the flow, such as ":default:".
	Marked, Comment string
	// Metadata holds what addons left with the flow: nil, bool, int64, float64,
	// json.Number (integers beyond int64), string, []byte, []any and
	// map[string]any. mitmproxy 8 and 9 refuse flows with bytes in there.
	Metadata map[string]any

	// doubts tell what of the entry of a HAR document is left out.
	doubts []string
}

// Request is what the client sent.
type Request struct {
	Method, Scheme, Host string
	Port                 int
	// Path is path and query as sent.
	Path string
	// Authority is that of HTTP/2; empty for HTTP/1.
	Authority string
	// Proto is "HTTP/1.1", "HTTP/2.0", "HTTP/3" and the like.
	Proto string
	// Header and Trailer may hold any bytes.
	Header, Trailer exchange.Header
	Body            Body
	Start, End      time.Time
}

// Response is what the server sent.
type Response struct {
	Status          int
	Reason, Proto   string
	Header, Trailer exchange.Header
	Body            Body
	Start, End      time.Time
}

// Body is a body after transfer decoding, in its content encoding still.
type Body struct {
	capture.Blob
	// Missing says that the body was not stored, which is not the same as an
	// empty one. A truncated body is written as a missing one.
	Missing bool
}

// Error is the failure of a flow.
type Error struct {
	Message string
	Time    time.Time
}

// WebSocket is what followed a handshake.
type WebSocket struct {
	Messages []Message
	// ClosedByClient is nil while nobody closed it.
	ClosedByClient *bool
	// CloseCode is 0 for none.
	CloseCode   int
	CloseReason string
	End         time.Time

	stored *storedMessages // these come before Messages; for a Recorder
}

// Message is a WebSocket message, put together and uncompressed.
type Message struct {
	Binary, FromClient bool
	Data               []byte
	Time               time.Time
	Dropped, Injected  bool
}

// Conn is one side's connection.
type Conn struct {
	ID string
	// Peer and Sock are the far and the near end as host:port, empty when unknown.
	Peer, Sock string
	// Address is, for servers, the host:port that the client named.
	Address string
	TLS     bool
	// TLSVersion is in OpenSSL's spelling, such as "TLSv1.3"; writers leave
	// others out, because mitmproxy refuses them. So is Cipher.
	TLSVersion, Cipher, SNI, ALPN string
	// Certificates are those the peer showed, leaf first, each one PEM.
	Certificates [][]byte
	// Connected is when the TCP connection stood (servers only), TLSSetup when
	// TLS did.
	Start, Connected, TLSSetup, End time.Time
	Error                           string
}

// splitAddress undoes [exchange.JoinAuthority], also for a host that is none: flow
// files keep the two apart.
func splitAddress(addr string) (host string, port int, ok bool) {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		return "", 0, false
	}
	port, err := strconv.Atoi(addr[i+1:])
	if err != nil {
		return "", 0, false
	}
	host = addr[:i]
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' && strings.Contains(host, ":") {
		host = host[1 : n-1]
	}
	return host, port, true
}
