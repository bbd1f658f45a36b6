package value

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// Header is a header as scripts see it: a mapping from names to first values. Names
// ignore case. headers[name] = value replaces all values of a name. A list sets
// several values, and None removes the name.
type Header struct{ owner headerOwner }

// headerOwner is a request or response to which a header belongs.
type headerOwner interface {
	lines() exchange.Header
	// editHeader calls change with the header. It returns an error if the header
	// must not be changed.
	editHeader(change func(h *exchange.Header)) error
}

func (h Header) String() string {
	var b strings.Builder
	for i, kv := range h.Items() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(kv[0].String() + ": " + kv[1].String())
	}
	return "{" + b.String() + "}"
}
func (h Header) Type() string          { return "headers" }
func (h Header) Freeze()               {}
func (h Header) Truth() starlark.Bool  { return len(h.owner.lines()) > 0 }
func (h Header) Hash() (uint32, error) { return 0, errors.New("unhashable: headers") }

// Len returns the number of names.
func (h Header) Len() int { return len(h.names()) }

// Get finds the first value of a name, ignoring case.
func (h Header) Get(k starlark.Value) (starlark.Value, bool, error) {
	name, ok := starlark.AsString(k)
	if !ok {
		return nil, false, fmt.Errorf("header name is %s, want string", call.Describe(k))
	}
	if lines := h.owner.lines(); lines.Has(name) {
		return starlark.String(lines.Get(name)), true, nil
	}
	return nil, false, nil
}

func (h Header) names() []string { return h.owner.lines().Names() }

// Items lists names and first values in the order of the lines.
func (h Header) Items() []starlark.Tuple {
	var items []starlark.Tuple
	for _, name := range h.names() {
		items = append(items, starlark.Tuple{starlark.String(name), starlark.String(h.owner.lines().Get(name))})
	}
	return items
}

// Iterate goes through the names in the order of the lines.
func (h Header) Iterate() starlark.Iterator { return FromGo(h.names()).(*starlark.List).Iterate() }

// AttrNames lists the fields and methods.
func (h Header) AttrNames() []string { return headers.AttrNames() }

// Attr returns the field or method with that name.
func (h Header) Attr(name string) (starlark.Value, error) { return headers.Attr(h, name) }

var headers = NewTable("headers", "headers", "A header.",
	Method("all", "All values of a name, a list.", Header.all),
	Method("get", "The first value of a name, or default.", Header.get),
	Method("add", "Adds values to those of a name.", Header.add),
	Method("pop", "Removes a name and returns its first value, or default.", Header.pop),
	Method("keys", "The names, a list.", func(h Header, _ *call.Call, a call.Args) (starlark.Value, error) {
		return FromGo(h.names()), a.Unpack()
	}),
	Method("items", "The names with their first values, a list of pairs.",
		func(h Header, _ *call.Call, a call.Args) (starlark.Value, error) {
			list := []starlark.Value{}
			for _, kv := range h.Items() {
				list = append(list, kv)
			}
			return starlark.NewList(list), a.Unpack()
		}),
)

func (h Header) all(_ *call.Call, a call.Args) (starlark.Value, error) {
	var name string
	if err := a.Unpack("name", &name); err != nil {
		return nil, err
	}
	return FromGo(h.owner.lines().Values(name)), nil
}

func (h Header) get(_ *call.Call, a call.Args) (starlark.Value, error) {
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

// SetKey sets the values of a name.
func (h Header) SetKey(k, v starlark.Value) error {
	name, ok := starlark.AsString(k)
	if !ok {
		return fmt.Errorf("header name is %s, want string", call.Describe(k))
	}
	values, err := headerValues(name, v)
	if err != nil {
		return err
	}
	return h.owner.editHeader(func(lines *exchange.Header) { lines.Set(name, values...) })
}

func (h Header) add(_ *call.Call, a call.Args) (starlark.Value, error) {
	var name string
	var value starlark.Value
	if err := a.Unpack("name", &name, "value", &value); err != nil {
		return nil, err
	}
	values, err := headerValues(name, value)
	if err != nil {
		return nil, err
	}
	return starlark.None, h.owner.editHeader(func(lines *exchange.Header) {
		lines.Set(name, append(lines.Values(name), values...)...)
	})
}

func (h Header) pop(_ *call.Call, a call.Args) (starlark.Value, error) {
	var name string
	var def starlark.Value = starlark.None
	if err := a.Unpack("name", &name, "default?", &def); err != nil {
		return nil, err
	}
	v, ok, _ := h.Get(starlark.String(name))
	if !ok {
		return def, nil
	}
	return v, h.SetKey(starlark.String(name), starlark.None)
}

// EachHeader calls take for each name in a dict of headers, with the values of that
// name. For None there are no values.
func EachHeader(v starlark.Value, take func(name string, values ...string)) error {
	d, ok := v.(starlark.IterableMapping)
	if !ok {
		return fmt.Errorf("headers: got %s, want dict", call.Describe(v))
	}
	for _, kv := range d.Items() {
		name, ok := starlark.AsString(kv[0])
		if !ok {
			return fmt.Errorf("headers: name is %s, want string", call.Describe(kv[0]))
		}
		values, err := headerValues(name, kv[1])
		if err != nil {
			return err
		}
		take(name, values...)
	}
	return nil
}

// headerValues returns the values of one header field. v is a text, a number, True,
// False, or a list of them. For None the result is nil.
func headerValues(name string, v starlark.Value) ([]string, error) {
	if !httpguts.ValidHeaderFieldName(name) {
		return nil, fmt.Errorf("%q is no name of a header", name)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, nil
	case *starlark.List:
		values := make([]string, v.Len())
		for i := range values {
			var err error
			if values[i], err = headerText(name, v.Index(i)); err != nil {
				return nil, err
			}
		}
		return values, nil
	}
	s, err := headerText(name, v)
	if err != nil {
		return nil, err
	}
	return []string{s}, nil
}

func headerText(name string, v starlark.Value) (string, error) {
	var s string
	switch v := v.(type) {
	case starlark.String:
		s = string(v)
	case starlark.Int, starlark.Float:
		s = v.String()
	case starlark.Bool:
		s = "false"
		if v {
			s = "true"
		}
	default:
		return "", fmt.Errorf("header %s: got %s, want text or a list of texts", name, call.Describe(v))
	}
	if !httpguts.ValidHeaderFieldValue(s) {
		return "", fmt.Errorf("header %s: %q can't stand in a header", name, s)
	}
	return s, nil
}

// Fixed returns a header value that scripts cannot change.
func Fixed(h exchange.Header) Header { return Header{fixedHeader(h)} }

type fixedHeader exchange.Header

func (h fixedHeader) lines() exchange.Header { return exchange.Header(h) }

func (h fixedHeader) editHeader(func(*exchange.Header)) error {
	return errors.New("this header can't be changed")
}
