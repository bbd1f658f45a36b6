package value

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"starproxy/builtins/exchange"
)

var requests = NewTable("req", "req", "The request that a handler answers.",
	Field("method", "GET, POST and so on.", func(r *Request) (starlark.Value, error) {
		return starlark.String(r.x.Request.Method), nil
	}),
	Field("url", "The full URL; the port is left out when it is the scheme's own.", func(r *Request) (starlark.Value, error) {
		return starlark.String(r.x.Request.URL()), nil
	}),
	Field("scheme", "http or https.", func(r *Request) (starlark.Value, error) {
		return starlark.String(r.x.Request.Scheme), nil
	}),
	Field("host", "The server's name or address, without port.", func(r *Request) (starlark.Value, error) {
		return starlark.String(r.x.Request.Host), nil
	}),
	Field("port", "The server's port, an int.", func(r *Request) (starlark.Value, error) {
		return starlark.MakeInt(r.x.Request.Port), nil
	}),
	Field("path", "The path as sent, without the query.", func(r *Request) (starlark.Value, error) {
		return starlark.String(r.x.Request.Path()), nil
	}),
	Field("segments", "The parts of the path between slashes, a list.", func(r *Request) (starlark.Value, error) {
		return FromGo(Segments(r.x.Request.Path())), nil
	}),
	Field("query", "The first value of each name in the query, a dict.", func(r *Request) (starlark.Value, error) {
		return firstValues(r.call, "req.query", r.x.Request.Query())
	}),
	Method("query_all", "All values of a name in the query, a list.", allValues((*Request).allQuery)),
	Field("params", "The path segments that the {name} parts of the endpoint's key matched, a dict.", (*Request).params),
	Field("headers", `The header: headers[name] and headers.get(name) ignore case,
		headers.all(name) lists all values.`, func(r *Request) (starlark.Value, error) {
		return Header{r}, nil
	}),
	Field("cookies", "The first value of each cookie, a dict.", (*Request).cookies),
	Method("cookies_all", "All values of the cookies of a name, a list.", allValues((*Request).allCookies)),
	Field("body", "The body as sent, in bytes.", func(r *Request) (starlark.Value, error) {
		b, err := r.Body()
		return starlark.Bytes(b), err
	}),
	Field("text", `The body as text, its content encoding undone: in the charset of its
		type, of a byte order mark, in UTF-8, or in Latin-1.`, func(r *Request) (starlark.Value, error) {
		s, err := r.Text()
		return starlark.String(s), err
	}),
	Field("parts", "The parts of a multipart body, a list; empty for other bodies.", (*Request).parts),
	Field("client", "The address and port of the client.", func(r *Request) (starlark.Value, error) {
		return starlark.String(r.x.Client.String()), nil
	}),
	Field("time", "When the request came, a time.", func(r *Request) (starlark.Value, error) {
		return startime.Time(r.x.Start), nil
	}),
	Field("http_version", "1.0, 1.1 or 2.0.", func(r *Request) (starlark.Value, error) {
		return starlark.String(strings.TrimPrefix(r.x.Request.Proto, "HTTP/")), nil
	}),
	Field("id", "The number of the exchange, as captures show it.", func(r *Request) (starlark.Value, error) {
		return starlark.MakeUint64(r.x.ID), nil
	}),
	Method("header", "The first value of a header, or default.", (*Request).header),
	Method("json", `The JSON body, or the value at a path in it ("user.tags.0",
		"tags.-1", "tags[-1].id"); default when there is none.`, (*Request).json),
	Method("form", "The first value of each field of a form, a dict.", (*Request).formDict),
	Method("form_all", "All values of a field of a form, a list.", allValues((*Request).allForm)),
)

func (r *Request) params() (starlark.Value, error) {
	d := new(starlark.Dict)
	for _, k := range slices.Sorted(maps.Keys(r.x.Params)) {
		d.SetKey(starlark.String(k), starlark.String(r.x.Params[k]))
	}
	return d, nil
}

func (r *Request) cookies() (starlark.Value, error) {
	d := r.call.Maker(0)
	for name, value := range exchange.Cookies(r.x.Request.Header) {
		if _, ok, _ := d.Get(starlark.String(name)); ok {
			continue
		}
		if err := d.Set(starlark.String(name), starlark.String(value)); err != nil {
			return nil, fmt.Errorf("req.cookies: %w", err)
		}
	}
	return d.Dict, nil
}
