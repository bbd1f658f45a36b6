package flow

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// Entry returns the flow as a captured exchange: FromEntry backwards. conn is the number
// of the device's connection. The entry refers to the bodies where the flow has them.
//
// A flow file has no place for some of an entry. The entry of a response that the proxy
// made about a failure has its status only. A body that is missing in the file has the
// size that Content-Length names. Of a cipher suite only a name that this program writes
// is known.
func (f *Flow) Entry(conn uint64) *capture.Entry {
	r := &f.Request
	start := r.Start
	if start.IsZero() {
		start = f.Created
	}
	e := &capture.Entry{
		Start: start, Conn: conn, Client: address(f.Client.Peer), ClientTLS: f.Client.agreement(), SNI: f.Client.SNI,
		Server: exchange.Peer{Addr: address(f.Server.Peer), TLS: f.Server.agreement()},
		Method: r.Method, Scheme: r.Scheme, Host: r.Host, Port: r.Port, Target: r.Path, Proto: r.Proto,
		Authority: r.Authority, RequestHeader: r.Header, RequestTrailer: r.Trailer, RequestBody: r.Body.kept(r.Header),
	}
	if !e.Server.Addr.IsValid() {
		e.Server = exchange.Peer{}
	}
	if f.Stream {
		f.stream(e)
	}
	if e.Authority == "" {
		e.Authority = r.Header.Get("Host")
	}
	e.Uploaded = since(start, r.End)
	if f.Error != nil {
		e.Error, e.Duration = f.Error.Message, since(start, f.Error.Time)
	}
	if s := f.Response; s != nil {
		e.Status, e.ResponseHeader, e.ResponseTrailer = s.Status, s.Header, s.Trailer
		e.ResponseBody = s.Body.kept(s.Header)
		e.Answered, e.Duration = since(start, s.Start), max(e.Duration, since(start, s.End))
	}
	f.describe(e)
	return e
}

// stream sets what files have of a stream in its connections only.
func (f *Flow) stream(e *capture.Entry) {
	e.Kind, e.Proto, e.Method, e.Scheme = capture.TCP, capture.ProtoTCP, capture.ProtoTCP, "tcp"
	if f.Client.TLS || f.Server.TLS {
		e.Scheme = "tls"
	}
	if host, port, ok := splitAddress(f.Server.Address); ok {
		e.Host, e.Port = host, port
	}
}

// Messages returns the messages of a WebSocket, or the pieces of a stream, and its end.
// The end is nil while the socket is open. socket is the number of the handshake's entry
// e, see [Flow.Entry].
func (f *Flow) Messages(e *capture.Entry, socket uint64) (messages []*capture.Entry, end *capture.Entry) {
	w := f.WebSocket
	if w == nil {
		return nil, nil
	}
	var sent, got int64
	for i := range w.Messages {
		m := &w.Messages[i]
		out := &capture.Entry{Kind: capture.Message, Socket: socket, Start: m.Time, FromClient: m.FromClient, Binary: m.Binary,
			Host: e.Host, Port: e.Port, Proto: e.Proto, Client: e.Client}
		body := capture.Blob{Size: int64(len(m.Data)), Data: m.Data, Truncated: m.Dropped}
		if m.FromClient {
			out.RequestBody = body
			sent += body.Size
		} else {
			out.ResponseBody = body
			got += body.Size
		}
		messages = append(messages, out)
	}
	over := w.End
	if f.Stream && over.IsZero() { // files have the ends of its connections
		if over = f.Client.End; over.IsZero() {
			over = f.Server.End
		}
	}
	if over.IsZero() && w.ClosedByClient == nil {
		return messages, nil
	}
	last := *e
	end = &last
	end.Kind, end.Socket, end.Seq = capture.SocketEnd, socket, 0
	end.Duration = since(e.Start, over)
	end.CloseCode, end.CloseReason = w.CloseCode, w.CloseReason
	end.FromClient = w.ClosedByClient != nil && *w.ClosedByClient
	if f.Stream {
		end.RequestBody, end.ResponseBody = capture.Blob{Size: sent}, capture.Blob{Size: got}
	}
	return messages, end
}

// describe sets what metadataOf has written, and the origin of a replayed response.
func (f *Flow) describe(e *capture.Entry) {
	if f.Replayed == "response" {
		e.Origin = exchange.FromReplay
	}
	word, _ := f.Metadata[originKey].(string)
	for _, o := range []exchange.Origin{exchange.FromMock, exchange.FromPatch, exchange.FromProxy, exchange.FromReplay} {
		if o.String() == word {
			e.Origin = o
		}
	}
	e.Endpoint, _ = f.Metadata[endpointKey].(string)
	e.Source, _ = f.Metadata[sourceKey].(string)
	e.Unmatched, _ = f.Metadata[unmatchedKey].(bool)
	e.Way, _ = f.Metadata[wayKey].(string)
	e.Phases = f.phases()
	if sent, ok := f.Metadata[sentKey].(int64); ok && f.Response == nil && 100 <= sent && sent <= 999 {
		e.Status = int(sent)
	}
	switch f.Metadata[bodyKey] {
	case bodyUnstored:
		e.ResponseBody.Truncated = true
	case bodyPartial:
		e.ResponseBody.Partial = true
	}
	notes, _ := f.Metadata[notesKey].([]any)
	for _, n := range notes {
		pair, _ := n.([]any)
		if len(pair) != 2 {
			continue
		}
		level, ok1 := pair[0].(string)
		text, ok2 := pair[1].(string)
		if ok1 && ok2 {
			e.Notes = append(e.Notes, exchange.Note{Level: level, Text: text})
		}
	}
}

// kept returns the body as the journal has it. h is the header of its message.
func (b *Body) kept(h exchange.Header) capture.Blob {
	blob := b.Blob
	if b.Missing {
		blob.Truncated = true
		if n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); blob.Size == 0 && err == nil && n > 0 {
			blob.Size = n
		}
	}
	return blob
}

// agreement returns the result of a TLS handshake, the zero value when it is not known.
func (c *Conn) agreement() exchange.TLS {
	t := exchange.TLS{ALPN: c.ALPN}
	name := strings.Replace(c.TLSVersion, "TLSv", "TLS ", 1)
	for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		if known := tls.VersionName(v); known == name || known == name+".0" {
			t.Version = v
		}
	}
	if t.Version == 0 {
		return exchange.TLS{}
	}
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if s.Name == c.Cipher {
			t.Cipher = s.ID
		}
	}
	return t
}

// address returns an address as a value, which is invalid for a text that is none.
func address(text string) netip.AddrPort {
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.AddrPort{}
	}
	return addr
}

// since returns the time from start to end, 0 when end is not known.
func since(start, end time.Time) time.Duration {
	if start.IsZero() || end.IsZero() {
		return 0
	}
	return max(end.Sub(start), 0)
}
