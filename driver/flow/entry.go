package flow

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// FromEntry returns the flow of a captured exchange, nil for an entry that is no exchange.
// messages are those of a WebSocket, and end is its end, nil while it is open. space is
// the namespace of connection ids: the flows of one recording share it.
func FromEntry(e *capture.Entry, messages []Message, end *capture.Entry, space uuid.UUID) *Flow {
	if e.Stream() {
		return fromStream(e, messages, end, space)
	}
	if e.Kind != capture.HTTP && e.Kind != capture.SocketEnd {
		return nil
	}
	f := &Flow{Created: e.Start, Request: requestOf(e), Client: clientOf(e, space), Server: serverOf(e, space)}
	if e.Error != "" {
		f.Error = &Error{Message: e.Error, Time: e.Start.Add(e.Duration)}
	}
	// The proxy's answer for an unreachable server is no response.
	if e.Status != 0 && !(e.Origin == exchange.FromProxy && e.Error != "") {
		f.Response = responseOf(e)
	}
	if e.Origin == exchange.FromReplay {
		f.Replayed = "response"
	}
	f.Metadata = metadataOf(e)
	if e.Kind == capture.SocketEnd || end != nil || messages != nil {
		f.WebSocket = &WebSocket{Messages: messages}
	}
	if e.Kind == capture.SocketEnd {
		end = e
	}
	if end != nil {
		byClient := end.FromClient
		f.WebSocket.ClosedByClient = &byClient
		f.WebSocket.CloseCode, f.WebSocket.CloseReason = end.CloseCode, end.CloseReason
		f.WebSocket.End = end.Start.Add(end.Duration)
	}
	return f
}

// fromStream returns the flow of a stream.
func fromStream(e *capture.Entry, pieces []Message, end *capture.Entry, space uuid.UUID) *Flow {
	f := &Flow{
		Created: e.Start, Stream: true, Client: clientOf(e, space), Server: serverOf(e, space), Metadata: metadataOf(e),
		Request:   Request{Method: e.Method, Scheme: e.Scheme, Host: e.Host, Port: e.Port},
		WebSocket: &WebSocket{Messages: pieces},
	}
	if e.Kind == capture.SocketEnd {
		end = e
	} else {
		f.incomplete(end)
	}
	why := e.Error
	if end != nil {
		f.WebSocket.End = end.Start.Add(end.Duration)
		f.Client.End, f.Server.End = f.WebSocket.End, f.WebSocket.End
		if end.Error != "" {
			why = end.Error
		}
	}
	if why != "" {
		f.Error = &Error{Message: why, Time: e.Start.Add(e.Duration)}
	}
	return f
}

// incomplete returns the error of a stream whose bytes were not all kept, nil for others.
func (f *Flow) incomplete(end *capture.Entry) {
	if f.Error != nil || end == nil {
		return
	}
	kept := int64(0)
	for i := range f.WebSocket.Messages {
		kept += int64(len(f.WebSocket.Messages[i].Data))
	}
	if all := end.RequestBody.Size + end.ResponseBody.Size; kept < all {
		f.Error = &Error{Message: fmt.Sprintf("%d of %d bytes were kept in the captures", kept, all), Time: f.WebSocket.End}
	}
}

// FromMessage returns the message of an entry. A message that was not kept whole is marked
// as dropped.
func FromMessage(e *capture.Entry) Message {
	b := e.ResponseBody
	if e.FromClient {
		b = e.RequestBody
	}
	dropped := b.Truncated && e.Proto != capture.ProtoTCP
	return Message{Binary: e.Binary, FromClient: e.FromClient, Data: b.Data, Time: e.Start, Dropped: dropped}
}

func requestOf(e *capture.Entry) Request {
	r := Request{
		Method: e.Method, Scheme: e.Scheme, Host: e.Host, Port: e.Port, Path: e.Target, Proto: e.Proto,
		Header: e.RequestLines(), Trailer: e.RequestTrailer,
		Body: bodyOf(e.RequestBody), Start: e.Start, End: e.Start.Add(e.Uploaded),
	}
	if e.Proto == "HTTP/2.0" {
		r.Authority, r.Header = e.Authority, e.RequestHeader
	}
	return r
}

func responseOf(e *capture.Entry) *Response {
	r := &Response{
		Status: e.Status, Proto: e.Proto,
		Header: slices.Clip(e.ResponseHeader), Trailer: e.ResponseTrailer,
		Body: bodyOf(e.ResponseBody), Start: e.Start.Add(e.Answered), End: e.Start.Add(e.Duration),
	}
	if e.Server.Addr.IsValid() {
		r.Proto = "HTTP/1.1"
		if e.Server.TLS.ALPN == "h2" {
			r.Proto = "HTTP/2.0"
		}
	}
	if r.Proto == "HTTP/2.0" {
		return r
	}
	r.Reason = http.StatusText(e.Status)
	// The journal does not have the bytes that frame the message.
	if e.Status >= 200 && !exchange.Bodiless(e.Method, e.Status) && !e.ResponseHeader.Has("Content-Length") {
		if e.Server.Addr.IsValid() {
			r.Header.Add("Transfer-Encoding", "chunked")
		} else {
			r.Header.Add("Content-Length", strconv.FormatInt(e.ResponseBody.Size, 10))
		}
	}
	return r
}

