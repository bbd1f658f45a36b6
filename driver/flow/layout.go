package flow

import (
	"crypto/x509"
	"encoding/pem"
	"strconv"
	"time"

	"starproxy/builtins/exchange"
)

// encode writes the record. It writes backwards, so read it from the end: keys follow their
// values here. The keys are those that all versions of mitmproxy demand. With one more or
// less, some versions refuse the file.
func (w *Writer) encode(f *Flow, b flowBodies) {
	e := &w.e
	all := e.open(tagDict)
	if f.Error != nil {
		dict := e.open(tagDict)
		e.moment(f.Error.Time, f.Created)
		e.raw("9:timestamp;")
		e.text(f.Error.Message)
		e.raw("3:msg;")
		e.close(dict)
	} else {
		e.null()
	}
	e.raw("5:error;")
	w.conn(&f.Server, true, time.Time{})
	e.raw("11:server_conn;")
	w.conn(&f.Client, false, f.Request.Start)
	e.raw("11:client_conn;")
	e.raw("11:intercepted;5:false!")
	switch f.Replayed {
	case "request", "response":
		e.text(f.Replayed)
	default:
		e.null()
	}
	e.raw("9:is_replay;")
	e.text(f.Marked)
	e.raw("6:marked;")
	e.dict(f.Metadata, 1)
	e.raw("8:metadata;")
	e.text(f.Comment)
	e.raw("7:comment;")
	e.moment(f.Created, f.Request.Start, f.Client.Start)
	e.raw("17:timestamp_created;")
	kind := "http"
	if f.Stream {
		kind = "tcp"
		e.messageList(f.WebSocket, e.piece)
		e.raw("8:messages;")
	} else {
		e.request(&f.Request, b)
		e.raw("7:request;")
		e.response(f.Response, b)
		e.raw("8:response;")
		e.websocket(f.WebSocket)
		e.raw("9:websocket;")
	}
	e.id(f.ID)
	e.raw("7:version;" + strconv.Itoa(len(format)) + ":" + format + "#2:id;")
	e.text(kind)
	e.raw("4:type;")
	e.close(all)
}

func (e *encoder) request(r *Request, b flowBodies) {
	dict := e.open(tagDict)
	e.time(r.End)
	e.raw("13:timestamp_end;")
	e.moment(r.Start)
	e.raw("15:timestamp_start;")
	e.trailer(r.Trailer)
	e.raw("8:trailers;")
	e.body(b.request, b.whole)
	e.raw("7:content;")
	e.fields(r.Header)
	e.raw("7:headers;")
	e.bytes(r.Proto)
	e.raw("12:http_version;")
	e.bytes(r.Path)
	e.raw("4:path;")
	e.bytes(r.Authority)
	e.raw("9:authority;")
	e.bytes(r.Scheme)
	e.raw("6:scheme;")
	e.bytes(r.Method)
	e.raw("6:method;")
	e.int(int64(r.Port))
	e.raw("4:port;")
	e.text(r.Host)
	e.raw("4:host;")
	e.close(dict)
}

func (e *encoder) response(r *Response, b flowBodies) {
	if r == nil {
		e.null()
		return
	}
	dict := e.open(tagDict)
	e.time(r.End)
	e.raw("13:timestamp_end;")
	e.moment(r.Start)
	e.raw("15:timestamp_start;")
	e.trailer(r.Trailer)
	e.raw("8:trailers;")
	e.body(b.response, b.whole)
	e.raw("7:content;")
	e.fields(r.Header)
	e.raw("7:headers;")
	e.bytes(r.Proto)
	e.raw("12:http_version;")
	e.bytes(r.Reason)
	e.raw("6:reason;")
	e.int(int64(r.Status))
	e.raw("11:status_code;")
	e.close(dict)
}

func (e *encoder) fields(fields exchange.Header) {
	list := e.open(tagList)
	for i := len(fields) - 1; i >= 0; i-- {
		pair := e.open(tagList)
		e.bytes(fields[i].Value)
		e.bytes(fields[i].Name)
		e.close(pair)
	}
	e.close(list)
}

func (e *encoder) trailer(fields exchange.Header) {
	if len(fields) == 0 {
		e.null()
		return
	}
	e.fields(fields)
}

func (e *encoder) websocket(w *WebSocket) {
	if w == nil {
		e.null()
		return
	}
	dict := e.open(tagDict)
	e.time(w.End)
	e.raw("13:timestamp_end;")
	e.name(w.CloseReason)
	e.raw("12:close_reason;")
	if w.CloseCode != 0 {
		e.int(int64(w.CloseCode))
	} else {
		e.null()
	}
	e.raw("10:close_code;")
	if w.ClosedByClient != nil {
		e.bool(*w.ClosedByClient)
	} else {
		e.null()
	}
	e.raw("16:closed_by_client;")
	e.messageList(w, e.message)
	e.raw("8:messages;")
	e.close(dict)
}

