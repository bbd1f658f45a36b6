// Package capture is the journal of what went through the proxy. It keeps exchanges
// within a budget of bytes. Readers list them, filter them, follow them and wait for
// them.
//
// A Journal may be used by any number of goroutines. An Entry must not be changed
// once it is added.
package capture

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"starproxy/builtins/exchange"
)

// Kind is the kind of event that an Entry records.
type Kind uint8

// The kinds of entries.
const (
	HTTP      Kind = iota // a request and its response
	TLSError              // a TLS handshake that the device broke off
	Message               // a message of a WebSocket, or a piece of a stream
	SocketEnd             // the end of a WebSocket or stream, with all fields of its beginning
	TCP                   // a stream: bytes that are not HTTP, to and from a real server
	Refused               // a request that the proxy refused; RequestBody has its first MaxRefused bytes
)

// MaxRefused is how much of a refused request is kept, in bytes.
const MaxRefused = 4 << 10

// ProtoTCP is Entry.Proto of a stream, of its pieces and of its end.
const ProtoTCP = "TCP"

// Entry is one journaled exchange.
type Entry struct {
	// Seq numbers the entries of a journal from 1; Journal.Add sets it.
	Seq  uint64
	Kind Kind
	// Live is the number that the exchange had while it was in flight, see [Flights]; 0
	// for none.
	Live uint64
	// Open says that the exchange has not ended. Readers who can tell set it: the journal
	// does not keep it.
	Open bool
	// Start is the time when the request's header had been read. Duration is the time
	// from Start to the end of the response.
	Start    time.Time
	Duration time.Duration
	// Uploaded is the time from Start to the end of the request's body, Answered the
	// time from Start to the response's header.
	Uploaded, Answered time.Duration
	// Phases are those of the way to the real server.
	Phases Phases
	Client netip.AddrPort
	// Conn numbers the devices' connections of a proxy, from 1.
	Conn      uint64
	ClientTLS exchange.TLS
	// Server is the real server's end of the connection. It is zero when the server was
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
	// Unmatched says that no mock, or no recording, matches the request.
	Unmatched bool
	// Error is the reason of a failure: the server was unreachable, or the transfer
	// broke off. For TLSError it is the alert, for Refused the reason.
	Error string
	// SNI is the server name in the TLS handshake.
	SNI string
	// Way is the way in of the device's connection, such as "socks5@1080"; empty for
	// the proxy's own address.
	Way   string
	Notes []exchange.Note
	// Edits are what was changed of the exchange while it was under way. The entry has
	// the request as it went on and the response as the device got it.
	Edits []exchange.Edit

	// Socket is, for a Message and a SocketEnd, the number of the handshake's or
	// stream's entry, which is in another journal.
	Socket uint64
	// FromClient says that the device sent the message, which is in RequestBody then,
	// else in ResponseBody. For a SocketEnd it says that the device closed first.
	FromClient bool
	// Binary says that the message is binary, not text.
	Binary bool
	// CloseCode and CloseReason are those of the first close frame (SocketEnd only). The
	// code is 1005 when the frame had none, 1006 when there was no such frame. A stream
	// has neither.
	CloseCode   int
	CloseReason string
}

// Phases are the phases of asking the real server, for the last request to it. They are
// zero when it was not asked.
type Phases struct {
	// Asked is the time from Entry.Start until the proxy turned to the server.
	Asked time.Duration
	// DNS is how long the name of the server was looked up, Connect how long connecting
	// took, through an upstream proxy if there is one, and TLS the handshake. They are 0
	// for a connection that was there already.
	DNS, Connect, TLS time.Duration
	// Sent is the time from Entry.Start until the header of the request was sent. 0 means
	// that it was not.
	Sent time.Duration
	// Headed is the time from Entry.Start until the header of the server's answer had
	// come. 0 means that there was none.
	Headed time.Duration
	// Reused says that the request went over a connection that was there already.
	Reused bool
}

// Wait returns how long the server took to answer, from the end of the request, as far
// as it had been sent before the answer.
func (p Phases) Wait(uploaded time.Duration) time.Duration {
	if p.Headed == 0 {
		return 0
	}
	return max(p.Headed-max(p.Sent, min(uploaded, p.Headed)), 0)
}

// Unreachable reports whether the proxy made the response because the real server
// gave none.
func (e *Entry) Unreachable() bool {
	return e.Origin == exchange.FromProxy && e.Status == http.StatusBadGateway && e.Error != ""
}

// Abandoned reports whether the device left before it had an answer, so that no
// status reached it.
func (e *Entry) Abandoned() bool {
	return strings.HasPrefix(e.Error, "the device ") && strings.HasSuffix(e.Error, " "+exchange.LeftUnanswered)
}

// Met returns the names of the faults and conditions that somebody has set and that
// the exchange met, such as "network edge"; nil for none. See [exchange.Notes.Meet].
func (e *Entry) Met() []string {
	var met []string
	for _, n := range e.Notes {
		if n.Level == exchange.Met {
			met = append(met, n.Text)
		}
	}
	return met
}

// RequestLines returns RequestHeader with a Host line. When there is none, as with
// HTTP/2, it inserts one with Authority at the beginning. A request that was refused
// before its header was read gets none.
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

// URL returns the full URL, without the default port of its scheme. For a refused
// request whose target is no path, it returns the target.
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

// Request returns the request of an exchange, with at most limit bytes of its body. The body
// is opened when it is first read, so that conditions on other parts cost nothing. One that
// is not kept is empty.
func (e *Entry) Request(limit int64) *exchange.Request {
	q := &exchange.Request{
		Method: e.Method, Scheme: e.Scheme, Host: e.Host, Port: e.Port, Target: e.Target, Proto: e.Proto,
		Authority: e.Authority, Header: e.RequestHeader, ContentLength: e.RequestBody.Size,
	}
	if e.RequestBody.Size > 0 {
		q.Body = exchange.NewIncoming(&keptBody{blob: e.RequestBody, limit: limit}, nil)
	}
	return q
}

// keptBody reads a body that was kept into memory at the first Read.
type keptBody struct {
	blob  Blob
	limit int64
	data  *bytes.Reader // nil before the first Read
}

func (b *keptBody) Read(p []byte) (int, error) {
	if b.data == nil {
		var kept []byte
		if r, err := OpenBody(b.blob); err == nil {
			kept, _ = io.ReadAll(io.LimitReader(r, b.limit))
			r.Close()
		}
		b.data = bytes.NewReader(kept)
	}
	return b.data.Read(p)
}

// Path returns the target without its query. Escapes stay.
func (e *Entry) Path() string { return exchange.PathOf(e.Target) }

// Addr returns the address of the server that was meant, host:port.
func (e *Entry) Addr() string { return exchange.JoinAuthority(e.Host, e.Port) }

// Blob is a body where the journal keeps it: in memory, in a spool file, or in a section
// of a user's file.
type Blob struct {
	// Size is how many bytes were transferred, whether or not they were kept.
	Size int64
	// Data holds the bytes when Path is empty.
	Data []byte
	// Path is the file that holds the bytes. Off and Size are the section of it.
	Path string
	Off  int64
	// Spooled says that Path is a file of the journal, which is removed with the entry.
	Spooled bool
	// Truncated says that not all bytes were kept.
	Truncated bool
	// Lost is the reason why a truncated body that was kept has been removed.
	Lost string
	// Partial says that the transfer broke off before all bytes had come.
	Partial bool
}