// bodyOf returns a captured body. A body that was not kept whole is missing.
func bodyOf(b capture.Blob) Body {
	return Body{Blob: b, Missing: b.Truncated || b.Size > 0 && b.Data == nil && b.Path == ""}
}

// bodyKey is the key of the metadata for a response body that is not complete. Its value
// is one of those below.
const (
	bodyKey      = "starproxy.body"
	bodyUnstored = "not stored" // there was no room for it; the device got all of it
	bodyPartial  = "broke off"  // the flow has the bytes that came
)

// These are the other keys of the metadata that this program writes. [Flow.Entry] reads
// them.
const (
	originKey    = "starproxy.origin"    // the word of exchange.Origin, none for the real server
	endpointKey  = "starproxy.endpoint"  // the key of the mock that answered
	sourceKey    = "starproxy.source"    // its place
	unmatchedKey = "starproxy.unmatched" // true when no mock, or no recording, matches the request
	wayKey       = "starproxy.way"       // the way in of the connection
	sentKey      = "starproxy.sent"      // the status of the proxy's own answer about a failure, which is no response
	notesKey     = "starproxy.notes"     // a list of [level, text]
)

// metadataOf returns the parts of an entry that flow files have no keys for.
func metadataOf(e *capture.Entry) map[string]any {
	m := map[string]any{}
	if e.Origin != exchange.FromServer {
		m[originKey] = e.Origin.String()
	}
	if e.Endpoint != "" {
		m[endpointKey] = e.Endpoint
	}
	if e.Source != "" {
		m[sourceKey] = e.Source
	}
	if e.Unmatched {
		m[unmatchedKey] = true
	}
	if e.Way != "" {
		m[wayKey] = e.Way
	}
	if e.Status != 0 && e.Origin == exchange.FromProxy && e.Error != "" {
		m[sentKey] = int64(e.Status)
	}
	if e.Phases != (capture.Phases{}) {
		m[phasesKey] = phasesData(e.Phases)
	}
	if len(e.Notes) > 0 {
		notes := make([]any, len(e.Notes))
		for i, n := range e.Notes {
			notes[i] = []any{n.Level, n.Text}
		}
		m[notesKey] = notes
	}
	switch {
	case bodyOf(e.ResponseBody).Missing:
		m[bodyKey] = bodyUnstored
	case e.ResponseBody.Partial:
		m[bodyKey] = bodyPartial
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

func clientOf(e *capture.Entry, space uuid.UUID) Conn {
	c := Conn{
		ID:   connID(space, "client", e.Conn, e.Client),
		Peer: e.Client.String(), TLS: e.ClientTLS.Version != 0, SNI: e.SNI, Start: e.Start,
	}
	if !e.Client.IsValid() {
		c.Peer = ""
	}
	c.agreed(e, e.ClientTLS)
	return c
}

func serverOf(e *capture.Entry, space uuid.UUID) Conn {
	c := Conn{
		ID:      connID(space, "server", e.Conn, e.Server.Addr),
		Address: exchange.JoinAuthority(e.Host, e.Port), TLS: e.Scheme == "https" || e.Scheme == "tls",
	}
	if !e.Server.Addr.IsValid() {
		return c
	}
	c.Peer = e.Server.Addr.String()
	c.Start, c.Connected = e.Start, e.Start
	if c.TLS {
		if c.SNI = e.Host; e.Stream() && e.SNI != "" {
			c.SNI = e.SNI
		}
	}
	c.agreed(e, e.Server.TLS)
	return c
}

// agreed fills in the result of a TLS handshake.
func (c *Conn) agreed(e *capture.Entry, t exchange.TLS) {
	if t.Version == 0 {
		return
	}
	c.TLSSetup, c.ALPN = e.Start, t.ALPN
	c.TLSVersion = strings.TrimSuffix(strings.Replace(tls.VersionName(t.Version), "TLS ", "TLSv", 1), ".0")
	c.Cipher = tls.CipherSuiteName(t.Cipher)
}

// connID returns the id of a connection, the same for all its flows.
func connID(space uuid.UUID, side string, conn uint64, addr netip.AddrPort) string {
	b := binary.BigEndian.AppendUint64([]byte(side), conn)
	return uuid.NewSHA1(space, append(b, addr.String()...)).String()
}
