// Package flow reads and writes recordings of traffic: mitmproxy's flow
// files, and HAR documents.
//
// A Flow is a plain value. A Writer is for one goroutine, a File for any number.
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
	// Version is the format version of the file that the flow was read from. Writers
	// ignore it.
	Version int
	// Offset is where the record begins in the file, see [File.FlowAt].
	Offset int64
	// ID is a UUID as text. Writers make one when it is empty.
	ID      string
	Created time.Time
	Request Request
	// Response is nil when there was none.
	Response *Response
	// WebSocket is not nil for a WebSocket and for a stream. The rest of the flow is the
	// handshake then.
	WebSocket *WebSocket
	// Stream says that the flow is a TCP stream (mitmproxy's type tcp): its bytes
	// are the Messages of WebSocket, and there is no request or response.
	Stream bool
	// Error is the failure of the exchange, nil for none.
	Error          *Error
	Client, Server Conn
	// Replayed says which part came from another recording: "request", "response" or
	// "".
	Replayed string
	// Marked is the mark that a user gave the flow, such as ":default:", "" for none.
	Marked, Comment string
	// Metadata has the values that addons added to the flow: nil, bool, int64, float64,
	// json.Number (integers beyond int64), string, []byte, []any and map[string]any.
	// mitmproxy 8 and 9 refuse flows with bytes in their metadata.
	Metadata map[string]any

	// doubts say which parts of an entry of a HAR document are left out.
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

// Body is a body without its transfer coding, but still in its content encoding.
type Body struct {
	capture.Blob
	// Missing says that the body was not stored. An empty body is not missing. A
	// truncated body is written as a missing one.
	Missing bool
}

// Error is the failure of a flow.
type Error struct {
	Message string
	Time    time.Time
}

// WebSocket has the messages that followed a handshake.
type WebSocket struct {
	Messages []Message
	// ClosedByClient is nil while the WebSocket is open.
	ClosedByClient *bool
	// CloseCode is 0 for none.
	CloseCode   int
	CloseReason string
	End         time.Time

	stored *storedMessages // these come before Messages; for a Recorder
}

// Message is a whole WebSocket message, uncompressed.
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
	// TLSVersion has the spelling of OpenSSL, such as "TLSv1.3", and so has Cipher.
	// Writers leave out others, because mitmproxy refuses them.
	TLSVersion, Cipher, SNI, ALPN string
	// Certificates are those of the peer, each as PEM, leaf first.
	Certificates [][]byte
	// Connected is when the TCP connection was established (servers only), TLSSetup when
	// the TLS handshake was done.
	Start, Connected, TLSSetup, End time.Time
	Error                           string
}

// splitAddress undoes [exchange.JoinAuthority], also for invalid hosts. Flow files have
// host and port as two values.
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
