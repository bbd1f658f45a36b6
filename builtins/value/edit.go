package value

import (
	"fmt"
	"net/url"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// SetField sets method, url, path or body. The change applies to the request that
// goes to the real server, and to later handlers, hooks and the record. url is a
// full URL, or a path with a query. path may have a query, too.
func (r *Request) SetField(name string, v starlark.Value) error {
	q := r.x.Request
	if name == "body" || name == "text" {
		return r.setBody(v)
	}
	s, ok := starlark.AsString(v)
	switch {
	case name != "method" && name != "url" && name != "path":
		return starlark.NoSuchAttrError(fmt.Sprintf("request has no .%s to set: want method, url, path, body or headers[name]", name))
	case !ok:
		return fmt.Errorf("req.%s: got %s, want string", name, call.Describe(v))
	case name == "method":
		return SetMethod(q, s)
	case name == "path" && !strings.HasPrefix(s, "/"):
		return fmt.Errorf("req.path: %q does not begin with a slash", s)
	case name == "path" && !strings.Contains(s, "?") && q.RawQuery() != "":
		s += "?" + q.RawQuery()
	}
	return SetURL(q, s)
}

func SetMethod(q *exchange.Request, s string) error {
	if !httpguts.ValidHeaderFieldName(s) {
		return fmt.Errorf("%q is no method", s)
	}
	q.Method = s
	return nil
}

// SetURL changes the destination of a request. s is a full URL, or a path with a
// query on the same server.
func SetURL(q *exchange.Request, s string) error {
	u, err := url.Parse(s)
	if err != nil || strings.ContainsAny(s, " \t\r\n") {
		return fmt.Errorf("%q is no URL", s)
	}
	if u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") {
		target, _, _ := strings.Cut(s, "#")
		q.SetTarget(target)
		return nil
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("%q: want http://, https:// or /path", s)
	}
	host, port, err := exchange.ParseAuthority(u.Host, exchange.DefaultPort(u.Scheme))
	if err != nil {
		return fmt.Errorf("%q: %w", s, err)
	}
	q.Scheme, q.Host, q.Port = u.Scheme, host, port
	q.Authority, q.DialAddr = u.Host, ""
	if q.Header.Has("Host") {
		q.Header = q.Header.Clone() // the header may be in use elsewhere
		q.Header.Set("Host", u.Host)
	}
	q.SetTarget(u.RequestURI())
	return nil
}

func (r *Request) setBody(v starlark.Value) error {
	data, kind, err := BodyBytes(r.call, v)
	if err != nil {
		return fmt.Errorf("req.body: %w", err)
	}
	before := ""
	if r.x.Request.Body != nil {
		before = exchange.Unread
	}
	if r.read {
		if plain, err := r.decoded(); err == nil {
			before = exchange.EditedText(r.x.Request.Header, plain)
		}
	}
	r.ownHeader()
	data = ReplaceBody(r.call, r.x.Request, data, kind)
	after := exchange.EditedText(r.x.Request.Header, data)
	r.x.Edited(exchange.EditOf(exchange.ByScript, "request", "body", before, after)...)
	r.body, r.read, r.plain, r.parsed, r.failed, r.form = data, true, nil, nil, nil, nil
	return nil
}

// ReplaceBody replaces the body of a request and changes its header. It returns the
// body as it is sent.
func ReplaceBody(c *call.Call, q *exchange.Request, data []byte, kind string) []byte {
	if q.Body != nil {
		q.Body.Drain() // the record has it
	}
	q.Header.DropBody()
	if kind != "" && (kind == jsonType || !q.Header.Has("Content-Type")) {
		q.Header.Set("Content-Type", kind)
	}
	data, q.Header = EncodeBody(c, q.Header, data, kind)
	q.Trailer, q.ContentLength = nil, int64(len(data))
	if q.Body = nil; len(data) > 0 {
		q.Body = exchange.NewIncoming(strings.NewReader(string(data)), nil)
	}
	return data
}

func (r *Request) lines() exchange.Header { return r.x.Request.Header }

// ownHeader copies the header before its first change, because it may be in use
// elsewhere.
func (r *Request) ownHeader() {
	if q := r.x.Request; !r.own {
		r.own, q.Header = true, q.Header.Clone()
	}
}

func (r *Request) editHeader(change func(*exchange.Header)) error {
	r.ownHeader()
	ChangeHeader(r.x.Request, change)
	return nil
}

// ChangeHeader changes the header of a request, and sets Authority to its Host.
func ChangeHeader(q *exchange.Request, change func(*exchange.Header)) {
	before := q.Header.Get("Host")
	change(&q.Header)
	if host := q.Header.Get("Host"); host != before {
		q.Authority = host
	}
}

// Interface guard.
var _ headerOwner = (*Request)(nil)
