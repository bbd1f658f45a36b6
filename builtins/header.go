package builtins

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"sort"

	"go.starlark.net/starlark"
	"golang.org/x/net/http/httpguts"
)

// Header is a header as scripts see it: a mapping by name, ignoring case, to
// the first value. headers[name] = value replaces all values of a name; a list
// sets several, None removes the name.
type Header struct{ owner headerOwner }

// headerOwner is what has a header.
type headerOwner interface {
	headerMap() http.Header
	// editHeader gives the header to change, or why it can't be.
	editHeader() (http.Header, error)
	// spellings are the names that are written otherwise than canonically.
	spellings() *map[string]string
}

func (h Header) String() string {
	d := new(starlark.Dict)
	for _, kv := range h.Items() {
		d.SetKey(kv[0], kv[1])
	}
	return d.String()
}
func (h Header) Type() string          { return "headers" }
func (h Header) Freeze()               {}
func (h Header) Truth() starlark.Bool  { return len(h.owner.headerMap()) > 0 }
func (h Header) Hash() (uint32, error) { return 0, errors.New("unhashable: headers") }

// Len is the number of names.
func (h Header) Len() int { return len(h.owner.headerMap()) }

// Get finds the first value of a name, ignoring case.
func (h Header) Get(k starlark.Value) (starlark.Value, bool, error) {
	name, ok := starlark.AsString(k)
	if !ok {
		return nil, false, fmt.Errorf("header name is %s, want string", describe(k))
	}
	if values := h.owner.headerMap()[textproto.CanonicalMIMEHeaderKey(name)]; len(values) > 0 {
		return starlark.String(values[0]), true, nil
	}
	return nil, false, nil
}

func (h Header) names() []string {
	names := make([]string, 0, len(h.owner.headerMap()))
	for name := range h.owner.headerMap() {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Items lists names and first values in alphabetical order.
func (h Header) Items() []starlark.Tuple {
	var items []starlark.Tuple
	for _, name := range h.names() {
		items = append(items, starlark.Tuple{starlark.String(name), starlark.String(h.owner.headerMap().Get(name))})
	}
	return items
}

// Iterate goes through the names in alphabetical order.
func (h Header) Iterate() starlark.Iterator { return FromGo(h.names()).(*starlark.List).Iterate() }

// AttrNames lists the methods.
func (h Header) AttrNames() []string { return []string{"add", "all", "get", "items", "keys", "pop"} }

// Attr gives a method.
func (h Header) Attr(name string) (starlark.Value, error) {
	switch name {
	case "all":
		return method(h, "headers.all", Header.all), nil
	case "get":
		return method(h, "headers.get", Header.get), nil
	case "add":
		return method(h, "headers.add", Header.add), nil
	case "pop":
		return method(h, "headers.pop", Header.pop), nil
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
	return FromGo(h.owner.headerMap()[textproto.CanonicalMIMEHeaderKey(name)]), nil
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

// SetKey sets the values of a name.
func (h Header) SetKey(k, v starlark.Value) error {
	name, ok := starlark.AsString(k)
	if !ok {
		return fmt.Errorf("header name is %s, want string", describe(k))
	}
	values, err := headerValues(name, v)
	if err != nil {
		return err
	}
	header, err := h.owner.editHeader()
	if err != nil {
		return err
	}
	c := textproto.CanonicalMIMEHeaderKey(name)
	if values == nil {
		delete(header, c)
		return nil
	}
	spell(h.owner.spellings(), header, c, name)
	header[c] = values
	return nil
}

// spell notes how a script wrote the name of a header, which is sent so unless
// it is there already: then it keeps its spelling. Nil names are not kept.
func spell(names *map[string]string, header http.Header, canonical, written string) {
	if _, there := header[canonical]; there || names == nil {
		return
	}
	if now, ok := (*names)[canonical]; now == written || !ok && written == canonical {
		return
	}
	changed := maps.Clone(*names) // others may hold it
	if changed == nil {
		changed = map[string]string{}
	}
	if changed[canonical] = written; written == canonical {
		delete(changed, canonical)
	}
	*names = changed
}

func (h Header) add(_ *Call, a Args) (starlark.Value, error) {
	var name string
	var value starlark.Value
	if err := a.Unpack("name", &name, "value", &value); err != nil {
		return nil, err
	}
	values, err := headerValues(name, value)
	if err != nil {
		return nil, err
	}
	header, err := h.owner.editHeader()
	if err != nil {
		return nil, err
	}
	c := textproto.CanonicalMIMEHeaderKey(name)
	spell(h.owner.spellings(), header, c, name)
	header[c] = append(header[c][:len(header[c]):len(header[c])], values...)
	return starlark.None, nil
}

func (h Header) pop(_ *Call, a Args) (starlark.Value, error) {
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

// headerValues are the values of one header field: a text, a number, True or
// False, or a list of them; nil for None.
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
		return "", fmt.Errorf("header %s: got %s, want text or a list of texts", name, describe(v))
	}
	if !httpguts.ValidHeaderFieldValue(s) {
		return "", fmt.Errorf("header %s: %q can't stand in a header", name, s)
	}
	return s, nil
}

// fixedHeader is a header that scripts can't change.
type fixedHeader http.Header

func (h fixedHeader) headerMap() http.Header { return http.Header(h) }

func (h fixedHeader) spellings() *map[string]string { return nil }

func (h fixedHeader) editHeader() (http.Header, error) {
	return nil, errors.New("this header can't be changed")
}
