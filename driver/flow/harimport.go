package flow

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// flow makes a flow of an entry.
func (e *harEntry) flow() (*Flow, error) {
	start, err := parseHARTime(e.Started)
	if err != nil {
		return nil, err
	}
	if e.Request == nil {
		return nil, errors.New("it has no request")
	}
	f := &Flow{ID: newID(), Created: start, Comment: e.Comment}
	if f.Request, err = e.Request.request(); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	end := start
	if e.Time > 0 && e.Time < float64(math.MaxInt64/time.Millisecond) {
		end = start.Add(time.Duration(e.Time * float64(time.Millisecond)))
	}
	f.Request.Start, f.Request.End = start, start
	address := joinAddress(f.Request.Host, f.Request.Port)
	f.Client = Conn{ID: newID(), Start: start}
	f.Server = Conn{ID: newID(), Address: address}
	if ip := strings.Trim(e.ServerIP, "[]"); ip != "" {
		f.Server.Peer = joinAddress(ip, f.Request.Port)
	}
	if f.Request.Scheme == "https" {
		f.Client.TLS, f.Client.SNI, f.Client.TLSSetup = true, f.Request.Host, start
		f.Server.TLS, f.Server.SNI, f.Server.TLSSetup = true, f.Request.Host, start
	}
	if r := e.Response; r != nil {
		if r.Error != "" {
			f.Error = &Error{r.Error, end}
		}
		if r.Status != 0 {
			response, err := r.response(f.Request.Method)
			if err != nil {
				return nil, fmt.Errorf("response: %w", err)
			}
			response.Start, response.End = start, end
			f.Response = response
		}
	}
	if f.Response == nil && f.Error == nil {
		f.Error = &Error{"there was no response", end}
	}
	if e.Resource == "websocket" || e.WebSocket != nil {
		if f.WebSocket, err = socketOf(e.WebSocket); err != nil {
			return nil, fmt.Errorf("_webSocketMessages: %w", err)
		}
	}
	return f, nil
}

func (h *harRequest) request() (Request, error) {
	r := Request{Method: h.Method, Proto: protoOf(h.Proto)}
	if r.Method == "" {
		return r, errors.New("it has no method")
	}
	if err := r.target(h.URL); err != nil {
		return r, err
	}
	var authority string
	r.Header, authority = fieldsOf(h.Headers)
	r.Trailer, _ = fieldsOf(h.Trailers)
	if strings.HasPrefix(r.Proto, "HTTP/2") || r.Proto == "HTTP/3" {
		if r.Authority = authority; authority == "" {
			r.Authority = hostOf(&r)
		}
	}
	if h.PostData == nil {
		return r, nil
	}
	body, err := h.PostData.body()
	if err != nil {
		return r, fmt.Errorf("postData: %w", err)
	}
	r.Body = body
	r.Header = h.PostData.fit(r.Header, body, true)
	return r, nil
}

// target takes a URL apart, of which nothing is decoded.
func (r *Request) target(url string) error {
	scheme, rest, ok := strings.Cut(url, "://")
	r.Scheme = strings.ToLower(scheme)
	switch r.Scheme {
	case "ws":
		r.Scheme = "http"
	case "wss":
		r.Scheme = "https"
	case "http", "https":
	default:
		ok = false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	r.Host, r.Port = host, exchange.DefaultPort(r.Scheme)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		port, err := strconv.ParseUint(host[i+1:], 10, 16)
		ok = ok && err == nil
		r.Host, r.Port = host[:i], int(port)
	}
	if r.Host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]"); r.Host == "" || !ok {
		return fmt.Errorf("url %q: expected http or https, a host and a path", url)
	}
	if path, _, _ = strings.Cut(path, "#"); !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	r.Path = path
	return nil
}

// hostOf is the host as an authority names it, without the usual port.
func hostOf(r *Request) string {
	x := exchange.Request{Scheme: r.Scheme, Host: r.Host, Port: r.Port}
	return strings.TrimPrefix(x.URL(), r.Scheme+"://")
}

