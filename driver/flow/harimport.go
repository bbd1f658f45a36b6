package flow

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"starproxy/builtins/exchange"
)

// harEntry is an entry that is being imported.
type harEntry struct {
	Started   harString                   `json:"startedDateTime"`
	Time      harNumber                   `json:"time"`
	Request   maybe[harRequestIn]         `json:"request"`
	Response  maybe[harResponseIn]        `json:"response"`
	ServerIP  harString                   `json:"serverIPAddress"`
	Conn      harString                   `json:"connection"`
	Comment   harString                   `json:"comment"`
	Resource  harString                   `json:"_resourceType"`
	WebSocket harList[harSocketMessageIn] `json:"_webSocketMessages"`
	TLS       maybe[harHelloIn]           `json:"_tls"`
}

type harHelloIn struct {
	JA3     harString `json:"ja3"`
	JA4     harString `json:"ja4"`
	Resumes any       `json:"resumes"`
}

type harRequestIn struct {
	Method   harString  `json:"method"`
	URL      harString  `json:"url"`
	Proto    harString  `json:"httpVersion"`
	Headers  harFields  `json:"headers"`
	Trailers harFields  `json:"_trailers"`
	PostData *harTextIn `json:"postData"`
}

type harResponseIn struct {
	Status     harNumber  `json:"status"`
	StatusText harString  `json:"statusText"`
	Error      harString  `json:"_error"`
	Proto      harString  `json:"httpVersion"`
	Headers    harFields  `json:"headers"`
	Trailers   harFields  `json:"_trailers"`
	Content    *harTextIn `json:"content"`
}

// flow returns the flow of an entry.
func (e *harEntry) flow() (*Flow, error) {
	request := e.Request.value
	if request == nil {
		return nil, errors.New("it has no request")
	}
	start := parseHARTime(string(e.Started))
	f := &Flow{ID: uuid.NewString(), Created: start, Comment: string(e.Comment)}
	if err := request.flow(f); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	end := start
	if e.Time > 0 && e.Time < harNumber(math.MaxInt64/time.Millisecond) && !start.IsZero() {
		end = start.Add(time.Duration(float64(e.Time) * float64(time.Millisecond)))
	}
	f.Request.Start, f.Request.End = start, start
	address := exchange.JoinAuthority(f.Request.Host, f.Request.Port)
	f.Client = Conn{ID: uuid.NewString(), Start: start}
	if e.Conn != "" { // programs write a number, or what they like
		f.Client.ID = uuid.NewSHA1(uuid.NameSpaceOID, []byte(e.Conn)).String()
	}
	f.Server = Conn{ID: uuid.NewString(), Address: address}
	if ip := strings.Trim(string(e.ServerIP), "[] "); ip != "" {
		f.Server.Peer = exchange.JoinAuthority(ip, f.Request.Port)
	}
	if f.Request.Scheme == "https" {
		f.Client.TLS, f.Client.SNI, f.Client.TLSSetup = true, f.Request.Host, start
		f.Server.TLS, f.Server.SNI, f.Server.TLSSetup = true, f.Request.Host, start
	}
	if r := e.Response.value; r != nil {
		r.flow(f)
	}
	if f.Response == nil && f.Error == nil {
		f.Error = &Error{Message: "there was no response"}
	}
	if f.Error != nil {
		f.Error.Time = end
	}
	if f.Response != nil {
		f.Response.Start, f.Response.End = start, end
	}
	if t := e.TLS.value; t != nil {
		f.SetFingerprint(Fingerprint{JA3: string(t.JA3), JA4: string(t.JA4), Resumes: t.Resumes == true})
	}
	if e.Resource == "websocket" || e.WebSocket != nil {
		f.WebSocket = socketOf(e.WebSocket)
	}
	return f, nil
}

// doubt notes a part of an entry that is left out.
func (f *Flow) doubt(format string, args ...any) {
	f.doubts = append(f.doubts, fmt.Sprintf(format, args...))
}

