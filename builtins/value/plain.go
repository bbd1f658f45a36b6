package value

import (
	"net/http"
	"strings"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// Plain makes the answer of a dict that has only the keys status, body, headers,
// content_type, file and latency_ms. For any other dict, ok is false.
func Plain(c *call.Call, d *starlark.Dict, defaults *call.Defaults) (res *exchange.Response, h exchange.Handler, ok bool, err error) {
	r := &plain{Draft: Draft{Status: http.StatusOK}}
	d.Entries()(r.take)
	if r.err != nil || r.other || templated(r.Headers) || expression(r.File) {
		return nil, nil, r.err != nil, r.err
	}
	typ := defaults.ContentType
	if typ == "" {
		typ = jsonType
	}
	if r.File != nil && r.File != starlark.None {
		typ = ""
	}
	h, err = r.build(c, &r.res, defaults, typ)
	return &r.res, h, true, err
}

// plain reads a dict into an answer.
type plain struct {
	Draft
	res   exchange.Response
	other bool // the dict has a key of another kind of answer
	err   error
}

// take reads an entry. It reports false when the rest need not be read.
func (r *plain) take(k, v starlark.Value) bool {
	key, isText := k.(starlark.String)
	if !isText || key == "stream" {
		r.other = true
		return false
	}
	known, err := r.Set(string(key), v)
	r.other, r.err = !known, err
	return known && err == nil
}

// expression reports whether the name of a file has a template expression in it.
func expression(file starlark.Value) bool {
	s, ok := starlark.AsString(file)
	return ok && strings.Contains(s, "{{")
}

// templated reports whether a header has a template expression in it.
func templated(headers starlark.Value) bool {
	d, ok := headers.(*starlark.Dict)
	if !ok || d.Len() == 0 {
		return false
	}
	for _, v := range d.Entries() {
		if s, ok := v.(starlark.String); ok && strings.Contains(string(s), "{{") {
			return true
		}
		if l, ok := v.(*starlark.List); ok {
			for i := range l.Len() {
				if s, ok := l.Index(i).(starlark.String); ok && strings.Contains(string(s), "{{") {
					return true
				}
			}
		}
	}
	return false
}
