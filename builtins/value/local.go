package value

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// NewExchange makes the exchange of a request that does not come from the network.
func NewExchange(key string, headers, query, params, body starlark.Value) (*exchange.Exchange, error) {
	verb, target, ok := strings.Cut(key, " ")
	if !ok {
		verb, target = http.MethodGet, key
	}
	u, err := url.Parse(target)
	if err != nil || u.Path == "" {
		return nil, fmt.Errorf("%q is no METHOD /path", key)
	}
	q := &exchange.Request{
		Method: strings.ToUpper(verb), Scheme: "http", Host: "localhost", Target: u.RequestURI(),
		Proto: "HTTP/1.1",
	}
	q.Port = exchange.DefaultPort(q.Scheme)
	if u.Host != "" {
		q.Scheme = u.Scheme
		if q.Host, q.Port, err = exchange.ParseAuthority(u.Host, exchange.DefaultPort(q.Scheme)); err != nil {
			return nil, fmt.Errorf("%q: %w", key, err)
		}
	}
	q.Authority = q.Host
	x := &exchange.Exchange{ID: 1, Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 40000), Request: q}
	err = eachText(headers, "string", func(name string, v starlark.Value) bool {
		s, ok := plainText(v)
		q.Header.Set(name, s)
		return ok
	})
	if err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	pairs, err := textLists(query)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	if len(pairs) > 0 {
		values := exchange.Values(u.RawQuery)
		for k, v := range pairs {
			values[k] = v
		}
		q.SetTarget(u.EscapedPath() + "?" + values.Encode())
	}
	if x.Params, err = textMap(params); err != nil {
		return nil, fmt.Errorf("params: %w", err)
	}
	return x, setBody(q, body)
}

// setBody sets the body of a request. Text is sent as it is, other values as JSON.
func setBody(q *exchange.Request, body starlark.Value) error {
	var data []byte
	switch v := body.(type) {
	case nil, starlark.NoneType:
		return nil
	case starlark.String:
		data = []byte(v)
	case starlark.Bytes:
		data = []byte(v)
	default:
		var err error
		if data, err = AppendJSON(nil, nil, v); err != nil {
			return fmt.Errorf("body: %w", err)
		}
		if q.Header.Get("Content-Type") == "" {
			q.Header.Set("Content-Type", "application/json")
		}
	}
	if _, raw := body.(starlark.Bytes); !raw {
		data, q.Header, _ = exchange.EncodeBody(q.Header, data)
	}
	q.Body = exchange.NewIncoming(strings.NewReader(string(data)), nil)
	q.ContentLength = int64(len(data))
	return nil
}

// textMap reads a dict of texts. A number counts as its text. None is an empty dict.
func textMap(v starlark.Value) (map[string]string, error) {
	m := map[string]string{}
	err := eachText(v, "string", func(k string, v starlark.Value) (ok bool) {
		m[k], ok = plainText(v)
		return ok
	})
	return m, err
}

// textLists reads a dict like textMap. A value may also be a list of texts.
func textLists(v starlark.Value) (map[string][]string, error) {
	m := map[string][]string{}
	err := eachText(v, "string or list of strings", func(k string, v starlark.Value) bool {
		list := []starlark.Value{v}
		if l, ok := v.(*starlark.List); ok {
			list = list[:0]
			for i := range l.Len() {
				list = append(list, l.Index(i))
			}
		}
		m[k] = nil
		for _, e := range list {
			s, ok := plainText(e)
			if !ok {
				return false
			}
			m[k] = append(m[k], s)
		}
		return true
	})
	return m, err
}

// eachText calls take for each entry of a dict. If take reports false, the error says
// that the value is not of the kind want.
func eachText(v starlark.Value, want string, take func(key string, v starlark.Value) bool) error {
	if v == nil || v == starlark.None {
		return nil
	}
	d, ok := v.(starlark.IterableMapping)
	if !ok {
		return fmt.Errorf("got %s, want dict", call.Describe(v))
	}
	for _, kv := range d.Items() {
		k, err := JSONKey(kv[0])
		if err != nil {
			return err
		}
		if !take(k, kv[1]) {
			return fmt.Errorf("%q: got %s, want %s", k, call.Describe(kv[1]), want)
		}
	}
	return nil
}

// plainText returns a text, or a number as text.
func plainText(v starlark.Value) (string, bool) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), true
	case starlark.Int, starlark.Float:
		return v.String(), true
	}
	return "", false
}
