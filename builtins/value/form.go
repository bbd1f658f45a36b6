package value

import (
	"fmt"
	"maps"
	"net/url"
	"slices"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

func (r *Request) formDict(c *call.Call, a call.Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	form, err := r.fields()
	if err != nil {
		return nil, err
	}
	return firstValues(c, "req.form", form)
}

// fields returns the fields of a form. The form is read at the first call.
func (r *Request) fields() (url.Values, error) {
	if r.form == nil {
		b, err := r.decoded()
		if err != nil {
			return nil, err
		}
		kind := r.x.Request.Header.Get("Content-Type")
		var form url.Values
		if err := r.call.Aside(len(b) > call.QuickText, "req.form", func() { form = exchange.ParseForm(kind, b) }); err != nil {
			return nil, err
		}
		r.form = form
	}
	return r.form, nil
}

// firstValues returns a dict of the first value of each name. where is the name of
// the dict in errors.
func firstValues(c *call.Call, where string, values map[string][]string) (starlark.Value, error) {
	d := c.Maker(len(values))
	for _, k := range slices.Sorted(maps.Keys(values)) {
		if err := d.Set(starlark.String(k), starlark.String(values[k][0])); err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
	}
	return d.Dict, nil
}

// allValues makes a method that lists all values of a name in the map that look
// returns.
func allValues(look func(*Request) (map[string][]string, error)) func(*Request, *call.Call, call.Args) (starlark.Value, error) {
	return func(r *Request, _ *call.Call, a call.Args) (starlark.Value, error) {
		var key string
		if err := a.Unpack("name", &key); err != nil {
			return nil, err
		}
		values, err := look(r)
		if err != nil {
			return nil, err
		}
		return FromGo(values[key]), nil
	}
}

func (r *Request) allQuery() (map[string][]string, error) { return r.x.Request.Query(), nil }

func (r *Request) allForm() (map[string][]string, error) { return r.fields() }

func (r *Request) allCookies() (map[string][]string, error) {
	return exchange.CookieValues(r.x.Request.Header), nil
}
