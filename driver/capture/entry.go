// Package capture remembers what went through the proxy: a journal of
// exchanges within a budget of bytes, to be read back, filtered, followed and
// waited for.
//
// A Journal is for any number of goroutines. An Entry is immutable once added.
//
// proxy adds entries; driver and scenario read them.
package capture

import (
	"net/http"
	"net/netip"
	"slices"
	"time"

	"starproxy/builtins/exchange"
)

// Kind tells what an Entry is about.
type Kind uint8

// The kinds of entries.
const (
	HTTP      Kind = iota // a request and its response
	TLSError              // a device that broke off the TLS handshake
	Message               // a message of a WebSocket, or a piece of a stream
	SocketEnd             // a WebSocket's or stream's end; it has all fields of its beginning
	TCP                   // a stream: bytes that are not HTTP, to and from a real server
	Refused               // a request that the proxy would not serve; RequestBody has what came, up to MaxRefused
)

// MaxRefused is how much is kept of what was refused, in bytes.
const MaxRefused = 4 << 10

// ProtoTCP is Entry.Proto of a stream, of its pieces and of its end.
const ProtoTCP = "TCP"

// Entry is one journaled exchange.
type Entry struct {
	// Seq numbers the entries of a journal from 1; Journal.Add sets it.
	Seq  uint64
	Kind Kind
	// Start is when the request's header had been read, Duration the time from
	// there to the end of the response.
	Start    time.Time
	Duration time.Duration
	// Uploaded is the time from Start to the end of the request's body, Answered
	// the time to when the response's header was there.
	Uploaded, Answered time.Duration
	Client             netip.AddrPort
	// Conn numbers the devices' connections of a proxy, from 1.
	Conn      uint64
	ClientTLS exchange.TLS
	// Server is the real server's end of the connection to it; zero when it was
	// not asked.
	Server exchange.Peer

	Method, Scheme, Host string
	Port                 int
	// Target is path and query as sent; Proto "HTTP/1.1" and the like.
	Target, Proto string
	// Authority is the server's name as sent, see exchange.Request.Authority.
	Authority string
	// RequestHeader is exchange.Request.Header, see also RequestLines.
	RequestHeader, RequestTrailer exchange.Header
	RequestBody                   Blob
	Status                        int // 0 when there was no answer to give
	// ResponseHeader is exchange.Response.Header.
	ResponseHeader, ResponseTrailer exchange.Header
	ResponseBody                    Blob
	Origin                          exchange.Origin
	// Endpoint is the key of the mock that answered and Source its place.
	Endpoint, Source string
	// Unmatched says that no mock, or no recording, answers the request.
	Unmatched bool
	// Error says what failed: the real server out of reach, a broken transfer,
	// for TLSError the alert, for Refused the reason.
	Error string
	// SNI is the name asked for in the TLS handshake.
	SNI   string
	Notes []exchange.Note

	// Socket is, for a Message and a SocketEnd, the number of the handshake's or
	// stream's entry, which is in another journal.
	Socket uint64
	// FromClient tells who sent the message, which is in RequestBody or else in
	// ResponseBody, or who closed first.
	FromClient bool
	// Binary tells a binary message from text.
	Binary bool
	// CloseCode and CloseReason are those of the first close frame; 1005 when
	// it had none, 1006 when there was no such frame (SocketEnd only). A stream
	// has neither.
	CloseCode   int
	CloseReason string
}

// Unreachable tells whether the answer is the proxy's own word for a real
// server that gave none.
func (e *Entry) Unreachable() bool {
	return e.Origin == exchange.FromProxy && e.Status == http.StatusBadGateway && e.Error != ""
}

// RequestLines is RequestHeader with a Host line: where there is none, as with
// HTTP/2, one of Authority comes first. What was refused before its header was
// read has none.
func (e *Entry) RequestLines() exchange.Header {
	if e.Authority == "" || e.Kind == Refused && len(e.RequestHeader) == 0 || e.RequestHeader.Has("Host") {
		return e.RequestHeader
	}
	return slices.Insert(e.RequestHeader.Clone(), 0, exchange.Field{Name: "Host", Value: e.Authority})
}

// Stream reports whether the entry is the beginning or the end of a stream.
func (e *Entry) Stream() bool {
	return e.Kind == TCP || e.Kind == SocketEnd && e.Proto == ProtoTCP
}

// URL is the full URL; the port is left out when it is the scheme's own. Of what was
// refused it is the target where that is no path.
func (e *Entry) URL() string {
	if e.Host == "" || e.Kind == Refused && e.Target != "" && e.Target[0] != '/' {
		return e.Target
	}
	r := exchange.Request{Scheme: e.Scheme, Host: e.Host, Port: e.Port, Target: e.Target}
	if r.Scheme == "" {
		r.Scheme = "https" // a TLS handshake has none
	}
	if e.Stream() { // tcp://host:port or tls://host:port
		return r.Scheme + "://" + e.Addr()
	}
	if r.Port == 0 {
		r.Port = exchange.DefaultPort(r.Scheme)
	}
	return r.URL()
}

// Path is the target without its query, escapes untouched.
func (e *Entry) Path() string { return exchange.PathOf(e.Target) }

// Addr returns the address of the server that was meant, host:port.
func (e *Entry) Addr() string { return exchange.JoinAuthority(e.Host, e.Port) }

// Blob is a body as the journal keeps it: in memory, in a spool file, or as a
// section of a file that belongs to the user.
type Blob struct {
	// Size is the number of bytes that were transferred, kept or not.
	Size int64
	// Data holds the bytes when Path is empty.
	Data []byte
	// Path is the file that holds them: Off and Size give the section.
	Path string
	Off  int64
	// Spooled says that Path is the journal's own file, which goes with the entry.
	Spooled bool
	// Truncated says that not all bytes were kept.
	Truncated bool
	// Lost says why a truncated body that was kept once is not there any more.
	Lost string
	// Partial says that the transfer broke off: more bytes were to come after the
	// Size that came.
	Partial bool
}
