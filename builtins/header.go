package builtins

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"sort"

	"go.starlark.net/starlark"
)

// Header is a header as scripts see it: a mapping by name, ignoring case, to
// the first value. Scripts can't change it.
type Header struct{ h http.Header }

func (h Header) String() string {
	d := new(starlark.Dict)
	for _, kv := range h.Items() {
		d.SetKey(kv[0], kv[1])
	}
	return d.String()
}
func (h Header) Type() string          { return "headers" }
func (h Header) Freeze()               {}
func (h Header) Truth() starlark.Bool  { return len(h.h) > 0 }
func (h Header) Hash() (uint32, error) { return 0, errors.New("unhashable: headers") }

// Len is the number of names.
func (h Header) Len() int { return len(h.h) }

// Get finds the first value of a name, ignoring case.
func (h Header) Get(k starlark.Value) (starlark.Value, bool, error) {
	name, ok := starlark.AsString(k)
	if !ok {
		return nil, false, fmt.Errorf("header name is %s, want string", describe(k))
	}
	if values := h.h[textproto.CanonicalMIMEHeaderKey(name)]; len(values) > 0 {
		return starlark.String(values[0]), true, nil
	}
	return nil, false, nil
}

func (h Header) names() []string {
	names := make([]string, 0, len(h.h))
	for name := range h.h {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Items lists names and first values in alphabetical order.
func (h Header) Items() []starlark.Tuple {
	var items []starlark.Tuple
	for _, name := range h.names() {
		items = append(items, starlark.Tuple{starlark.String(name), starlark.String(h.h.Get(name))})
	}
	return items
}

// Iterate goes through the names in alphabetical order.
func (h Header) Iterate() starlark.Iterator { return FromGo(h.names()).(*starlark.List).Iterate() }

// AttrNames lists the methods.
func (h Header) AttrNames() []string { return []string{"all", "get", "items", "keys"} }

// Attr gives a method.
func (h Header) Attr(name string) (starlark.Value, error) {
	switch name {
	case "all":
		return method(h, "headers.all", Header.all), nil
	case "get":
		return method(h, "headers.get", Header.get), nil
	case "keys":
		return method(h, "headers.keys", func(h Header, _ *Call, a Args) (starlark.Value, error) {
			return FromGo(h.names()), a.Unpack()
		}), nil
	case "items":
		return method(h, "headers.items", func(h Header, _ *Call, a Args) (starlark.Value, error) {
			list := []starlark.Value{}
			for _, kv := range h.Items() {
				list = append(list, kv)
			}
			return starlark.NewList(list), a.Unpack()
		}), nil
	}
	return nil, nil
}

func (h Header) all(_ *Call, a Args) (starlark.Value, error) {
	var name string
	if err := a.Unpack("name", &name); err != nil {
		return nil, err
	}
	return FromGo(h.h[textproto.CanonicalMIMEHeaderKey(name)]), nil
}

func (h Header) get(_ *Call, a Args) (starlark.Value, error) {
	var name string
	var def starlark.Value = starlark.None
	if err := a.Unpack("name", &name, "default?", &def); err != nil {
		return nil, err
	}
	if v, ok, _ := h.Get(starlark.String(name)); ok {
		return v, nil
	}
	return def, nil
}