// messageList writes the messages of a WebSocket, or of a stream, by write.
func (e *encoder) messageList(w *WebSocket, write func(*Message)) {
	list := e.open(tagList)
	e.after = e.n
	if w != nil {
		if w.stored != nil {
			e.holes = append(e.holes, hole{left: len(e.buf) - e.at, body: w.stored.body()})
			e.n += w.stored.size
		}
		for i := len(w.Messages) - 1; i >= 0; i-- {
			write(&w.Messages[i])
		}
	}
	e.messages = e.n
	e.close(list)
}

// piece writes a message of a stream.
func (e *encoder) piece(m *Message) {
	item := e.open(tagList)
	e.moment(m.Time)
	e.bytes(string(m.Data))
	e.bool(m.FromClient)
	e.close(item)
}

func (e *encoder) message(m *Message) {
	item := e.open(tagList)
	e.bool(m.Injected)
	e.bool(m.Dropped)
	e.moment(m.Time)
	e.tag(tagBytes)
	copy(e.room(len(m.Data)), m.Data)
	e.length(int64(len(m.Data)))
	e.bool(m.FromClient)
	if m.Binary {
		e.raw("1:2#")
	} else {
		e.raw("1:1#")
	}
	e.close(item)
}

// conn writes a connection. since is a time at which it was established already.
func (w *Writer) conn(c *Conn, server bool, since time.Time) {
	e := &w.e
	dict := e.open(tagDict)
	if server {
		e.raw("3:via;0:~4:via2;0:~")
		e.time(c.Connected)
		e.raw("19:timestamp_tcp_setup;")
		e.time(c.Start)
		e.raw("15:timestamp_start;")
		e.address(c.Sock)
		e.raw("14:source_address;")
		e.address(c.Peer)
		e.raw("10:ip_address;")
		e.address(c.Address)
		e.raw("7:address;")
	} else {
		e.raw("14:tls_extensions;0:]8:mitmcert;0:~")
		e.moment(c.Start, since)
		e.raw("15:timestamp_start;")
		e.end(c.Sock)
		e.raw("8:sockname;")
		e.end(c.Peer)
		e.raw("7:address;")
	}
	e.time(c.TLSSetup)
	e.raw("19:timestamp_tls_setup;")
	e.time(c.End)
	e.raw("13:timestamp_end;")
	e.bool(!c.TLSSetup.IsZero())
	e.raw("15:tls_established;")
	e.bool(c.TLS)
	e.raw("3:tls;")
	if knownTLS(c.TLSVersion) {
		e.text(c.TLSVersion)
	} else {
		e.null()
	}
	e.raw("11:tls_version;")
	e.name(c.SNI)
	e.raw("3:sni;")
	e.name(c.Cipher)
	e.raw("5:state;1:0#11:cipher_name;")
	e.name(c.Error)
	e.raw("11:alpn_offers;0:]11:cipher_list;0:]5:error;")
	if c.ALPN != "" {
		e.bytes(c.ALPN)
	} else {
		e.null()
	}
	e.raw("4:alpn;")
	list := e.open(tagList)
	for i := len(c.Certificates) - 1; i >= 0; i-- {
		if cert := c.Certificates[i]; w.isCertificate(cert) {
			e.bytes(string(cert))
		}
	}
	e.close(list)
	e.raw("16:certificate_list;")
	e.id(c.ID)
	e.raw("2:id;")
	e.close(dict)
}

// end writes a client's address. It can't be null: an unknown address is written as
// mitmproxy writes it.
func (e *encoder) end(addr string) {
	if known(addr) == "" {
		e.raw("16:9:127.0.0.1;1:0#]")
		return
	}
	e.address(addr)
}

// isCertificate reports whether mitmproxy can read a certificate. It refuses the whole flow
// if it can't.
func (w *Writer) isCertificate(text []byte) bool {
	good, ok := w.certs[string(text)]
	if !ok {
		if block, _ := pem.Decode(text); block != nil && block.Type == "CERTIFICATE" {
			_, err := x509.ParseCertificate(block.Bytes)
			good = err == nil
		}
		if len(w.certs) >= 256 {
			clear(w.certs)
		}
		w.certs[string(text)] = good
	}
	return good
}

// knownTLS reports whether mitmproxy knows a TLS version.
func knownTLS(version string) bool {
	switch version {
	case "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", "DTLSv0.9", "DTLSv1", "DTLSv1.2", "QUICv1":
		return true
	}
	return false
}