// flow sets the request of f.
func (h *harRequestIn) flow(f *Flow) error {
	r := &f.Request
	r.Method, r.Proto = strings.TrimSpace(string(h.Method)), protoOf(string(h.Proto))
	if r.Method == "" {
		return errors.New("it has no method")
	}
	if err := r.target(strings.TrimSpace(string(h.URL))); err != nil {
		return err
	}
	var authority string
	r.Header, authority = fieldsOf(h.Headers)
	r.Trailer, _ = fieldsOf(h.Trailers)
	if strings.HasPrefix(r.Proto, "HTTP/2") || r.Proto == "HTTP/3" {
		if r.Authority = authority; authority == "" {
			r.Authority = hostOf(r)
		}
	}
	if h.PostData == nil {
		return nil
	}
	r.Header = h.PostData.typed(r.Header)
	if h.PostData.fieldsOnly() {
		data, typ := h.PostData.form(r.Header.Get("Content-Type"))
		r.Body = bodyOfBytes(data)
		r.Header.Set("Content-Type", typ)
		h.PostData.fit(&r.Header, r.Body, true)
		f.Metadata = map[string]any{formKey: "fields"}
		return nil
	}
	body, err := h.PostData.body(r.Header.Get("Content-Type"))
	if err != nil {
		f.doubt("the body of the request is left out: %v", err)
	}
	r.Body = body
	h.PostData.fit(&r.Header, body, true)
	return nil
}

// target splits a URL without decoding it.
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
	var err error
	if r.Host, r.Port, err = exchange.ParseAuthority(host, exchange.DefaultPort(r.Scheme)); err != nil || !ok {
		return fmt.Errorf("url %q: expected http or https, a host and a path", url)
	}
	if path, _, _ = strings.Cut(path, "#"); !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	r.Path = path
	return nil
}

// hostOf returns the host of an authority, without the default port.
func hostOf(r *Request) string {
	return exchange.URLAuthority(r.Scheme, r.Host, r.Port)
}

// flow sets the response and the error of f.
func (h *harResponseIn) flow(f *Flow) {
	if h.Error != "" {
		f.Error = &Error{Message: string(h.Error)}
	}
	status, ok := h.Status.int()
	switch {
	case h.Status == 0:
		return
	case !ok || status < 100 || status > 999:
		f.doubt("the response is left out: status %v", float64(h.Status))
		return
	}
	r := &Response{Status: int(status), Reason: string(h.StatusText), Proto: protoOf(string(h.Proto))}
	f.Response = r
	if r.Reason == "" && strings.HasPrefix(r.Proto, "HTTP/1") {
		r.Reason = http.StatusText(r.Status)
	}
	r.Header, _ = fieldsOf(h.Headers)
	r.Trailer, _ = fieldsOf(h.Trailers)
	if h.Content == nil {
		return
	}
	r.Header = h.Content.typed(r.Header)
	body, err := h.Content.body(r.Header.Get("Content-Type"))
	if err != nil {
		f.doubt("the body of the response is left out: %v", err)
	}
	r.Body = body
	switch {
	case string(h.Content.Comment) == notStored || err != nil:
		if f.Metadata == nil {
			f.Metadata = map[string]any{}
		}
		f.Metadata[bodyKey] = bodyUnstored
	case f.Error != nil: // the transfer broke off: the length is not that of the bytes that came
		if r.Header.Get("Content-Encoding") != "" && h.Content.decoded(body) {
			r.Header.Del("Content-Length")
		}
		h.Content.fit(&r.Header, body, false)
	default:
		bare := f.Request.Method == http.MethodHead || r.Status == http.StatusNotModified
		h.Content.fit(&r.Header, body, !bare || body.Size > 0)
	}
}

// fieldsOf returns a header without the pseudo-headers of HTTP/2, which browsers write.
func fieldsOf(fields harFields) (h exchange.Header, authority string) {
	for _, f := range fields {
		switch {
		case f.Name == ":authority":
			authority = f.Value
		case !strings.HasPrefix(f.Name, ":"):
			h = append(h, f)
		}
	}
	return h, authority
}

// protoOf returns a version in the spelling of recordings.
func protoOf(s string) string {
	s = strings.ToUpper(strings.TrimSpace(s))
	switch {
	case strings.Contains(s, "QUIC"), strings.HasPrefix(s, "HTTP/3"), strings.HasPrefix(s, "H3"):
		return "HTTP/3"
	case s == "HTTP/2", s == "HTTP/2.0", strings.HasPrefix(s, "H2"), strings.HasPrefix(s, "SPDY"):
		return "HTTP/2.0"
	case s == "HTTP/1.0":
		return s
	}
	return "HTTP/1.1"
}