func (h *harResponse) response(method string) (*Response, error) {
	r := &Response{Status: h.Status, Reason: h.StatusText, Proto: protoOf(h.Proto)}
	if r.Status < 0 || r.Status > 999 {
		return nil, fmt.Errorf("status %d", r.Status)
	}
	if r.Reason == "" && strings.HasPrefix(r.Proto, "HTTP/1") {
		r.Reason = http.StatusText(r.Status)
	}
	r.Header, _ = fieldsOf(h.Headers)
	r.Trailer, _ = fieldsOf(h.Trailers)
	if h.Content == nil {
		return r, nil
	}
	body, err := h.Content.body()
	if err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	r.Body = body
	bare := method == "HEAD" || r.Status == http.StatusNotModified
	r.Header = h.Content.fit(r.Header, body, !bare || body.Size > 0)
	return r, nil
}

// body gives the bytes of a body.
func (t *harText) body() (Body, error) {
	switch {
	case t.Text == nil && t.Encoding == "" && t.Comment == "" && (t.Size == nil || *t.Size <= 0):
		return Body{}, nil
	case t.Text == nil:
		return Body{Missing: true}, nil
	}
	var data []byte
	switch strings.ToLower(t.Encoding) {
	case "":
		data = []byte(*t.Text)
	case "base64":
		var err error
		if data, err = base64.StdEncoding.DecodeString(*t.Text); err != nil {
			return Body{}, err
		}
	default:
		return Body{}, fmt.Errorf("encoding %q: expected base64", t.Encoding)
	}
	if len(data) == 0 {
		data = nil
	}
	return Body{Blob: capture.Blob{Size: int64(len(data)), Data: data}}, nil
}

// fit makes a header fit a body whose content encoding is undone. length says
// that the length must be that of the body.
func (t *harText) fit(header []Field, body Body, length bool) []Field {
	decoded := !body.Missing && body.Size > 0 && !strings.HasPrefix(t.Comment, stillIn)
	kept := header[:0]
	for _, f := range header {
		switch {
		case decoded && strings.EqualFold(f.Name, "Content-Encoding"):
			continue
		case length && !body.Missing && strings.EqualFold(f.Name, "Content-Length"):
			f.Value = strconv.FormatInt(body.Size, 10)
		}
		kept = append(kept, f)
	}
	return kept
}

// fieldsOf reads a header. Browsers have the pseudo-headers of HTTP/2 in it.
func fieldsOf(pairs []harPair) (fields []Field, authority string) {
	for _, p := range pairs {
		switch {
		case p.Name == ":authority":
			authority = p.Value
		case !strings.HasPrefix(p.Name, ":"):
			fields = append(fields, Field(p))
		}
	}
	return fields, authority
}

// protoOf spells a version as recordings do.
func protoOf(s string) string {
	switch s = strings.ToUpper(s); s {
	case "H2", "HTTP/2", "HTTP/2.0":
		return "HTTP/2.0"
	case "H3", "HTTP/3", "HTTP/3.0":
		return "HTTP/3"
	case "HTTP/1.0", "HTTP/1.1":
		return s
	}
	return "HTTP/1.1"
}

func socketOf(messages []harSocketMessage) (*WebSocket, error) {
	w := &WebSocket{}
	for i, m := range messages {
		out := Message{FromClient: m.Type == "send", Binary: m.Opcode != 1}
		if m.Time > 0 && m.Time < 1<<37 {
			out.Time = time.UnixMicro(int64(math.Round(m.Time * 1e6)))
		}
		out.Data = []byte(m.Data)
		if out.Binary {
			data, err := base64.StdEncoding.DecodeString(m.Data)
			if err != nil {
				return nil, fmt.Errorf("message %d: %w", i, err)
			}
			out.Data = data
		}
		if len(out.Data) == 0 {
			out.Data = nil
		}
		w.Messages = append(w.Messages, out)
	}
	return w, nil
}
